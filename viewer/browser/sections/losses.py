"""The loss over the iterations of the current branch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import viser

from viewer.browser.controls import Inbox
from viewer.browser.plots import HEIGHT, Plot
from viewer.panels.fit.losses import SWITCHES, TOTAL, loss_curves, loss_limits, thin
from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState

OFFERED = ("plot_terms", "plot_per_frame")
"""Switches of the window's plot that are offered here."""
MOST_POINTS = 300
EVERY = 1.0  # seconds between two plots while a fit runs


class Losses:
    """Every weighted term in its colour and the total on a logarithmic scale; what is not positive is left out."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState) -> None:
        self._ui, self._inbox = ui, inbox
        self.switches = {
            name: gui.add_checkbox(label, getattr(ui, name), hint=help_text)
            for label, name, help_text in SWITCHES
            if name in OFFERED
        }
        for name, switch in self.switches.items():
            inbox.changed(switch, partial(self._switch, name))
        self.plot = Plot(gui, logarithmic=True, height=HEIGHT + 120)
        self._drawn: object = None
        self._when = -1e9

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """Draw again when iterations were added, at intervals while a fit runs."""
        history = view.history
        for name, switch in self.switches.items():
            self._inbox.show(switch, getattr(ui, name))
        now = len(history.ids), view.current, view.scene.batch, *(getattr(ui, name) for name in OFFERED)
        waits = view.status.state == "running" and time.monotonic() - self._when < EVERY
        if now != self._drawn and not waits:
            self._drawn, self._when = now, time.monotonic()
            rows = thin(history.branch, MOST_POINTS)
            rows = rows[np.unique(history.depth[rows], return_index=True)[1]]
            unit = history.frames if ui.plot_per_frame else np.ones_like(history.frames)
            least = max(loss_limits(history.total[rows] / unit[rows])[0], 0.0)
            curves = [
                (label, np.where(values > least, values, np.nan), color, 2.0 if label == TOTAL else 1.2)
                for label, values, color in loss_curves(view, rows, unit, each_term=ui.plot_terms)
            ]
            self.plot.show(history.depth[rows].astype(np.float64), curves)
        yield from ()

    def _switch(self, name: str, on: bool) -> None:
        setattr(self._ui, name, on)
