"""Draws the video as a picture behind the body; seen from the video camera, it matches the body."""

from __future__ import annotations

import math
from collections.abc import Hashable

import numpy as np

from viewer.protocol.view_model import Camera, ViewModel
from viewer.scene.footage import Film, FilmError
from viewer.scene.layer import Layer
from viewer.ui.ui_state import UiState

BEHIND = 1.2
"""Distance of the picture from the camera, relative to that of the farthest body."""


class FilmLayer(Layer):
    """The video's picture of the current frame; while that is being read, the previous picture stays."""

    name = "film"

    def __init__(self) -> None:
        super().__init__()
        self._film: Film | None = None
        self._picture: tuple[int, np.ndarray] | None = None

    def exists(self, view: ViewModel) -> bool:
        """Only a fit of a video has one."""
        return view.scene.footage is not None and view.scene.camera is not None

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """The frame that has been read, and the distance of the picture."""
        footage = view.scene.footage
        assert footage is not None and view.scene.camera is not None
        if self._film is not None and self._film.footage != footage:
            self.close()
        if self._film is None:
            self._film = Film(footage)
        try:
            self._picture = self._film.wait_for(ui.frame) if ui.exact else self._film.look(ui.frame)
        except FilmError:
            self.close()  # the layer tries again when it is switched on again
            raise
        return None if self._picture is None else self._picture[0], distance(view.scene.camera, view)

    def close(self) -> None:
        """End the reading."""
        if self._film is not None:
            self._film.close()
        self._film = None

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Draw the picture."""
        camera = view.scene.camera
        if self._picture is not None and camera is not None:
            self.picture("picture", image_corners(camera, distance(camera, view)), self._picture[1])


def distance(camera: Camera, view: ViewModel) -> float:
    """Distance of the picture from the camera [m]: behind every body of the clip, in whole metres."""
    depths = (view.motion.joints - camera.t_display_camera) @ camera.R_display_camera[:, 2]
    return float(max(math.ceil(BEHIND * float(np.nanmax(depths))), 1))


def image_corners(camera: Camera, depth: float) -> np.ndarray:
    """Corners (4, 3) of the image at a depth, in the display frame: lower left, lower right, then the upper."""
    width, height = camera.size
    pixels = np.array([(0, height, 1), (width, height, 1), (width, 0, 1), (0, 0, 1)], float)
    rays = pixels @ np.linalg.inv(camera.matrix).T
    return depth * rays @ camera.R_display_camera.T + camera.t_display_camera
