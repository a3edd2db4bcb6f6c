"""Pictures of one frame from files of any name, of a bounded size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from optim.common.errors import InputError
from optim.reading.files import guarded, read_bytes

MOST_FILE = 512 * 1024**2
"""Bytes of one picture's file."""


def read_picture(path: Path, *, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    """A picture as OpenCV reads it, (H, W) or (H, W, channels).

    Raises:
        InputError: No such file, no picture, or too large.
    """
    raw = np.frombuffer(read_bytes(path, what="an image", most=MOST_FILE), np.uint8)
    with guarded(path, problem="damaged", advice="copy it again", also=(cv2.error,)):
        image = cv2.imdecode(raw, flags) if raw.size else None
    if image is None:
        raise InputError(f"{path}: damaged, or no image; copy it again")
    return image
