"""Plots of curves in a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import viser
import viser.uplot

from viewer.browser.canvas import css
from viewer.ui import theme
from viewer.ui.plots import Curve

HEIGHT = 210  # pixels


class Plot:
    """One plot; it is sent only when its curves have changed."""

    def __init__(self, gui: viser.GuiApi, *, logarithmic: bool = False, height: int = HEIGHT) -> None:
        none = np.zeros(2)
        scales = {"x": viser.uplot.Scale(time=False)}
        if logarithmic:
            scales["y"] = viser.uplot.Scale(distr=3)  # logarithmic
        pale = viser.uplot.Axis(
            stroke=css(theme.DIM), grid=viser.uplot.Axis_Grid(stroke=css(theme.RAISED), width=1), size=46
        )
        self.handle = gui.add_uplot(
            (none, none),
            _series(["", ""], [theme.TEXT], [1.0]),
            scales=scales,
            axes=(pale, pale),
            height=height,
            visible=False,
        )

    def show(self, x: np.ndarray, curves: Sequence[tuple[str, np.ndarray, theme.Color, float]]) -> None:
        """Draw curves (label, values, colour, width) over the same places; hidden where there are none.

        Args:
            x: (N,) in rising order. Values (N,) may be NaN.
        """
        if len(x) > 1 and curves:
            self.handle.series = _series(["", *(c[0] for c in curves)], [c[2] for c in curves], [c[3] for c in curves])
            self.handle.data = tuple(np.asarray(values, np.float64) for values in (x, *(c[1] for c in curves)))
        self.handle.visible = len(x) > 1 and bool(curves)

    def show_frames(self, curves: Sequence[Curve], frame: int) -> None:
        """Draw curves over the frames of the clip, with a mark at the present one."""
        first = min((curve.start for curve in curves), default=0)
        end = max((curve.start + len(curve.values) for curve in curves), default=0)
        x = np.arange(first, end, dtype=np.float64)
        drawn = []
        for curve in curves:
            values = np.full(len(x), np.nan)
            values[curve.start - first : curve.start - first + len(curve.values)] = curve.values
            drawn.append((curve.label, values, curve.color, curve.weight))
        if first <= frame < end and drawn:
            known = np.concatenate([values for _, values, _, _ in drawn])
            mark = np.full(len(x), np.nan)
            mark[max(frame - first - 1, 0) : frame - first + 1] = (
                [np.nanmin(known), np.nanmax(known)] if frame > first else np.nanmax(known)
            )
            drawn.append((f"frame {frame}", mark, theme.DIM, 1.0))
        self.show(x, drawn)


def _series(
    labels: list[str], colors: Sequence[theme.Color], widths: Sequence[float]
) -> tuple[viser.uplot.Series, ...]:
    named = zip(labels[1:], colors, widths, strict=True)
    points = viser.uplot.Series_Points(show=False)
    return (
        viser.uplot.Series(label=labels[0]),
        *(
            viser.uplot.Series(label=label, stroke=css(color), width=width, points=points)
            for label, color, width in named
        ),
    )
