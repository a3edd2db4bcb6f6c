"""The fitted body at the current frame, one mesh per sub-sequence."""

from __future__ import annotations

from viewer import theme
from viewer.layers.base import Layer, sequences_at
from viewer.skinning import Skinner
from viewer.ui_state import UiState
from viewer.view_model import Motion, ViewModel


class SkinnedLayer(Layer):
    """A layer that draws bodies; keeps one skinner for the scene's body model."""

    opacity = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._skinner: Skinner | None = None

    def bodies(self, view: ViewModel, motion: Motion, frame: int, *, color: theme.Color | None = None) -> None:
        """One mesh for every sub-sequence that reaches the frame."""
        if self._skinner is None or self._skinner.body is not view.scene.body:
            self._skinner = Skinner(view.scene.body)
        for b, local in sequences_at(view, frame):
            vertices = self._skinner.vertices(motion, b, local)
            shade = color or theme.sequence_color(b)
            self.mesh(f"{b}", vertices, view.scene.body.faces, color=shade, opacity=self.opacity)


class BodyLayer(SkinnedLayer):
    """The motion that is shown."""

    name = "body"
    opacity = 0.8

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Pose the meshes."""
        self.bodies(view, view.motion, ui.frame)


class GroundTruthLayer(SkinnedLayer):
    """The true motion as a ghost, where the data has it."""

    name = "ground_truth"
    opacity = 0.45

    def exists(self, view: ViewModel) -> bool:
        """Only some data has it."""
        return view.scene.ground_truth is not None

    def key(self, view: ViewModel, ui: UiState) -> int:
        """It never changes but for the frame."""
        return ui.frame

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Pose the ghosts."""
        assert view.scene.ground_truth is not None
        self.bodies(view, view.scene.ground_truth, ui.frame, color=theme.LAYER_COLORS[self.name])


class RolloutBodyLayer(SkinnedLayer):
    """The body of the roll-out from which stage 3 started, as a ghost."""

    name = "rollout_body"
    opacity = 0.45

    def exists(self, view: ViewModel) -> bool:
        """From stage 3 on."""
        return view.drift is not None

    def update(self, view: ViewModel, ui: UiState) -> None:
        """Pose the ghosts."""
        assert view.drift is not None
        self.bodies(view, view.drift.initial, ui.frame, color=theme.LAYER_COLORS[self.name])
