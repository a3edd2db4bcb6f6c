"""The panel Tune: search for better weights and rules beside the fit, see the trials as dots, and take over one with a
click.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.diagnostics.quantities import QUANTITIES, TUNED
from optim.schedule.presets import PRESETS
from optim.schedule.solvers import solvers_of
from optim.tuning.space import FLAT_GAIN, PRESET, SOLVER, name_of
from viewer.protocol.commands import AdoptTrial, Command, ResumeTuning, StartTuning, StopTuning
from viewer.protocol.pace import TimeLeft
from viewer.protocol.view_model import TunedTrial, Tuning, ViewModel
from viewer.ui import theme
from viewer.ui.drawing import implot, plot_flags, psim
from viewer.ui.plots import FLAGS
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import disabled, dot, explanation, font, number, scale, styled, tooltip

NEAR = 10.0
"""Distance [px] from a dot within which the cursor still means it."""
MOST_OBJECTIVES = 3
LIST_WIDTH, NUMBER_WIDTH = 110.0, 46.0
"""Widths [px at 96 dpi] of the lists, and of the number of trials."""
NOT_HELD_OUT = (
    "No clip is held out, because there is one fit: what is found may be good for its noise only. humorscope tune"
    " searches over many clips and compares on others."
)
BEGINS = (
    "Search in a process of its own, beside the fit. Trials go on from the current iteration if only weights of the"
    " current phase of stage 3 are searched; otherwise they begin with the first stage that is concerned"
)


def tuning_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Choose what may change, and figures; start or stop. A click on a trial makes its values an edit on a branch."""
    with font(theme.SMALL_FONT), styled(FramePadding=(5.0, 1.0), ItemSpacing=(5.0, 3.0)):
        yield from _controls(view, ui)
        found = view.tuning
        if found is None:
            explanation(f"{ui.tune_trials} trials: short fits under other values, beside this one. {chosen_text(ui)}")
            explanation(NOT_HELD_OUT)
            return
        psim.TextWrapped(progress_text(found))
        tooltip(f"Trials: {found.about}.\n\n{NOT_HELD_OUT}\n\n{found.file}\noptuna-dashboard opens this file.")
        _legend(found)
    chosen = _plot(found) if found.trials else None
    if chosen is not None:
        yield AdoptTrial(chosen.number)


def _controls(view: ViewModel, ui: UiState) -> Iterator[Command]:
    running = view.tuning is not None and view.tuning.running
    with disabled(running):
        groups = searchable(view)
        known = tuple(name for names in groups.values() for name in names)
        ui.tune_searched = tuple(name for name in ui.tune_searched if name in known)
        ui.tune_searched = _several("##searched", "searched", groups, ui.tune_searched, {})
        tooltip("What may change, written as for humorscope tune: pose_prior@2 is the weight in stage 2")
        psim.SameLine()
        labels = {name: f"{QUANTITIES[name].label} [{QUANTITIES[name].unit}]" for name in TUNED}
        chosen = _several("##objectives", "figures", {"": TUNED}, ui.tune_objectives, labels)
        ui.tune_objectives = chosen[:MOST_OBJECTIVES]
        psim.SameLine()
        psim.SetNextItemWidth(NUMBER_WIDTH * scale())
        changed, trials = psim.InputInt("##wanted trials", ui.tune_trials, 0, 0)
        if changed:
            ui.tune_trials = max(1, min(trials, 10_000))
        tooltip("Number of trials")
    psim.SameLine()
    if running:
        if psim.Button("Stop##tuning"):
            yield StopTuning()
        tooltip("End the search; what it has found stays, and Resume goes on from there")
        return
    why = refusal(ui)
    with disabled(bool(why)):
        if psim.Button("Search##tuning"):
            yield StartTuning(texts_of(ui.tune_searched), ui.tune_objectives, ui.tune_trials)
    tooltip(why or BEGINS)
    if view.tuning is not None and view.tuning.done < ui.tune_trials:
        psim.SameLine()
        if psim.Button("Resume##tuning"):
            yield ResumeTuning(ui.tune_trials)
        tooltip(f"Go on with the search below until it has {ui.tune_trials} trials")


