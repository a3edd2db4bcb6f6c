"""The panel Tune: search for better weights beside the fit, see the trials as dots, and take over one with a click."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.diagnostics.quantities import QUANTITIES, TUNED
from optim.session.edits import SetWeights
from viewer.protocol.commands import Command, StartTuning, StopTuning
from viewer.protocol.view_model import TunedTrial, Tuning, ViewModel
from viewer.ui import theme
from viewer.ui.drawing import implot, plot_flags, psim
from viewer.ui.plots import FLAGS
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import disabled, font, number, scale, styled, tooltip

NEAR = 10.0
"""Distance [px] from a dot within which the cursor still means it."""
MOST_OBJECTIVES = 3
LIST_WIDTH = 118.0
"""Width [px at 96 dpi] of the lists of weights and figures."""


def tuning_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Choose weights and figures, start or stop; a click on a trial makes its weights an edit on a new branch."""
    with font(theme.SMALL_FONT), styled(FramePadding=(5.0, 1.0), ItemSpacing=(5.0, 3.0)):
        yield from _controls(view, ui)
        found = view.tuning
        if found is None:
            psim.TextDisabled("Many short fits from this iteration on, each under other weights.")
            return
        psim.TextWrapped(progress_text(found))
        tooltip(f"{found.file}\noptuna-dashboard opens this file.")
    chosen = _plot(found) if found.trials else None
    if chosen is not None:
        yield adoption(found, chosen)


def _controls(view: ViewModel, ui: UiState) -> Iterator[Command]:
    running = view.tuning is not None and view.tuning.running
    with disabled(running):
        known = searchable(view)
        ui.tune_weights = tuple(name for name in ui.tune_weights if name in known)
        ui.tune_weights = _several("##tuned weights", "weights", known, ui.tune_weights, {})
        psim.SameLine()
        labels = {name: f"{QUANTITIES[name].label} [{QUANTITIES[name].unit}]" for name in TUNED}
        chosen = _several("##objectives", "figures", TUNED, ui.tune_objectives, labels)
        ui.tune_objectives = chosen[:MOST_OBJECTIVES]
        psim.SameLine()
        psim.SetNextItemWidth(64.0 * scale())
        changed, trials = psim.InputInt("##trials", ui.tune_trials, 0, 0)
        if changed:
            ui.tune_trials = max(1, min(trials, 10_000))
        tooltip("Number of trials")
    psim.SameLine()
    if running:
        if psim.Button("Stop##tuning"):
            yield StopTuning()
        tooltip("End the search; what it has found stays, and the same search goes on from there")
        return
    why = refusal(view, ui)
    with disabled(bool(why)):
        if psim.Button("Search##tuning"):
            yield StartTuning(ui.tune_weights, ui.tune_objectives, ui.tune_trials)
    tooltip(why or "Search in a process of its own, beside the fit. It goes on from the current iteration")


def searchable(view: ViewModel) -> tuple[str, ...]:
    """Names of the weights that the current phase uses."""
    row = view.weights[view.status.phase]
    return tuple(term.name for term, weight in zip(view.scene.terms, row, strict=True) if weight > 0)


def refusal(view: ViewModel, ui: UiState) -> str:
    """Why a search cannot begin here; empty if it can."""
    if view.phases[view.status.phase].stage < 3:
        return "Weights of stage 3 are searched: run the fit into stage 3 first"
    if not ui.tune_weights:
        return "Choose the weights that may change"
    return "" if ui.tune_objectives else "Choose at least one figure that is to become better"


def progress_text(found: Tuning) -> str:
    """The state of the search in words."""
    count = sum(trial.front for trial in found.trials)
    what = "best" if len(found.objectives) == 1 else "on the front"
    state = "searching" if found.running else "stopped" if found.done < found.wanted else "done"
    text = f"{found.done} of {found.wanted} trials, {state}; {count} {what}. Click one to take its weights over."
    return f"{found.error}. {text}" if found.error else text


def trial_text(found: Tuning, trial: TunedTrial) -> str:
    """A trial in words: its figures and its weights."""
    head = "present weights" if trial.present else f"trial {trial.number}"
    values = zip(found.objectives, trial.values, strict=True)
    lines = [f"{QUANTITIES[name].label} {number(value)} {QUANTITIES[name].unit}".rstrip() for name, value in values]
    return "\n".join([head, *lines, *(f"{name} = {number(value)}" for name, value in trial.weights.items())])


def adoption(found: Tuning, trial: TunedTrial) -> SetWeights:
    """The edit that takes over the weights of a trial, from where the search began."""
    weights = tuple((found.phase, name, value) for name, value in trial.weights.items())
    return SetWeights(weights, f"weights of trial {trial.number}", start=found.snapshot)


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
    label: str, what: str, known: tuple[str, ...], chosen: tuple[str, ...], labels: dict[str, str]
) -> tuple[str, ...]:
    """A list of which several entries can be chosen; returns the chosen ones in the order of the list."""
    psim.SetNextItemWidth(LIST_WIDTH * scale())
    if psim.BeginCombo(label, f"{len(chosen)} {what}"):
        for name in known:
            _, on = psim.Checkbox(f"{labels.get(name, name.replace('_', ' '))}##{name}", name in chosen)
            chosen = tuple(one for one in known if (on if one == name else one in chosen))
        psim.EndCombo()
    return chosen
