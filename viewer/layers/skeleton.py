"""The body model's joints and bones at the current frame."""

from __future__ import annotations

import numpy as np

from viewer import theme
from viewer.layers.base import Layer, bones, sequences_at
from viewer.ui_state import UiState
from viewer.view_model import ViewModel


class SkeletonLayer(Layer):
    """Tubes for bones, spheres for joints."""

    name = "skeleton"

    def update(self, view: ViewModel, ui: UiState) -> None:
        """One network per sub-sequence."""
        edges = bones(view.scene.body.parents)
        for b, local in sequences_at(view, ui.frame):
            joints = view.motion.joints[b, local]
            color = theme.LAYER_COLORS[self.name]
            self.lines(
                f"bones {b}",
                joints,
                edges,
                color=theme.mix(color, theme.sequence_color(b), 0.3),
                radius=0.009,
            )
            self.points(f"joints {b}", np.ascontiguousarray(joints), color=color, radius=0.017)
