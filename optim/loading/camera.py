"""The intrinsics of a video's camera: from a JSON file, or guessed from the size of the image."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import torch

from optim.camera import Camera
from optim.errors import InputError
from optim.loading.npz import require_file

FOCAL_SHARE = 1060.5 / 1280.0
"""Focal length guessed, in lengths of the image's longer side: HuMoR's for 1280 × 720 px (a view of 62°), so that it
holds for any size and for portrait."""
_KEYS = ("camera_matrix", "K", "intrinsics", "matrix")
log = logging.getLogger(__name__)


def read_camera(path: Path, *, image_size: tuple[int, int] | None) -> Camera:
    """A 3 × 3 matrix in JSON, alone or under one of the names ``camera_matrix``, ``K``, ``intrinsics``, ``matrix``.

    Args:
        image_size: Width and height [px]; None: twice the principal point.

    Raises:
        InputError: No such file, no such matrix in it, or one of another image.
    """
    require_file(path, what="camera intrinsics (a 3 × 3 matrix in JSON)")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not JSON ({error}); [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] is expected") from None
    if isinstance(content, dict):
        content = next((content[key] for key in _KEYS if key in content), None)
    matrix = _matrix(content, path)
    size = image_size or (round(2 * float(matrix[0, 2])), round(2 * float(matrix[1, 2])))
    centre = matrix[:2, 2]
    if not (0 < centre[0] < size[0] and 0 < centre[1] < size[1]):
        raise InputError(
            f"{path}: principal point {centre.tolist()} px lies outside an image of {size[0]} × {size[1]} px; these are"
            " the intrinsics of another image size: scale them"
        )
    return Camera.from_matrix(torch.from_numpy(matrix), image_size=size)


def _matrix(content: object, path: Path) -> np.ndarray:
    try:
        matrix = np.array(content, np.float32)
    except (TypeError, ValueError):
        matrix = np.zeros(0, np.float32)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise InputError(
            f"{path}: camera intrinsics of shape {matrix.shape}; a 3 × 3 matrix of finite numbers,"
            " [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels, is expected"
        )
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise InputError(f"{path}: focal lengths {matrix[0, 0]:g}, {matrix[1, 1]:g}; positive pixels are expected")
    return matrix


def guessed_camera(image_size: tuple[int, int]) -> Camera:
    """A camera of an ordinary angle of view that looks through the middle of the image; says so."""
    width, height = image_size
    focal = FOCAL_SHARE * max(width, height)
    log.warning(
        "camera unknown: a focal length of %.0f px is guessed (depth and size are only as good as that);"
        " --rgb-intrinsics FILE.json gives it",
        focal,
    )
    matrix = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return Camera.from_matrix(matrix, image_size=image_size)
