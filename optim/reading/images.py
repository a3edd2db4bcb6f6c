"""Read image files of a bounded size. The name of a file does not matter."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from optim.common.errors import InputError
from optim.reading.files import guarded, read_bytes

MOST_FILE = 512 * 1024**2
"""Largest size of an image file that is read [bytes]."""


def read_picture(path: Path, *, flags: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    """Read an image as OpenCV does: (H, W), or (H, W, channels) in the order blue, green, red.

    Args:
        flags: OpenCV's ``IMREAD_`` flags.

    Raises:
        InputError: There is no such file, it is not an image, or it is too large.
    """
    raw = np.frombuffer(read_bytes(path, what="an image", most=MOST_FILE), np.uint8)
    with guarded(path, problem="damaged", advice="copy it again", also=(cv2.error,)):
        image = cv2.imdecode(raw, flags) if raw.size else None
    if image is None:
        raise InputError(f"{path}: damaged, or no image; copy it again")
    return image
