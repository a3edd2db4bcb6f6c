"""At the sizes that screens have, ordinary and with large texts: nothing is cut at a side, nothing covers another."""

from __future__ import annotations

from itertools import zip_longest

import polyscope as ps
import pytest

from viewer.panels.table import PANELS, SLOTS
from viewer.protocol.commands import Analyse, RunStage, Step
from viewer.ui.pins import pin_of

SIZES = [((2560, 1440), 2.0), ((1920, 1080), 2.0), ((1280, 720), 2.0), ((1920, 1080), 1.0), ((1366, 768), 1.0),
         ((1280, 720), 1.0)]  # fmt: skip
"""Width and height of the window [px], and the size of texts that is set; the ordinary ones last, for other tests."""


@pytest.mark.slow
@pytest.mark.parametrize("seen", ["joints3d", "joints2d"])
def test_every_panel_fits(open_fit, seen):
    """Two sub-sequences in stage 3; the panels that share a place are brought to the front one after the other."""
    window = open_fit(seen, batch=2, overlap=3)
    window.post(RunStage(), RunStage(), Step())
    window.post(Analyse("diagnosis", window.view.shown))
    window.app.ui.pins.add(pin_of(window.view, "as it is"))
    wrong: list[str] = []
    for size, scale in SIZES:
        ps.set_window_size(*size)
        window.app.ui.scale = scale
        for names in zip_longest(*SLOTS.values()):
            window.app.ui.tabs |= {slot: name for slot, name in zip(SLOTS, names, strict=True) if name is not None}
            fronts = {slot: PANELS[window.app.ui.tabs.get(slot, SLOTS[slot][0])].title for slot in SLOTS}
            wrong += [f"{size} {scale} × {fronts.get(text.split(':')[0])}: {text}" for text in wrong_now(window)]
        for name in SLOTS["losses"]:
            window.app.ui.wide = True
            window.app.ui.show_panel(name)
            wrong += [f"{size} {scale} × {name}, larger: {text}" for text in wrong_now(window)]
        window.app.ui.wide = False
        wrong += [f"{size} {scale} ×: {text}" for text in other_windows(window)]
    window.app.ui.scale = None
    ps.set_window_size(1280, 720)
    window.frames(4)
    assert not wrong
    assert not window.app.ui.broken


def wrong_now(window) -> list[str]:
    """What is cut, covered or goes on below in the panels that are shown."""
    window.frames(4)
    over = window.overflow
    return window.misdrawn() + [f"{slot}: goes on {over[slot]}" for slot in SLOTS if any(over[slot])]


def other_windows(window) -> list[str]:
    """The same for help, the hint, the dialogue that opens files, and what is drawn without panels."""
    ui, found = window.app.ui, []
    for name in ("show_help", "show_hint"):
        setattr(ui, name, True)
        found += wrong_now(window)
        setattr(ui, name, False)
    ui.opening.show("open")
    found += wrong_now(window)
    ui.opening.purpose, ui.panels = None, False
    window.frames(4)
    found += window.misdrawn()
    ui.panels = True
    return found


def test_a_text_that_is_too_long_for_its_widget_is_found(window, monkeypatch):
    import polyscope.imgui as psim

    def narrow(view, ui):
        psim.SetNextItemWidth(30.0)
        psim.DragFloat("##drag", 1.0, 0.1, 0.0, 2.0, "lean x %.1f°")
        psim.Button("far too long", (40.0, 20.0))
        psim.SetNextItemWidth(200.0)
        psim.DragFloat("##wide", 1.0, 0.1, 0.0, 2.0, "lean x %.1f°")
        yield from ()

    monkeypatch.setitem(PANELS, "transport", PANELS["transport"].__class__("Optimiser", "transport", narrow))
    window.frames(3)
    assert window.misdrawn() == ["transport: 'drag' is cut", "transport: 'far too long' is cut"]


def test_what_is_cut_or_covered_is_found(window, monkeypatch):
    """The measure itself: a text that is too long, and a button over another."""
    import polyscope.imgui as psim

    def crowded(view, ui):
        psim.TextUnformatted("far too long for this place " * 10)
        x, y = psim.GetCursorPos()
        psim.Button("one", (60.0, 30.0))
        psim.SetCursorPos((x + 30.0, y + 15.0))
        psim.Button("other", (60.0, 30.0))
        yield from ()

    monkeypatch.setitem(PANELS, "transport", PANELS["transport"].__class__("Optimiser", "transport", crowded))
    window.frames(3)
    found = window.misdrawn()
    assert any("is cut" in text for text in found)
    assert "transport: 'one' and 'other' cover each other" in found
