"""Read the intrinsics of a camera from a JSON file, or guess them from the size of the image."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from optim.common.errors import InputError
from optim.problem.camera import Camera
from optim.reading.arrays import require_range
from optim.reading.json_file import json_numbers, read_json

FOCAL_SHARE = 1060.5 / 1280.0
"""Guessed focal length as a fraction of the image's longer side, so that it applies to any size and to portrait.

It is HuMoR's value for 1280 × 720 px, an angle of view of 62°.
"""
MOST_PIXELS = 1e6
"""Largest focal length or coordinate that is accepted [px]."""
MATRIX_NAMES = ("camera_mtx", "camera_matrix", "cam_mtx", "K", "intrinsics", "matrix")
"""Names under which a file may hold its matrix: PROX's name, those of the .npz files here, and other usual ones."""
_EXPECTED = "a 3 × 3 matrix of finite numbers, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels, is expected"
WHAT = "camera intrinsics (a 3 × 3 matrix in JSON)"
log = logging.getLogger(__name__)


def read_camera(path: Path, *, image_size: tuple[int, int] | None) -> Camera:
    """Read a camera from a 3 × 3 matrix in JSON, alone or under one of ``MATRIX_NAMES``.

    Args:
        image_size: Width and height [px]. None takes twice the principal point.

    Raises:
        InputError: There is no such file, it holds no such matrix, or the principal point lies outside the image.
    """
    matrix = camera_matrix(read_json(path, what=WHAT), path)
    size = image_size or (round(2 * float(matrix[0, 2])), round(2 * float(matrix[1, 2])))
    centre = matrix[:2, 2]
    if not (0 < centre[0] < size[0] and 0 < centre[1] < size[1]):
        raise InputError(
            f"{path}: principal point {centre.tolist()} px lies outside an image of {size[0]} × {size[1]} px; these are"
            " the intrinsics of another image size: scale them"
        )
    return Camera.from_matrix(torch.from_numpy(matrix).float(), image_size=size)


def camera_matrix(content: object, path: Path, *, name: str = "camera intrinsics") -> np.ndarray:
    """Camera matrix (3, 3) [px] in the content of a JSON file: the matrix itself, or an object that holds it.

    Args:
        path: Path of the file, for messages.
        name: Name of a matrix that stands alone, for messages.

    Raises:
        InputError: The content holds no such matrix.
    """
    if isinstance(content, dict):
        found = [key for key in MATRIX_NAMES if key in content]
        if not found:
            first, *others = MATRIX_NAMES
            given = ", ".join(content) or "nothing"
            raise InputError(f"{path}: no {first} in it (nor {', '.join(others)}), only {given}; {_EXPECTED}")
        name, content = found[0], content[found[0]]
    found_numbers = json_numbers(content)
    matrix = np.zeros(0) if found_numbers is None else found_numbers
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise InputError(f"{path}: {name} has shape {matrix.shape}; {_EXPECTED}")
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise InputError(f"{path}: focal lengths {matrix[0, 0]:g}, {matrix[1, 1]:g}; positive pixels are expected")
    require_range(matrix, name=name, path=path, low=-MOST_PIXELS, high=MOST_PIXELS, what="pixels of a camera matrix")
    return matrix


def guessed_camera(image_size: tuple[int, int]) -> Camera:
    """A camera with an ordinary angle of view and its principal point in the middle of the image. Logs a warning."""
    width, height = image_size
    focal = FOCAL_SHARE * max(width, height)
    log.warning(
        "camera unknown: a focal length of %.0f px is guessed, and depth and size depend on it;"
        " give the camera with --rgb-intrinsics FILE.json",
        focal,
    )
    matrix = torch.tensor([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    return Camera.from_matrix(matrix, image_size=image_size)


def image_size_of(size: object, path: Path) -> tuple[int, int]:
    """Width and height [px] from the value in a file.

    Raises:
        InputError: The value is not two positive numbers.
    """
    numbers = np.asarray(size).ravel()
    if numbers.size != 2 or numbers.dtype.kind not in "iuf" or not ((numbers >= 1) & (numbers <= MOST_PIXELS)).all():
        raise InputError(f"{path}: image_size is {numbers.tolist()}; width and height in pixels are expected")
    return int(numbers[0]), int(numbers[1])
