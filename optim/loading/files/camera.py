"""Read the intrinsics of a camera from a JSON file, or guess them from the size of the image."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from optim.checks.check import Checked
from optim.checks.images import Intrinsics
from optim.checks.run import run_checks
from optim.common.errors import InputError
from optim.problem.camera import Camera
from optim.reading.arrays import require_range
from optim.reading.json_file import json_numbers, read_json

FOCAL_SHARE = 1060.5 / 1280.0
"""Guessed focal length as a fraction of the image's longer side, so that it applies to any size and to portrait.

It is HuMoR's value for 1280 × 720 px, an angle of view of 62°.
"""
SHARES = 10.0
"""Focal lengths and a principal point that are no larger are shares of the image and not pixels."""
SAME_PROPORTIONS = 0.01
"""Largest difference, as a share, between the proportions of two images that count as the same."""
DISTORTION_NAMES = ("k", "dist_coeffs", "dist_coefs", "distCoeffs", "distortion_coefficients", "distortion", "dist")
"""Names under which a camera file may hold the coefficients of its lens: PROX's, OpenCV's and other usual ones."""
MOST_PIXELS = 1e6
"""Largest focal length or coordinate that is accepted [px]."""
MATRIX_NAMES = ("camera_mtx", "camera_matrix", "cam_mtx", "K", "intrinsics", "matrix")
"""Names under which a file may hold its matrix: PROX's name, those of the .npz files here, and other usual ones."""
_EXPECTED = "a 3 × 3 matrix of finite numbers, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels, is expected"
WHAT = "camera intrinsics (a 3 × 3 matrix in JSON)"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CameraFile:
    """A camera as its file gives it, for the images that it is used with."""

    camera: Camera
    distortion: np.ndarray | None = None
    """Coefficients (4 to 14) of OpenCV's lens model, k1, k2, p1, p2, k3, …; None if the file has none but zeros."""
    checked: tuple[Checked, ...] = ()
    """What the checks of the matrix found."""

    def undistorted(self, points: np.ndarray, *, place: Path | str) -> np.ndarray:
        """Keypoints (..., 3) where a lens without distortion would show them. A warning says how far they move."""
        if self.distortion is None:
            return points
        seen = points[..., 2] > 0
        (fx, fy), (cx, cy) = self.camera.focal[0].tolist(), self.camera.centre[0].tolist()
        matrix = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
        before = points[seen][:, None, :2].astype(np.float64)
        if not len(before):
            return points
        enough = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-6)
        after = cv2.undistortPoints(before, matrix, self.distortion, R=None, P=matrix, criteria=enough)
        result = points.copy()
        result[seen, :2] = after[:, 0]
        log.warning(
            "%s: the keypoints are freed from the lens's distortion, which moves them by up to %.0f px; the pictures"
            " behind them stay distorted",
            place,
            np.linalg.norm(after - before, axis=-1).max(),
        )
        return result


def read_camera(
    path: Path,
    *,
    image_size: tuple[int, int] | None,
    made_for: tuple[int, int] | None = None,
    answered: Collection[str] = (),
) -> CameraFile:
    """Read a camera from a 3 × 3 matrix in JSON, alone or under one of ``MATRIX_NAMES``.

    A size in the file (``image_size``, or ``width`` and ``height``) is that of the images the matrix was made for. If
    the images here have the same proportions and another size, the matrix is scaled.

    Args:
        image_size: Width and height [px] of the images. None takes the size in the file, or twice the principal point.
        made_for: Width and height [px] that the matrix was made for, in place of those in the file.
        answered: Names of the settings that the user gave, see ``checks.run.run_checks``.

    Raises:
        InputError: There is no such file, it holds no such matrix, or the matrix is of other images.
    """
    content = read_json(path, what=WHAT)
    matrix = camera_matrix(content, path)
    made_for = made_for or _size_in(content, path)
    if image_size is not None and made_for is not None and made_for != image_size:
        matrix = _scaled(matrix, made_for, image_size, path)
    twice = (round(2 * float(matrix[0, 2])), round(2 * float(matrix[1, 2])))
    size = image_size or made_for or twice
    centre = matrix[:2, 2]
    if not (0 < centre[0] < size[0] and 0 < centre[1] < size[1]):
        raise InputError(
            f"{path}: principal point {centre.tolist()} px lies outside an image of {size[0]} × {size[1]} px; these are"
            " the intrinsics of another image: --intrinsics-size WIDTH HEIGHT says of which size it was"
        )
    rows = run_checks(Intrinsics(matrix, size), place=path, answered=answered)
    camera = Camera.from_matrix(torch.from_numpy(matrix).float(), image_size=size)
    return CameraFile(camera, _distortion(content, path), rows)


