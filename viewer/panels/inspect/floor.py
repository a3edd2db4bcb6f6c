"""The panel Floor: estimated and observed floor, penetration and foot skate, and entries for a new floor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.diagnostics.quantities import QUANTITIES
from optim.session.edits import SetFloor
from viewer.protocol.commands import Command
from viewer.protocol.findings import GroundCurves
from viewer.protocol.planes import Plane, apart, plane_of, seen_from_camera
from viewer.protocol.view_model import ViewModel
from viewer.scene.resting import resting_joints
from viewer.ui import theme
from viewer.ui.asking import ask
from viewer.ui.drawing import psim
from viewer.ui.plots import Curve, frame_plot
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import disabled, font, scale, sequence_choice, tooltip

LEAN_DEG, LIFT_CM = 45.0, 200.0  # largest entries
ENTRIES = (("lean x", LEAN_DEG, "°"), ("lean y", LEAN_DEG, "°"), ("lift", LIFT_CM, " cm"))
"""Entries of a new floor: label, largest value either way, unit."""
SET_FLOOR = "Set floor"
SET_FLOOR_HELP = "Makes this floor the observed and the estimated one from now on (undo: Ctrl+Z)"
FEET, FEET_HELP = "From feet", "Floors that the feet may stand on at the iteration that is shown, to choose from"
NO_CAMERA = "Without a camera the floor is z = 0"
PLOT_HEIGHT = 120.0  # px that are left to the curves before held joints are written out; a tooltip has them all
SAME_DEG, SAME_CM = 0.005, 0.05  # differences of floors that would be written as 0


def floor_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Numbers and curves of the floor at the iteration that is shown, then the entries for another one."""
    yield from ask(view, ui, "ground")
    found = view.analyses.get("ground")
    yield from _new_floor(view, ui)
    if found is None or found.value is None:
        psim.TextDisabled(found.error if found is not None and found.error else "Computed when the run pauses…")
        return
    ui.sequence = sequence_choice("floor of", ui.sequence, view.scene)
    b = min(ui.sequence, len(view.scene.starts) - 1)
    with font(theme.SMALL_FONT):
        psim.PushTextWrapPos(0.0)
        held = held_lines(view, ui.frame, found.value, b)
        count = f" · {len(held)} held at frame {ui.frame}" if held else ""
        psim.TextColored(theme.rgba(theme.DIM), summary(found.value, b) + count)
        if held:
            tooltip("\n".join(held))
        for line in held[: _free_lines()]:
            psim.TextUnformatted(line)
        psim.PopTextWrapPos()
    frame_plot("floor", view, ui, ground_curves(view, found.value, b))


def held_lines(view: ViewModel, frame: int, found: GroundCurves, sequence: int) -> list[str]:
    """The joints that are held at a frame, a line for each, those that cost most first."""
    return [f"{name} {text}" for _, name, text in resting_joints(view, frame, found, sequence)]


def _free_lines() -> int:
    """The number of lines that fit above the curves."""
    free = psim.GetContentRegionAvail()[1] - PLOT_HEIGHT * scale()
    return max(0, int(free / psim.GetTextLineHeightWithSpacing()))


def ground_curves(view: ViewModel, found: GroundCurves, b: int) -> list[Curve]:
    """Lowest point and foot skate of a sub-sequence over its frames."""
    start, height = view.scene.starts[b], found.lowest_vertex_cm
    curves = [
        Curve("below the floor [cm]", start, found.depth_cm[b], theme.RESIDUAL, 2.0)
        if height is None  # recorded by an earlier version
        else Curve("lowest point [cm]", start, height[b], theme.RESIDUAL, 2.0)
    ]
    if np.isfinite(found.skate_mm[b]).any():
        curves.append(Curve("skate [mm/frame]", start, found.skate_mm[b], theme.STAGE2))
    return curves


