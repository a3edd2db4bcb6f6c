"""The panel Weights: one row for each weight, to steer the fit while it runs, with the term's share and gradient."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from optim.diagnostics.quantities import QUANTITIES
from optim.session.edits import SetWeight, SetWeights
from viewer.panels.fit.weight_cells import MEASURE_CELLS, MEASURE_HELP, MEASURES, WeightRow, trend_cell
from viewer.protocol.commands import Command, Drag, EndDrag
from viewer.protocol.view_model import LiveChange, Term, ViewModel
from viewer.ui import theme
from viewer.ui.actions import WEIGHT
from viewer.ui.asking import ask
from viewer.ui.drawing import psim
from viewer.ui.ui_state import Draft, UiState
from viewer.ui.widgets import (
    align_right,
    caption,
    colored,
    dot,
    font,
    icon_button,
    number,
    scale,
    styled,
    tooltip,
    wide_switch,
)

SPAN, OFF = 3.0, 0.4  # decades that the slider reaches to either side of the default; room for "off" at the left
LARGEST = 1e9


def weights_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A stage selector and the table of its terms.

    Yields ``SetWeight`` when an edit is finished, ``SetWeights`` for switches, solo and reset of a whole stage. While
    the fit is live, a slider yields ``Drag`` as it moves and ``EndDrag`` at the end.
    """
    running_stage = view.phases[view.status.phase].stage
    stage = _stage_selector(view, ui, running_stage)
    yield from _reset_stage(view, stage)
    _change_lines(view)
    ui.wide_weights = wide_switch(ui.wide_weights, "weights")
    ui.settle_drafts(view.obeyed)
    measures = MEASURES if ui.wide_weights else (ui.weight_measure,)
    if "gradient" in measures:
        yield from ask(view, ui, "term_pull")
    flags = psim.ImGuiTableFlags_RowBg | psim.ImGuiTableFlags_ScrollY | psim.ImGuiTableFlags_BordersInnerH
    with styled(FramePadding=(4.0, 0.0), CellPadding=(2.0, 2.0)):
        name = f"weights {len(measures)}"
        if psim.BeginTable(name, 5 + len(measures), int(flags), psim.GetContentRegionAvail()):
            _columns(ui, measures)
            for index in terms_of(view, stage):
                psim.TableNextRow()
                psim.PushID(view.scene.terms[index].name)
                yield from _row(view, ui, _row_of(view, ui, stage, index), measures)
                psim.PopID()
            psim.EndTable()


def _stage_selector(view: ViewModel, ui: UiState, running_stage: int) -> int:
    stage = ui.weight_stage or running_stage
    caption("Weights")
    psim.SameLine(0.0, 10.0)
    for number_ in sorted({phase.stage for phase in view.phases}):
        chosen = theme.rgba(theme.ACCENT if number_ == stage else theme.RAISED, 0.75)
        with colored(Button=chosen), styled(FramePadding=(6.0, 0.0)):
            if psim.SmallButton(f"Stage {number_}"):
                ui.weight_stage = None if number_ == running_stage else number_
        tooltip(f"Weights of stage {number_}" + (", which is running now" if number_ == running_stage else ""))
        psim.SameLine()
    with font(theme.SMALL_FONT):
        psim.TextColored(theme.rgba(theme.DIM), "now" if stage == running_stage else "not now")
    return stage


def stage_phases(view: ViewModel, stage: int) -> list[int]:
    """Indices of the phases of a stage."""
    return [index for index, phase in enumerate(view.phases) if phase.stage == stage]


def _reset_stage(view: ViewModel, stage: int) -> Iterator[Command]:
    """A button that puts all weights of the stage back, where one of them differs."""
    edit = stage_reset(view, stage)
    if edit is not None:
        align_right(74.0 * scale())
        with styled(FramePadding=(4.0, 0.0)):
            if icon_button("##reset stage", "reset", (20.0 * scale(), 0.0)):
                yield edit
        tooltip(f"All weights of stage {stage} back to what the fit began with")


