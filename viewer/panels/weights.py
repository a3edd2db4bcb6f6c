"""Weights: one row per loss term, to steer the fit while it runs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import polyscope.imgui as psim

from viewer import theme
from viewer.commands import Command, SetWeight
from viewer.ui_state import Draft, UiState
from viewer.view_model import Term, ViewModel
from viewer.widgets import caption, colored, dot, font, icon_button, number, scale, styled, tooltip

SPAN, OFF = 3.0, 0.4  # decades that the slider reaches to either side of the default; room for "off" at the left
LARGEST = 1e9


def weights_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A stage selector and the table of its terms.

    Yields ``SetWeight`` when an edit is finished or the reset button is pressed.
    """
    running_stage = view.phases[view.status.phase].stage
    stage = _stage_selector(view, ui, running_stage)
    ui.settle_drafts(view.obeyed)
    rows = _rows(view, stage)
    flags = psim.ImGuiTableFlags_RowBg | psim.ImGuiTableFlags_ScrollY | psim.ImGuiTableFlags_BordersInnerH
    with styled(FramePadding=(4.0, 0.0), CellPadding=(3.0, 2.0)):
        if psim.BeginTable("weights", 5, int(flags), psim.GetContentRegionAvail()):
            _columns()
            for index in rows:
                psim.TableNextRow()
                psim.PushID(view.scene.terms[index].name)
                yield from _row(view, ui, stage, index, live=stage == running_stage)
                psim.PopID()
            psim.EndTable()


def _stage_selector(view: ViewModel, ui: UiState, running_stage: int) -> int:
    stage = ui.weight_stage or running_stage
    caption("Weights")
    psim.SameLine(0.0, 14.0)
    for number_ in sorted({phase.stage for phase in view.phases}):
        chosen = theme.rgba(theme.ACCENT if number_ == stage else theme.RAISED, 0.75)
        with colored(Button=chosen), styled(FramePadding=(8.0, 0.0)):
            if psim.SmallButton(f"Stage {number_}"):
                ui.weight_stage = None if number_ == running_stage else number_
        tooltip(f"Weights of stage {number_}" + (", which is running now" if number_ == running_stage else ""))
        psim.SameLine()
    with font(theme.SMALL_FONT):
        psim.TextColored(theme.rgba(theme.DIM), "now" if stage == running_stage else "not now")
    return stage


def _columns() -> None:
    fixed, stretch = int(psim.ImGuiTableColumnFlags_WidthFixed), int(psim.ImGuiTableColumnFlags_WidthStretch)
    psim.TableSetupScrollFreeze(0, 1)
    for label, flags, width in (
        ("term", stretch, 0.0),
        ("weight", fixed, 84.0 * scale()),
        ("value", fixed, 66.0 * scale()),
        ("share", fixed, 46.0 * scale()),
        ("##reset", fixed, 20.0 * scale()),
    ):
        psim.TableSetupColumn(label, flags, width)
    with font(theme.SMALL_FONT):
        psim.TableHeadersRow()


def _rows(view: ViewModel, stage: int) -> list[int]:
    """Terms that exist in the stage."""
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


def _row(view: ViewModel, ui: UiState, stage: int, index: int, *, live: bool) -> Iterator[Command]:
    term = view.scene.terms[index]
    phase = phase_of(view, stage)
    default = stage_default(view, phase, index)
    key = (stage, term.name)
    draft = ui.drafts.get(key)
    value = draft.value if draft else float(view.weights[phase, index])

    psim.TableNextColumn()
    dot(theme.term_color(index), hollow=value == 0)
    _name(term, value)
    for edit in (_slider, _exact):
        psim.TableNextColumn()
        psim.SetNextItemWidth(-1.0)
        changed, edited = edit(value, default)
        if changed:
            ui.drafts[key] = Draft(edited)
        if psim.IsItemDeactivatedAfterEdit() and key in ui.drafts:
            ui.drafts[key].sent = True
            yield SetWeight(term.name, ui.drafts[key].value, stage)
    psim.TableNextColumn()
    _share(view, index, live)
    psim.TableNextColumn()
    usual = (default, float(view.scene.default_weights[phase, index]))
    if not any(math.isclose(value, other, rel_tol=1e-6) for other in usual):
        if icon_button("##reset", "reset", (18.0 * scale(), 0.0)):
            ui.drafts[key] = Draft(default, sent=True)
            yield SetWeight(term.name, default, stage)
        tooltip(f"Back to the default, {number(default)}")


def _name(term: Term, value: float) -> None:
    label = term.name.replace("_", " ")
    with font(theme.SMALL_FONT):
        psim.TextColored(theme.rgba(theme.TEXT if value else theme.DIM), label)
    tooltip(f"{label} [{term.unit}]\n{term.formula}" if term.unit else f"{label}\n{term.formula}")


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
    tooltip("Drag: three decades to either side of the default, off at the left end. Acts from the next iteration on.")
    return changed, slider_weight(moved, default) if changed else value


def _exact(value: float, default: float) -> tuple[bool, float]:
    changed, edited = psim.InputDouble("##exact", value, 0.0, 0.0, "%.4g")
    if not math.isfinite(edited):
        return False, value
    return changed, min(max(edited, 0.0), LARGEST)


def _share(view: ViewModel, index: int, live: bool) -> None:
    weighted = float(view.weighted[index])
    if not live or math.isnan(weighted):
        psim.TextDisabled("–")
        return
    total = float(np.nansum(np.abs(view.weighted))) or 1.0
    share = abs(weighted) / total
    x, y = psim.GetCursorScreenPos()
    width, height = psim.GetContentRegionAvail()[0], psim.GetTextLineHeight()
    draw = psim.GetWindowDrawList()
    color = theme.packed(theme.term_color(index), 0.35)
    draw.AddRectFilled((x, y + 1), (x + width * share, y + height), color, 2.0)
    with font(theme.SMALL_FONT):
        psim.TextUnformatted(f"{100 * share:.0f} %" if share >= 0.005 else "<1 %")
    tooltip(
        f"value {number(float(view.raw[index]))} × weight = {number(weighted)}, "
        f"{100 * share:.2g} % of the sum of all terms' absolute values"
    )