def _size_in(content: object, path: Path) -> tuple[int, int] | None:
    if not isinstance(content, dict):
        return None
    for name in ("image_size", "img_size", "resolution", "size"):
        if name in content:
            return image_size_of(content[name], path)
    for pair in (("width", "height"), ("image_width", "image_height"), ("w", "h")):
        if all(name in content for name in pair):
            return image_size_of([content[name] for name in pair], path)
    return None


def _scaled(matrix: np.ndarray, made_for: tuple[int, int], image_size: tuple[int, int], path: Path) -> np.ndarray:
    """The matrix for images of the same proportions in another size."""
    across, down = image_size[0] / made_for[0], image_size[1] / made_for[1]
    sizes = f"{made_for[0]} × {made_for[1]} px, the images here {image_size[0]} × {image_size[1]} px"
    if abs(across / down - 1) > SAME_PROPORTIONS:
        raise InputError(
            f"{path}: made for images of {sizes}: they are cropped or turned, so the matrix cannot be scaled; give the"
            " matrix of these images"
        )
    log.warning("%s: made for images of %s; the matrix is scaled", path, sizes)
    return np.diag([across, down, 1.0]) @ matrix


def _distortion(content: object, path: Path) -> np.ndarray | None:
    """Coefficients of the lens in the content of a camera file."""
    if not isinstance(content, dict):
        return None
    for name in DISTORTION_NAMES:
        if name in content and content[name] is not None:
            numbers = json_numbers(content[name])
            if numbers is None or numbers.size not in (4, 5, 8, 12, 14) or not np.isfinite(numbers).all():
                raise InputError(f"{path}: {name}: 4, 5, 8, 12 or 14 numbers k1, k2, p1, p2, k3, … are expected")
            require_range(numbers, name=name, path=path, low=-1e3, high=1e3, what="coefficients of a lens")
            return numbers.ravel() if numbers.any() else None
    return None


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
    if not matrix[:2, 2].any() and matrix[2, :2].any():
        raise InputError(f"{path}: {name} is transposed (its last row is {matrix[2].tolist()}); {_EXPECTED}")
    if matrix[0, 0] > 0 and max(matrix[0, 0], matrix[1, 1], *matrix[:2, 2]) <= SHARES:
        raise InputError(
            f"{path}: {name} is in shares of the image (fx {matrix[0, 0]:g}, cx {matrix[0, 2]:g}); multiply its first"
            " row by the width and its second by the height in pixels"
        )
    if matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise InputError(f"{path}: focal lengths {matrix[0, 0]:g}, {matrix[1, 1]:g}; positive pixels are expected")
    require_range(matrix, name=name, path=path, low=-MOST_PIXELS, high=MOST_PIXELS, what="pixels of a camera matrix")
    return matrix


def guessed_camera(image_size: tuple[int, int], *, focal: float | None = None, fov: float | None = None) -> Camera:
    """A camera with its principal point in the middle of the image.

    Args:
        focal: Focal length [px].
        fov: Horizontal angle of view [°], in place of ``focal``. Without both an ordinary lens is guessed, and a
            warning says so.
    """
    width, height = image_size
    if fov is not None:
        focal = width / (2 * math.tan(math.radians(fov) / 2))
    if focal is None:
        focal = FOCAL_SHARE * max(width, height)
        log.warning(
            "camera unknown: a focal length of %.0f px is guessed, and depth and size depend on it;"
            " give the camera with --rgb-intrinsics FILE.json, --focal PX or --fov DEG",
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
