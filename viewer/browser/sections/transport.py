"""Run, pause and step the fit; its state, its speed and its edits."""

from __future__ import annotations

import html
from collections.abc import Iterator

import viser

from optim.session.edits import Redo, Undo
from viewer.browser.controls import Asked, Inbox
from viewer.browser.sections.messages import dotted
from viewer.panels.fit.transport import (
    SPEEDS,
    STATES,
    batch_text,
    live_text,
    position_text,
    progress_text,
    speed_label,
    speed_text,
)
from viewer.protocol.commands import Command, Pause, Run, SetLive, SetSpeed
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.actions import LIVE, PAUSE, REDO, RUN, SPEED, STEPS, UNDO
from viewer.ui.ui_state import UiState


class Transport:
    """The buttons of the optimiser."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState) -> None:
        self._inbox, self._asked = inbox, Asked(ui)
        self.where = gui.add_html("")
        self.progress = gui.add_progress_bar(0.0)
        self.run = gui.add_button(RUN.label, hint=RUN.help, icon=viser.Icon.PLAYER_PLAY)
        self.pause = gui.add_button(PAUSE.label, hint=PAUSE.help, icon=viser.Icon.PLAYER_PAUSE, color="orange")
        steps = " ".join(f"{step.label}: {step.help}." for step in STEPS)
        self.steps = gui.add_button_group("go on by", [step.label for step in STEPS], hint=steps)
        self.edits = gui.add_button_group("edits", (UNDO.label, REDO.label), hint=f"{UNDO.help}; {REDO.help}")
        self.speed = gui.add_dropdown(SPEED.label, [speed_label(limit) for limit in SPEEDS], hint=SPEED.help)
        self.live = gui.add_checkbox(LIVE.label, False, hint=LIVE.help)
        inbox.clicked(self.run, lambda: [Run()])
        inbox.clicked(self.pause, lambda: [Pause()])
        inbox.clicked_by(self.steps, lambda client, label: [s.command() for s in STEPS if s.label == label])
        inbox.clicked_by(self.edits, lambda client, label: [Undo() if label == UNDO.label else Redo()])
        inbox.changed(self.speed, self._limit)
        inbox.changed(self.live, self._follow_edits)

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """The state of the optimiser, in the words of the window."""
        status, running = view.status, view.status.state == "running"
        name = " · ".join(filter(None, (view.scene.name, batch_text(view))))
        state = f"{view.phases[status.phase].name.capitalize()}: {live_text(view)}"
        figures = f"{position_text(view)} · {speed_text(view)}"
        line = dotted(getattr(theme, STATES[status.state]), state, figures, progress_text(view))
        head = f'<div style="opacity:0.7;font-size:0.85em">{html.escape(name)}</div>'
        style = "padding:0.2em 0.9em;line-height:1.35;font-size:0.9em"
        self.where.content = f'<div style="{style}">{head}{line}</div>'
        self._inbox.show(self.progress, round(100 * status.progress, 1))
        self.run.visible, self.pause.visible = not running, running
        self.run.disabled = status.state == "done"
        self.steps.visible = not running and status.state != "done"
        self.edits.visible = view.can_undo or view.can_redo
        self._inbox.show(self.speed, speed_label(self._asked.value("speed", view, status.speed_limit)))
        self._inbox.show(self.live, self._asked.value("live", view, status.live))
        yield from ()

    def _limit(self, label: str) -> Iterator[Command]:
        limit = next(limit for limit in SPEEDS if speed_label(limit) == label)
        self._asked.ask("speed", limit)
        yield SetSpeed(limit)

    def _follow_edits(self, on: bool) -> Iterator[Command]:
        self._asked.ask("live", on)
        yield SetLive(on)
