"""Read the intrinsics of a camera from a JSON file, or guess them from the size of the image."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from optim.checks.check import Checked
from optim.checks.images import Intrinsics
from optim.checks.run import run_checks
from optim.common.errors import InputError
from optim.loading.files.missing import MOST_PIXELS
from optim.loading.images import lens
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
MATRIX_NAMES = (
    "camera_mtx", "camera_matrix", "cam_mtx", "K", "intrinsics", "matrix", "intrinsic_matrix", "cameraMatrix",
    "intrinsic",
)  # fmt: skip
"""Names under which a file may hold its matrix: PROX's name, those of the .npz files here, and other usual ones."""
SINGLE_NAMES = (("fx", "fy", "cx", "cy"), ("fx", "fy", "ppx", "ppy"), ("fl_x", "fl_y", "cx", "cy"))
"""Names under which a file may hold fx, fy, cx and cy one by one: the usual ones, RealSense's and NeRF's."""
SIZE_NAMES = ("image_size", "img_size", "resolution", "size")
SIZE_PAIRS = (("width", "height"), ("image_width", "image_height"), ("w", "h"))
"""Names under which a file may hold the size of the images that it was made for, together or one by one."""
ELSEWHERE = frozenset({"f", "c", "view_mtx", "camera_name", "name"})
"""Names in PROX's files that say the same again, or where the camera was among others. The fit is in its frame."""
MOST_SKEW = 0.01
"""Largest skew of the image's axes, as a share of the focal length, that is left out."""
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
        seen = points[..., 2] > 0
        if self.distortion is None or not seen.any():
            return points
        focal, centre = self.camera.focal[0].double().numpy(), self.camera.centre[0].double().numpy()
        matrix = np.array([[focal[0], 0.0, centre[0]], [0.0, focal[1], centre[1]], [0.0, 0.0, 1.0]])
        after = lens.undistorted(points[seen][:, :2], matrix, self.distortion) * focal + centre
        result = points.copy()
        result[seen, :2] = after
        log.warning(
            "%s: the keypoints are freed from the lens's distortion, which moves them by up to %.0f px; the pictures"
            " behind them stay distorted",
            place,
            np.linalg.norm(after - points[seen][:, :2], axis=-1).max(),
        )
        return result


def read_camera(
    path: Path,
    *,
    image_size: tuple[int, int] | None,
    made_for: tuple[int, int] | None = None,
    pixel_aspect: float = 1.0,
    answered: Collection[str] = (),
) -> CameraFile:
    """Read a camera from a 3 × 3 matrix in JSON, alone or under one of ``MATRIX_NAMES``.

    A size in the file (``image_size``, or ``width`` and ``height``) is that of the images the matrix was made for. If
    the images here have the same proportions and another size, the matrix is scaled.

    Args:
        image_size: Width and height [px] of the images. None takes the size in the file, or twice the principal point.
        made_for: Width and height [px] that the matrix was made for, in place of those in the file.
        pixel_aspect: Width of a pixel of the images relative to its height.
        answered: Names of the settings that the user gave, see ``checks.run.run_checks``.

    Raises:
        InputError: There is no such file, it holds no such matrix, or the matrix is of other images.
    """
    content = read_json(path, what=WHAT)
    matrix = camera_matrix(content, path)
    _tell_unused(content, path)
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
    rows = run_checks(Intrinsics(matrix, size, pixel_aspect), place=path, answered=answered)
    camera = Camera.from_matrix(torch.from_numpy(matrix).float(), image_size=size)
    return CameraFile(camera, lens.distortion(content, path), rows)


def _tell_unused(content: object, path: Path) -> None:
    """A warning that names the fields of a camera file with numbers in them that nothing here looks at."""
    if not isinstance(content, dict):
        return
    used = {*MATRIX_NAMES, *lens.NAMES, *lens.SINGLE, *SIZE_NAMES, *sum((*SINGLE_NAMES, *SIZE_PAIRS), ())}
    others = [name for name, value in content.items() if name not in used | ELSEWHERE and not isinstance(value, str)]
    if others:
        log.warning("%s: %s in it is not used", path, ", ".join(map(str, others[:6])))


def _size_in(content: object, path: Path) -> tuple[int, int] | None:
    if not isinstance(content, dict):
        return None
    for name in SIZE_NAMES:
        if name in content:
            return image_size_of(content[name], path)
    for pair in SIZE_PAIRS:
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