def stage_reset(view: ViewModel, stage: int) -> SetWeights | None:
    """The edit that puts all weights of a stage back; None where none of them differs."""
    rows = [
        (phase, term.name, float(view.scene.default_weights[phase, index]))
        for phase in stage_phases(view, stage)
        for index, term in enumerate(view.scene.terms)
        if not math.isclose(
            float(view.weights[phase, index]), float(view.scene.default_weights[phase, index]), rel_tol=1e-6
        )
    ]
    return SetWeights(tuple(rows), f"weights of stage {stage} reset") if rows else None


def _columns(ui: UiState, measures: tuple[str, ...]) -> None:
    fixed, stretch = int(psim.ImGuiTableColumnFlags_WidthFixed), int(psim.ImGuiTableColumnFlags_WidthStretch)
    psim.TableSetupScrollFreeze(0, 1)
    several = len(measures) > 1
    labels = ["term", "slider", "weight", *measures, "trend", "##actions"]
    for label, width in zip(
        labels, (0.0, 48.0, 58.0, *(74.0 if several else 56.0 for _ in measures), 38.0, 40.0), strict=True
    ):
        psim.TableSetupColumn(label, fixed if width else stretch, width * scale())
    psim.TableNextRow(int(psim.ImGuiTableRowFlags_Headers))
    with font(theme.SMALL_FONT):
        for label in labels:
            psim.TableNextColumn()
            if label in MEASURES and not several:
                with colored(Button=theme.rgba(theme.RAISED, 0.0)), styled(FramePadding=(0.0, 0.0)):
                    if psim.SmallButton(f"{label} ›##measure"):
                        ui.weight_measure = MEASURES[(MEASURES.index(label) + 1) % len(MEASURES)]
                tooltip(f"{MEASURE_HELP[label]}\nClick for the next of: {', '.join(MEASURES)}")
            else:
                psim.TextDisabled(label.split("##")[0])
                tooltip(MEASURE_HELP.get(label, ""))


def terms_of(view: ViewModel, stage: int) -> list[int]:
    """Indices of the terms that exist in a stage."""
    return [index for index, term in enumerate(view.scene.terms) if term.stage <= stage]


def phase_of(view: ViewModel, stage: int) -> int:
    """The phase whose weights stand for a stage: the running one, or else the stage's last."""
    phases = view.phases
    if phases[view.status.phase].stage == stage:
        return view.status.phase
    return max(index for index, phase in enumerate(phases) if phase.stage == stage)


def stage_default(view: ViewModel, phase: int, index: int) -> float:
    """A term's weight by default in the stage of a phase, also where the phase itself silences it."""
    stage = view.phases[phase].stage
    rows = [i for i, other in enumerate(view.phases) if other.stage == stage]
    return float(view.scene.default_weights[rows, index].max())


def _row_of(view: ViewModel, ui: UiState, stage: int, index: int) -> WeightRow:
    term, phase = view.scene.terms[index], phase_of(view, stage)
    draft = ui.drafts.get((stage, term.name))
    return WeightRow(
        index=index,
        term=term,
        stage=stage,
        phase=phase,
        value=draft.value if draft else float(view.weights[phase, index]),
        default=stage_default(view, phase, index),
        live=view.phases[int(view.history.phase[view.history.row_of(view.shown)])].stage == stage,
    )


