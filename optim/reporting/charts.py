"""Line charts as SVG text: axes, a legend, marks where phases begin. Draws numbers, knows nothing of fits."""

from __future__ import annotations

import html
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

COLORS = (
    "#2563a8", "#d9660a", "#2e8b57", "#b5367a", "#7a5cc2", "#8a6d1f", "#1f8f9c", "#c23b33", "#5f6b7a", "#93a312",
    "#9c5a3c", "#4a4a4a",
)  # fmt: skip
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 22, 34
MOST_POINTS = 1200
Curve = tuple[np.ndarray, np.ndarray]
"""x and y; gaps are NaN."""


def line_chart(
    curves: Mapping[str, Curve],
    *,
    title: str,
    x_label: str,
    logarithmic: bool = False,
    marks: Sequence[tuple[float, str]] = (),
    size: tuple[int, int] = (760, 260),
) -> str:
    """One chart.

    Args:
        curves: Name → curve; the first is drawn thickest.
        title: What is measured, with its unit.
        logarithmic: Decades; on both sides of 0 where values are negative.
        marks: Vertical lines at x, with a name.
    """
    width, height = size
    colors = {name: COLORS[index % len(COLORS)] for index, name in enumerate(curves)}
    drawn = {name: _thinned(curve) for name, curve in curves.items() if np.isfinite(curve[1]).any()}
    if not drawn:
        return f'<p class="none">{html.escape(title)}: nothing to draw</p>'
    xs, ys = (np.concatenate([curve[axis] for curve in drawn.values()]) for axis in (0, 1))
    scale = _Scale.of(ys[np.isfinite(ys)], logarithmic=logarithmic)
    paper = _Paper(size, (float(xs.min()), float(max(xs.max(), xs.min() + 1))), scale)
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">']
    parts.append(f'<text class="title" x="{LEFT}" y="13">{html.escape(title)}</text>')
    parts += [*_axes(paper, x_label), *_marks(marks, paper)]
    for name in reversed(drawn):
        parts += _lines(paper, name, drawn[name], color=colors[name], weight=2.2 if name == next(iter(drawn)) else 1.3)
    return "".join(parts) + "</svg>" + _legend(colors if len(curves) > 1 else {}, drawn)


@dataclass(frozen=True)
class _Paper:
    """Where numbers lie in the picture."""

    size: tuple[int, int]
    x_range: tuple[float, float]
    scale: _Scale

    def x(self, value: np.ndarray | float) -> np.ndarray:
        low, high = self.x_range
        return LEFT + (np.asarray(value) - low) / (high - low) * (self.size[0] - LEFT - RIGHT)

    def y(self, value: np.ndarray | float) -> np.ndarray:
        return TOP + (1 - self.scale.place(np.asarray(value, float))) * (self.size[1] - TOP - BOTTOM)


def _axes(paper: _Paper, x_label: str) -> list[str]:
    right, height = paper.size[0] - RIGHT, paper.size[1]
    parts = []
    for value in paper.scale.ticks:
        at = float(paper.y(value))
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{value:.4g}</text>')
    for value in _even(*paper.x_range, 8):
        at = float(paper.x(value))
        parts.append(f'<text class="tick" x="{at:.1f}" y="{height - 18}" text-anchor="middle">{value:.4g}</text>')
    return [*parts, f'<text class="tick" x="{right}" y="{height - 4}" text-anchor="end">{html.escape(x_label)}</text>']


def _lines(paper: _Paper, name: str, curve: Curve, *, color: str, weight: float) -> list[str]:
    """One polyline for every stretch without a gap."""
    x, y = paper.x(curve[0]), paper.y(curve[1])
    parts = []
    for stretch in _stretches(curve[1]):
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[stretch], y[stretch], strict=True))
        line = f'<polyline fill="none" stroke="{color}" stroke-width="{weight}" points="{path}">'
        parts.append(f"{line}<title>{html.escape(name)}</title></polyline>")
    return parts


class _Scale:
    """Values to shares of the height, and where the axis has its numbers."""

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
        """Nearly the logarithm above ``linear_below``, straight through 0."""
        return values if self._linear_below is None else np.arcsinh(values / self._linear_below)


def _even(low: float, high: float, most: int) -> list[float]:
    """Round numbers from at or above low to at or below high, and one step around them where that is near."""
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
    """Where values follow each other without a gap."""
    known = np.flatnonzero(np.isfinite(y))
    ends = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)
    return [slice(int(run[0]), int(run[-1]) + 1) for run in ends if len(run)]


def _marks(marks: Sequence[tuple[float, str]], paper: _Paper) -> list[str]:
    width, height = paper.size
    parts = []
    for x, name in marks:
        at = float(paper.x(x))
        parts.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        place = f'x="{at + 3:.1f}" y="{TOP + 10}"'
        if at + 7 * len(name) > width - RIGHT:  # no room to its right; below the name before it
            place = f'x="{at - 3:.1f}" y="{TOP + 23}" text-anchor="end"'
        parts.append(f'<text class="mark" {place}>{html.escape(name)}</text>')
    return parts


def _legend(colors: Mapping[str, str], drawn: Collection[str]) -> str:
    items = [
        f'<span><i style="background:{color}"></i>{html.escape(name)}{"" if name in drawn else " (none)"}</span>'
        for name, color in colors.items()
    ]
    return f'<p class="legend">{"".join(items)}</p>' if items else ""
