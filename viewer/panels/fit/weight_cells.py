"""Cells of the weights table: share of the loss, value, gradient, and trend of a term."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from viewer.protocol.findings import TermPull
from viewer.protocol.view_model import Term, ViewModel
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.widgets import font, number, tooltip

TREND_ROWS, TREND_POINTS = 200, 24  # iterations that a sparkline covers, points it is drawn with
MEASURES = ("share", "value", "gradient")
"""What one column shows in turn; the enlarged table has a column for each."""
MEASURE_HELP = {
    "share": "Of the sum of all terms' absolute weighted values",
    "value": "Of the term itself, before its weight, in its unit",
    "gradient": "Norm of the weighted term's gradient over all moving variables; computed while the run is paused",
}


@dataclass(frozen=True, kw_only=True)
class WeightRow:
    """What the cells of a row are about."""

    index: int
    term: Term
    stage: int
    phase: int  # whose weight is shown
    value: float
    default: float
    live: bool  # the iteration that is shown is of this stage


def share_cell(view: ViewModel, row: WeightRow) -> None:
    """The share of the loss as a bar and a number."""
    weighted = float(view.weighted[row.index])
    if not row.live or math.isnan(weighted):
        psim.TextDisabled("–")
        return
    total = float(np.nansum(np.abs(view.weighted))) or 1.0
    share = abs(weighted) / total
    x, y = psim.GetCursorScreenPos()
    width, height = psim.GetContentRegionAvail()[0], psim.GetTextLineHeight()
    draw = psim.GetWindowDrawList()
    color = theme.packed(theme.term_color(row.index), 0.35)
    draw.AddRectFilled((x, y + 1), (x + width * share, y + height), color, 2.0)
    with font(theme.SMALL_FONT):
        psim.TextUnformatted(f"{100 * share:.0f} %" if share >= 0.005 else "<1 %")
    tooltip(
        f"value {number(float(view.raw[row.index]))} × weight = {number(weighted)}, "
        f"{100 * share:.2g} % of the sum of all terms' absolute values"
    )


def value_cell(view: ViewModel, row: WeightRow) -> None:
    """The term before its weight, with its unit."""
    raw = float(view.raw[row.index])
    if not row.live or math.isnan(raw):
        psim.TextDisabled("–")
        return
    unit = "" if row.term.unit == "1" else f" {row.term.unit}"
    with font(theme.SMALL_FONT):
        psim.TextUnformatted(f"{number(raw, 3)}{unit}")
    tooltip(f"{row.term.name.replace('_', ' ')} = {raw:.6g}{unit}, before its weight\n{row.term.formula}")


def gradient_cell(view: ViewModel, row: WeightRow) -> None:
    """How hard the weighted term pulls on all that moves."""
    found = view.analyses.get("term_pull")
    norms = _norms(found.value, row.index) if found is not None and found.value is not None else {}
    total = math.sqrt(sum(norm**2 for norm in norms.values()))
    if not row.live or not norms or found is None:
        psim.TextDisabled("–")
        return
    old = found.snapshot != view.shown
    with font(theme.SMALL_FONT):
        psim.TextColored(theme.rgba(theme.DIM if old else theme.TEXT), number(total, 3))
    lines = [f"{name}: {number(norm)}" for name, norm in sorted(norms.items(), key=lambda item: -item[1])]
    tooltip(
        "\n".join(["Gradient norm by variable, loss per unit of the variable", *lines])
        + ("\nof an earlier iteration; pause for a new one" if old else "")
    )


def _norms(found: TermPull, index: int) -> dict[str, float]:
    return {name: float(norms[index]) for name, norms in found.norm.items() if np.isfinite(norms[index])}


MEASURE_CELLS = {"share": share_cell, "value": value_cell, "gradient": gradient_cell}


def trend(view: ViewModel, index: int) -> np.ndarray:
    """The last weighted values of a term on the current branch, a few points, between 0 and 1 on a log scale."""
    rows = view.history.branch[-TREND_ROWS:]
    values = view.history.terms[rows[:: max(1, -(-len(rows) // TREND_POINTS))], index]
    values = np.abs(values[np.isfinite(values) & (values != 0)])
    if len(values) < 2:
        return np.zeros(0)
    levels = np.log10(values)
    span = float(levels.max() - levels.min())
    return (levels - levels.min()) / span if span > 1e-6 else np.full(len(levels), 0.5)


def trend_cell(view: ViewModel, row: WeightRow) -> None:
    """A sparkline; the term's last iterations on a logarithmic scale."""
    x, y = psim.GetCursorScreenPos()
    width, height = psim.GetContentRegionAvail()[0], psim.GetTextLineHeight()
    levels = trend(view, row.index) if row.live else np.zeros(0)
    if len(levels):
        draw = psim.GetWindowDrawList()
        for i, level in enumerate(levels):
            draw.PathLineTo((x + width * i / (len(levels) - 1), y + height - 2 - (height - 4) * float(level)))
        draw.PathStroke(theme.packed(theme.term_color(row.index)), 0, 1.4)
    psim.Dummy((width, height))
    tooltip(f"Weighted value over the last {TREND_ROWS} iterations at most, logarithmic, from least to largest")
