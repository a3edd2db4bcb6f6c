"""Moves the viewpoint of the 3D view and projects world points to pixels."""

from __future__ import annotations

import numpy as np

from viewer.protocol.view_model import Camera, ViewModel
from viewer.ui.drawing import ps
from viewer.ui.layout import Rect
from viewer.ui.look import SavedView

FOV_DEGREES = 42.0
INNER = 0.6  # of the half free part of the window: how far off its middle a body is kept when panels change
LEFT_HIP, RIGHT_HIP = 1, 2
_DIRECTION = np.array([0.62, -0.68, 0.30])  # from the body to the viewpoint


SIDES = ("top", "side", "front")


def project(
    points: np.ndarray,
    *,
    view_matrix: np.ndarray,
    fov_degrees: float,
    size: tuple[float, float],
    half_height: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """World points (N, 3) to window pixels (N, 2), and whether each lies before the viewpoint (N,).

    Args:
        view_matrix: (4, 4) world to eye; the eye looks along minus z.
        fov_degrees: Vertical field of view.
        size: Width and height of the window in pixels.
        half_height: Metres from the middle of an orthographic picture to its upper edge; None in perspective.
    """
    eye = points @ view_matrix[:3, :3].T + view_matrix[:3, 3]
    depth = -eye[:, 2]
    front = depth > 1e-6
    if half_height is None:
        scale = size[1] / 2 / np.tan(np.radians(fov_degrees) / 2) / np.where(front, depth, 1.0)
    else:
        scale = np.full(len(points), size[1] / 2 / half_height)
    return np.stack((size[0] / 2 + eye[:, 0] * scale, size[1] / 2 - eye[:, 1] * scale), axis=1), front


def on_screen(points: np.ndarray, size: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """``project`` with the viewpoint that the window has now."""
    matrix, fov = np.array(ps.get_camera_view_matrix()), ps.get_vertical_fov_degrees()
    return project(points, view_matrix=matrix, fov_degrees=fov, size=size, half_height=orthographic_half_height())


def orthographic_half_height() -> float | None:
    """Metres from the middle of the picture to its upper edge; None in perspective.

    Polyscope takes the size of an orthographic picture from the field of view and the length scale of the scene.
    """
    if ps.get_view_projection_mode() != "orthographic":
        return None
    return float(np.tan(np.radians(ps.get_vertical_fov_degrees()) / 2) * 2 * ps.get_length_scale())


def direction_of(side: str, view: ViewModel, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """From the body to a viewpoint of ``SIDES``, and what is up in its picture; both unit vectors (3,).

    The front is where the first body faces at the frame, horizontally: at right angles to the line between its hips.
    """
    up = np.array(view.up)
    local = min(max(frame - view.scene.starts[0], 0), view.scene.num_frames - 1)
    left = view.motion.joints[0, local, LEFT_HIP] - view.motion.joints[0, local, RIGHT_HIP]
    left = left - (left @ up) * up
    left = left / max(float(np.linalg.norm(left)), 1e-9) if np.linalg.norm(left) > 1e-6 else np.eye(3)[0]
    ahead = np.cross(left, up)
    return {"top": (up, ahead), "side": (left, up), "front": (ahead, up)}[side]


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
    side: tuple[np.ndarray, np.ndarray] | None = None,
) -> np.ndarray:
    """View matrix that shows all points (N, 3) in the middle of the free part of the window.

    Args:
        up: The direction that is up, z or minus y.
        margin: Factor for the distance; at 1 a sphere around the points just fits.
        side: Direction (3,) from the points to the viewpoint, and what is up in the picture (3,); None: obliquely.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    center, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 0.8)
    direction = _DIRECTION / np.linalg.norm(_DIRECTION)
    half = np.tan(np.radians(FOV_DEGREES) / 2)
    share = min(view.width, view.height) / size[1]  # of the window's height that is free
    distance = margin * radius / (half * share)
    if up[1]:  # the camera's frame: x right, y down, z ahead
        direction = np.array([direction[0], -direction[2], direction[1]])
    upwards = np.array(up)
    if side is not None:
        direction, upwards = side
    matrix = look(center + distance * direction, center, up=upwards)
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
    """Moves Polyscope's camera: to the home view, to one side, to the video camera's pose, or along with the body."""

    def __init__(self) -> None:
        self._target: np.ndarray | None = None
        self._free: tuple[Rect, tuple[int, int]] | None = None
        self._distance = 3.0  # metres from the viewpoint to what it looks at, when it was last placed

    def home(self, view: ViewModel, free: Rect, frame: int, *, following: bool, side: str | None = None) -> None:
        """Show the body at the current frame if the viewpoint follows it, else the whole clip; of ``SIDES``."""
        points, margin = (reach(view, frame), 1.45) if following else (extent(view), 0.9)
        size = ps.get_window_size()
        towards = None if side is None else direction_of(side, view, frame)
        matrix = frame_points(points, view=free, size=size, margin=margin, up=view.up, side=towards)
        middle = (points.min(axis=0) + points.max(axis=0)) / 2
        self._distance = float(np.linalg.norm(matrix[:3, :3] @ middle + matrix[:3, 3]))
        self._put(matrix, FOV_DEGREES)

    def from_camera(self, view: ViewModel) -> None:
        """Stand where the video camera stood, which sees in perspective."""
        camera = view.scene.camera
        if camera is not None:
            ps.set_view_projection_mode("perspective")
            self._put(camera_view_matrix(camera), camera_fov_degrees(camera))

    def recall(self, saved: SavedView) -> None:
        """Go back to a viewpoint that was saved."""
        ps.set_view_projection_mode("perspective")
        self._put(np.reshape(saved.matrix, (4, 4)), saved.fov_degrees)

    def back_to(self, matrix: np.ndarray, fov_degrees: float, projection: str) -> None:
        """Look exactly as Polyscope told before, and follow from there."""
        ps.set_view_projection_mode(projection)
        ps.set_vertical_fov_degrees(fov_degrees)
        ps.set_camera_view_matrix(matrix)
        self._target = self._free = None

    def _put(self, matrix: np.ndarray, fov_degrees: float) -> None:
        ps.set_vertical_fov_degrees(fov_degrees)
        ps.set_camera_view_matrix(matrix)
        if ps.get_view_projection_mode() == "orthographic":
            self._fit_orthographic(fov_degrees)
        self._target = self._free = None

    def project(self, orthographic: bool) -> None:
        """See in perspective, or orthographically with what the viewpoint looks at as large as before."""
        if orthographic == (ps.get_view_projection_mode() == "orthographic"):
            return
        ps.set_view_projection_mode("orthographic" if orthographic else "perspective")
        if orthographic:
            self._fit_orthographic(ps.get_vertical_fov_degrees())
        else:
            ps.set_vertical_fov_degrees(FOV_DEGREES)

    def _fit_orthographic(self, fov_degrees: float) -> None:
        half = self._distance * np.tan(np.radians(fov_degrees) / 2)
        ps.set_vertical_fov_degrees(float(np.degrees(2 * np.arctan(half / (2 * ps.get_length_scale())))))

    def follow(self, view: ViewModel, frame: int, free: Rect, size: tuple[int, int], *, active: bool) -> None:
        """Shift by as much as the body moved since the last call, and keep it in the free part of the window."""
        target = body_position(view, frame) if active else None
        if target is not None and self._target is not None:
            moved = target - self._target
            if float(np.abs(moved).max()) > 1e-5:
                matrix = np.array(ps.get_camera_view_matrix())
                matrix[:3, 3] -= matrix[:3, :3] @ moved
                ps.set_camera_view_matrix(matrix)
            if self._free is not None and self._free != (free, size):
                self._keep_in(target, *self._free, free, size)
        self._target, self._free = target, (free, size)

    @staticmethod
    def _keep_in(target: np.ndarray, old: Rect, old_size: tuple[int, int], new: Rect, size: tuple[int, int]) -> None:
        """Shift the picture so that the body keeps its place in the part that no panel covers, as a share of it."""
        (before,), front = on_screen(target[None], old_size)
        (now,), _ = on_screen(target[None], size)
        if not front[0]:
            return
        share = (before - (old.x + old.width / 2, old.y + old.height / 2)) / (old.width / 2, old.height / 2)
        share = np.clip(share, -INNER, INNER)
        wanted = np.array((new.x + new.width / 2, new.y + new.height / 2)) + share * (new.width / 2, new.height / 2)
        matrix = np.array(ps.get_camera_view_matrix())
        half = orthographic_half_height()
        if half is None:
            depth = -float(matrix[2, :3] @ target + matrix[2, 3])
            half = depth * np.tan(np.radians(ps.get_vertical_fov_degrees()) / 2)
        metres = (wanted - now) * 2 * half / size[1]
        matrix[0, 3] += metres[0]
        matrix[1, 3] -= metres[1]
        ps.set_camera_view_matrix(matrix)
