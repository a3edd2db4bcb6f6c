"""A second motion beside the one that is shown: what can be pinned, and how far the two are apart."""

from __future__ import annotations

from collections.abc import Iterator

import viser

from optim.diagnostics.comparison import BETWEEN
from optim.diagnostics.quantities import QUANTITIES
from viewer.browser.controls import Inbox
from viewer.browser.plots import Plot
from viewer.panels.inspect.compare import compared_text, difference_curve
from viewer.protocol.commands import Command, Inspect
from viewer.protocol.view_model import ViewModel
from viewer.ui.actions import PIN
from viewer.ui.pins import moments, pin_of
from viewer.ui.ui_state import UiState

NONE, TRUTH = "none", "ground truth"


class Compare:
    """Which motion is B; it is drawn as a second body."""

    def __init__(self, gui: viser.GuiApi, inbox: Inbox, ui: UiState) -> None:
        self._view: ViewModel | None = None
        self._ui, self._inbox = ui, inbox
        self.pin = gui.add_button(PIN.label, hint=PIN.help, icon=viser.Icon.PIN)
        self.more = gui.add_dropdown("pin", (NONE,), initial_value=NONE)
        self.shown = gui.add_dropdown("B is", (NONE,), initial_value=NONE)
        names = tuple(QUANTITIES[name].label for name in BETWEEN)
        self.quantity = gui.add_dropdown("distance", names, initial_value=names[0])
        self.beside = gui.add_checkbox("side by side", ui.pins.beside)
        self.text = gui.add_markdown("")
        self.plot = Plot(gui)
        inbox.clicked(self.pin, self._pin)
        inbox.changed(self.more, self._pin_moment)
        inbox.changed(self.shown, ui.pins.draw)
        inbox.changed(self.quantity, self._choose)
        inbox.changed(self.beside, self._place)

    def follow(self, view: ViewModel, ui: UiState) -> Iterator[Command]:
        """The pins, and the curve of the one that is drawn."""
        self._view, pins = view, ui.pins
        truth = [TRUTH] if view.scene.ground_truth is not None else []
        self._offer(self.more, (NONE, *dict.fromkeys([*truth, *(label for _, label in moments(view))])), NONE)
        self._offer(self.shown, (NONE, *(pin.label for pin in pins.kept)), NONE if pins.pin is None else pins.pin.label)
        self._inbox.show(self.beside, pins.beside)
        name = pins.quantity if pins.quantity in BETWEEN else BETWEEN[0]
        self._inbox.show(self.quantity, QUANTITIES[name].label)
        other = view.compared
        if other is None or not len(other.frames):
            self.text.content = "" if other is None else compared_text(other)
            self.plot.show_frames([], ui.frame)
        else:
            now = other.at(name, ui.frame)
            here = "not in this frame" if now is None else f"here {QUANTITIES[name].text(now)}"
            self.text.content = f"{compared_text(other)} {QUANTITIES[name].label}: {here}"
            self.plot.show_frames([difference_curve(other, name)], ui.frame)
        yield from ()

    def _pin(self) -> None:
        if self._view is not None:
            self._ui.pins.add(pin_of(self._view, f"iteration {self._view.history.number(self._view.shown)}"))

    def _pin_moment(self, label: str) -> Iterator[Command]:
        view, pins = self._view, self._ui.pins
        if view is None or label == NONE:
            return
        if label == TRUTH and view.scene.ground_truth is not None:
            pins.add(pin_of(view, TRUTH, motion=view.scene.ground_truth))
            return
        snapshot = next((snapshot for snapshot, name in moments(view) if name == label), None)
        if snapshot is not None:
            pins.wanted, pins.back = (snapshot, label), view.shown if view.shown != view.current else None
            yield Inspect(snapshot)

    def _choose(self, label: str) -> None:
        self._ui.pins.quantity = next(name for name in BETWEEN if QUANTITIES[name].label == label)

    def _place(self, beside: bool) -> None:
        self._ui.pins.beside = beside

    def _offer(self, dropdown: viser.GuiDropdownHandle, options: tuple[str, ...], value: str) -> None:
        """Change what can be chosen, and what is."""
        if dropdown.options != options:
            dropdown.options = options
        self._inbox.show(dropdown, value)
