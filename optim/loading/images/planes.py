"""Read the floor from PlaneRCNN's planes, and define the floor that is assumed if nothing is known about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from optim.common.errors import InputError
from optim.reading.arrays import read_array, require_finite
from optim.reading.files import is_folder

ASSUMED_FLOOR = (0.0, -1.0, 0.0, -0.5)
"""Normal and offset [m] in the camera frame: level, and half a metre below the camera, as in HuMoR."""
BOTTOM_ROWS = 10
"""Number of image rows at the bottom in which the floor is searched."""
_KINDS = ("plane_parameters", "plane_masks")


def read_floor(folder: Path) -> np.ndarray:
    """Read the floor from a folder of PlaneRCNN's results: unit normal, pointing up, and offset [m], (4,).

    It is in the camera frame. Among the planes whose normal is more vertical than horizontal, the floor is the one that
    covers most pixels of the bottom rows of the image.

    Raises:
        InputError: The folder or its files are missing, have wrong shapes, or hold no level plane at the bottom of the
            image.

    Source: HuMoR's reading of the same files.
    """
    if not is_folder(folder):
        raise InputError(f"{folder}: no such folder; give the folder of PlaneRCNN's results of one image of the video")
    parameters, masks = (_read(folder, kind) for kind in _KINDS)
    if parameters.ndim != 2 or parameters.shape[1] != 3 or masks.ndim != 3 or len(masks) != len(parameters):
        raise InputError(
            f"{folder}: plane parameters of shape {parameters.shape} and masks of shape {masks.shape};"
            " (P, 3) and (P, height, width) are expected"
        )
    require_finite(parameters, name="plane parameters", path=folder)
    planes = np.stack((parameters[:, 0], -parameters[:, 2], parameters[:, 1]), axis=1).astype(float)
    level = np.abs(planes[:, 1]) > np.maximum(np.abs(planes[:, 0]), np.abs(planes[:, 2]))
    covered = (masks[:, -BOTTOM_ROWS:] > 0).sum(axis=(1, 2)) * level
    best = int(covered.argmax()) if len(covered) else 0
    if not len(covered) or covered[best] == 0:
        raise InputError(f"{folder}: none of its {len(planes)} planes is a floor at the bottom of the image")
    offset = float(np.linalg.norm(planes[best]))
    normal = planes[best] / offset
    return np.array([*normal, offset] if normal[1] <= 0 else [*-normal, -offset], np.float32)


def _read(folder: Path, kind: str) -> np.ndarray:
    files = sorted(folder.glob(f"*{kind}*.npy"))
    if not files:
        raise InputError(f"{folder}: no file *_{kind}_*.npy in it; give the folder of PlaneRCNN's results")
    return read_array(files[0], what="an array of PlaneRCNN's results")


def unit_plane(plane: np.ndarray, *, path: Path) -> np.ndarray:
    """Unit normal and offset (4,) of a stored ``floor_plane``.

    Args:
        plane: Normal and offset (4,), or the normal multiplied by the offset (3,).
        path: Path of the file, for messages.

    Raises:
        InputError: The shape is another, a number is not finite, or the normal is zero.
    """
    flat = np.asarray(plane, np.float64).ravel()
    normal = float(np.linalg.norm(flat[:3])) if flat.size in (3, 4) and np.isfinite(flat).all() else 0.0
    if normal < 1e-6:
        raise InputError(
            f"{path}: floor_plane is {np.asarray(plane).tolist()}; a normal and an offset, 4 numbers, are expected"
        )
    full = np.array([*flat[:3] / normal, normal]) if flat.size == 3 else flat / normal
    return full.astype(np.float32)
