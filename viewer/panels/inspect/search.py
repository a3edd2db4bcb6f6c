"""The panel Search: the points that an iteration tried, what each fulfils, and the outcome.

For L-BFGS these are a line search and the Wolfe conditions, for Levenberg–Marquardt the damped steps (``damping``).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from viewer.panels.inspect.damping import damped_steps
from viewer.protocol.commands import Command
from viewer.protocol.findings import DampedSteps, LineSearch
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.asking import ask
from viewer.ui.drawing import implot, plot_flags, psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import font, number, scale, styled, tooltip

_FLAGS = ("NoTitle", "NoMenus", "NoLegend", "NoFrame", "NoMouseText")
_TABLE = 176.0  # width
_HELP = (
    "A: enough decrease, loss ≤ loss at 0 + {c1:g} · step length · slope at 0 (Armijo, the yellow line). "
    "C: curvature, |slope| ≤ {c2:g} · |slope at 0|. Both together are the strong Wolfe conditions. "
    "Step lengths are in units of the L-BFGS direction."
)


def search_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """What came of the search in words; loss over step length; a row per point tried."""
    yield from ask(view, ui, "line_search", live=True)
    found = view.analyses.get("line_search")
    if found is None:
        psim.TextDisabled("Not asked yet.")
    elif found.value is None:
        psim.TextDisabled(found.error or "Nothing has been searched here: step one iteration (N).")
    elif isinstance(found.value, DampedSteps):
        damped_steps(found.value)
    else:
        _outcome(found.value)
        size = psim.GetContentRegionAvail()
        side = min(_TABLE * scale(), 0.55 * size[0])
        _plot(found.value, (size[0] - side - psim.GetStyle().ItemSpacing[0], max(size[1], 60.0)))
        psim.SameLine()
        _table(found.value, (side, max(size[1], 60.0)))


def _outcome(found: LineSearch) -> None:
    ended = f"step ended: {found.stop}" if found.stop else "step goes on"
    with font(theme.SMALL_FONT):
        psim.TextUnformatted(f"took {number(found.taken)} · slope {number(found.slope)} · ")
        psim.SameLine(0.0, 0.0)
        color = theme.DIM if found.stop is None else theme.BAD if found.stalled else theme.ACCENT
        psim.TextColored(theme.rgba(color), ended)
        tooltip(
            ("The step moved nothing: every further one would repeat it. " if found.stalled else "")
            + f"Iteration {found.iterations} of the step, {found.evaluations} of {found.budget} evaluations. "
            f"Largest entry of the gradient: {number(found.gradient)}."
        )
        psim.TextColored(theme.rgba(theme.DIM), f"{found.pairs}/{found.most_pairs} curvature pairs")
        psim.SameLine(0.0, 0.0)
        psim.TextColored(theme.rgba(theme.DIM), f" · H0 = {number(found.scale)} · {_verdict(found)}")
        tooltip("H0: the inverse Hessian that the memory starts from is this times the identity (sᵀy / yᵀy)")


def _verdict(found: LineSearch) -> str:
    if not len(found.lengths):
        return "no point was tried"
    taken = found.lengths == found.taken
    if not taken.any():
        return "none was better"
    if (found.armijo & found.curvature & taken).any():
        return "strong Wolfe"
    return "Armijo only" if (found.armijo & taken).any() else "better than the start"


def point_color(armijo: bool, curvature: bool) -> theme.Color:
    """Green for both conditions, yellow for one, red for none."""
    return theme.GOOD if armijo and curvature else theme.WARN if armijo or curvature else theme.BAD


def _plot(found: LineSearch, size: tuple[float, float]) -> None:
    lengths, values = np.append(0.0, found.lengths), np.append(found.start, found.values)
    finite = np.isfinite(values)
    if not finite.all():
        lengths, values = lengths[finite], values[finite]
    with font(theme.SMALL_FONT):
        if not implot.BeginPlot("##search", size, plot_flags(*_FLAGS)):
            return
        plain = int(implot.ImPlotAxisFlags_NoHighlight)
        right = max(float(lengths.max()) * 1.14, 1e-12)
        margin = 0.1 * max(float(np.ptp(values)), 1e-12 + 1e-6 * abs(found.start))
        implot.SetupAxis(int(implot.ImAxis_X1), "", plain)
        implot.SetupAxisLimits(int(implot.ImAxis_X1), -0.04 * right, right, int(implot.ImPlotCond_Always))
        implot.SetupAxis(int(implot.ImAxis_Y1), "", plain)
        limits = float(values.min()) - margin, float(values.max()) + margin
        implot.SetupAxisLimits(int(implot.ImAxis_Y1), *limits, int(implot.ImPlotCond_Always))
        ends = np.array([0.0, right])
        for name, share, color in (("slope", 1.0, theme.DIM), ("armijo", found.c1, theme.WARN)):
            implot.SetNextLineStyle(theme.rgba(color, 0.7), 1.2)
            implot.PlotLine(f"##{name}", ends, found.start + share * found.slope * ends)
        order = np.argsort(lengths)
        implot.SetNextLineStyle(theme.rgba(theme.DIM, 0.5), 1.0)
        implot.PlotLine("##between", np.ascontiguousarray(lengths[order]), np.ascontiguousarray(values[order]))
        _points(found)
        if implot.IsPlotHovered():
            psim.SetTooltip(_nearest(found))
        implot.EndPlot()


def _points(found: LineSearch) -> None:
    """Start, trials, and a ring around the one that was taken; drawn by hand, each in its colour."""
    draw = implot.GetPlotDrawList()
    implot.PushPlotClipRect(2.0)
    draw.AddCircleFilled(implot.PlotToPixels(0.0, found.start), 3.5, theme.packed(theme.TEXT))
    for index, (length, value) in enumerate(zip(found.lengths, found.values, strict=True)):
        if np.isfinite(value):
            at = implot.PlotToPixels(float(length), float(value))
            color = point_color(bool(found.armijo[index]), bool(found.curvature[index]))
            draw.AddCircleFilled(at, 4.0, theme.packed(color))
            if length == found.taken:
                draw.AddCircle(at, 7.0, theme.packed(theme.TEXT), 20, 1.5)
            draw.AddText((at[0] + 7, at[1] - 14), theme.packed(theme.TEXT), str(index + 1))
    implot.PopPlotClipRect()


def _nearest(found: LineSearch) -> str:
    """The trial at the cursor in words."""
    if not len(found.lengths):
        return f"start: loss {number(found.start)}, slope {number(found.slope)}"
    index = int(np.abs(found.lengths - implot.GetPlotMousePos()[0]).argmin())
    return (
        f"point {index + 1} ({found.kinds[index]}): step length {number(float(found.lengths[index]))}, "
        f"loss {number(float(found.values[index]))} "
        f"({found.values[index] - found.start:+.3g}), slope {number(float(found.slopes[index]))}"
    )


def _table(found: LineSearch, size: tuple[float, float]) -> None:
    flags = psim.ImGuiTableFlags_ScrollY | psim.ImGuiTableFlags_BordersInnerH | psim.ImGuiTableFlags_NoPadOuterX
    with font(theme.SMALL_FONT), styled(CellPadding=(3.0, 1.0)):
        if not psim.BeginTable("trials", 5, int(flags), size):
            return
        psim.TableSetupScrollFreeze(0, 1)
        fixed, stretch = int(psim.ImGuiTableColumnFlags_WidthFixed), int(psim.ImGuiTableColumnFlags_WidthStretch)
        for label, width in (("#", 14.0), ("step", 0.0), ("loss", 0.0), ("A", 12.0), ("C", 12.0)):
            psim.TableSetupColumn(label, fixed if width else stretch, width * scale())
        psim.TableHeadersRow()
        tooltip(_HELP.format(c1=found.c1, c2=found.c2))
        for index, length in enumerate(found.lengths):
            psim.TableNextRow()
            taken = length == found.taken
            cells = (str(index + 1), number(float(length)), number(float(found.values[index])))
            for cell in cells:
                psim.TableNextColumn()
                psim.TextColored(theme.rgba(theme.TEXT if taken else theme.DIM), cell)
            for holds in (found.armijo[index], found.curvature[index]):
                psim.TableNextColumn()
                psim.TextColored(theme.rgba(theme.GOOD if holds else theme.BAD), "+" if holds else "–")
        psim.EndTable()
