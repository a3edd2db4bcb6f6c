"""The panel Loss: weighted terms over the iterations, on a logarithmic axis, with other branches and edits.

A click shows an earlier iteration. If the total falls below 0, as negative log likelihoods may, the axis is logarithmic
on both sides of 0.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from viewer.protocol.commands import Command, Inspect
from viewer.protocol.findings import RescoredCurve
from viewer.protocol.view_model import Event, ViewModel
from viewer.ui import theme
from viewer.ui.asking import ask
from viewer.ui.drawing import implot, plot_flags, psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import font, number, styled, tooltip

MAX_POINTS = 1500
TOTAL = "total"
LEAST_SHARE = 1e-3  # terms below this share of the total are cut off
NEAR = 9.0  # pixels from a curve or a mark that still mean it
_FLAGS = ("NoTitle", "NoMenus", "NoFrame", "NoMouseText")
SWITCHES = (
    ("terms", "plot_terms", "Every weighted term in its colour of the weights table; the total in white"),
    ("per frame", "plot_per_frame", "Divided by the frames that are observed, so that phases can be compared"),
    ("branches", "plot_branches", "Totals of the other branches, faint; click on one to look at it"),
    (
        "re-scored",
        "plot_rescored",
        "Yellow: past iterations of this phase under the present weights, from the raw terms that were kept",
    ),
    ("zoom", "plot_zoom", "Only from where the phase of the current iteration begins"),
)


def losses_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Switches, then the plot; a click shows the iteration under the cursor."""
    with font(theme.SMALL_FONT), styled(FramePadding=(1.0, 0.0), ItemSpacing=(9.0, 4.0)):
        for index, (label, name, help_text) in enumerate(SWITCHES):
            if index:
                psim.SameLine()
            _, value = psim.Checkbox(label, getattr(ui, name))
            setattr(ui, name, value)
            tooltip(help_text)
    rescored = None
    if ui.plot_rescored:
        yield from ask(view, ui, "rescored", current=view.current)
        found = view.analyses.get("rescored")
        rescored = None if found is None else found.value
        if rescored is not None and rescored.missing:
            psim.SameLine()
            psim.TextColored(theme.rgba(theme.WARN), "*")
            tooltip(f"Without {', '.join(rescored.missing)}: not computed in all of these iterations")
    clicked = plot_losses(
        view,
        each_term=ui.plot_terms,
        per_frame=ui.plot_per_frame,
        branches=ui.plot_branches,
        rescored=rescored,
        legend=ui.wide,
        zoom=ui.plot_zoom,
    )
    if clicked is not None:
        yield Inspect(None if clicked == view.current else clicked)


def plot_losses(
    view: ViewModel,
    *,
    each_term: bool,
    per_frame: bool = False,
    branches: bool = False,
    rescored: RescoredCurve | None = None,
    legend: bool = False,
    zoom: bool = False,
) -> int | None:
    """The plot itself, as large as the window leaves room; the snapshot that was clicked on, if any."""
    history, clicked = view.history, None
    unit = history.frames if per_frame else np.ones_like(history.frames)
    main = thin(history.branch, MAX_POINTS)
    others = other_branches(view) if branches else []
    with font(theme.SMALL_FONT):
        flags = plot_flags(*_FLAGS, *(() if legend else ("NoLegend",)))
        if implot.BeginPlot("##losses", psim.GetContentRegionAvail(), flags):
            first = phase_start(view) if zoom else 0
            last = int(history.depth[np.concatenate([main, *others])].max())
            seen = main[history.depth[main] >= first]
            _setup(first, last, history.total[seen] / unit[seen])
            _boundaries(view)
            for rows in others:
                _line("##other", history.depth[rows], history.total[rows] / unit[rows], theme.DIM, 1.2, alpha=0.75)
            for label, values, color in loss_curves(view, main, unit, each_term=each_term):
                keep = np.isfinite(values)
                _line(label, history.depth[main][keep], values[keep], color, 2.2 if label == TOTAL else 1.2)
            if rescored is not None:
                rows = np.searchsorted(history.ids, rescored.ids)
                _line("rescored", history.depth[rows], rescored.total / unit[rows], theme.WARN, 1.6)
            _events(view)
            _shown_marker(view, unit, "/frame" if per_frame else "")
            if implot.IsPlotHovered():
                clicked = _hovered(view, unit, others)
            implot.EndPlot()
    return clicked