def _row(view: ViewModel, ui: UiState, row: WeightRow, measures: tuple[str, ...]) -> Iterator[Command]:
    key = (row.stage, row.term.name)
    psim.TableNextColumn()
    yield from _switch(view, ui, row)
    _name(row.term, row.value)
    for edit in (_slider, _exact):
        psim.TableNextColumn()
        psim.SetNextItemWidth(-1.0)
        changed, edited = edit(row.value, row.default)
        if edit is _slider and view.status.live:
            yield from _drag(view, ui, row, edited if changed else None)
            continue
        if changed:
            ui.drafts[key] = Draft(edited)
        if psim.IsItemDeactivatedAfterEdit() and key in ui.drafts:
            ui.drafts[key].sent = True
            yield SetWeight(row.term.name, ui.drafts[key].value, row.stage)
    for measure in measures:
        psim.TableNextColumn()
        MEASURE_CELLS[measure](view, row)
    psim.TableNextColumn()
    trend_cell(view, row)
    psim.TableNextColumn()
    yield from _solo(view, ui, row)
    psim.SameLine(0.0, 3.0)
    yield from _reset(view, ui, row)


def _drag(view: ViewModel, ui: UiState, row: WeightRow, moved: float | None) -> Iterator[Command]:
    """The slider while the fit is live: the fit follows it. Letting go makes one edit, Esc takes it back.

    Args:
        moved: The weight to which the slider was moved in this frame; None: it was not.
    """
    key = (row.stage, row.term.name)
    if moved is not None and ui.dragged != (key, False):
        ui.dragged, ui.drafts[key] = (key, True), Draft(moved)
        yield Drag(SetWeight(row.term.name, moved, row.stage))
    if ui.dragged is None or ui.dragged[0] != key:
        return
    going = ui.dragged[1]
    if going and psim.IsKeyPressed(psim.ImGuiKey_Escape, False):
        ui.dragged, going = (key, False), False
        ui.drafts.pop(key, None)
        yield EndDrag(keep=False)
    if going and psim.IsItemActive() and view.live is not None:
        psim.SetTooltip("\n".join((f"weight {number(row.value)}", *changes(view.live))))
    if not psim.IsItemActive():
        if going:
            ui.drafts[key].sent = True
            yield EndDrag()
        ui.dragged = None


def changes(live: LiveChange) -> list[str]:
    """One line for each figure: its value before the edit and now."""
    return [
        f"{QUANTITIES[name].label} {QUANTITIES[name].text(before)} → {QUANTITIES[name].text(now)}"
        for name, (before, now) in live.figures.items()
    ]


def _change_lines(view: ViewModel) -> None:
    """What the last edit has changed, above the table while the fit is live."""
    if view.live is not None:
        with font(theme.SMALL_FONT):
            psim.TextWrapped("Before → now: " + " · ".join(changes(view.live)))


def _weights_now(view: ViewModel, row: WeightRow) -> tuple[tuple[int, str, float], ...]:
    """The row's weight in every phase of its stage."""
    return tuple(
        (phase, row.term.name, float(view.weights[phase, row.index])) for phase in stage_phases(view, row.stage)
    )


def _switch(view: ViewModel, ui: UiState, row: WeightRow) -> Iterator[Command]:
    """The dot: full while the term has a weight; a click switches it off, and on again as it was."""
    side = psim.GetTextLineHeight()
    x, y = psim.GetCursorScreenPos()
    key = (row.stage, row.term.name)
    if psim.InvisibleButton("##on", (0.75 * side, side)):
        if row.value:
            ui.saved_weights[key] = _weights_now(view, row)
            yield SetWeights(tuple((p, t, 0.0) for p, t, _ in ui.saved_weights[key]), f"{row.term.name} off")
        elif key in ui.saved_weights or row.default:
            usual = tuple(
                (phase, row.term.name, float(view.scene.default_weights[phase, row.index]))
                for phase in stage_phases(view, row.stage)
            )
            yield SetWeights(ui.saved_weights.pop(key, usual), f"{row.term.name} on")
        else:
            yield SetWeight(row.term.name, 1.0, row.stage)
    tooltip("Switch the term off" if row.value else "Switch the term on")
    psim.SetCursorScreenPos((x, y))
    dot(theme.term_color(row.index), hollow=row.value == 0)


def _name(term: Term, value: float) -> None:
    with font(theme.SMALL_FONT):
        psim.TextColored(theme.rgba(theme.TEXT if value else theme.DIM), term_label(term))
    tooltip(term_help(term))


