"""The video behind a fit: its file, and which of its frames belong to the clip. Does not open the file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Footage:
    """A video for drawing; the fit itself uses only its keypoints."""

    path: Path
    size: tuple[int, int]  # width, height [px], upright
    frames: tuple[int, ...]
    """For each frame of the whole clip at 30 frames/s, the number of the frame in the file."""
