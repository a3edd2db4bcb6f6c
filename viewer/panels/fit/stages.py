"""The panel Schedule: phases as bars on an axis of outer steps; bars can be dragged, and phases skipped."""

from __future__ import annotations

import math
from collections.abc import Iterator

from optim.schedule.solvers import SOLVERS, solvers_of
from optim.session.edits import SetFlatRule, SetFrames, SetSolver, SetSteps, SkipPhase, UsePreset
from viewer.protocol.commands import Command
from viewer.protocol.view_model import Phase, Preset, ViewModel
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.ui_state import Draft, UiState
from viewer.ui.widgets import disabled, font, scale, styled, tooltip

HEADROOM = 1.12  # of the axis, so that the last bar can be drawn longer
MOST_STEPS = 10_000
MOST_FLAT = 99.0  # percent
PRESET, SKIP = "use preset…", "skip phase"
PRESET_HELP = "Weights and steps of a preset from the current phase on, as one edit; hover over one for what it leaves"
_NAME, _NUMBER, _SOLVER = 44.0, 34.0, 64.0  # widths of columns


def stages_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A row per phase: name, bar, steps, frames, solver, rule for ending early. Above: presets, skipping a phase."""
    ui.settle_drafts(view.obeyed)
    if psim.BeginChild("schedule body", (0.0, 0.0)):
        with font(theme.SMALL_FONT), styled(FramePadding=(5.0, 1.0), CellPadding=(2.0, 1.0), ItemSpacing=(5.0, 3.0)):
            yield from _presets(view)
            psim.SameLine()
            yield from _skip(view)
            if psim.BeginTable("schedule", 6, int(psim.ImGuiTableFlags_NoPadOuterX)):
                _columns()
                for index in range(len(view.phases)):
                    psim.TableNextRow()
                    psim.PushID(view.phases[index].name)
                    yield from _row(view, ui, index)
                    psim.PopID()
                psim.EndTable()
    psim.EndChild()


def _presets(view: ViewModel) -> Iterator[Command]:
    """Draw the list of presets, whose weights and steps can replace those of the rest of the schedule."""
    psim.SetNextItemWidth(112.0 * scale())
    if psim.BeginCombo("##preset", PRESET, int(psim.ImGuiComboFlags_HeightLarge)):
        for preset in view.scene.presets:
            if psim.Selectable(preset.name):
                yield UsePreset(preset.name)
            tooltip(preset_help(preset))
        psim.EndCombo()
    tooltip(PRESET_HELP)


def preset_help(preset: Preset) -> str:
    """What choosing a preset does, and what it cannot do."""
    text = f"Sets every weight, and the steps from here on, as in “{preset.name}”. Ctrl+Z takes it back."
    if preset.fixed:
        text += "\n\nRules of this fit that stay (start anew with --preset to change them):\n" + "\n".join(preset.fixed)
    return text


def _skip(view: ViewModel) -> Iterator[Command]:
    with disabled(next_phase(view) is None):
        if psim.Button(SKIP, (psim.GetContentRegionAvail()[0], 0.0)):
            yield SkipPhase()
    tooltip(skip_help(view))


def next_phase(view: ViewModel) -> Phase | None:
    """The phase that is entered when the running one ends. None if that is the last one with steps."""
    return next((phase for phase in view.phases[view.status.phase + 1 :] if phase.steps), None)


def skip_help(view: ViewModel) -> str:
    """What skipping the running phase does."""
    here, later = view.phases[view.status.phase].name, next_phase(view)
    return f"{here} is the last phase" if later is None else f"End {here} here and enter {later.name}"


def _columns() -> None:
    fixed, stretch = int(psim.ImGuiTableColumnFlags_WidthFixed), int(psim.ImGuiTableColumnFlags_WidthStretch)
    for label, flags, width in (
        ("stage", fixed, _NAME * scale()),
        ("outer steps", stretch, 0.0),
        ("steps", fixed, _NUMBER * scale()),
        ("frames", fixed, _NUMBER * scale()),
        ("solver", fixed, _SOLVER * scale()),
        ("flat %", fixed, _NUMBER * scale()),
    ):
        psim.TableSetupColumn(label, flags, width)
    psim.TableHeadersRow()


def _row(view: ViewModel, ui: UiState, index: int) -> Iterator[Command]:
    phase, over = view.phases[index], index < view.status.phase
    now = index == view.status.phase
    psim.TableNextColumn()
    psim.TextColored(theme.rgba(theme.TEXT if now else theme.DIM), phase.name.removeprefix("stage "))
    tooltip(f"{phase.name}, moves {', '.join(phase.variables)}")
    draft = ui.drafts.get((index, "steps#"))
    steps = int(draft.value) if draft else phase.steps
    with disabled(over):
        psim.TableNextColumn()
        yield from _bar(view, ui, index, steps)
        psim.TableNextColumn()
        yield from _steps(view, ui, index, steps)
        psim.TableNextColumn()
        yield from _frames(view, ui, index)
        psim.TableNextColumn()
        yield from _solver(view, index)
        psim.TableNextColumn()
        yield from _flat(view, ui, index)


def least_steps(view: ViewModel, index: int) -> int:
    """Smallest number of steps that a phase can be given: those begun in the running phase, 0 in a later one."""
    return view.status.step + 1 if index == view.status.phase else 0


def _bar(view: ViewModel, ui: UiState, index: int, steps: int) -> Iterator[Command]:
    """The phase on the axis of all outer steps; dragged, it becomes longer or shorter."""
    phases = view.phases
    width, height = psim.GetContentRegionAvail()[0], psim.GetTextLineHeight()
    x, y = psim.GetCursorScreenPos()
    step = width / (HEADROOM * max(sum(phase.steps for phase in phases), 1))
    left = x + step * sum(phase.steps for phase in phases[:index])
    psim.InvisibleButton("bar", (max(width, 1.0), height))
    if psim.IsItemActive():
        moved = round(psim.GetMouseDragDelta(0, 0.0)[0] / step)
        steps = min(max(phases[index].steps + moved, least_steps(view, index)), MOST_STEPS)
        ui.drafts[(index, "steps#")] = Draft(steps)
    else:
        tooltip("Drag to make the phase longer or shorter; 0 steps leave it out")
        if psim.IsItemDeactivated():
            yield from _send_steps(view, ui, index)
    _draw_bar(view, index, (left, y), step, steps, height)


def _draw_bar(view: ViewModel, index: int, corner: tuple[float, float], step: float, steps: int, height: float) -> None:
    draw, color = psim.GetWindowDrawList(), theme.phase_color(index)
    left, y = corner
    right = left + max(step * steps, 1.5)
    draw.AddRectFilled((left, y), (right, y + height), theme.packed(color, 0.35), 2.0)
    status = view.status
    done = steps if index < status.phase else 0.0
    if index == status.phase:
        done = min(status.step + status.iteration / max(view.phases[index].iterations, 1), steps)
    if done:
        draw.AddRectFilled((left, y), (left + step * done, y + height), theme.packed(color, 0.95), 2.0)
    if index >= status.phase:
        draw.AddRectFilled((right - 1.5, y - 1), (right + 1.5, y + height + 1), theme.packed(theme.TEXT, 0.8), 1.0)


def _steps(view: ViewModel, ui: UiState, index: int, steps: int) -> Iterator[Command]:
    psim.SetNextItemWidth(-1.0)
    changed, edited = psim.InputInt("##steps", steps, 0, 0)
    if changed:
        ui.drafts[(index, "steps#")] = Draft(min(max(edited, least_steps(view, index)), MOST_STEPS))
    if psim.IsItemDeactivatedAfterEdit():
        yield from _send_steps(view, ui, index)
    tooltip(steps_help(view.phases[index]))


def steps_help(phase: Phase) -> str:
    """What the number of steps of a phase means."""
    return f"Outer steps of {phase.name}, up to {phase.iterations} iterations of the solver each; 0 leaves it out"


def _send_steps(view: ViewModel, ui: UiState, index: int) -> Iterator[Command]:
    draft = ui.drafts.get((index, "steps#"))
    if draft is None or draft.sent:
        return
    if draft.value == view.phases[index].steps:
        del ui.drafts[(index, "steps#")]
        return
    draft.sent = True
    yield SetSteps(int(draft.value), phase=index)


def _frames(view: ViewModel, ui: UiState, index: int) -> Iterator[Command]:
    """How many frames are rolled out and observed; only stage 3 can do with fewer than all."""
    phase, every, key = view.phases[index], view.scene.num_frames, (index, "frames#")
    if phase.stage < 3:
        psim.TextDisabled("all")
        tooltip("Stages 1 and 2 observe all frames")
        return
    draft = ui.drafts.get(key)
    shown = int(draft.value) if draft else phase.frames or every
    psim.SetNextItemWidth(-1.0)
    changed, edited = psim.InputInt("##frames", shown, 0, 0)
    if changed:
        ui.drafts[key] = Draft(min(max(edited, 2), every))
    if psim.IsItemDeactivatedAfterEdit() and key in ui.drafts:
        ui.drafts[key].sent = True
        wanted = int(ui.drafts[key].value)
        yield SetFrames(None if wanted == every else wanted, phase=index)
    tooltip(frames_help(phase, every))


def _flat(view: ViewModel, ui: UiState, index: int) -> Iterator[Command]:
    """The gain below which a phase ends early, in percent of the loss."""
    phase, key = view.phases[index], (index, "flat#")
    draft = ui.drafts.get(key)
    psim.SetNextItemWidth(-1.0)
    changed, edited = psim.InputDouble("##flat", draft.value if draft else 100 * phase.flat_gain, 0.0, 0.0, "%.3g")
    if changed and math.isfinite(edited):
        ui.drafts[key] = Draft(min(max(edited, 0.0), MOST_FLAT))
    if psim.IsItemDeactivatedAfterEdit() and key in ui.drafts:
        ui.drafts[key].sent = True
        yield SetFlatRule(ui.drafts[key].value / 100, phase.flat_iterations, phase=index)
    tooltip(flat_help(phase))


def flat_help(phase: Phase) -> str:
    """What the rule for ending a phase early says."""
    text = f"{phase.name} ends early when {phase.flat_iterations} iterations gain less than this percentage of the loss"
    return f"{text}; 0: it never does"


def frames_help(phase: Phase, every: int) -> str:
    """What the number of frames of a phase means."""
    now = f"the first {phase.frames}" if phase.frames else f"all {every}"
    return f"Frames that are rolled out and observed in {phase.name}: {now}; 2 to {every}"


def _solver(view: ViewModel, index: int) -> Iterator[Command]:
    """The solver of a phase, as a list of those that its stage can have."""
    phase = view.phases[index]
    psim.SetNextItemWidth(-1.0)
    if psim.BeginCombo("##solver", SOLVERS[phase.solver].label, int(psim.ImGuiComboFlags_NoArrowButton)):
        for name in solvers_of(phase.stage):
            if psim.Selectable(SOLVERS[name].label) and name != phase.solver:
                yield SetSolver(name, phase=index)
            tooltip(SOLVERS[name].help)
        psim.EndCombo()
    tooltip(f"Solver of {phase.name}: {SOLVERS[phase.solver].help}")
