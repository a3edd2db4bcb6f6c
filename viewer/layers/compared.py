"""Draws second bodies: the pinned one, with the differences of the frame, the one before an edit, a predicted one."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace

import numpy as np

from optim.diagnostics.comparison import BETWEEN
from optim.diagnostics.quantities import QUANTITIES
from viewer.layers.body import SkinnedLayer
from viewer.protocol.findings import WeightProbe
from viewer.protocol.view_model import Compared, ViewModel
from viewer.scene.layer import Label, bones, sequences_at
from viewer.ui import theme
from viewer.ui.ui_state import UiState

ABOVE = np.array([0.0, 0.0, 0.28])
"""Place of a body's name above its head joint [m], where z is up."""
HEAD = 15


class ComparedLayer(SkinnedLayer):
    """The pinned motion as a second body."""

    name = "compared"
    opacity = 0.55

    def exists(self, view: ViewModel) -> bool:
        """Only if something is pinned."""
        return view.compared is not None

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """Which pin, where it stands, and the frame."""
        return id(view.compared), ui.frame

    def update(self, view: ViewModel, ui: UiState) -> None:
        """A body and a skeleton for every sub-sequence that reaches the frame."""
        assert view.compared is not None
        other, color = view.compared, theme.LAYER_COLORS[self.name]
        seen = _as_view(view, other)
        for b, local in sequences_at(seen, ui.frame):
            vertices = self.skinner(seen).vertices(other.motion, b, local) + _aside(other)
            self.mesh(f"{b}", vertices, other.body.faces, color=color, opacity=self.opacity)
            joints = other.motion.joints[b, local] + _aside(other)
            self.lines(f"bones {b}", joints, bones(other.body.parents), color=color, radius=0.007)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """A and B over the heads, with the chosen difference."""
        assert view.compared is not None
        other, color, up = view.compared, theme.LAYER_COLORS[self.name], np.array(view.up) * ABOVE[2]
        for b, local in list(sequences_at(_as_view(view, other), ui.frame))[:1]:
            name = ui.pins.quantity if ui.pins.quantity in BETWEEN else BETWEEN[0]
            value = other.at(name, ui.frame)
            text = f"B: {other.label}"
            if value is not None:
                text += f", {QUANTITIES[name].label} {QUANTITIES[name].text(value)}"
            yield Label(other.motion.joints[b, local, HEAD] + _aside(other) + up, text, color)
        if other.beside:
            for b, local in list(sequences_at(view, ui.frame))[:1]:
                yield Label(view.motion.joints[b, local, HEAD] + up, "A", theme.sequence_color(view.scene.number(b)))


class BeforeLayer(SkinnedLayer):
    """The body as it was before the last edit, while the fit is live."""

    name = "before"
    opacity = 0.35

    def exists(self, view: ViewModel) -> bool:
        """Only while the fit is live, after an edit."""
        return view.live is not None

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """Which edit, and the frame."""
        assert view.live is not None
        return view.live.before.trans.tobytes(), ui.frame

    def update(self, view: ViewModel, ui: UiState) -> None:
        """One body for every sub-sequence."""
        assert view.live is not None
        self.bodies(view, view.live.before, ui.frame, color=theme.LAYER_COLORS[self.name])

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """Says what it is."""
        assert view.live is not None
        for b, local in list(sequences_at(view, ui.frame))[:1]:
            place = view.live.before.joints[b, local, HEAD] + np.array(view.up) * ABOVE[2]
            yield Label(place, "before the edit", theme.LAYER_COLORS[self.name])


class PredictedLayer(SkinnedLayer):
    """The motion that is predicted for another weight."""

    name = "predicted"
    opacity = 0.45

    def exists(self, view: ViewModel) -> bool:
        """Only if the prediction is about the iteration that is shown, and lowers its loss."""
        return _predicted(view) is not None

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """Which prediction, and the frame."""
        return id(_predicted(view)), ui.frame

    def update(self, view: ViewModel, ui: UiState) -> None:
        """One body for every sub-sequence."""
        found = _predicted(view)
        assert found is not None and found.motion is not None
        self.bodies(view, found.motion, ui.frame, color=theme.LAYER_COLORS[self.name])


def _predicted(view: ViewModel) -> WeightProbe | None:
    answer = view.analyses.get("weight_probe")
    if answer is None or answer.snapshot != view.shown or not isinstance(answer.value, WeightProbe):
        return None
    return None if answer.value.motion is None else answer.value


def _aside(other: Compared) -> np.ndarray:
    return np.array([other.beside, 0.0, 0.0], np.float32)


def _as_view(view: ViewModel, other: Compared) -> ViewModel:
    """The view as if the pinned motion were the one that is shown."""
    length = other.motion.trans.shape[1]
    return replace(view, scene=replace(view.scene, starts=other.starts, num_frames=length, body=other.body))
