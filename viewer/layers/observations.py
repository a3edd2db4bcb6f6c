"""What was observed at the current frame: 3D joints and points, or keypoints on the camera's image plane."""

from __future__ import annotations

import numpy as np
import polyscope.imgui as psim

from viewer import theme
from viewer.layers.base import Layer, sequences_at
from viewer.layout import Rect
from viewer.skinning import Skinner
from viewer.ui_state import UiState
from viewer.view_model import Camera, ViewModel
from viewer.widgets import scale as ui_scale

BODY25_JOINTS = (12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7)
"""Body joints that are BODY_25 keypoints 1 to 14; keypoints 0 and 15 to 24 are vertices of the mesh."""
PLANE_SHARE = 0.25  # of the way from the camera to the body, where the image plane is drawn
INSET_WIDTH = 230.0  # pixels


class ObservationsLayer(Layer):
    """Green: observed. Thin lines lead to the joint of the fit that should be there."""

    name = "observations"

    def __init__(self) -> None:
        super().__init__()
        self._skinner: Skinner | None = None
        self._pixels: list[tuple[np.ndarray, np.ndarray]] = []  # observed and reprojected, for the inset

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Draw each kind of observation that the data has."""
        self._pixels = []
        for b, local in sequences_at(view, ui.frame):
            self._joints3d(view, b, local)
            self._points3d(view, b, local)
            self._keypoints(view, b, local)

    def _joints3d(self, view: ViewModel, b: int, local: int) -> None:
        if view.scene.observed.joints3d is None:
            return
        observed = view.scene.observed.joints3d[b, local]
        seen = np.isfinite(observed).all(axis=-1)
        color = theme.LAYER_COLORS[self.name]
        self.points(f"joints {b}", observed[seen], color=color, radius=0.022)
        fitted = view.motion.joints[b, local][seen]
        self.segments(f"residuals {b}", observed[seen], fitted, color=color, radius=0.004)

    def _points3d(self, view: ViewModel, b: int, local: int) -> None:
        if view.scene.observed.points3d is None:
            return
        points = view.scene.observed.points3d[b, local]
        seen = np.isfinite(points).all(axis=-1)
        self.points(f"points {b}", points[seen], color=theme.LAYER_COLORS[self.name], radius=0.006)

    def _keypoints(self, view: ViewModel, b: int, local: int) -> None:
        camera, observed = view.scene.camera, view.scene.observed.joints2d
        if camera is None or observed is None:
            return
        fitted = self._keypoints25(view, b, local)
        depth = PLANE_SHARE * float(np.median((fitted - camera.t_display_camera) @ camera.R_display_camera[:, 2]))
        depth = max(depth, 0.3)
        self._frustum(camera, depth)
        seen = np.isfinite(observed[b, local, :, 0]) & (observed[b, local, :, 2] > 0)
        pixels, reprojected = observed[b, local, seen, :2], image_points(camera, fitted[seen])
        self._pixels.append((pixels, reprojected))
        on_plane = unproject(camera, pixels, depth)
        back = unproject(camera, reprojected, depth)
        size = 0.02 * depth
        self.points(f"keypoints {b}", on_plane, color=theme.LAYER_COLORS[self.name], radius=0.6 * size)
        self.points(f"reprojected {b}", back, color=theme.REPROJECTED, radius=0.45 * size)
        self.segments(f"pixel residuals {b}", on_plane, back, color=theme.RESIDUAL, radius=0.15 * size)

    def overlay(self, view: ViewModel, ui: UiState, free: Rect) -> None:
        """The image as the camera saw it, small, with keypoints, reprojections and what lies between them."""
        camera = view.scene.camera
        if camera is None or view.scene.observed.joints2d is None:
            return
        low, high = crop(view.scene.observed.joints2d, camera.size)
        scale = min(INSET_WIDTH * ui_scale(), 0.45 * free.width) / (high - low)[0]
        width, height = (high - low) * scale
        corner = np.array([free.x + 8.0, free.y + free.height - height - 8.0])
        draw = psim.GetBackgroundDrawList()
        box = tuple(corner), (corner[0] + width, corner[1] + height)
        draw.AddRectFilled(*box, theme.packed(theme.BACKGROUND, 0.85), 4.0)
        draw.PushClipRect(*box, True)
        for observed, fitted in self._pixels:
            for a, b in zip(corner + (observed - low) * scale, corner + (fitted - low) * scale, strict=True):
                draw.AddLine(tuple(a), tuple(b), theme.packed(theme.RESIDUAL), 1.5)
                draw.AddCircleFilled(tuple(b), 2.5, theme.packed(theme.REPROJECTED))
                draw.AddCircleFilled(tuple(a), 2.5, theme.packed(theme.LAYER_COLORS[self.name]))
        draw.PopClipRect()
        draw.AddRect(*box, theme.packed(theme.BORDER), 4.0)
        draw.AddText(tuple(corner + (6.0, 3.0)), theme.packed(theme.DIM), "image: seen, reprojected")

    def _keypoints25(self, view: ViewModel, b: int, local: int) -> np.ndarray:
        """BODY_25 keypoints (25, 3) of the fit."""
        if self._skinner is None or self._skinner.body is not view.scene.body:
            self._skinner = Skinner(view.scene.body)
        ids = list(view.scene.openpose_vertices[:11])
        vertices = self._skinner.vertices(view.motion, b, local)[ids]
        joints = view.motion.joints[b, local][list(BODY25_JOINTS)]
        return np.concatenate((vertices[:1], joints, vertices[1:]))

    def _frustum(self, camera: Camera, depth: float) -> None:
        width, height = camera.size
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=float)
        nodes = np.concatenate((camera.t_display_camera[None], unproject(camera, corners, depth)))
        edges = np.array([(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (2, 3), (3, 4), (4, 1)])
        self.lines("frustum", nodes, edges, color=theme.DIM, radius=0.004 * depth)


def crop(keypoints: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Opposite corners [px] of the part of the image, in its proportions, that holds all keypoints.

    Args:
        keypoints: (B, T, 25, 3) with NaN where nothing was seen.
        size: Width and height of the image [px].
    """
    whole = np.array(size, float)
    seen = keypoints[..., :2].reshape(-1, 2)
    seen = seen[np.isfinite(seen).all(axis=1)]
    if not len(seen):
        return np.zeros(2), whole
    low, high = seen.min(axis=0), seen.max(axis=0)
    half = min(0.6 * float(((high - low) / whole).max()), 0.5) * whole
    middle = np.clip((low + high) / 2, half, whole - half)
    return middle - half, middle + half


def unproject(camera: Camera, pixels: np.ndarray, depth: float) -> np.ndarray:
    """Pixels (N, 2) to points (N, 3) at a depth before the camera, in the display frame."""
    homogeneous = np.concatenate((pixels, np.ones((len(pixels), 1))), axis=1)
    rays = homogeneous @ np.linalg.inv(camera.matrix).T
    return depth * rays @ camera.R_display_camera.T + camera.t_display_camera


def image_points(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) of the display frame to pixels (N, 2)."""
    local = (points - camera.t_display_camera) @ camera.R_display_camera
    pixels = local @ camera.matrix.T
    return pixels[:, :2] / np.maximum(pixels[:, 2:], 1e-6)
