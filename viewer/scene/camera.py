"""Moves the viewpoint of the 3D view and projects world points to pixels."""

from __future__ import annotations

import numpy as np
import polyscope as ps

from viewer.protocol.view_model import Camera, ViewModel
from viewer.ui.layout import Rect
from viewer.ui.look import SavedView

FOV_DEGREES = 42.0
_DIRECTION = np.array([0.62, -0.68, 0.30])  # from the body to the viewpoint


def project(
    points: np.ndarray, *, view_matrix: np.ndarray, fov_degrees: float, size: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """World points (N, 3) to window pixels (N, 2), and whether each lies before the viewpoint (N,).

    Args:
        view_matrix: (4, 4) world to eye; the eye looks along minus z.
        fov_degrees: Vertical field of view.
        size: Width and height of the window in pixels.
    """
    eye = points @ view_matrix[:3, :3].T + view_matrix[:3, 3]
    depth = -eye[:, 2]
    front = depth > 1e-6
    focal = size[1] / 2 / np.tan(np.radians(fov_degrees) / 2)
    scale = focal / np.where(front, depth, 1.0)
    return np.stack((size[0] / 2 + eye[:, 0] * scale, size[1] / 2 - eye[:, 1] * scale), axis=1), front


def look(eye: np.ndarray, target: np.ndarray, *, up: np.ndarray) -> np.ndarray:
    """View matrix (4, 4), world to eye, of someone at ``eye`` who looks at ``target``."""
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross(up, back)
    right /= np.linalg.norm(right)
    rotation = np.stack((right, np.cross(back, right), back))
    return np.block([[rotation, -(rotation @ eye)[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])


def frame_points(
    points: np.ndarray,
    *,
    view: Rect,
    size: tuple[float, float],
    margin: float = 0.9,
    up: tuple[float, float, float] = (0.0, 0.0, 1.0),
) -> np.ndarray:
    """View matrix that shows all points (N, 3) in the middle of the free part of the window.

    Args:
        up: The direction that is up, z or minus y.
        margin: Factor for the distance; at 1 a sphere around the points just fits.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    center, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 0.8)
    direction = _DIRECTION / np.linalg.norm(_DIRECTION)
    half = np.tan(np.radians(FOV_DEGREES) / 2)
    share = min(view.width, view.height) / size[1]  # of the window's height that is free
    distance = margin * radius / (half * share)
    if up[1]:  # the camera's frame: x right, y down, z ahead
        direction = np.array([direction[0], -direction[2], direction[1]])
    matrix = look(center + distance * direction, center, up=np.array(up))
    pixel = 2 * distance * half / size[1]  # metres per pixel at the target
    matrix[0, 3] += (view.x + view.width / 2 - size[0] / 2) * pixel
    matrix[1, 3] -= (view.y + view.height / 2 - size[1] / 2) * pixel
    return matrix


def camera_view_matrix(camera: Camera) -> np.ndarray:
    """View matrix (4, 4) of the video camera (its y and z axes point the other way than the eye's)."""
    rotation = np.diag([1.0, -1.0, -1.0]) @ camera.R_display_camera.T
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, -rotation @ camera.t_display_camera
    return matrix


def camera_fov_degrees(camera: Camera) -> float:
    """Vertical field of view of the video camera."""
    return float(np.degrees(2 * np.arctan(camera.size[1] / 2 / camera.matrix[1, 1])))


def extent(view: ViewModel) -> np.ndarray:
    """Points (N, 3) that the viewpoint should show: the motion, 3D observations and the ground truth."""
    seen, truth = view.scene.observed.joints3d, view.scene.ground_truth
    known = [view.motion.joints] + ([] if seen is None else [seen]) + ([] if truth is None else [truth.joints])
    points = np.concatenate([array.reshape(-1, 3) for array in known])
    return points[np.isfinite(points).all(axis=1)]


def reach(view: ViewModel, frame: int) -> np.ndarray:
    """Points (N, 3) around the bodies at one frame: all poses of the clip, moved to the roots of that frame."""
    root = view.motion.joints[:, :, :1]
    here = body_position(view, frame)
    middle = root.mean(axis=(0, 1, 2)) if here is None else here
    spread = root[:, :1] - root[:, :1].mean(axis=0)  # between sub-sequences side by side
    return (view.motion.joints - root + spread + middle).reshape(-1, 3)


def body_position(view: ViewModel, frame: int) -> np.ndarray | None:
    """Mean root joint (3,) of the sub-sequences that reach this frame."""
    locals_ = [(b, view.scene.local_frame(b, frame)) for b in range(len(view.scene.starts))]
    roots = [view.motion.joints[b, t, 0] for b, t in locals_ if t is not None]
    return np.mean(roots, axis=0) if roots else None


class Viewpoint:
    """Moves Polyscope's camera: to the home view, to the video camera's pose, or along with the body."""

    def __init__(self) -> None:
        self._target: np.ndarray | None = None

    def home(self, view: ViewModel, free: Rect, frame: int, *, following: bool) -> None:
        """Show the body at the current frame if the viewpoint follows it, else the whole clip."""
        points, margin = (reach(view, frame), 1.45) if following else (extent(view), 0.9)
        ps.set_vertical_fov_degrees(FOV_DEGREES)
        size = ps.get_window_size()
        ps.set_camera_view_matrix(frame_points(points, view=free, size=size, margin=margin, up=view.up))
        self._target = None

    def from_camera(self, view: ViewModel) -> None:
        """Stand where the video camera stood."""
        camera = view.scene.camera
        if camera is not None:
            ps.set_vertical_fov_degrees(camera_fov_degrees(camera))
            ps.set_camera_view_matrix(camera_view_matrix(camera))
        self._target = None

    def recall(self, saved: SavedView) -> None:
        """Go back to a viewpoint that was saved."""
        ps.set_vertical_fov_degrees(saved.fov_degrees)
        ps.set_camera_view_matrix(np.reshape(saved.matrix, (4, 4)))
        self._target = None

    def follow(self, view: ViewModel, frame: int, *, active: bool) -> None:
        """Shift by as much as the body moved since the last call."""
        target = body_position(view, frame) if active else None
        if target is not None and self._target is not None:
            moved = target - self._target
            if float(np.abs(moved).max()) > 1e-5:
                matrix = np.array(ps.get_camera_view_matrix())
                matrix[:3, 3] -= matrix[:3, :3] @ moved
                ps.set_camera_view_matrix(matrix)
        self._target = target
