"""Occluder masks, one PNG a frame: keypoints on a pixel that is not zero are hidden."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from optim.common.errors import InputError
from optim.reading.files import is_folder
from optim.reading.images import read_picture

IN_MASK = 0.5
"""How surely the network must see the person at a keypoint, for the keypoint to count as not hidden."""
log = logging.getLogger(__name__)


def mask_files(folder: Path, *, frames: int) -> list[Path]:
    """The folder's PNGs by name, one for each of so many frames.

    Raises:
        InputError: No such folder, or another number of files.
    """
    files = sorted(folder.glob("*.png")) if is_folder(folder) else []
    if not files:
        raise InputError(f"{folder}: no folder of *.png masks; one a frame is expected, not zero where something hides")
    if len(files) != frames:
        raise InputError(f"{folder}: {len(files)} masks for {frames} frames of the video; one a frame is expected")
    return files


def hide(points: np.ndarray, files: Sequence[Path], *, image_size: tuple[int, int]) -> np.ndarray:
    """Keypoints (N, K, 3) with confidence 0 where the mask of the frame says that something stands before them.

    Masks of another size than the image are stretched to it. One that cannot be read hides nothing, with a warning.
    """
    hidden = points.copy()
    broken = []
    for row, file in enumerate(files):
        try:
            mask = read_picture(file, flags=cv2.IMREAD_GRAYSCALE)
        except InputError:
            broken.append(file.name)
            continue
        scale = np.array(mask.shape[::-1]) / np.array(image_size)
        x, y = np.floor(points[row, :, :2] * scale).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
        covered = np.zeros(len(x), bool)
        covered[inside] = mask[y[inside], x[inside]] > 0
        hidden[row, covered, 2] = 0.0
    if broken:
        log.warning("%s: %d masks cannot be read and hide nothing: %s", files[0].parent, len(broken), broken[0])
    return hidden
