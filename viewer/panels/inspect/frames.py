"""The panel Frames: a heat map of the loss of every term in every frame of the clip; a click goes to a frame."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from viewer.protocol.commands import Command
from viewer.protocol.findings import FrameTerms
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.asking import ask, is_current
from viewer.ui.drawing import implot, plot_flags, psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import align_right, font, number, scale, styled, tooltip

DECADES = 4.0  # from the brightest cell down to black
_FLAGS = ("NoTitle", "NoMenus", "NoLegend", "NoFrame", "NoMouseText")


def frames_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Terms downwards, frames of the clip to the right; sub-sequences are added up where they overlap."""
    yield from ask(view, ui, "frame_terms")
    found = view.analyses.get("frame_terms")
    if found is None or found.value is None:
        psim.TextDisabled(found.error if found is not None and found.error else "Computed when the run pauses…")
        return
    costs = over_clip(view, found.value)
    shown = [index for index in range(len(costs)) if np.nan_to_num(costs[index]).any()]
    if not shown:
        psim.TextDisabled("No term of this phase belongs to a frame.")
        return
    with font(theme.SMALL_FONT), styled(FramePadding=(1.0, 0.0)):
        _, ui.heat_rows = psim.Checkbox("each term on its own scale", ui.heat_rows)
        tooltip(
            "Every row from its least to its largest value. Otherwise all cells share one logarithmic scale of "
            f"{DECADES:g} decades, and what is below 0 is black."
        )
        if not is_current(view, "frame_terms"):
            psim.SameLine()
            psim.TextDisabled("of an earlier iteration")
        _worst(view, ui, costs, shown)
    _plot(view, ui, costs[shown], shown)


def over_clip(view: ViewModel, terms: FrameTerms) -> np.ndarray:
    """(K, N) weighted loss over the frames of the clip; NaN where nothing of a term belongs to a frame."""
    clip = np.full((len(terms.weighted), view.scene.clip_frames), np.nan)
    for b, start in enumerate(view.scene.starts):
        part = terms.weighted[:, b]
        place = clip[:, start : start + part.shape[1]]
        both = np.nan_to_num(place) + np.nan_to_num(part)
        place[:] = np.where(np.isnan(place) & np.isnan(part), np.nan, both)
    return clip


def brightness(costs: np.ndarray, *, rows_alike: bool) -> np.ndarray:
    """(R, N) between 0 and 1: each row between its extremes, or all on one logarithmic scale."""
    known = np.nan_to_num(costs)
    if rows_alike:
        low, high = known.min(1, keepdims=True), known.max(1, keepdims=True)
        return (known - low) / np.maximum(high - low, 1e-12)
    peak = max(float(known.max()), 1e-12)
    return np.clip(1.0 + np.log10(np.maximum(known / peak, 10.0**-DECADES)) / DECADES, 0.0, 1.0)


def _worst(view: ViewModel, ui: UiState, costs: np.ndarray, shown: list[int]) -> None:
    """A button to the frame with the largest loss."""
    frame = int(np.nansum(costs[shown], axis=0).argmax())
    text = f"worst: frame {frame}"
    align_right(psim.CalcTextSize(text)[0] + 8.0 * scale())
    with styled(FramePadding=(4.0, 0.0)):
        if psim.SmallButton(f"{text}##worst"):
            ui.go_to(frame, view.scene.clip_frames)
    tooltip("Go to the frame with the largest sum of all terms")


def _plot(view: ViewModel, ui: UiState, costs: np.ndarray, shown: list[int]) -> None:
    rows, count = costs.shape
    with font(theme.SMALL_FONT):
        if not implot.BeginPlot("##frame terms", psim.GetContentRegionAvail(), plot_flags(*_FLAGS)):
            return
        plain = int(implot.ImPlotAxisFlags_NoHighlight) | int(implot.ImPlotAxisFlags_NoGridLines)
        implot.SetupAxis(int(implot.ImAxis_X1), "", plain)
        first = view.scene.batch_frames[0]
        implot.SetupAxisLimits(int(implot.ImAxis_X1), first - 0.5, count - 0.5, int(implot.ImPlotCond_Always))
        implot.SetupAxis(int(implot.ImAxis_Y1), "", plain | int(implot.ImPlotAxisFlags_NoTickMarks))
        implot.SetupAxisLimits(int(implot.ImAxis_Y1), 0.0, float(rows), int(implot.ImPlotCond_Always))
        names = [view.scene.terms[index].name.replace("_", " ") for index in shown]
        implot.SetupAxisTicks(int(implot.ImAxis_Y1), rows - 0.5 - np.arange(rows, dtype=np.float64), names)
        known = np.flatnonzero(np.isfinite(costs).any(axis=0))
        first, end = int(known[0]), int(known[-1]) + 1
        image = np.asfortranarray(brightness(costs[:, first:end], rows_alike=ui.heat_rows))
        columns_first = int(implot.ImPlotHeatmapFlags_ColMajor)
        implot.PushColormap(int(implot.ImPlotColormap_Viridis))
        implot.PlotHeatmap(
            "##cells",
            image,
            0.0,
            1.0,
            "",
            (first - 0.5, 0.0),
            (end - 0.5, float(rows)),
            columns_first,
        )
        implot.PopColormap()
        implot.SetNextLineStyle(theme.rgba(theme.TEXT, 0.8), 1.2)
        implot.PlotInfLines("##frame", np.array([float(ui.frame)]))
        if implot.IsPlotHovered():
            x, y = implot.GetPlotMousePos()
            frame = int(np.clip(round(x), 0, count - 1))
            row = int(np.clip(rows - 1 - int(y), 0, rows - 1))
            psim.SetTooltip(f"frame {frame}, {names[row]}: {number(float(costs[row, frame]))}\nclick to go there")
            if psim.IsMouseClicked(0):
                ui.go_to(frame, view.scene.clip_frames)
        implot.EndPlot()
