"""Plots curves over the frames of the clip and marks the current frame; a click goes to a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.drawing import implot, plot_flags, psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import font, scale

FLAGS = ("NoTitle", "NoMenus", "NoFrame", "NoLegend")


class Curve(NamedTuple):
    """One line of a plot; it is interrupted where a value is NaN."""

    label: str
    start: int  # frame of the clip that the first value belongs to
    values: np.ndarray
    color: theme.Color
    weight: float = 1.8


def frame_plot(name: str, view: ViewModel, ui: UiState, curves: Sequence[Curve], *, height: float = -1.0) -> None:
    """Draw a plot with the frames of the batch on its x axis.

    Args:
        height: Height in pixels; a negative value takes all the space that is left.
    """
    first, last = view.scene.batch_frames
    margin = 0.01 * max(last - first, 1)
    legend(curves)
    width, free = psim.GetContentRegionAvail()
    with font(theme.SMALL_FONT):
        if implot.BeginPlot(
            f"##{name}", (width, height if height > 0 else max(free, 44.0 * scale())), plot_flags(*FLAGS)
        ):
            plain = int(implot.ImPlotAxisFlags_NoHighlight)
            implot.SetupAxis(int(implot.ImAxis_X1), "", plain)
            ends = first - margin, max(last, first + 1) + margin
            implot.SetupAxisLimits(int(implot.ImAxis_X1), *ends, int(implot.ImPlotCond_Always))
            implot.SetupAxis(int(implot.ImAxis_Y1), "", plain)
            implot.SetupAxisLimits(int(implot.ImAxis_Y1), *limits(curves), int(implot.ImPlotCond_Always))
            for curve in curves:
                _line(curve)
            implot.SetNextLineStyle(theme.rgba(theme.TEXT, 0.45), 1.0)
            implot.PlotInfLines("##frame", np.array([float(ui.frame)]))
            if implot.IsPlotHovered() and psim.IsMouseClicked(0):
                ui.go_to(round(implot.GetPlotMousePos()[0]), view.scene.clip_frames)
            implot.EndPlot()


def pair_plot(view: ViewModel, ui: UiState, curve: Curve, *, size: tuple[float, float], name: str) -> None:
    """Draw a small plot of one curve over its own frames; a click goes to a frame. ``size`` is in pixels."""
    first, last = curve.start, curve.start + max(len(curve.values) - 1, 1)
    with font(theme.SMALL_FONT):
        if implot.BeginPlot(f"##{name}", size, plot_flags(*FLAGS)):
            plain = int(implot.ImPlotAxisFlags_NoHighlight)
            implot.SetupAxis(int(implot.ImAxis_X1), "", plain | int(implot.ImPlotAxisFlags_NoTickLabels))
            implot.SetupAxisLimits(int(implot.ImAxis_X1), first - 0.3, last + 0.3, int(implot.ImPlotCond_Always))
            implot.SetupAxis(int(implot.ImAxis_Y1), "", plain)
            implot.SetupAxisLimits(int(implot.ImAxis_Y1), *limits([curve]), int(implot.ImPlotCond_Always))
            _line(curve)
            implot.SetNextLineStyle(theme.rgba(theme.TEXT, 0.45), 1.0)
            implot.PlotInfLines("##frame", np.array([float(ui.frame)]))
            if implot.IsPlotHovered() and psim.IsMouseClicked(0):
                ui.go_to(round(implot.GetPlotMousePos()[0]), view.scene.clip_frames)
            implot.EndPlot()


def legend(curves: Sequence[Curve]) -> None:
    """Write the labels in their colours, in lines above the plot."""
    right = psim.GetCursorScreenPos()[0] + psim.GetContentRegionAvail()[0]
    with font(theme.SMALL_FONT):
        for index, curve in enumerate(curves):
            if index and psim.GetItemRectMax()[0] + 10.0 + psim.CalcTextSize(curve.label)[0] < right:
                psim.SameLine()
            psim.TextColored(theme.rgba(curve.color), curve.label)


def limits(curves: Sequence[Curve]) -> tuple[float, float]:
    """Limits of the y axis: they include all values and 0, with a margin."""
    values = np.concatenate([np.ravel(curve.values) for curve in curves] or [np.zeros(1)])
    values = values[np.isfinite(values)]
    low, high = min(0.0, float(values.min(initial=0.0))), float(values.max(initial=0.0))
    margin = 0.08 * max(high - low, 1e-9)
    return low - (margin if low < 0 else 0.0), high + margin


def _line(curve: Curve) -> None:
    values = np.ascontiguousarray(curve.values, np.float64)
    frames = curve.start + np.arange(len(values), dtype=np.float64)
    implot.SetNextLineStyle(theme.rgba(curve.color), curve.weight)
    implot.PlotLine(curve.label, frames, values)
