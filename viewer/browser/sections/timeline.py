"""Frames and iterations: two sliders, playback, and the way back."""

from __future__ import annotations

from collections.abc import Iterator

import viser

from optim.session.edits import Rewind
from viewer.browser.controls import Inbox, Posting
from viewer.panels.fit.timeline import last_row
from viewer.protocol.commands import Command, Inspect
from viewer.protocol.view_model import ViewModel
from viewer.ui.actions import LATEST, PLAY, REWIND
from viewer.ui.ui_state import UiState


class Timeline:
    """The sliders of the clip's frames and of the iterations on the branch that is shown."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState) -> None:
        self._view: ViewModel | None = None
        self._ui, self._inbox = ui, inbox
        self._asked: Posting | None = None  # the newest command for an iteration
        self.frame = gui.add_slider("frame", 0, 1, 1, 0)
        self.iteration = gui.add_slider("iteration", 0, 1, 1, 0)
        self.play = gui.add_checkbox(PLAY.label, False, hint=PLAY.help)
        hint = f"{REWIND.label}: {REWIND.help}. {LATEST.label}: {LATEST.help}"
        self.back = gui.add_button_group("this iteration", (REWIND.label, LATEST.label), hint=hint)
        inbox.changed(self.frame, self._go_to)
        inbox.changed(self.iteration, self._inspect)
        inbox.changed(self.play, self._play)
        inbox.clicked_by(self.back, lambda client, label: self._go_back(label))

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Both sliders stand where the screen is; what a user has asked for counts until it is shown."""
        self._view = view
        if ui.scrubbing is not None and (self._asked is None or self._asked.obeyed(view)):
            ui.scrubbing = None
        self.frame.max = view.scene.clip_frames - 1
        self._inbox.show(self.frame, ui.frame)
        self._inbox.show(self.play, ui.playing)
        history = view.history
        row = history.row_of(view.shown if ui.scrubbing is None else ui.scrubbing)
        self.iteration.max = max(int(history.depth[last_row(view, row)]), 1)
        self._inbox.show(self.iteration, int(history.depth[row]))
        self.back.visible = view.shown != view.current
        yield from ()

    def _go_to(self, frame: int) -> None:
        if self._view is not None:
            self._ui.go_to(frame, self._view.scene.clip_frames)

    def _play(self, on: bool) -> None:
        self._ui.playing = on

    def _inspect(self, number: int) -> Iterator[Command]:
        if self._view is not None:
            wanted = self._view.history.numbered(number)
            self._ui.scrubbing, self._asked = wanted, Posting(self._ui)
            yield Inspect(None if wanted == self._view.current else wanted)

    def _go_back(self, label: str) -> Iterator[Command]:
        if self._view is not None:
            self._ui.scrubbing = None
            yield Rewind(self._view.shown) if label == REWIND.label else Inspect(None)
