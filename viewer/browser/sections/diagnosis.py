"""The findings of Why?, with the way to the frame and to the view in which each is seen."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence

import viser

from viewer.browser.controls import Inbox
from viewer.browser.sections.messages import dotted, small
from viewer.panels.inspect.diagnosis import COLORS, IN_ORDER, NO_FAULT, PLACES, about_answer, grouped, lines_of
from viewer.protocol.commands import Analyse, Command
from viewer.protocol.findings import Diagnosis, Verdict
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.actions import DIAGNOSE
from viewer.ui.asking import is_current
from viewer.ui.focus import FOCUSES, focus_on, view_of_rule
from viewer.ui.ui_state import UiState


class Why:
    """A button, and below it the findings of the answer; they are made anew for each answer."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState) -> None:
        self._gui, self._inbox, self._ui = gui, inbox, ui
        self._view: ViewModel | None = None
        self._told: Diagnosis | None = None
        self._body: viser.GuiFolderHandle | None = None
        self.button = gui.add_button(DIAGNOSE.label, hint=DIAGNOSE.help, icon=viser.Icon.STETHOSCOPE)
        self.about = gui.add_html("")
        self._place = gui.add_folder(None)
        self.jumps: list[tuple[Verdict, viser.GuiButtonGroupHandle]] = []
        inbox.clicked(self.button, self._diagnose)

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """The newest answer, and which iteration it is about."""
        self._view = view
        found, current = view.analyses.get("diagnosis"), is_current(view, "diagnosis")
        self.button.disabled = view.status.state == "running" or current
        error = "" if found is None or not found.error else f"<br>{html.escape(found.error)}"
        self.about.content = small(html.escape(about_answer(view, current)) + error)
        value = None if found is None else found.value
        if value is not self._told:
            self._told = value
            self._write(value, view)
        yield from ()

    def _diagnose(self) -> Iterator[Command]:
        if self._view is not None:
            yield Analyse("diagnosis", self._view.shown)

    def _write(self, found: Diagnosis | None, view: ViewModel) -> None:
        if self._body is not None:
            self._body.remove()
        self._body, self.jumps = None, []
        if found is None:
            return
        faults, places, good = grouped(found)
        with self._place:
            self._body = self._gui.add_folder(None)
        with self._body:
            if not faults:
                self._gui.add_html(small(dotted(theme.GOOD, NO_FAULT)))
            self._tell(faults, view)
            if places:
                self._gui.add_html(small(f'<div style="opacity:0.7">{PLACES}</div>'))
                self._tell(places, view)
            if good:
                with self._gui.add_folder(f"{IN_ORDER} ({len(good)})", expand_by_default=False):
                    self._gui.add_html(small("".join(map(_paragraph, good))))

    def _tell(self, verdicts: Sequence[Verdict], view: ViewModel) -> None:
        """Each finding with a button to its frame and one to its view."""
        for verdict in verdicts:
            self._gui.add_html(small(_paragraph(verdict)))
            name = None if verdict.level == "good" else view_of_rule(verdict.rule, view)
            frame = [] if verdict.frame is None else [f"frame {verdict.frame}"]
            options = [*frame, *([] if name is None else [FOCUSES[name].title])]
            if options:
                buttons = self._gui.add_button_group("go to", options)
                self.jumps.append((verdict, buttons))
                self._inbox.clicked_by(buttons, self._jump_of(verdict, name))

    def _jump_of(self, verdict: Verdict, name: str | None) -> Callable[[viser.ClientHandle | None, str], None]:
        def jump(client: viser.ClientHandle | None, label: str) -> None:
            if self._view is not None and verdict.frame is not None:
                self._ui.go_to(verdict.frame, self._view.scene.clip_frames)
            if name is not None and label == FOCUSES[name].title:
                focus_on(self._ui, name)

        return jump


def _paragraph(verdict: Verdict) -> str:
    text, evidence, advice = lines_of(verdict)
    return dotted(getattr(theme, COLORS[verdict.level]), text, evidence, advice)