def searchable(view: ViewModel) -> dict[str, tuple[str, ...]]:
    """Heading → what may change: the weights that each stage uses, solvers and other rules, and presets."""
    groups = {}
    stages = sorted({phase.stage for phase in view.phases})
    for stage in stages:
        rows = [row for phase, row in zip(view.phases, view.weights, strict=True) if phase.stage == stage]
        used = np.max(rows, axis=0) > 0
        names = (name_of(term.name, stage) for term, on in zip(view.scene.terms, used, strict=True) if on)
        groups[f"weights of stage {stage}"] = tuple(names)
    solvers = (name_of(SOLVER, stage) for stage in stages if len(solvers_of(stage)) > 1)
    groups["solvers, and the rule that ends a phase early"] = (*solvers, FLAT_GAIN)
    presets = (preset.name for preset in view.scene.presets if preset.name in PRESETS)
    groups["presets, beside the present one"] = tuple(f"{PRESET}={name}" for name in presets)
    return groups


def texts_of(searched: tuple[str, ...]) -> tuple[str, ...]:
    """What was chosen as ``optim.tuning.space`` reads it: the presets are one choice."""
    presets = [name.partition("=")[2] for name in searched if name.startswith(f"{PRESET}=")]
    others = tuple(name for name in searched if not name.startswith(f"{PRESET}="))
    return (*others, f"{PRESET}={','.join(presets)}") if presets else others


def refusal(ui: UiState) -> str:
    """Why a search cannot begin; empty if it can."""
    if not ui.tune_searched:
        return "Choose what may change"
    return "" if ui.tune_objectives else "Choose at least one figure that is to become better"


def chosen_text(ui: UiState) -> str:
    """What is searched, and which figures are to become better."""
    searched = ", ".join(name.replace("_", " ") for name in ui.tune_searched) or "nothing yet"
    figures = ", ".join(QUANTITIES[name].label for name in ui.tune_objectives) or "none yet"
    return f"Searched: {searched}. Figures that are to become better: {figures}."


def _legend(found: Tuning) -> None:
    """What the colours of the dots mean, and that they can be clicked."""
    best = "best" if len(found.objectives) == 1 else "none better in every figure"
    entries = {"present values": theme.WARN, best: theme.ACCENT, "others": theme.DIM}
    for text, color in entries.items():
        dot(color)
        psim.TextUnformatted(text)
        tooltip("Click a dot to take its values over, on a branch")
        if text != "others":
            psim.SameLine()


def progress_text(found: Tuning) -> str:
    """The state of the search in words."""
    count = sum(trial.front for trial in found.trials)
    what = "best" if len(found.objectives) == 1 else "on the front"
    state = "searching" if found.running else "stopped" if found.done < found.wanted else "done"
    if found.seconds_left:
        state += f", {TimeLeft(found.seconds_left, at_most=False)}"
    text = f"{found.done} of {found.wanted} trials, {state}; {count} {what}"
    return f"{found.error}. {text}" if found.error else text


def trial_text(found: Tuning, trial: TunedTrial) -> str:
    """A trial in words: its figures and its values."""
    head = "present values" if trial.present else f"trial {trial.number}"
    values = zip(found.objectives, trial.values, strict=True)
    lines = [f"{QUANTITIES[name].label} {number(value)} {QUANTITIES[name].unit}".rstrip() for name, value in values]
    point = (f"{name} = {value if isinstance(value, str) else number(value)}" for name, value in trial.point.items())
    return "\n".join([head, *lines, *point, "", "Click to take these values over, on a branch"])


