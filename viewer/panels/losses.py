"""Losses: the weighted terms over the iterations of the current branch, on a logarithmic axis.

Where the total falls below 0, as negative log likelihoods may, the axis is logarithmic on both sides of 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polyscope.imgui as psim
import polyscope.implot as implot

from viewer import theme
from viewer.commands import Command
from viewer.ui_state import UiState
from viewer.view_model import ViewModel
from viewer.widgets import font, number, styled

MAX_POINTS = 1500
LEAST_SHARE = 1e-3  # terms below this share of the total are cut off
_FLAGS = (
    int(implot.ImPlotFlags_NoTitle)
    | int(implot.ImPlotFlags_NoMenus)
    | int(implot.ImPlotFlags_NoLegend)
    | int(implot.ImPlotFlags_NoFrame)
)


def losses_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """The total in white, terms in the colours of the weights table; stage boundaries as lines."""
    with styled(FramePadding=(2.0, 0.0)):
        _, ui.plot_terms = psim.Checkbox("each term", ui.plot_terms)
    plot_losses(view, each_term=ui.plot_terms)
    yield from ()


def plot_losses(view: ViewModel, *, each_term: bool) -> None:
    """The plot itself, as large as the window leaves room."""
    rows = thin(view.history.branch, MAX_POINTS)
    with font(theme.SMALL_FONT):
        if implot.BeginPlot("##losses", psim.GetContentRegionAvail(), _FLAGS):
            _setup(view, view.history.total[rows].astype(np.float64))
            _boundaries(view)
            _curves(view, rows, each_term)
            _shown_marker(view)
            implot.EndPlot()


def thin(rows: np.ndarray, most: int) -> np.ndarray:
    """At most about ``most`` of the rows, evenly, always with the last one."""
    stride = max(1, -(-len(rows) // most))
    return np.unique(np.append(rows[::stride], rows[-1:]))


def _setup(view: ViewModel, total: np.ndarray) -> None:
    always, plain = int(implot.ImPlotCond_Always), int(implot.ImPlotAxisFlags_NoHighlight)
    last = max(len(view.history.branch) * 1.02, 10.0)
    logarithmic = total.min() > 0
    implot.SetupAxis(int(implot.ImAxis_X1), "", plain)
    implot.SetupAxisLimits(int(implot.ImAxis_X1), 0.0, last, always)
    implot.SetupAxis(int(implot.ImAxis_Y1), "", plain)
    scale = implot.ImPlotScale_Log10 if logarithmic else implot.ImPlotScale_SymLog
    implot.SetupAxisScale(int(implot.ImAxis_Y1), int(scale))
    implot.SetupAxisLimits(int(implot.ImAxis_Y1), *loss_limits(total), always)


def loss_limits(total: np.ndarray) -> tuple[float, float]:
    """Limits of the loss axis: whole decades down to a share of the total, or a margin where it falls below 0."""
    low, high = float(total.min()), float(total.max())
    if low <= 0:
        return 1.5 * low - 0.1, 1.5 * max(high, 0.0) + 0.1
    least = np.floor(np.log10(low * LEAST_SHARE))
    return float(10.0**least), float(10.0 ** np.ceil(np.log10(high) + 1e-6))


def _curves(view: ViewModel, rows: np.ndarray, each_term: bool) -> None:
    history = view.history
    x = np.searchsorted(history.branch, rows).astype(np.float64)
    if each_term:
        for index, term in enumerate(view.scene.terms):
            y = history.terms[rows, index].astype(np.float64)
            keep = np.isfinite(y) & (y != 0)
            if keep.any():
                _line(term.name.replace("_", " "), x[keep], y[keep], theme.term_color(index), 1.2)
    _line("total", x, history.total[rows].astype(np.float64), theme.TEXT, 2.2)


def _line(label: str, x: np.ndarray, y: np.ndarray, color: theme.Color, weight: float) -> None:
    implot.SetNextLineStyle(theme.rgba(color), weight)
    implot.PlotLine(label, np.ascontiguousarray(x), np.ascontiguousarray(y))


def _boundaries(view: ViewModel) -> None:
    """A vertical line and a name where a phase begins."""
    phase = view.history.phase[view.history.branch]
    starts = np.flatnonzero(np.diff(phase, prepend=-1))
    for start in starts:
        name = view.phases[int(phase[start])].name
        implot.SetNextLineStyle(theme.rgba(theme.phase_color(int(phase[start])), 0.9), 1.2)
        implot.PlotInfLines(f"##start {name}", np.array([float(start)]))


def _shown_marker(view: ViewModel) -> None:
    row = view.history.row_of(view.shown)
    at = float(np.searchsorted(view.history.branch, row))
    value = float(view.history.total[row])
    implot.SetNextLineStyle(theme.rgba(theme.TEXT, 0.35), 1.0)
    implot.PlotInfLines("##shown", np.array([at]))
    implot.Annotation(at, value, theme.rgba(theme.RAISED, 0.9), (-8.0, -8.0), True, number(value))
