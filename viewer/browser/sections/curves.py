"""Drift, floor and overlaps over the frames: one of them at a time, since the worker is asked for what is shown."""

from __future__ import annotations

from collections.abc import Iterator

import viser

from optim.diagnostics.quantities import QUANTITIES
from viewer.browser.controls import Inbox
from viewer.browser.plots import Plot
from viewer.browser.sections.section import sequence_numbered, sequence_numbers
from viewer.panels.inspect.drift import NO_DRIFT, SHORT, drift_curves
from viewer.panels.inspect.floor import ground_curves, summary
from viewer.panels.inspect.overlaps import NOT_SPLIT, most_apart, nothing_joined, pair_label, worst_frame
from viewer.panels.table import PANELS
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.asking import ask
from viewer.ui.plots import Curve
from viewer.ui.ui_state import UiState

NONE = "nothing"
QUESTIONS = {"drift": "drift", "floor": "ground", "overlaps": "overlaps"}
"""Panel of the window → kind of the analysis that it shows."""


class Curves:
    """One plot, and what it is of."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState, view: ViewModel) -> None:
        self._ui, self._inbox, self._view = ui, inbox, view
        self.what = gui.add_dropdown("of", (NONE, *(PANELS[name].title for name in QUESTIONS)))
        self.quantity = gui.add_dropdown("quantity", [QUANTITIES[name].label for name in SHORT])
        self.sequence = gui.add_dropdown("sub-sequence", sequence_numbers(view))
        self.worst = gui.add_button("Go to the worst frame", icon=viser.Icon.FOCUS_2)
        self.text = gui.add_markdown("")
        self.plot = Plot(gui)
        inbox.changed(self.what, self._choose)
        inbox.changed(self.quantity, self._measure)
        inbox.changed(self.sequence, self._look_at)
        inbox.clicked(self.worst, self._go_to_worst)

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Ask for what is chosen, and draw the answer."""
        self._view = view
        name = ui.tabs.get("losses", "")
        self._inbox.show(self.what, PANELS[name].title if name in QUESTIONS else NONE)
        self._inbox.show(self.quantity, QUANTITIES[ui.drift_quantity].label)
        numbers = sequence_numbers(view)
        if self.sequence.options != numbers:
            self.sequence.options = numbers
        self._inbox.show(self.sequence, numbers[min(ui.sequence, len(numbers) - 1)])
        self.quantity.visible = name == "drift"
        self.sequence.visible = len(view.scene.starts) > 1 and name in ("drift", "floor")
        not_split = NOT_SPLIT if nothing_joined(view.scene) else ""
        missing = {"drift": NO_DRIFT if view.drift is None else "", "overlaps": not_split}
        text, curves = missing.get(name, ""), list[Curve]()
        if name in QUESTIONS and not text:
            yield from ask(view, ui, QUESTIONS[name])
            text, curves = self._answer(name, view, ui)
        self.text.content, self.worst.visible = text, name == "overlaps" and bool(curves)
        self.plot.show_frames(curves, ui.frame)

    def _answer(self, name: str, view: ViewModel, ui: UiState) -> tuple[str, list[Curve]]:
        found = view.analyses.get(QUESTIONS[name])
        if found is None or found.value is None:
            return (found.error if found is not None and found.error else "Computed when the run pauses…"), []
        b = min(ui.sequence, len(view.scene.starts) - 1)
        if name == "drift":
            return "", drift_curves(view, ui, found.value)
        if name == "floor":
            return summary(found.value, b), ground_curves(view, found.value, b)
        if not found.value.pairs:
            return "", []
        curves = [
            Curve(
                f"{pair_label(pair)} {QUANTITIES['position_cm'].label} [{QUANTITIES['position_cm'].unit}]",
                int(pair.frames[0]), pair.position_cm, theme.sequence_color(pair.before + 1),
            )
            for pair in found.value.pairs
        ]  # fmt: skip
        return "; ".join(f"{pair_label(pair)}: {most_apart(pair)}" for pair in found.value.pairs), curves

    def _choose(self, title: str) -> None:
        self._ui.show_panel(next((name for name in QUESTIONS if PANELS[name].title == title), "losses"))

    def _measure(self, label: str) -> None:
        self._ui.drift_quantity = next(name for name in SHORT if QUANTITIES[name].label == label)

    def _look_at(self, number: str) -> None:
        self._ui.sequence = sequence_numbered(self._view, number)

    def _go_to_worst(self) -> None:
        found = self._view.analyses.get("overlaps")
        if found is not None and found.value is not None and found.value.pairs:
            pair = max(found.value.pairs, key=lambda pair: float(pair.position_cm.max()))
            self._ui.pair = pair.before
            self._ui.go_to(worst_frame(pair), self._view.scene.clip_frames)
