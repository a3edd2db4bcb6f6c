"""A slider for each weight of a stage; an edit is sent when the slider has come to rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import viser

from optim.session.edits import SetWeight
from viewer.browser.controls import REST, Inbox
from viewer.panels.fit.weights import (
    OFF,
    SPAN,
    phase_of,
    slider_position,
    slider_weight,
    stage_default,
    stage_reset,
    term_help,
    term_label,
    terms_of,
)
from viewer.protocol.commands import Command, Drag, EndDrag
from viewer.protocol.view_model import ViewModel
from viewer.ui.actions import WEIGHT
from viewer.ui.ui_state import Draft, UiState
from viewer.ui.widgets import number

STEP = 0.02  # decades
MARKS = ((-SPAN - OFF, "off"), (0.0, "default"), (SPAN, f"×{10**SPAN:g}"))


def _unbroken(text: str) -> str:
    """A text that is not broken into two lines."""
    return "\u2060".join(text.replace("-", "\u2011"))


class Weights:
    """The sliders; the last change wins, whoever made it."""

    def __init__(
        self,
        gui: viser.GuiApi,
        inbox: Inbox,
        ui: UiState,
        view: ViewModel,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ui, self._inbox, self._view, self._clock = ui, inbox, view, clock
        self._moved: dict[tuple[int, str], float] = {}  # drafts that have not been sent → when they changed last
        stages = sorted({phase.stage for phase in view.phases})
        self.stage = gui.add_dropdown("stage", [f"{stage}" for stage in stages])
        self.reset = gui.add_button("Reset", hint="All weights of the stage back to what the fit began with")
        self.sliders = [
            gui.add_slider(
                term_label(term), -SPAN - OFF, SPAN, STEP, 0.0, marks=MARKS, hint=f"{term_help(term)}\n{WEIGHT.help}"
            )
            for term in view.scene.terms
        ]
        inbox.changed(self.stage, self._choose)
        inbox.clicked(self.reset, self._reset)
        for index, slider in enumerate(self.sliders):
            inbox.changed(slider, partial(self._move, index))

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Every slider at its weight, or where a user has put it; edits that have come to rest."""
        self._view = view
        stage = self._stage()
        self._inbox.show(self.stage, f"{stage}")
        self.reset.disabled = stage_reset(view, stage) is None
        there, phase = set(terms_of(view, stage)), phase_of(view, stage)
        for index, (term, slider) in enumerate(zip(view.scene.terms, self.sliders, strict=True)):
            slider.visible = index in there
            if index in there:
                draft = ui.drafts.get((stage, term.name))
                weight = float(view.weights[phase, index]) if draft is None else draft.value
                position = slider_position(weight, stage_default(view, phase, index))
                slider.label = f"{term_label(term)} {_unbroken(number(weight))}"
                self._inbox.show(slider, round(round(position / STEP) * STEP, 2))
        for key, when in list(self._moved.items()):
            if self._clock() - when >= REST:
                yield from self._send(key)

    def _stage(self) -> int:
        return self._ui.weight_stage or self._view.phases[self._view.status.phase].stage

    def _choose(self, stage: str) -> None:
        running = self._view.phases[self._view.status.phase].stage
        self._ui.weight_stage = None if int(stage) == running else int(stage)

    def _reset(self) -> Iterator[Command]:
        edit = stage_reset(self._view, self._stage())
        if edit is not None:
            yield edit

    def _move(self, index: int, position: float) -> Iterator[Command]:
        view, stage = self._view, self._stage()
        name = view.scene.terms[index].name
        weight = slider_weight(position, stage_default(view, phase_of(view, stage), index))
        self._ui.drafts[stage, name] = Draft(weight)
        self._moved[stage, name] = self._clock()
        if view.status.live:
            yield Drag(SetWeight(name, weight, stage))

    def _send(self, key: tuple[int, str]) -> Iterator[Command]:
        """One edit of what a user has done with one slider."""
        del self._moved[key]
        draft, (stage, name) = self._ui.drafts.get(key), key
        if draft is not None:
            draft.sent = True
            yield EndDrag() if self._view.status.live else SetWeight(name, draft.value, stage)