def places(found: Tuning) -> tuple[np.ndarray, np.ndarray]:
    """Where the dots are: the first two objectives, or the number of the trial and the only objective."""
    rows = np.array([trial.values for trial in found.trials])
    if rows.shape[1] == 1:
        return np.array([float(trial.number) for trial in found.trials]), rows[:, 0]
    return np.ascontiguousarray(rows[:, 0]), np.ascontiguousarray(rows[:, 1])


def _plot(found: Tuning) -> TunedTrial | None:
    """Draw the dots; returns the one that was clicked on."""
    x, y = places(found)
    axes = [f"{QUANTITIES[name].label} [{QUANTITIES[name].unit}]" for name in found.objectives]
    across, up = ("trial", axes[0]) if len(axes) == 1 else axes[:2]
    clicked = None
    with font(theme.SMALL_FONT):
        if implot.BeginPlot("##trials", psim.GetContentRegionAvail(), plot_flags(*FLAGS)):
            always, plain = int(implot.ImPlotCond_Always), int(implot.ImPlotAxisFlags_NoHighlight)
            for axis, label, values in ((implot.ImAxis_X1, across, x), (implot.ImAxis_Y1, up, y)):
                implot.SetupAxis(int(axis), label, plain)
                margin = 0.08 * max(float(np.ptp(values)), 1e-6)
                implot.SetupAxisLimits(int(axis), values.min() - margin, values.max() + margin, always)
            best = np.array([trial.front for trial in found.trials])
            first = np.array([trial.present for trial in found.trials])
            _dots("others", x[~best], y[~best], theme.DIM, 3.0)
            _dots("front", x[best], y[best], theme.ACCENT, 5.0)
            _dots("present", x[first], y[first], theme.WARN, 6.0, marker=int(implot.ImPlotMarker_Diamond))
            if implot.IsPlotHovered():
                near = _nearest(x, y)
                if near is not None:
                    psim.SetTooltip(trial_text(found, found.trials[near]))
                    clicked = found.trials[near] if psim.IsMouseClicked(0) else None
            implot.EndPlot()
    return clicked


def _dots(
    label: str, x: np.ndarray, y: np.ndarray, color: theme.Color, size: float, *, marker: int | None = None
) -> None:
    if not len(x):
        return
    circle = int(implot.ImPlotMarker_Circle)
    fill = theme.rgba(color)
    implot.SetNextMarkerStyle(circle if marker is None else marker, size * scale(), fill, 1.0, fill)
    implot.PlotScatter(f"##{label}", np.ascontiguousarray(x), np.ascontiguousarray(y))


def _nearest(x: np.ndarray, y: np.ndarray) -> int | None:
    """Index of the dot under the cursor."""
    mouse = psim.GetIO().MousePos
    pixels = np.array([implot.PlotToPixels(float(a), float(b)) for a, b in zip(x, y, strict=True)])
    away = np.hypot(*(pixels - np.array([mouse[0], mouse[1]])).T)
    index = int(away.argmin())
    return index if away[index] <= NEAR * scale() else None


def _several(
    label: str, what: str, known: dict[str, tuple[str, ...]], chosen: tuple[str, ...], labels: dict[str, str]
) -> tuple[str, ...]:
    """A list of which several entries can be chosen; returns the chosen ones in the order of the list.

    Args:
        known: Heading, which may be empty → entries below it.
        labels: Entry → how it is written, if not as it is called.
    """
    psim.SetNextItemWidth(LIST_WIDTH * scale())
    if psim.BeginCombo(label, f"{len(chosen)} {what}", int(psim.ImGuiComboFlags_HeightLarge)):
        entries = [name for names in known.values() for name in names]
        for heading, names in known.items():
            if heading:
                psim.TextDisabled(heading)
            for name in names:
                _, on = psim.Checkbox(f"{labels.get(name, name.replace('_', ' '))}##{name}", name in chosen)
                chosen = tuple(one for one in entries if (on if one == name else one in chosen))
        psim.EndCombo()
    return chosen
