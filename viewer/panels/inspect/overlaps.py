"""The panel Overlaps: how far two neighbouring sub-sequences differ in the frames that both hold, and the seams."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.diagnostics.quantities import PAIR, QUANTITIES, floor_angle_deg, floor_step_cm, shape_distance
from viewer.protocol.commands import Command
from viewer.protocol.findings import OverlapPair, Overlaps, Seam
from viewer.protocol.view_model import Scene, ViewModel
from viewer.ui import theme
from viewer.ui.asking import ask
from viewer.ui.drawing import psim
from viewer.ui.plots import Curve, pair_plot
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import colored, font, scale, table_row, tooltip

NOT_SPLIT = "One sub-sequence only. A long clip is split by --rgb-seq-len and --rgb-overlap-len."
PLOT_WIDTH, PLOT_HEIGHT, TABLES = 176.0, 62.0, 40.0
"""Least width and height of a curve, and what a row of the tables below and a title take, in unscaled pixels."""
BUTTONS = 6  # largest number of pairs that have a button each; more are in a list
_COLUMNS = ("pair", "frames", "most apart", "betas", "floor", "seam: cut → stitched")
_HELP = (
    f"most apart: the largest overlap distance, {QUANTITIES['position_cm'].definition}. betas: distance of the "
    "shape coefficients. floor: angle [°] of the two floors, and height [cm] of the later one above the earlier one "
    "beneath the body. seam: the jump from one frame to the "
    "next after a hard cut, and in the stitched motion [cm]."
)
_EACH = ("sub-sequence", "frames", "betas", "floor")
_EACH_HELP = (
    "Of the batch that is shown, against its first one. betas: "
    f"{QUANTITIES['pair_betas'].definition}. floor: {QUANTITIES['floor_angle_deg'].definition} [°], and "
    f"{QUANTITIES['pair_floor_cm'].definition} [cm]."
)


def overlaps_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """The pair to look at, its curves, then tables of all pairs and of all sub-sequences."""
    if nothing_joined(view.scene):
        psim.TextWrapped(NOT_SPLIT)
        return
    yield from ask(view, ui, "overlaps")
    found = view.analyses.get("overlaps")
    psim.BeginChild("overlaps body")
    if found is None or found.value is None or not found.value.pairs:
        psim.TextDisabled(found.error if found is not None and found.error else "Computed when the run pauses…")
    else:
        pair = chosen_pair(found.value, ui)
        _choice(view, ui, found.value, pair)
        _curves(view, ui, pair)
        _pairs(found.value)
        _each(view)
    psim.EndChild()


def nothing_joined(scene: Scene) -> bool:
    """Whether a clip has one sub-sequence only.

    In older run files, frames count from the start of each batch and earlier batches are not told, so a later batch may
    look like a clip of its own.
    """
    return not scene.split and scene.batch == 0


def chosen_pair(found: Overlaps, ui: UiState) -> OverlapPair:
    """The pair under view; the first one where the chosen one does not exist."""
    return next((pair for pair in found.pairs if pair.before == ui.pair), found.pairs[0])


def worst_frame(pair: OverlapPair, values: np.ndarray | None = None) -> int:
    """Frame of the clip in which a quantity of a pair is largest in size, by default the overlap distance."""
    return int(pair.frames[int(np.abs(pair.position_cm if values is None else values).argmax())])


def _choice(view: ViewModel, ui: UiState, found: Overlaps, pair: OverlapPair) -> None:
    """A button for each pair, which goes to its worst frame; raw or stitched; the numbers of the pair at the frame."""
    with font(theme.SMALL_FONT):
        if len(found.pairs) > BUTTONS:
            _long_choice(view, ui, found, pair)
        for one in found.pairs if len(found.pairs) <= BUTTONS else ():
            shade = theme.rgba(theme.mix(theme.PANEL, theme.ACCENT, 0.6 if one is pair else 0.15))
            with colored(Button=shade):
                if psim.SmallButton(pair_label(one)):
                    _look_at(view, ui, one)
            tooltip(f"Look at this pair, and go to the frame where it is farthest apart, {worst_frame(one)}")
            psim.SameLine()
        changed, ui.blended = psim.Checkbox("stitched", ui.blended)
        tooltip("Draw the stitched motion (after) in place of the sub-sequences as they were fitted (before)")
        if changed and ui.blended and not ui.layers["body"]:
            ui.switch("body")
        _numbers(ui, pair)


def _long_choice(view: ViewModel, ui: UiState, found: Overlaps, pair: OverlapPair) -> None:
    """A list of the pairs, the one that is farthest apart first."""
    psim.SetNextItemWidth(64.0 * scale())
    if psim.BeginCombo("##pair", pair_label(pair)):
        for one in sorted(found.pairs, key=lambda one: -float(one.position_cm.max())):
            if psim.Selectable(f"{pair_label(one)}: {most_apart(one)}", one is pair):
                _look_at(view, ui, one)
        psim.EndCombo()
    tooltip("Which pair; the list begins with the one that is farthest apart")
    psim.SameLine()


def _look_at(view: ViewModel, ui: UiState, pair: OverlapPair) -> None:
    ui.pair = pair.before
    ui.go_to(worst_frame(pair), view.scene.clip_frames)


def _numbers(ui: UiState, pair: OverlapPair) -> None:
    for b in (pair.before, pair.before + 1):
        psim.TextColored(theme.rgba(theme.sequence_color(b)), f"{b + 1}" if b >= 0 else "the one before")
        psim.SameLine()
    named, here = QUANTITIES["position_cm"], np.flatnonzero(pair.frames == ui.frame)
    now = "not shared here" if not len(here) else f"{named.text(pair.position_cm[here[0]])} here"
    psim.TextUnformatted(f"{named.label} {now}, {most_apart(pair)}")


def most_apart(pair: OverlapPair) -> str:
    """How far a pair is apart at the most, and where."""
    return f"most {QUANTITIES['position_cm'].text(pair.position_cm.max())} at {worst_frame(pair)}"


def _curves(view: ViewModel, ui: UiState, pair: OverlapPair) -> None:
    """A plot for each quantity of the pair; its title has the value and goes to the worst frame."""
    free = psim.GetContentRegionAvail()[0]
    columns = max(1, min(3, int(free / (PLOT_WIDTH * scale()))))
    rows = -(-len(pair.curves) // columns)
    room = psim.GetContentRegionAvail()[1] - TABLES * scale() * (2 + len(view.scene.starts))
    height = max(PLOT_HEIGHT * scale(), min(room / rows - TABLES * scale(), 2.5 * PLOT_HEIGHT * scale()))
    if not psim.BeginTable("curves", columns, int(psim.ImGuiTableFlags_SizingStretchSame)):
        return
    color = theme.sequence_color(pair.before + 1)
    for name in PAIR:
        if name not in pair.curves:
            continue
        psim.TableNextColumn()
        named, values = QUANTITIES[name], np.asarray(pair.curves[name])
        here = np.flatnonzero(pair.frames == ui.frame)
        value = named.text(values[here[0]]) if len(here) else f"[{named.unit}]" if named.unit else ""
        with font(theme.SMALL_FONT):
            if psim.Selectable(f"{named.label} {value}##{name}"):
                ui.go_to(worst_frame(pair, values), view.scene.clip_frames)
        worst = worst_frame(pair, values)
        largest = named.text(values[np.abs(values).argmax()])
        tooltip(f"{named.definition}. Largest: {largest} at frame {worst}; a click goes there")
        width = psim.GetContentRegionAvail()[0]
        curve = Curve(named.label, int(pair.frames[0]), values, color, 2.0)
        pair_plot(view, ui, curve, size=(width, height), name=name)
    psim.EndTable()


def pair_label(pair: OverlapPair) -> str:
    """The two sub-sequences of a pair, counted from 1."""
    return f"{pair.before + 1}–{pair.before + 2}" if pair.before >= 0 else "before–1"


def _pairs(found: Overlaps) -> None:
    flags = int(psim.ImGuiTableFlags_BordersInnerH) | int(psim.ImGuiTableFlags_SizingFixedFit)
    with font(theme.SMALL_FONT):
        if psim.BeginTable("overlap table", len(_COLUMNS), flags):
            table_row(_COLUMNS, dim=True)
            tooltip(_HELP)
            seams = {seam.frame: seam for seam in found.seams}
            for pair in found.pairs:
                table_row((pair_label(pair), *_cells(pair, seams.get(int(pair.frames[-1]) + 1))))
            psim.EndTable()


def _cells(pair: OverlapPair, seam: Seam | None) -> tuple[str, ...]:
    floor = "–"
    if pair.floor_angle_deg is not None and pair.floor_offset_cm is not None:
        floor = floors_text(pair.floor_angle_deg, pair.floor_offset_cm)
    jump = "–"
    if seam is not None and seam.cut is not None and seam.stitched is not None:
        jump = f"{seam.cut[0]:.1f} → {seam.stitched[0]:.1f} cm"
    frames = f"{len(pair.frames)}: {pair.frames[0]}–{pair.frames[-1]}"
    betas = QUANTITIES["pair_betas"].text(pair.betas)
    return frames, QUANTITIES["position_cm"].text(pair.position_cm.max()), betas, floor, jump


def _each(view: ViewModel) -> None:
    """One person and one floor should have one answer in all sub-sequences."""
    flags = int(psim.ImGuiTableFlags_BordersInnerH) | int(psim.ImGuiTableFlags_SizingFixedFit)
    with font(theme.SMALL_FONT):
        if psim.BeginTable("sub-sequences", len(_EACH), flags):
            table_row(_EACH, dim=True)
            tooltip(_EACH_HELP)
            for b in range(len(view.scene.starts)):
                psim.TableNextRow()
                psim.TableNextColumn()
                psim.TextColored(theme.rgba(theme.sequence_color(view.scene.number(b))), f"{view.scene.number(b) + 1}")
                for text in shape_and_floor(view, b):
                    psim.TableNextColumn()
                    psim.TextUnformatted(text)
            psim.EndTable()


def shape_and_floor(view: ViewModel, b: int) -> tuple[str, str, str]:
    """Frames of a sub-sequence, and its shape and floor against those of the first one."""
    scene, motion = view.scene, view.motion
    frames = f"{scene.starts[b]}–{scene.starts[b] + scene.num_frames - 1}"
    betas, floor = QUANTITIES["pair_betas"].text(shape_distance(motion.betas[b], motion.betas[0])), "–"
    if view.floors is not None and scene.camera is not None:
        first, own = view.floors[0], view.floors[b]
        step = float(floor_step_cm(first, own, view.shared_place(b), up=first[:3]))
        floor = floors_text(floor_angle_deg(first, own), step)
    return frames, betas, floor


def floors_text(angle_deg: float, height_cm: float) -> str:
    """How two floors differ, as text."""
    return f"{QUANTITIES['floor_angle_deg'].text(angle_deg)}, {QUANTITIES['pair_floor_cm'].text(height_cm)}"
