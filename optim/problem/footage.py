"""The video that a fit was seen in: a file and which of its frames belong to the clip. Opens nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Footage:
    """For drawing only: the fit itself knows a video by its keypoints."""

    path: Path
    size: tuple[int, int]  # width, height [px], upright
    frames: tuple[int, ...]
    """Number in the file of the frame to show for each frame of the whole clip, at 30 frames/s."""
