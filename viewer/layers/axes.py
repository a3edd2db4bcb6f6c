"""Draws the prior frame of each sub-sequence as three arrows: x red, y green, z blue."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from viewer.protocol.view_model import ViewModel
from viewer.scene.layer import Label, Layer
from viewer.ui import theme
from viewer.ui.ui_state import UiState

LENGTH = 0.4  # metres


class AxesLayer(Layer):
    """The origin and the axes of the motion prior's frame."""

    name = "axes"

    def key(self, view: ViewModel, ui: UiState) -> int:
        """The same at all frames."""
        return view.version

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Three arrows per sub-sequence."""
        for b, matrix in enumerate(view.prior_frames):
            for axis, color in enumerate(theme.AXES):
                arrow = LENGTH * matrix[axis : axis + 1, :3]
                self.arrows(f"{b} {'xyz'[axis]}", origin(matrix)[None], arrow, color=color, radius=0.012)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """The number of the sub-sequence beside each set of arrows."""
        several = len(view.prior_frames) > 1
        for b, matrix in enumerate(view.prior_frames):
            yield Label(origin(matrix), f"prior {b + 1}" if several else "prior", theme.LAYER_COLORS[self.name])


def origin(matrix: np.ndarray) -> np.ndarray:
    """The point (3,) that a rigid transform (4, 4) maps to 0."""
    return np.asarray(-matrix[:3, :3].T @ matrix[:3, 3])
