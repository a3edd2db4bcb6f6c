"""Texts are drawn in the size that a panel asks for, at every scale, and no longer than it asks for it."""

from __future__ import annotations

import polyscope as ps
import polyscope.imgui as psim
import pytest

from viewer.panels.table import PANELS
from viewer.ui import theme
from viewer.ui.widgets import font, scale


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_texts_have_the_size_that_is_asked_for(window, monkeypatch, factor):
    sizes: dict[str, float] = {}

    def measured(view, ui):
        sizes["before"] = psim.GetFontSize()
        with font(theme.SMALL_FONT):
            sizes["small"], sizes["height"] = psim.GetFontSize(), psim.CalcTextSize("x")[1]
            with font(theme.LARGE_FONT):
                sizes["large"] = psim.GetFontSize()
            sizes["small again"], sizes["unit"] = psim.GetFontSize(), scale()
        sizes["after"] = psim.GetFontSize()
        yield from ()

    monkeypatch.setitem(PANELS, "transport", PANELS["transport"].__class__("Optimiser", "transport", measured))
    ps.set_window_size(1920, 1080)
    window.app.ui.scale = factor
    window.frames(4)
    ps.set_window_size(1280, 720)
    window.app.ui.scale = None
    wanted = {"before": theme.FONT_SIZE, "small": theme.SMALL_FONT, "height": theme.SMALL_FONT,
              "large": theme.LARGE_FONT, "small again": theme.SMALL_FONT,
              "after": theme.FONT_SIZE}  # fmt: skip
    assert sizes.pop("unit") == pytest.approx(factor)
    assert sizes == pytest.approx({name: size * factor for name, size in wanted.items()}, abs=1.0)
    assert sizes["small"] < sizes["before"] < sizes["large"]
