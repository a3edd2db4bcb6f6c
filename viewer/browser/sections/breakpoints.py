"""Conditions that pause a run, with their bounds, and the way back to the last good iteration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import viser

from optim.session.edits import Rewind
from viewer.browser.controls import Entered, Inbox, Posting
from viewer.browser.sections.messages import dotted, small
from viewer.panels.fit.breakpoints import BACK, BACK_HELP, HELP, caught_text
from viewer.protocol.commands import Command, SetBreakpoints
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.ui_state import UiState

NONE = "A recorded run has no breakpoints."


class Breakpoints:
    """A tick for each condition, and its bound or its term."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState, view: ViewModel) -> None:
        self._ui, self._inbox, self._view, self._entered = ui, inbox, view, Entered(ui)
        # A command holds all breakpoints, so the next one is made from what was asked for, which the view may not have.
        self._wanted = list(view.breakpoints)
        self._posting: Posting | None = None
        self.caught = gui.add_html("")
        self.back = gui.add_button(BACK, hint=BACK_HELP, icon=viser.Icon.ARROW_BACK_UP)
        inbox.clicked(self.back, self._go_back)
        self.ticks: list[viser.GuiCheckboxHandle] = []
        self.bounds: dict[int, viser.GuiNumberHandle[float]] = {}
        self.terms: dict[int, viser.GuiDropdownHandle[Any]] = {}
        for index, setting in enumerate(view.breakpoints):
            self.ticks.append(gui.add_checkbox(setting.name, setting.on, hint=HELP[setting.name]))
            inbox.changed(self.ticks[-1], partial(self._ask, index, "on"))
            if setting.bound is not None:
                label = f"– bound [{setting.unit}]" if setting.unit else "– bound"
                self.bounds[index] = gui.add_number(label, float(setting.bound), step=0.001)
                inbox.changed(self.bounds[index], partial(self._entered.enter, index))
            if setting.term is not None:
                self.terms[index] = gui.add_dropdown("– term", tuple(view.scene.loss_terms))
                inbox.changed(self.terms[index], partial(self._ask, index, "term"))

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """The conditions as they stand, and the one that was hit last."""
        self._view, caught = view, view.caught
        if self._posting is None or self._posting.obeyed(view):
            self._wanted, self._posting = list(view.breakpoints), None
        none = "" if view.breakpoints else small(NONE)
        self.caught.content = none if caught is None else small(dotted(theme.WARN, caught_text(view, caught)))
        self.back.visible = caught is not None
        self.back.disabled = caught is None or caught.last_good is None
        for index, setting in enumerate(self._wanted):
            self._inbox.show(self.ticks[index], setting.on)
            if index in self.bounds:
                self._inbox.show(self.bounds[index], self._entered.value(index, view, setting.bound))
            if index in self.terms:
                self._inbox.show(self.terms[index], setting.term)
        for index, bound in self._entered.rested():
            yield from self._ask(index, "bound", float(bound))

    def _ask(self, index: int, field: str, value: Any) -> Iterator[Command]:
        self._wanted[index] = replace(self._wanted[index], **{field: value})
        self._posting = Posting(self._ui)
        yield SetBreakpoints(tuple(self._wanted))

    def _go_back(self) -> Iterator[Command]:
        if self._view.caught is not None and self._view.caught.last_good is not None:
            yield Rewind(self._view.caught.last_good)
