"""Draws the video camera and what it sees; converts pixels to points and back."""

from __future__ import annotations

import numpy as np

from viewer.protocol.view_model import Camera, ViewModel
from viewer.scene.layer import Layer
from viewer.ui import theme
from viewer.ui.ui_state import UiState

NEAR = 0.25  # metres between viewpoint and camera that count as the same place
PLANE_SHARE = 0.25  # of the way from the camera to the body, where the image plane is drawn


class CameraLayer(Layer):
    """A pyramid from the camera's centre to its image plane, with a mark on the upper side."""

    name = "camera"

    def exists(self, view: ViewModel) -> bool:
        """Some data has none."""
        return view.scene.camera is not None

    def key(self, view: ViewModel, ui: UiState) -> tuple[float, bool]:
        """The distance of the image plane, which follows the motion, and whether the viewpoint is at the camera."""
        return plane_depth(view), self._inside(view)

    def _inside(self, view: ViewModel) -> bool:
        """Whether the viewpoint is where the camera is; the pyramid's edges would fill the picture."""
        assert view.scene.camera is not None
        eye = self.canvas.eye()
        return eye is not None and float(np.linalg.norm(eye - view.scene.camera.t_display_camera)) < NEAR

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Draw the edges."""
        camera, depth = view.scene.camera, plane_depth(view)
        assert camera is not None
        width, height = camera.size
        up = (0.5 * width, -0.12 * height)
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height), up], dtype=float)
        nodes = np.concatenate((camera.t_display_camera[None], unproject(camera, corners, depth)))
        color, radius = theme.LAYER_COLORS[self.name], 0.004 * depth
        around = np.array([(1, 2), (2, 3), (3, 4), (4, 1), (1, 5), (5, 2)])
        self.lines("image plane", nodes, around, color=color, radius=radius)
        if not self._inside(view):
            self.lines("edges", nodes, np.array([(0, 1), (0, 2), (0, 3), (0, 4)]), color=color, radius=radius)


def plane_depth(view: ViewModel) -> float:
    """Distance of the drawn image plane from the camera [m], in steps of 5 cm so that the plane does not tremble."""
    camera = view.scene.camera
    assert camera is not None
    depths = (view.motion.joints[:, :, 0] - camera.t_display_camera) @ camera.R_display_camera[:, 2]
    return max(0.05 * round(PLANE_SHARE * float(np.median(depths)) / 0.05), 0.3)


def unproject(camera: Camera, pixels: np.ndarray, depth: float) -> np.ndarray:
    """Pixels (N, 2) to points (N, 3) at a depth before the camera, in the frame that is drawn in."""
    homogeneous = np.concatenate((pixels, np.ones((len(pixels), 1))), axis=1)
    rays = homogeneous @ np.linalg.inv(camera.matrix).T
    return depth * rays @ camera.R_display_camera.T + camera.t_display_camera


def image_points(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) of the frame that is drawn in to pixels (N, 2)."""
    local = (points - camera.t_display_camera) @ camera.R_display_camera
    pixels = local @ camera.matrix.T
    return pixels[:, :2] / np.maximum(pixels[:, 2:], 1e-6)
