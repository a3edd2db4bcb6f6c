"""Which variables move, how far they have moved, and a tick for each that is to be held."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import viser

from optim.session.edits import Hold, Release
from viewer.browser.controls import Asked, Inbox
from viewer.panels.fit.variables import held_by, rows, state_of, variable_help
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState


class Freeze:
    """A tick for each variable, and for the group of the variables of x_0."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState, view: ViewModel) -> None:
        self._inbox, self._asked = inbox, Asked(ui)
        self.ticks = {
            variable.name: gui.add_checkbox(variable.label, False, hint=variable_help(variable, held=False))
            for variable in view.scene.variables
        }
        for name, tick in self.ticks.items():
            inbox.changed(tick, partial(self._hold, name))

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """The variables of the stage, with how far they have moved or since when they are held."""
        shown = {row[0].name: (place, *row) for place, row in enumerate(rows(view, opened=True))}
        for name, tick in self.ticks.items():
            tick.visible = name in shown
            if name in shown:
                place, variable, inner = shown[name]
                tick.order = float(place)
                own, covered = held_by(view, variable, inner=inner)
                held = self._asked.value(name, view, own or covered)
                self._inbox.show(tick, held)
                tick.disabled = covered
                tick.label = f"{'– ' if inner else ''}{variable.label} ({state_of(view, variable, held)[0]})"
        yield from ()

    def _hold(self, name: str, held: bool) -> Iterator[Command]:
        self._asked.ask(name, held)
        yield Hold(name) if held else Release(name)
