"""Read depth images, point files and the calibration of a depth sensor. Points are in the colour camera's frame.

Camera frames: x right, y down, z forward, metres.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from optim.common.errors import InputError
from optim.loading.images.camera import camera_matrix
from optim.loading.images.lens import distortion, undistorted
from optim.loading.images.rgbd_files import POINT_ENDINGS
from optim.reading.arrays import read_array, read_arrays
from optim.reading.files import MOST_BYTES, guarded, require_file
from optim.reading.images import read_picture
from optim.reading.json_file import json_numbers, read_json

_CALIBRATION = "a camera's calibration (camera_mtx, and where needed k, view_mtx)"


@dataclass(frozen=True)
class Lens:
    """A calibrated camera of a sensor. By default it has no distortion, and its frame is the sensor's common frame."""

    matrix: np.ndarray  # (3, 3) [px]
    distortion: np.ndarray = field(default_factory=lambda: np.zeros(5))  # coefficients in OpenCV's order
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))  # from the sensor's common frame to the camera's
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))  # from the common frame to the camera's [m]

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) [m] from the common frame to the camera's frame."""
        return points @ self.rotation.T + self.offset

    def from_camera(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) [m] from the camera's frame to the common frame."""
        return (points - self.offset) @ self.rotation

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 3) [m] in the camera's frame → their pixels (N, 2) in the distorted image."""
        if not len(points):
            return np.zeros((0, 2))
        return cv2.projectPoints(points, np.zeros(3), np.zeros(3), self.matrix, self.distortion)[0][:, 0]


@dataclass(frozen=True)
class Sensor:
    """A depth camera and a colour camera side by side. Points are given in the colour camera's frame."""

    depth: Lens
    colour: Lens
    size: tuple[int, int]  # width and height of the depth image [px]

    @cached_property
    def _rays(self) -> np.ndarray:
        """x / z and y / z (H, W, 2) for every pixel of the depth image."""
        x, y = np.meshgrid(np.arange(self.size[0]), np.arange(self.size[1]))
        pixels = np.stack((x, y), axis=-1).reshape(-1, 2)
        return undistorted(pixels, self.depth.matrix, self.depth.distortion).reshape(*x.shape, 2)

    def points(self, depth: np.ndarray) -> np.ndarray:
        """Points (N, 3) [m] of a depth image (H, W) [m], which is 0 where nothing was measured."""
        there = depth > 0
        z = depth[there]
        found = np.concatenate((self._rays[there] * z[:, None], z[:, None]), axis=1)
        found = self.colour.to_camera(self.depth.from_camera(found))
        return found[found[:, 2] > 0.01]


def read_lens(path: Path) -> Lens:
    """Read a calibration file in PROX's form: JSON with ``camera_mtx``, ``k``, ``view_mtx`` (3, 4), or the first only.

    Raises:
        InputError: The file is missing, is not JSON, or has wrong shapes.
    """
    content = read_json(path, what=_CALIBRATION)
    matrix = camera_matrix(content, path)
    content = content if isinstance(content, dict) else {}
    coefficients = distortion(content, path)
    view = np.eye(4)[:3] if "view_mtx" not in content else _numbers(content["view_mtx"], (3, 4), "view_mtx", path)
    return Lens(matrix, np.zeros(5) if coefficients is None else coefficients, view[:, :3], view[:, 3])


def _numbers(value: object, shape: tuple[int, ...] | None, name: str, path: Path) -> np.ndarray:
    found = json_numbers(value)
    array = np.zeros(0) if found is None else found
    if (shape is not None and array.shape != shape) or not array.size or not np.isfinite(array).all():
        raise InputError(f"{path}: {name} has shape {array.shape}; finite numbers {shape or ''} are expected")
    return array


def read_image(path: Path) -> np.ndarray:
    """Read an image as one channel (H, W) of its stored values. It is the largest channel of a colour image.

    Raises:
        InputError: The file is missing or not an image.
    """
    image = read_picture(path)
    return image if image.ndim == 2 else image.max(axis=2)


def read_points(path: Path) -> np.ndarray:
    """Read the points (N, 3) of a .ply, .npy or .npz file (array ``points``), or of a text with three columns.

    Points that are not finite are left out.

    Raises:
        InputError: The file is missing or not such a file.
    """
    require_file(path, what="a point cloud", most=MOST_BYTES)
    advice = f"give one of {', '.join(POINT_ENDINGS)}"
    # The parsers of trimesh can raise any exception.
    with guarded(path, problem="no point cloud that can be read", advice=advice, also=(Exception,)):
        if path.suffix == ".ply":
            import trimesh  # loading it takes a second, and most fits do not need it

            points = np.asarray(trimesh.load(path, file_type="ply").vertices)  # type: ignore[attr-defined]
        elif path.suffix == ".npz":
            points = read_arrays(path, ("points",), what="a point cloud")["points"]
        elif path.suffix == ".npy":
            points = read_array(path, what="a point cloud (N, 3)")
        else:
            points = np.loadtxt(path, ndmin=2)[:, :3]
    if points.ndim != 2 or points.shape[1] != 3 or not np.issubdtype(points.dtype, np.number):
        raise InputError(f"{path}: points have shape {points.shape}; (N, 3) is expected")
    return points[np.isfinite(points).all(1)].astype(np.float64)
