"""Converts floor planes to angles and heights and back, and measures how two floors differ."""

from __future__ import annotations

import numpy as np

from viewer.protocol.view_model import Camera

Plane = tuple[float, float, float, float]
"""Unit normal n and offset d [m] of a plane: n·p = d."""


def plane_of(lean_x_deg: float, lean_y_deg: float, lift_cm: float) -> Plane:
    """The floor, in the display frame, with the given slopes towards +x and +y and the given height at the origin."""
    normal = np.array([np.tan(np.radians(lean_x_deg)), np.tan(np.radians(lean_y_deg)), 1.0])
    normal /= np.linalg.norm(normal)
    return (float(normal[0]), float(normal[1]), float(normal[2]), float(normal[2]) * lift_cm / 100.0)


def seen_from_camera(plane: Plane, camera: Camera | None) -> Plane:
    """Express a plane of the display frame in the frame of the input.

    The frame of the input is the camera's. Without a camera it is the display frame itself.
    """
    if camera is None:
        return plane
    normal, offset = np.array(plane[:3]), plane[3]
    x, y, z = (float(value) for value in normal @ camera.R_display_camera)
    return x, y, z, float(offset - normal @ camera.t_display_camera)


def lean_of(plane: np.ndarray) -> tuple[float, float, float]:
    """Slopes towards +x and +y [deg] and height at the origin [cm] of a plane (4,) whose normal points up.

    This is the inverse of ``plane_of``.
    """
    x, y, z, offset = (float(value) for value in plane)
    return float(np.degrees(np.arctan2(x, z))), float(np.degrees(np.arctan2(y, z))), 100.0 * offset / z


def below(point: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """The point (3,) of a plane (4,) that is nearest to a given point (3,)."""
    return np.asarray(point - (point @ plane[:3] - plane[3]) * plane[:3])


def apart(plane: np.ndarray, other: np.ndarray, point: np.ndarray) -> tuple[float, float]:
    """Angle [deg] between two planes (4,), and the height [m] of the first above the other, below a point (3,)."""
    cosine = float(np.clip(plane[:3] @ other[:3], -1.0, 1.0))
    return float(np.degrees(np.arccos(cosine))), float(below(point, plane) @ other[:3] - other[3])


def axes_on(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors (3,) in a plane (4,), at right angles to each other: to the side, and ahead."""
    normal = plane[:3]
    ahead = np.array([0.0, 1.0, 0.0]) if abs(normal[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    side = np.cross(ahead, normal)
    side /= np.linalg.norm(side)
    return side, np.cross(normal, side)