def camera_matrix(content: object, path: Path, *, name: str = "camera intrinsics") -> np.ndarray:
    """Camera matrix (3, 3) [px] in the content of a JSON file: the matrix itself, or an object that holds it.

    Args:
        path: Path of the file, for messages.
        name: Name of a matrix that stands alone, for messages.

    Raises:
        InputError: The content holds no such matrix.
    """
    name, numbers = _numbers_of_matrix(content, path, name)
    matrix = _square(numbers) if numbers is not None else np.zeros(0)
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
    if matrix[2, 2] == 0 or matrix[2, :2].any() or abs(matrix[1, 0]) > 0:
        raise InputError(f"{path}: {name} has the rows {matrix.tolist()}; {_EXPECTED}")
    matrix = matrix / matrix[2, 2]
    if abs(matrix[0, 1]) > MOST_SKEW * matrix[0, 0]:
        raise InputError(f"{path}: {name} has a skew of {matrix[0, 1]:g} px, which is not used here; {_EXPECTED}")
    require_range(matrix, name=name, path=path, low=-MOST_PIXELS, high=MOST_PIXELS, what="pixels of a camera matrix")
    return matrix


def _numbers_of_matrix(content: object, path: Path, name: str) -> tuple[str, np.ndarray | None]:
    """The numbers of a camera matrix as they are in a file, and the name that they have there."""
    if not isinstance(content, dict):
        return name, json_numbers(content)
    for names in SINGLE_NAMES:
        if all(one in content for one in names):
            found = json_numbers([content[one] for one in names], shape=(4,))
            if found is None:
                return ", ".join(names), None
            fx, fy, cx, cy = found
            return ", ".join(names), np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    key = next((one for one in MATRIX_NAMES if one in content), None)
    if key is None:
        first, *others = MATRIX_NAMES
        given = ", ".join(map(str, content)) or "nothing"
        raise InputError(
            f"{path}: no {first} in it (nor {', '.join(others)}, nor fx, fy, cx, cy), only {given}; {_EXPECTED}"
        )
    inner = content[key]
    if isinstance(inner, dict):
        if "data" not in inner:
            return _numbers_of_matrix(inner, path, key)
        inner = inner["data"]  # ROS and OpenCV wrap their matrices
    return key, json_numbers(inner)


def _square(numbers: np.ndarray) -> np.ndarray:
    """A matrix (3, 3) from nine numbers, by rows or by columns, or from one of (3, 4) or (4, 4). Others stay as is."""
    numbers = numbers[0] if numbers.ndim == 3 and len(numbers) == 1 else numbers
    if numbers.shape == (9,):
        matrix = numbers.reshape(3, 3)
        return matrix.T if not matrix[:2, 2].any() and matrix[2, :2].any() else matrix
    if numbers.shape in ((3, 4), (4, 4)) and not numbers[:3, 3].any():
        return numbers[:3, :3]
    return numbers


def guessed_camera(
    image_size: tuple[int, int],
    *,
    focal: float | None = None,
    fov: float | None = None,
    pixel_aspect: float = 1.0,
    answered: Collection[str] = (),
) -> CameraFile:
    """A camera with its principal point in the middle of the image.

    Args:
        focal: Focal length [px], in pixels as high as those of the image.
        fov: Horizontal angle of view [°], in place of ``focal``. Without both an ordinary lens is guessed, and a
            warning says so.
        pixel_aspect: Width of a pixel of the image relative to its height.
        answered: Names of the settings that the user gave, see ``checks.run.run_checks``.

    Raises:
        CheckError: No lens has the focal length or the angle of view that is given.
    """
    width, height = image_size
    given = focal is not None or fov is not None
    if fov is not None:
        focal = width * pixel_aspect / (2 * math.tan(math.radians(fov) / 2))
    if focal is None:
        focal = FOCAL_SHARE * max(width * pixel_aspect, height)
        log.warning(
            "camera unknown: a focal length of %.0f px is guessed, and depth and size depend on it;"
            " give the camera with --rgb-intrinsics FILE.json, --focal PX or --fov DEG",
            focal,
        )
    matrix = np.array([[focal / pixel_aspect, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])
    rows: tuple[Checked, ...] = ()
    if given:
        place = "--fov" if fov is not None else "--focal"
        rows = run_checks(Intrinsics(matrix, image_size, pixel_aspect), place=place, answered=answered)
    return CameraFile(Camera.from_matrix(torch.from_numpy(matrix).float(), image_size=image_size), checked=rows)


def image_size_of(size: object, path: Path) -> tuple[int, int]:
    """Width and height [px] from the value in a file.

    Raises:
        InputError: The value is not two positive numbers.
    """
    numbers = np.asarray(size).ravel()
    if numbers.size != 2 or numbers.dtype.kind not in "iuf" or not ((numbers >= 1) & (numbers <= MOST_PIXELS)).all():
        raise InputError(f"{path}: image_size is {numbers.tolist()}; width and height in pixels are expected")
    return int(numbers[0]), int(numbers[1])