def summary(found: GroundCurves, sequence: int) -> str:
    """The floor of one sub-sequence in a line."""
    parts = _places(found, sequence)
    skate = found.skate_mm[sequence]
    if np.isfinite(skate).any():
        parts.append(f"{_named('skate_mm', np.nanmean(skate))}")
    else:
        parts.append("skate not defined: no foot near the floor")
    parts.append(f"{_named('depth_cm', found.depth_cm[sequence].max())} at most")
    if found.lowest_vertex_cm is not None:
        parts.append(f"{_named('lowest_vertex_cm', found.lowest_vertex_cm[sequence].max())} at most")
    return " · ".join(parts)


def _places(found: GroundCurves, sequence: int) -> list[str]:
    """Where the estimated floor lies against the observed one, and that one against the floor observed at first.

    A floor that was set by hand is observed and estimated at once, so that the two agree whatever it is; the line then
    says how far the floor was moved. The floor observed at first is z = 0 of the display frame.
    """
    if found.tilt_deg is None or found.observed is None:
        return []
    tilt = found.tilt_deg[sequence]
    lift = np.nan if found.height_cm is None else found.height_cm[sequence]  # not in records of earlier versions
    angle, height = apart(found.observed[sequence], np.array([0.0, 0.0, 1.0, 0.0]), np.zeros(3))
    if angle <= SAME_DEG and abs(100 * height) <= SAME_CM:
        return [_named("floor_tilt", tilt), _named("floor_height_cm", lift)]
    moved = f"observed floor moved to {angle:.2f}° and {100 * height:+.1f} cm from z = 0"
    if tilt <= SAME_DEG and abs(lift) <= SAME_CM:
        return [moved, "the estimate has not left it yet"]
    return [moved, f"{_named('floor_tilt', tilt)} of the estimate", _named("floor_height_cm", lift)]


def _named(field: str, value: float) -> str:
    """A quantity's name, and its value with unit."""
    return f"{QUANTITIES[field].label} {QUANTITIES[field].text(float(value))}"


def _new_floor(view: ViewModel, ui: UiState) -> Iterator[Command]:
    fixed = view.scene.camera is None
    with disabled(fixed):
        draft = list(ui.floor_draft)
        for index, (label, bound, unit) in enumerate(ENTRIES):
            if index:
                psim.SameLine()
            psim.SetNextItemWidth(72.0 * scale())
            _, draft[index] = psim.DragFloat(f"##{label}", draft[index], 0.1, -bound, bound, f"{label} %.1f{unit}")
            tooltip(f"{entry_help(label)}; drag, or double-click to type")
        ui.floor_draft = (draft[0], draft[1], draft[2])
        psim.SameLine()
        if psim.Button(SET_FLOOR):
            yield new_floor(view, plane_of(*ui.floor_draft))
    tooltip(NO_CAMERA if fixed else SET_FLOOR_HELP)
    psim.SameLine()
    with disabled(fixed):
        if psim.Button(FEET):
            psim.OpenPopup("floor guesses")
    tooltip(FEET_HELP)
    if psim.BeginPopup("floor guesses"):
        yield from _guesses(view, ui)
        psim.EndPopup()


def entry_help(label: str) -> str:
    """What an entry of a new floor means."""
    return f"{label} of a new floor against the one observed at first"


def new_floor(view: ViewModel, plane: Plane) -> SetFloor:
    """The edit that makes a plane of the display frame the floor."""
    return SetFloor(seen_from_camera(plane, view.scene.camera))


def _guesses(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """One line each, the likeliest first; a click sets it."""
    yield from ask(view, ui, "floor_guesses")
    found = view.analyses.get("floor_guesses")
    if found is None or found.value is None or found.snapshot != view.shown:
        psim.TextDisabled(found.error if found is not None and found.error else "Computed when the run pauses…")
        return
    for guess in found.value:
        if psim.Selectable(f"{guess.name}: {guess.confidence}"):
            yield new_floor(view, guess.plane)
        tooltip(guess.text)
