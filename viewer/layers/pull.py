"""Draws the pull of one loss term on each joint, minus its gradient, as arrows."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np

from viewer.protocol.commands import Command
from viewer.protocol.findings import JointPull
from viewer.protocol.view_model import ViewModel
from viewer.scene.layer import Label, Layer, sequences_at
from viewer.scene.picking import joint_name
from viewer.ui import theme
from viewer.ui.asking import ask, is_current
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import number

LONGEST = 0.35  # metres that the longest arrow of the clip has


class PullLayer(Layer):
    """Arrows of one scale over the whole clip, so that frames can be compared."""

    name = "pull"

    def questions(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """The gradient of the chosen term."""
        yield from ask(view, ui, "joint_pull", term=pulling(view, ui))

    def key(self, view: ViewModel, ui: UiState) -> Hashable:
        """The answer and the frame."""
        return view.version, id(pull_of(view)), ui.frame

    def update(self, view: ViewModel, ui: UiState) -> None:
        """One arrow a joint."""
        found = pull_of(view)
        if found is None:
            return
        longest = float(np.linalg.norm(found.vectors, axis=-1).max())
        for b, local in sequences_at(view, ui.frame):
            vectors = found.vectors[b, local] * (LONGEST / max(longest, 1e-12))
            joints = view.motion.joints[b, local]
            self.arrows(f"{b}", joints, vectors, color=theme.LAYER_COLORS[self.name], radius=0.012)

    def labels(self, view: ViewModel, ui: UiState) -> Iterator[Label]:
        """The joint that is pulled most."""
        found = pull_of(view)
        for b, local in sequences_at(view, ui.frame):
            place = view.motion.joints[b, local]
            if found is not None and np.any(found.vectors[b, local]):
                force = np.linalg.norm(found.vectors[b, local], axis=-1)
                worst = int(force.argmax())
                text = f"{words(found.term)}: {joint_name(view, worst)} {number(float(force[worst]))} /m"
                yield Label(place[worst], text, theme.LAYER_COLORS[self.name])
            elif is_current(view, "joint_pull"):
                text = f"{words(pulling(view, ui))} pulls at no joint here"
                yield Label(place[15], text, theme.LAYER_COLORS[self.name])


def pulling(view: ViewModel, ui: UiState) -> str:
    """Name of the chosen term; if none is chosen, the term with the largest share of the loss."""
    names = [term.name for term in view.scene.terms]
    if ui.look.pull_term in names:
        return str(ui.look.pull_term)
    return names[int(np.nan_to_num(view.weighted, nan=-np.inf).argmax())]


def pull_of(view: ViewModel) -> JointPull | None:
    """The answer, if it is about the iteration that is shown."""
    found = view.analyses.get("joint_pull")
    return found.value if found is not None and is_current(view, "joint_pull") else None


def words(term: str) -> str:
    """A term's name with spaces."""
    return term.replace("_", " ")
