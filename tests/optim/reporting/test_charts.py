"""Charts: what is drawn lies where the numbers are."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from optim.reporting.charts import line_chart

X = np.arange(50.0)


def svg_of(text):
    return ET.fromstring(text[: text.index("</svg>") + 6])


def lines(root):
    """Name → points (N, 2) of its first stretch, in the order drawn."""
    return {
        line.find("title").text: np.array([p.split(",") for p in line.get("points").split()], float)
        for line in root.iter("polyline")
    }


def ticks(root):
    """Numbers of the vertical axis → height in the picture."""
    marks = [t for t in root.iter("text") if t.get("text-anchor") == "end" and re.fullmatch(r"-?[\d.e+-]+", t.text)]
    return {float(t.text): float(t.get("y")) - 4 for t in marks}


def test_values_meet_their_numbers_on_the_axis():
    root = svg_of(line_chart({"a": (X, 2 * X)}, title="t", x_label="x"))
    drawn, axis = lines(root)["a"], ticks(root)
    assert len(axis) > 3 and 0.0 in axis
    for value, height in axis.items():
        assert np.interp(value, 2 * X, drawn[:, 1]) == pytest.approx(height, abs=0.6)


def test_decades_are_equally_far_apart():
    root = svg_of(line_chart({"a": (X, 10 ** (X / 10))}, title="t", x_label="x", logarithmic=True))
    heights = [y for _, y in sorted(ticks(root).items())]
    assert np.ptp(np.diff(heights)[1:]) < 2.5 and len(heights) >= 5


def test_negative_values_stay_in_the_picture():
    values = np.where(X < 25, 1000.0 - X, -70.0)
    root = svg_of(line_chart({"a": (X, values)}, title="t", x_label="x", logarithmic=True))
    axis, drawn = ticks(root), lines(root)["a"]
    assert min(axis) < 0 < max(axis) and drawn[-1, 1] > axis[0.0] > drawn[0, 1]


def test_gaps_stay_gaps_and_names_are_escaped():
    holed = np.where((X > 10) & (X < 20), np.nan, X)
    curves = {"<b>": (X, holed), "none": (X, np.full(50, np.nan))}
    text = line_chart(curves, title="a < b", x_label="x", marks=[(5, "p & q")])
    root = svg_of(text)
    assert len(list(root.iter("polyline"))) == 2
    assert "<b>" not in text and "none (none)" in text and "p &amp; q" in text


def test_nothing_to_draw_is_said():
    assert "nothing to draw" in line_chart({"a": (X, np.full(50, np.nan))}, title="t", x_label="x")


@pytest.mark.parametrize("value", [0.0, 3.0, -3.0, 1e-9])
def test_constants_are_drawn(value):
    root = svg_of(line_chart({"a": (X, np.full(50, value))}, title="t", x_label="x", logarithmic=True))
    assert np.isfinite(lines(root)["a"]).all()


def test_long_curves_keep_their_ends():
    x = np.arange(100_000.0)
    root = svg_of(line_chart({"a": (x, x)}, title="t", x_label="x", size=(760, 260)))
    drawn = lines(root)["a"]
    assert len(drawn) < 2000 and drawn[-1, 0] == pytest.approx(748, abs=0.1)
