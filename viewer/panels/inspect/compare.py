"""The panel Compare: pins a second motion (B) beside the one that is shown (A), and says how the two differ."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.diagnostics.comparison import BETWEEN
from optim.diagnostics.quantities import QUANTITIES
from viewer.protocol.commands import Command, Inspect
from viewer.protocol.view_model import Compared, ViewModel
from viewer.scene.comparing import set_differently, terms
from viewer.ui import theme
from viewer.ui.actions import PIN
from viewer.ui.drawing import psim
from viewer.ui.pins import Pin, Pins, moments, pin_of
from viewer.ui.plots import Curve, frame_plot
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import align_right, disabled, dot, font, number, scale, styled, table_row, tooltip

SHORT = dict(zip(BETWEEN, ("joints", "root", "heading", "feet"), strict=True))
"""Quantity → the word on its button."""
PARTS = {
    "frames": "Differences in every frame that both motions have",
    "terms": "Weighted loss terms of A (shown) and B (pinned), largest difference first",
    "settings": "Flags, weights, steps, data and models that were set differently",
}


def compare_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """What to pin, the pins, and the differences of the one that is drawn, which scroll where they have no room."""
    with font(theme.SMALL_FONT), styled(FramePadding=(5.0, 1.5), ItemSpacing=(6.0, 3.5)):
        yield from _sources(view, ui)
        if psim.BeginChild("pins and differences", (0.0, 0.0)):
            _pins(ui)
            if ui.pins.pin is None or view.compared is None:
                psim.TextWrapped("Pin an iteration, the ground truth or another run: it is drawn as a second body, B.")
            else:
                _differences(view, ui, ui.pins.pin, view.compared)
        psim.EndChild()


def _differences(view: ViewModel, ui: UiState, pin: Pin, other: Compared) -> None:
    _placing(ui.pins)
    for name, text in PARTS.items():
        if psim.RadioButton(f"{name}##part", ui.pins.part == name):
            ui.pins.part = name
        tooltip(text)
        psim.SameLine()
    psim.NewLine()
    if ui.pins.part == "frames":
        _frames(view, ui, other)
    elif ui.pins.part == "terms":
        rows = terms(view, pin)
        cells = [[row.name.replace("_", " "), *map(number, row[1:]), number(row.difference)] for row in rows]
        _table("terms", ("weighted loss", "A", "B", "B − A"), cells, "B has no loss terms of its own.")
    else:
        cells = [[row.name.replace("_", " "), row.first, row.second] for row in set_differently(view, pin)]
        _table("settings", ("set differently", "A", "B"), cells, "Nothing that is known was set differently.")


def _sources(view: ViewModel, ui: UiState) -> Iterator[Command]:
    pins, number_now = ui.pins, view.history.number(view.shown)
    if psim.Button(PIN.label):
        pins.add(pin_of(view, f"iteration {number_now}"))
    tooltip(PIN.tooltip)
    psim.SameLine()
    psim.SetNextItemWidth(92.0 * scale())
    if psim.BeginCombo("##pin", "Pin…"):
        yield from _moments_to_pin(view, pins)
        psim.EndCombo()
    tooltip("Ends of stages and branches, bookmarks and the ground truth of this clip")
    psim.SameLine()
    if psim.Button("Other run…"):
        ui.opening.show("compare")
    tooltip("Another run file or results folder of this clip as B (also --compare)")
    if pins.run is not None:
        psim.SameLine()
        psim.SetNextItemWidth(-1.0)
        if psim.BeginCombo("##of run", pins.run_name):
            for snapshot, label in [(pins.run.current, "its end"), *moments(pins.run)]:
                if psim.Selectable(f"{label}##run {snapshot} {label}", False):
                    pins.run_wanted = snapshot, f"{pins.run_name}, {label}"
            psim.EndCombo()
        tooltip("Which moment of the other run is B")


def _moments_to_pin(view: ViewModel, pins: Pins) -> Iterator[Command]:
    for snapshot, label in moments(view):
        if psim.Selectable(f"{label}##pin {snapshot} {label}", False):
            pins.wanted, pins.back = (snapshot, label), view.shown if view.shown != view.current else None
            yield Inspect(snapshot)
    truth = view.scene.ground_truth
    if truth is not None and psim.Selectable("ground truth##pin", False):
        pins.add(pin_of(view, "ground truth", motion=truth))


def _pins(ui: UiState) -> None:
    pins = ui.pins
    for index, pin in enumerate(list(pins.kept)):
        psim.PushID(f"pin {index}")
        dot(theme.LAYER_COLORS["compared"], hollow=index != pins.active)
        right = psim.GetContentRegionAvail()[0] - 62.0 * scale()
        if psim.Selectable(pin.label, index == pins.active, 0, (right, 0.0)):
            pins.active = None if index == pins.active else index
        tooltip("Draw this one as B; a second click hides it")
        align_right(54.0 * scale())
        if psim.SmallButton("Unpin"):
            pins.remove(index)
        tooltip("Forget this motion")
        psim.PopID()


def _placing(pins: Pins) -> None:
    for label, beside in (("overlaid", False), ("side by side", True)):
        if psim.RadioButton(label, pins.beside == beside):
            pins.beside = beside
        tooltip("B stands where it is" if not beside else "B is drawn to the side of A; the numbers stay what they are")
        psim.SameLine()
    with disabled(not pins.beside):
        psim.SetNextItemWidth(-1.0)
        _, pins.distance = psim.SliderFloat("##distance", pins.distance, 0.3, 4.0, "%.1f m")
    tooltip("Distance between the bodies [m] when they stand side by side")


def _frames(view: ViewModel, ui: UiState, other: Compared) -> None:
    for name, label in SHORT.items():
        if psim.RadioButton(f"{label}##between", ui.pins.quantity == name):
            ui.pins.quantity = name
        tooltip(f"{QUANTITIES[name].label} [{QUANTITIES[name].unit}]: {QUANTITIES[name].definition}")
        psim.SameLine()
    name = ui.pins.quantity
    quantity, values = QUANTITIES[name], other.values[name]
    psim.NewLine()
    psim.TextWrapped(compared_text(other))
    if not len(values):
        return
    at = int(abs(values).argmax())
    frame = int(other.frames[at])
    now = other.at(name, ui.frame)
    if psim.Button(f"Largest: {quantity.text(float(values[at]))} in frame {frame}##largest"):
        ui.go_to(frame, view.scene.clip_frames)
    tooltip("Go to that frame")
    psim.SameLine()
    psim.TextUnformatted("not in this frame" if now is None else f"here {quantity.text(now)}")
    frame_plot("compare", view, ui, [difference_curve(other, name)])


def compared_text(other: Compared) -> str:
    """Which frames are compared."""
    return f"Compared: {other.about}."


def difference_curve(other: Compared, name: str) -> Curve:
    """A quantity of ``BETWEEN`` over the frames; there must be frames that both motions have."""
    start, end = int(other.frames[0]), int(other.frames[-1])
    curve = np.full(end - start + 1, np.nan)
    curve[other.frames - start] = other.values[name]
    label = f"{QUANTITIES[name].label} [{QUANTITIES[name].unit}]"
    return Curve(label, start, curve, theme.LAYER_COLORS["compared"], 2.0)


def _table(name: str, heads: tuple[str, ...], rows: list[list[str]], nothing: str) -> None:
    if not rows:
        psim.TextWrapped(nothing)
        return
    flags = psim.ImGuiTableFlags_RowBg | psim.ImGuiTableFlags_ScrollY | psim.ImGuiTableFlags_SizingStretchProp
    if psim.BeginTable(f"compare {name}", len(heads), int(flags), psim.GetContentRegionAvail()):
        table_row(heads, dim=True)
        for row in rows:
            table_row(row)
            tooltip(": ".join((row[0], " | ".join(row[1:]))))
        psim.EndTable()
