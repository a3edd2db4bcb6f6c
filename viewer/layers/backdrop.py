"""Draws a dome around the scene, since transparent bodies look solid where nothing is drawn behind them."""

from __future__ import annotations

import numpy as np

from viewer.protocol.view_model import ViewModel
from viewer.scene.layer import Layer
from viewer.ui import theme
from viewer.ui.ui_state import UiState

RADIUS, RINGS, SECTORS = 25.0, 8, 16  # metres


class BackdropLayer(Layer):
    """The dome; it is always drawn, in the colour of the background."""

    name = "backdrop"

    def visible(self, view: ViewModel, ui: UiState) -> bool:
        """It has no switch."""
        return True

    def key(self, view: ViewModel, ui: UiState) -> int:
        """It never changes."""
        return 0

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Put the dome around the clip."""
        vertices, faces = dome(view.motion.joints.reshape(-1, 3).mean(axis=0))
        self.mesh("dome", vertices, faces, color=theme.BACKGROUND, material="flat", smooth=False)


def dome(center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A sphere (V, 3) of triangles (F, 3) that face inwards."""
    polar, around = np.meshgrid(np.linspace(0, np.pi, RINGS + 1), np.linspace(0, 2 * np.pi, SECTORS + 1), indexing="ij")
    axes = (np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar))
    a = (np.arange(RINGS)[:, None] * (SECTORS + 1) + np.arange(SECTORS)).ravel()
    b, below, beside = a + SECTORS + 2, a + SECTORS + 1, a + 1
    faces = np.concatenate((np.stack((a, b, below), axis=1), np.stack((a, beside, b), axis=1)))
    return center + RADIUS * np.stack(axes, axis=-1).reshape(-1, 3), faces