def term_label(term: Term) -> str:
    """The name of a term, short."""
    return term.name.removeprefix("rgb_").replace("_", " ")


def term_help(term: Term) -> str:
    """What a term is."""
    unit = term.unit if term.unit != "1" else "no unit"
    about = f"{term.help[0].upper()}{term.help[1:]}.\n" if term.help else ""
    return f"{term.name.replace('_', ' ')} [{unit}]\n{about}{term.formula}\nThe weight is a factor on this sum."


def slider_position(weight: float, default: float) -> float:
    """Where a weight lies on its slider: decades from the default, or the left end for 0."""
    if weight <= 0:
        return -SPAN - OFF
    return min(max(math.log10(weight / (default or 1.0)), -SPAN), SPAN)


def slider_weight(position: float, default: float) -> float:
    """The weight at a position; 0 at the left end."""
    return 0.0 if position < -SPAN - OFF / 2 else (default or 1.0) * 10.0 ** max(position, -SPAN)


def _slider(value: float, default: float) -> tuple[bool, float]:
    position = slider_position(value, default)
    changed, moved = psim.SliderFloat("##slider", position, -SPAN - OFF, SPAN, "")
    tooltip(WEIGHT.tooltip)
    return changed, slider_weight(moved, default) if changed else value


def _exact(value: float, default: float) -> tuple[bool, float]:
    changed, edited = psim.InputDouble("##exact", value, 0.0, 0.0, "%.4g")
    if not math.isfinite(edited):
        return False, value
    return changed, min(max(edited, 0.0), LARGEST)


def is_solo(view: ViewModel, row: WeightRow) -> bool:
    """Whether the row's is the only weight in its phase."""
    others = np.delete(view.weights[row.phase], row.index)
    return row.value > 0 and not others.any()


def _solo(view: ViewModel, ui: UiState, row: WeightRow) -> Iterator[Command]:
    alone, phases = is_solo(view, row), stage_phases(view, row.stage)
    key = (row.stage, f"solo {row.term.name}")
    shade = theme.rgba(theme.WARN, 0.6) if alone else theme.rgba(theme.RAISED, 0.8)
    with colored(Button=shade), styled(FramePadding=(5.0, 0.0)), font(theme.SMALL_FONT):
        pressed = psim.SmallButton("S##solo")
    tooltip("All weights as they were before" if alone else "Solo: switch all other terms off")
    if not pressed:
        return
    if alone:
        usual = tuple(
            (phase, term.name, float(view.scene.default_weights[phase, index]))
            for phase in phases
            for index, term in enumerate(view.scene.terms)
            if index != row.index
        )
        yield SetWeights(ui.saved_weights.pop(key, usual), "solo off")
        return
    others = [i for i in range(len(view.scene.terms)) if i != row.index and view.weights[phases, i].any()]
    before = [(phase, view.scene.terms[i].name, float(view.weights[phase, i])) for phase in phases for i in others]
    silent = [(phase, name, 0.0) for phase, name, _ in before]
    own = [] if row.value else [(row.phase, row.term.name, row.default or 1.0)]
    ui.saved_weights[key] = (*before, *((phase, name, 0.0) for phase, name, _ in own))
    yield SetWeights((*silent, *own), f"{row.term.name} solo")


def _reset(view: ViewModel, ui: UiState, row: WeightRow) -> Iterator[Command]:
    usual = (row.default, float(view.scene.default_weights[row.phase, row.index]))
    if any(math.isclose(row.value, other, rel_tol=1e-6) for other in usual):
        return
    if icon_button("##reset", "reset", (18.0 * scale(), 0.0)):
        ui.drafts[(row.stage, row.term.name)] = Draft(row.default, sent=True)
        yield SetWeight(row.term.name, row.default, row.stage)
    tooltip(f"Back to the default, {number(row.default)}")