def thin(rows: np.ndarray, most: int) -> np.ndarray:
    """At most about ``most`` of the rows, evenly, always with the last one."""
    stride = max(1, -(-len(rows) // most))
    return np.unique(np.append(rows[::stride], rows[-1:]))


def other_branches(view: ViewModel) -> list[np.ndarray]:
    """Rows of each branch that leads elsewhere than to the current iteration, from where it leaves another one."""
    history = view.history
    ours = np.zeros(len(history.ids), bool)
    ours[history.branch] = True
    found = []
    for branch in history.branches:
        rows = np.flatnonzero((history.branch_of == branch.number) & ~ours)
        if len(rows):
            parent = int(history.parents[rows[0]])
            found.append(thin(np.append(parent, rows) if parent >= 0 else rows, MAX_POINTS // 3))
    return found


def phase_start(view: ViewModel) -> int:
    """Depth at which the phase of the current iteration begins."""
    phase = view.history.phase[view.history.branch]
    return int(view.history.depth[view.history.branch[np.flatnonzero(np.diff(phase, prepend=-1))[-1]]])


def _setup(first: int, last: int, total: np.ndarray) -> None:
    always, plain = int(implot.ImPlotCond_Always), int(implot.ImPlotAxisFlags_NoHighlight)
    implot.SetupLegend(int(implot.ImPlotLocation_SouthWest))
    logarithmic = total.min() > 0
    implot.SetupAxis(int(implot.ImAxis_X1), "", plain)
    implot.SetupAxisLimits(
        int(implot.ImAxis_X1), float(first), max(last + 1 + 0.02 * (last - first), first + 10.0), always
    )
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


def loss_curves(
    view: ViewModel, rows: np.ndarray, unit: np.ndarray, *, each_term: bool
) -> Iterator[tuple[str, np.ndarray, theme.Color]]:
    """Label, values at rows of the history and colour of each term that is not zero all along, and of the total.

    Args:
        unit: What each row of the whole history is divided by.

    Returns:
        Values are NaN where a term is zero or was not computed.
    """
    history = view.history
    for index, term in enumerate(view.scene.terms if each_term else ()):
        values = history.terms[rows, index] / unit[rows]
        values = np.where(values == 0, np.nan, values)
        if np.isfinite(values).any():
            yield term.name.replace("_", " "), values, theme.term_color(index)
    yield TOTAL, history.total[rows] / unit[rows], theme.TEXT


def _line(label: str, x: np.ndarray, y: np.ndarray, color: theme.Color, weight: float, *, alpha: float = 1.0) -> None:
    implot.SetNextLineStyle(theme.rgba(color, alpha), weight)
    implot.PlotLine(label, np.ascontiguousarray(x, np.float64), np.ascontiguousarray(y, np.float64))


def _boundaries(view: ViewModel) -> None:
    """A vertical line in the phase's colour where a phase begins."""
    phase = view.history.phase[view.history.branch]
    starts = np.flatnonzero(np.diff(phase, prepend=-1))
    for start in starts:
        name = view.phases[int(phase[start])].name
        implot.SetNextLineStyle(theme.rgba(theme.phase_color(int(phase[start])), 0.9), 1.2)
        implot.PlotInfLines(f"##start {name}", np.array([float(view.history.depth[view.history.branch[start]])]))


def branch_events(view: ViewModel) -> list[Event]:
    """Edits on the way to the current iteration."""
    events = view.history.events
    rows = np.searchsorted(view.history.ids, [event.snapshot for event in events])
    return [event for event, ours in zip(events, np.isin(rows, view.history.branch), strict=True) if ours]


def _rows(view: ViewModel, events: list[Event]) -> np.ndarray:
    return np.searchsorted(view.history.ids, [event.snapshot for event in events]).astype(np.int64)


def _events(view: ViewModel) -> None:
    """A mark at the top for every edit, with a faint line down."""
    at = view.history.depth[_rows(view, branch_events(view))].astype(np.float64)
    if not len(at):
        return
    implot.SetNextLineStyle(theme.rgba(theme.WARN, 0.35), 1.0)
    implot.PlotInfLines("##events", at)
    draw, (_, top) = implot.GetPlotDrawList(), implot.GetPlotPos()
    for x in at:
        pixel = implot.PlotToPixels(float(x), 1.0)[0]
        draw.AddTriangleFilled((pixel - 4, top), (pixel + 4, top), (pixel, top + 7), theme.packed(theme.WARN))


def _shown_marker(view: ViewModel, unit: np.ndarray, suffix: str) -> None:
    row = view.history.row_of(view.shown)
    at, value = float(view.history.depth[row]), float(view.history.total[row] / unit[row])
    implot.SetNextLineStyle(theme.rgba(theme.TEXT, 0.35), 1.0)
    implot.PlotInfLines("##shown", np.array([at]))
    implot.Annotation(at, value, theme.rgba(theme.RAISED, 0.9), (-8.0, -8.0), True, f"{number(value)}{suffix}")


def _hovered(view: ViewModel, unit: np.ndarray, others: list[np.ndarray]) -> int | None:
    """Show a tooltip for the iteration under the cursor; returns its snapshot if it was clicked."""
    history = view.history
    row = nearest_row(view, unit, others)
    lines = [
        f"{view.phases[int(history.phase[row])].name}, step {history.step[row] + 1}, "
        f"iteration {history.iteration[row]} of it: {number(float(history.total[row] / unit[row]))}"
    ]
    number_ = int(history.branch_of[row])
    if len(history.branches) > 1:
        lines.append(next(branch.name for branch in history.branches if branch.number == number_))
    mouse = psim.GetIO().MousePos[0]
    events = branch_events(view)
    near = [
        event.text
        for event, depth in zip(events, history.depth[_rows(view, events)], strict=True)
        if abs(implot.PlotToPixels(float(depth), 1.0)[0] - mouse) < NEAR
    ]
    psim.SetTooltip("\n".join([*lines, *(f"edit: {text}" for text in near), "click to look at it"]))
    return int(history.ids[row]) if psim.IsMouseClicked(0) else None


def nearest_row(view: ViewModel, unit: np.ndarray, others: list[np.ndarray]) -> int:
    """Row below the cursor: of the current branch, unless the cursor is at the curve of another one."""
    history, (x, y) = view.history, psim.GetIO().MousePos
    column = implot.GetPlotMousePos()[0]
    backwards = history.branch[::-1]  # of an iteration and the edits after it, the last edit is found
    best, least = int(backwards[int(np.abs(history.depth[backwards] - column).argmin())]), NEAR
    for rows in others:
        row = int(rows[int(np.abs(history.depth[rows] - column).argmin())])
        at = implot.PlotToPixels(float(history.depth[row]), float(history.total[row] / unit[row]))
        away = float(np.hypot(at[0] - x, at[1] - y))
        if away < least:
            best, least = row, away
    return best
