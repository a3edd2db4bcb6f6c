"""Floors as numbers: how a plane leans and how high it lies, and how two of them differ."""

from __future__ import annotations

import numpy as np

from viewer.protocol.view_model import Camera

Plane = tuple[float, float, float, float]


def plane_of(lean_x_deg: float, lean_y_deg: float, lift_cm: float) -> Plane:
    """Normal and offset in the display frame of a floor that leans towards +x and +y and is lifted at the origin."""
    normal = np.array([np.tan(np.radians(lean_x_deg)), np.tan(np.radians(lean_y_deg)), 1.0])
    normal /= np.linalg.norm(normal)
    return (float(normal[0]), float(normal[1]), float(normal[2]), float(normal[2]) * lift_cm / 100.0)


def seen_from_camera(plane: Plane, camera: Camera | None) -> Plane:
    """A plane (normal, offset) of the display frame in the frame of the input.

    That is the camera's frame; without a camera the display frame is the frame of the input.
    """
    if camera is None:
        return plane
    normal, offset = np.array(plane[:3]), plane[3]
    x, y, z = (float(value) for value in normal @ camera.R_display_camera)
    return x, y, z, float(offset - normal @ camera.t_display_camera)


def lean_of(plane: np.ndarray) -> tuple[float, float, float]:
    """The inverse of ``plane_of``, for a plane (4,) whose normal points up."""
    x, y, z, offset = (float(value) for value in plane)
    return float(np.degrees(np.arctan2(x, z))), float(np.degrees(np.arctan2(y, z))), 100.0 * offset / z


def below(point: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """The place (3,) on a plane (4,) that is nearest to a point."""
    return np.asarray(point - (point @ plane[:3] - plane[3]) * plane[:3])


def apart(plane: np.ndarray, other: np.ndarray, point: np.ndarray) -> tuple[float, float]:
    """Angle [°] between two planes (4,), and how far the first lies above the other below a point (3,) [m]."""
    cosine = float(np.clip(plane[:3] @ other[:3], -1.0, 1.0))
    return float(np.degrees(np.arccos(cosine))), float(below(point, plane) @ other[:3] - other[3])


def axes_on(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two directions (3,) at right angles on a plane (4,): to the side, and ahead."""
    normal = plane[:3]
    ahead = np.array([0.0, 1.0, 0.0]) if abs(normal[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    side = np.cross(ahead, normal)
    side /= np.linalg.norm(side)
    return side, np.cross(normal, side)
