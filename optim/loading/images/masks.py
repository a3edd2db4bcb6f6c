"""Hide keypoints with occluder masks, one PNG per frame: keypoints on pixels that are not zero are hidden."""

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
"""Smallest probability by the network's mask for which a keypoint counts as not hidden."""
log = logging.getLogger(__name__)


def mask_files(folder: Path, *, frames: int) -> list[Path]:
    """PNG files of a folder, sorted by name, one for each of the frames.

    Raises:
        InputError: There is no such folder, or it holds another number of files.
    """
    files = sorted(folder.glob("*.png")) if is_folder(folder) else []
    if not files:
        raise InputError(f"{folder}: no folder of *.png masks; one a frame is expected, not zero where something hides")
    if len(files) != frames:
        raise InputError(f"{folder}: {len(files)} masks for {frames} frames of the video; one a frame is expected")
    return files


def hide(points: np.ndarray, files: Sequence[Path], *, image_size: tuple[int, int]) -> np.ndarray:
    """Keypoints (N, K, 3) with confidence 0 where the mask of the frame says that something covers them.

    Masks of another size are stretched to the image. A mask that cannot be read hides nothing; a warning names it.

    Args:
        points: x, y [px] and confidence.
        files: Mask of each frame.
        image_size: Width and height [px] of the image in which the keypoints were found.
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
