"""Make the observations of a demo clip: noisy joints, keypoints as from a detector, and an estimated floor.

Knows nothing of bodies or files. Every random number comes from a given generator. World frame: z up, floor at z = 0.
Camera frame: x right, y down, z forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from optim.common.errors import InputError

Array = NDArray[np.floating]
IMAGE_SIZE = (1280, 720)
FOCAL_LENGTH = (1060.53, 1060.39)
CAMERA_MATRIX = np.array([[FOCAL_LENGTH[0], 0.0, 640.0], [0.0, FOCAL_LENGTH[1], 360.0], [0.0, 0.0, 1.0]])
JOINT_NOISE = 0.04  # m, per coordinate
HIDDEN_BELOW = 0.9  # m
PIXEL_NOISE = 3.0  # px, per coordinate
CONFIDENCE = (0.8, 0.08)  # mean and spread
MISSED = 0.03  # share of single keypoints that the detector does not find
FLOOR_TILT, FLOOR_SHIFT = np.deg2rad(1.0), 0.02  # error of the estimated floor: rad about each axis, m
_MARGIN = 15.0  # px between any keypoint and the edge of the image


@dataclass(frozen=True)
class View:
    """Position and direction of the camera relative to the middle of the motion."""

    azimuth: float  # rad about the vertical, 0 = along +x
    distance: float  # m, over the floor
    height: float  # m above the floor
    aim: float  # height of the point looked at [m]
    roll: float  # rad about the line of sight


@dataclass(frozen=True)
class Camera:
    """Pinhole camera without distortion: ``p_camera = R @ p_world + t``."""

    R: Array  # (3, 3)
    t: Array  # (3,)

    @staticmethod
    def looking(view: View, *, middle: Array) -> Camera:
        """A camera placed by ``view`` relative to the point ``middle`` (x, y) [m]."""
        aim = np.array([middle[0], middle[1], view.aim])
        sideways = view.distance * np.array([np.cos(view.azimuth), np.sin(view.azimuth)])
        away = np.array([*sideways, view.height - view.aim])
        forward = -away / np.linalg.norm(away)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        cos, sin = np.cos(view.roll), np.sin(view.roll)
        R = np.stack((cos * right + sin * down, cos * down - sin * right, forward))
        return Camera(R, -R @ (aim + away))

    def project(self, points: Array) -> Array:
        """World points (…, 3) → pixels (…, 2)."""
        seen = points @ self.R.T + self.t
        return (seen @ CAMERA_MATRIX.T)[..., :2] / seen[..., 2:]

    def floor(self) -> Array:
        """Floor of the world in the camera frame (4,): normal and offset [m], normal · p = offset for its points p."""
        normal = self.R[:, 2]
        return np.append(normal, normal @ self.t)


def noisy_joints(joints: Array, rng: Generator) -> Array:
    """Joints (T, 22, 3) with independent Gaussian noise of ``JOINT_NOISE`` on each coordinate."""
    return joints + JOINT_NOISE * rng.standard_normal(joints.shape)


def hide_low(observed: Array, joints: Array) -> Array:
    """``observed`` with +inf for each joint whose true height is below ``HIDDEN_BELOW``, as behind a low wall."""
    return np.where(joints[..., 2:] < HIDDEN_BELOW, np.inf, observed)


def keypoints(points: Array, camera: Camera, rng: Generator, *, name: str) -> Array:
    """Keypoints (T, 25, 3) as from a detector: x, y [px] and confidence.

    Single keypoints are missing at random, and one forearm is missing for a quarter of a second. A missing keypoint is
    (0, 0, 0).

    Args:
        points: (T, 25, 3) [m] BODY_25 points in the world frame.
        name: Name of the clip, for messages.

    Raises:
        InputError: A keypoint leaves the image; names the clip.
    """
    pixels = camera.project(points)
    if (pixels < _MARGIN).any() or (pixels > np.array(IMAGE_SIZE) - _MARGIN).any():
        low, high = pixels.min((0, 1)).round(), pixels.max((0, 1)).round()
        raise InputError(f"clip {name}: keypoints from {low} to {high} px leave the image; move its camera")
    pixels = pixels + PIXEL_NOISE * rng.standard_normal(pixels.shape)
    confidence = np.clip(rng.normal(*CONFIDENCE, pixels.shape[:2]), 0.3, 1.0)
    missed = rng.random(pixels.shape[:2]) < MISSED
    start = int(rng.integers(len(points) // 4, len(points) // 2))
    missed[start : start + 8, [3, 4]] = True
    found = np.concatenate((pixels, confidence[..., None]), axis=-1)
    return np.where(missed[..., None], 0.0, found)


def estimated_floor(floor: Array, rng: Generator) -> Array:
    """Estimate (4,) of a floor, with errors of about one degree and a few centimetres."""
    normal = floor[:3] + np.cross(FLOOR_TILT * rng.standard_normal(3), floor[:3])
    return np.append(normal / np.linalg.norm(normal), floor[3] + FLOOR_SHIFT * rng.standard_normal())
