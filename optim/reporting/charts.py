"""Draw line charts as SVG text: axes, a legend, and marks where phases begin. Knows nothing of fits.

Computes where things lie; ``templates/chart.svg`` holds the elements. A plotting library was measured instead:
matplotlib takes 76 MB and 2.5 s to import, and draws a chart in 0.2 to 0.7 s into a file twice as large.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from optim.reporting.rendering import render

COLORS = (
    "#2563a8", "#d9660a", "#2e8b57", "#b5367a", "#7a5cc2", "#8a6d1f", "#1f8f9c", "#c23b33", "#5f6b7a", "#93a312",
    "#9c5a3c", "#4a4a4a",
)  # fmt: skip
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 22, 34
MOST_POINTS = 1200
Curve = tuple[np.ndarray, np.ndarray]
"""Arrays x and y. A missing value of y is NaN."""


class Chart(Markup):
    """HTML of a chart. A notebook shows it as a picture."""

    def _repr_html_(self) -> str:
        return str(self)


def line_chart(
    curves: Mapping[str, Curve],
    *,
    title: str,
    x_label: str,
    logarithmic: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    size: tuple[int, int] = (760, 260),
) -> Chart:
    """Draw one chart.

    Args:
        curves: Name → curve. The first curve is drawn with the thickest line.
        title: Quantity on the vertical axis, with its unit.
        x_label: Quantity on the horizontal axis.
        logarithmic: Whether the vertical axis is logarithmic. Negative values have their own decades below 0.
        marks: Positions x of vertical lines, each with a name.
        size: Width and height of the picture [px].
    """
    colors = {name: COLORS[index % len(COLORS)] for index, name in enumerate(curves)}
    drawn = {name: _thinned(curve) for name, curve in curves.items() if np.isfinite(curve[1]).any()}
    if not drawn:
        return Chart('<p class="none">{}: nothing to draw</p>').format(title)
    xs, ys = (np.concatenate([curve[axis] for curve in drawn.values()]) for axis in (0, 1))
    scale = _Scale.of(ys[np.isfinite(ys)], logarithmic=logarithmic)
    paper = _Paper(size, (float(xs.min()), float(max(xs.max(), xs.min() + 1))), scale)
    names = {name if name in drawn else f"{name} (none)": color for name, color in colors.items()}
    first = next(iter(drawn))
    values = {
        "title": title,
        "x_label": x_label,
        "rows": _rows(paper),
        "columns": _columns(paper),
        "marks": [_mark(paper, x, name) for x, name in marks],
        "lines": [
            {"name": name, "color": colors[name], "weight": 2.2 if name == first else 1.3, "points": points}
            for name in reversed(drawn)
            for points in _polylines(paper, drawn[name])
        ],
        "legend": names if len(curves) > 1 else {},
    }
    return Chart(render("chart.svg", values | paper.edges()))


@dataclass(frozen=True)
class _Paper:
    """Positions of numbers in the picture."""

    size: tuple[int, int]
    x_range: tuple[float, float]
    scale: _Scale

    def edges(self) -> dict[str, int]:
        """Size of the picture and the edges of its plot."""
        width, height = self.size
        return {
            "width": width,
            "height": height,
            "left": LEFT,
            "right": width - RIGHT,
            "top": TOP,
            "bottom": height - BOTTOM,
        }

    def x(self, value: np.ndarray | float) -> np.ndarray:
        low, high = self.x_range
        return LEFT + (np.asarray(value) - low) / (high - low) * (self.size[0] - LEFT - RIGHT)

    def y(self, value: np.ndarray | float) -> np.ndarray:
        return TOP + (1 - self.scale.place(np.asarray(value, float))) * (self.size[1] - TOP - BOTTOM)


def _rows(paper: _Paper) -> list[dict[str, str]]:
    """Numbers of the vertical axis and the positions of their lines."""
    heights = [(value, float(paper.y(value))) for value in paper.scale.ticks]
    return [{"at": f"{y:.1f}", "text_at": f"{y + 4:.1f}", "text": f"{value:.4g}"} for value, y in heights]


def _columns(paper: _Paper) -> list[dict[str, str]]:
    """Numbers of the horizontal axis and their positions."""
    return [{"at": f"{float(paper.x(v)):.1f}", "text": f"{v:.4g}"} for v in _even(*paper.x_range, 8)]


def _polylines(paper: _Paper, curve: Curve) -> list[str]:
    """Points of every run of values without a missing one, as text for a polyline."""
    x, y = paper.x(curve[0]), paper.y(curve[1])
    return [
        " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[stretch], y[stretch], strict=True))
        for stretch in _stretches(curve[1])
    ]


def _mark(paper: _Paper, x: float, name: str) -> dict[str, str]:
    """A vertical line and its name. The name is on its right or, without room there, on its left and one line lower."""
    at = float(paper.x(x))
    left = at + 7 * len(name) > paper.size[0] - RIGHT
    return {
        "at": f"{at:.1f}",
        "text": name,
        "text_x": f"{at - 3 if left else at + 3:.1f}",
        "text_y": str(TOP + 23 if left else TOP + 10),
        "anchor": "end" if left else "start",
    }


class _Scale:
    """Converts values to fractions of the height, and chooses the numbers at the axis."""

    def __init__(self, low: float, high: float, ticks: Sequence[float], *, linear_below: float | None) -> None:
        self.ticks, self._linear_below = tuple(ticks), linear_below
        self._low, self._high = (float(self._bend(np.asarray(v))) for v in (low, high))

    @staticmethod
    def of(values: np.ndarray, *, logarithmic: bool) -> _Scale:
        low, high = float(values.min()), float(values.max())
        if not logarithmic or high <= 0:
            ticks = _even(min(low, 0.0), high if high > low else low + 1.0, 6)
            return _Scale(min(low, 0.0, ticks[0]), max(high, ticks[-1]), ticks, linear_below=None)
        least = max(float(values[values > 0].min()), high * 1e-7)
        down, up = math.floor(math.log10(least)), math.ceil(math.log10(high))
        if low < 0:
            down = min(down, math.floor(math.log10(-low)) - 1)
        down = min(down if low > 0 else max(down, up - 5), up - 1)
        decades = [10.0**k for k in range(down, up + 1)][:: max(1, -(-(up - down) // 8))]
        if low > 0:
            return _Scale(10.0**down, 10.0**up, decades, linear_below=10.0**down)
        bottom = min(low, -(10.0**down))
        below = [-(10.0**k) for k in range(down + 1, up + 1) if 10.0**k <= -low]
        return _Scale(bottom, 10.0**up, [*below, 0.0, *decades[1:]], linear_below=10.0**down)

    def place(self, values: np.ndarray) -> np.ndarray:
        return np.clip((self._bend(values) - self._low) / (self._high - self._low), 0.0, 1.0)

    def _bend(self, values: np.ndarray) -> np.ndarray:
        """Values on the scale of the axis: nearly logarithmic above ``linear_below`` and linear near 0."""
        return values if self._linear_below is None else np.arcsinh(values / self._linear_below)


def _even(low: float, high: float, most: int) -> list[float]:
    """Evenly spaced round numbers between ``low`` and ``high``, about ``most`` of them."""
    raw = (high - low) / most
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= raw)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _thinned(curve: Curve) -> Curve:
    x, y = (np.asarray(axis, float) for axis in curve)
    stride = max(1, -(-len(x) // MOST_POINTS))
    rows = np.unique(np.append(np.arange(0, len(x), stride), len(x) - 1))
    return x[rows], y[rows]


def _stretches(y: np.ndarray) -> list[slice]:
    """Runs of finite values without a missing one."""
    known = np.flatnonzero(np.isfinite(y))
    ends = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)
    return [slice(int(run[0]), int(run[-1]) + 1) for run in ends if len(run)]
