"""What each weight would do to a figure, and one weight by a factor: predicted, or tried."""

from __future__ import annotations

import html
from collections.abc import Iterator
from functools import partial

import viser

from optim.diagnostics.quantities import QUANTITIES, TUNED
from viewer.browser.controls import Inbox
from viewer.browser.sections.messages import small
from viewer.panels.inspect.effects import (
    FACTORS,
    OVERVIEW,
    OVERVIEW_HELP,
    PREDICT,
    PREDICT_HELP,
    STOP,
    STOP_HELP,
    TRY,
    TRY_HELP,
    change_text,
    factor_text,
    in_order,
    is_under_way,
    one_text,
    overview_of,
    overview_text,
    question_of,
    told,
)
from viewer.protocol.commands import BreakOff, Command
from viewer.protocol.findings import WeightEffects
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState

NONE = "none"
LABELS = {name: f"{QUANTITIES[name].label} [{QUANTITIES[name].unit}]" for name in TUNED}


class Effects:
    """A figure, a table of what the weights would do to it, and the question about one of them."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState, view: ViewModel) -> None:
        self._ui, self._inbox, self._view = ui, inbox, view
        definitions = "\n".join(f"{LABELS[name]}: {QUANTITIES[name].definition}" for name in TUNED)
        self.figure = gui.add_dropdown("figure", tuple(LABELS.values()), hint=definitions)
        self.ask = gui.add_button(OVERVIEW, hint=OVERVIEW_HELP, icon=viser.Icon.ARROWS_MOVE_VERTICAL)
        self.table = gui.add_html("")
        self.weight = gui.add_dropdown("weight", (NONE,))
        self.factor = gui.add_dropdown("factor", [factor_text(factor) for factor in FACTORS])
        self.predict = gui.add_button(PREDICT, hint=PREDICT_HELP)
        self.trial = gui.add_button(TRY, hint=TRY_HELP)
        self.stop = gui.add_button(STOP, hint=STOP_HELP, visible=False)
        self.answer = gui.add_html("")
        inbox.changed(self.figure, self._choose)
        inbox.clicked(self.ask, lambda: [overview_of(self._view, self._ui)])
        inbox.clicked(self.stop, lambda: [BreakOff()])
        inbox.changed(self.weight, self._take)
        inbox.changed(self.factor, self._multiply)
        for button, kind in ((self.predict, "weight_probe"), (self.trial, "weight_trial")):
            inbox.clicked(button, partial(self._question, kind))

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """The newest answers."""
        self._view, overview = view, view.analyses.get("weight_effects")
        self._inbox.show(self.figure, LABELS[ui.effect_figure])
        found = None if overview is None else overview.value
        text = (
            "" if overview is None else html.escape(overview_text(overview, outdated=overview.snapshot != view.shown))
        )
        if isinstance(found, WeightEffects):
            rows = "".join(
                f'<tr><td style="padding-right:1em">{html.escape(name.replace("_", " "))}</td>'
                f"<td>{html.escape(change_text(found, change))}</td></tr>"
                for name, change in in_order(found)
            )
            text += f"<table>{rows}</table>"
            options = (NONE, *(name for name, _ in in_order(found)))
            if self.weight.options != options:
                self.weight.options = options
        self.table.content = small(text)
        self._inbox.show(self.weight, ui.effect_weight if ui.effect_weight in self.weight.options else NONE)
        self._inbox.show(self.factor, factor_text(ui.effect_factor))
        self.predict.disabled = self.trial.disabled = not ui.effect_weight
        self.stop.visible = is_under_way(view)
        lines = (html.escape(one_text(one, outdated=one.snapshot != view.shown)) for one in told(view))
        self.answer.content = small("<br>".join(lines))
        yield from ()

    def _choose(self, label: str) -> None:
        self._ui.effect_figure = next(name for name in TUNED if LABELS[name] == label)

    def _take(self, name: str) -> None:
        self._ui.effect_weight = "" if name == NONE else name

    def _multiply(self, label: str) -> None:
        self._ui.effect_factor = next(factor for factor in FACTORS if factor_text(factor) == label)

    def _question(self, kind: str) -> Iterator[Command]:
        if self._ui.effect_weight:
            yield question_of(kind, self._view, self._ui)
