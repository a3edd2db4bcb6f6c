"""What would have been seen of a motion: noisy joints, a detector's keypoints, an estimated floor.

Knows nothing of bodies or files: positions in, observations out, every random number from a given generator.
World: z up, floor at z = 0. Camera: x right, y down, z forward.
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
    """Where the camera stands, seen from the middle of the motion."""

    azimuth: float  # rad about the vertical, 0 = along +x
    distance: float  # m, over the floor
    height: float  # m above the floor
    aim: float  # height of the point looked at [m]
    roll: float  # rad about the line of sight


@dataclass(frozen=True)
class Camera:
    """``p_camera = R @ p_world + t``, pinhole without distortion."""

    R: Array  # (3, 3)
    t: Array  # (3,)

    @staticmethod
    def looking(view: View, *, middle: Array) -> Camera:
        """A camera at ``view`` from the point ``middle`` (x, y)."""
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
        """The world's floor in the camera frame: (normal, offset), normal · p = offset for points p on it."""
        normal = self.R[:, 2]
        return np.append(normal, normal @ self.t)


def noisy_joints(joints: Array, rng: Generator) -> Array:
    """Joints (T, 22, 3) with independent Gaussian noise of ``JOINT_NOISE`` on each coordinate."""
    return joints + JOINT_NOISE * rng.standard_normal(joints.shape)


def hide_low(observed: Array, joints: Array) -> Array:
    """``observed`` with +inf for each joint that in truth is below ``HIDDEN_BELOW``, as behind a low wall."""
    return np.where(joints[..., 2:] < HIDDEN_BELOW, np.inf, observed)


def keypoints(points: Array, camera: Camera, rng: Generator, *, name: str) -> Array:
    """BODY_25 points (T, 25, 3) as a detector reports them: (T, 25, 3) of x, y [px] and confidence.

    Single keypoints are missed at random, one forearm for a quarter of a second; a missed one is (0, 0, 0).

    Raises:
        InputError: Someone who leaves the image; names the clip.
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
    """A floor (4,) as someone would estimate it: tilted by about a degree, a few centimetres off."""
    normal = floor[:3] + np.cross(FLOOR_TILT * rng.standard_normal(3), floor[:3])
    return np.append(normal / np.linalg.norm(normal), floor[3] + FLOOR_SHIFT * rng.standard_normal())
