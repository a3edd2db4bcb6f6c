"""At the sizes that screens have, ordinary and with large texts: nothing is cut at a side, nothing covers another."""

from __future__ import annotations

from itertools import zip_longest

import polyscope as ps
import pytest

from viewer.panels.table import PANELS, SLOTS
from viewer.protocol.commands import RunStage, Step

SIZES = [((2560, 1440), 2.0), ((1920, 1080), 2.0), ((1280, 720), 2.0), ((1920, 1080), 1.0), ((1366, 768), 1.0),
         ((1280, 720), 1.0)]  # fmt: skip
"""Width and height of the window [px], and the size of texts that is set; the ordinary ones last, for other tests."""


@pytest.mark.slow
@pytest.mark.parametrize("seen", ["joints3d", "joints2d"])
def test_every_panel_fits(open_fit, seen):
    """Two sub-sequences in stage 3; the panels that share a place are brought to the front one after the other."""
    window = open_fit(seen, batch=2, overlap=3)
    window.post(RunStage(), RunStage(), Step())
    wrong: list[str] = []
    for size, scale in SIZES:
        ps.set_window_size(*size)
        window.app.ui.scale = scale
        for names in zip_longest(*SLOTS.values()):
            window.app.ui.tabs |= {slot: name for slot, name in zip(SLOTS, names, strict=True) if name is not None}
            window.frames(4)
            found = window.misdrawn()
            found += [f"{slot}: goes on {window.overflow[slot]}" for slot in SLOTS if any(window.overflow[slot])]
            fronts = {slot: PANELS[window.app.ui.tabs.get(slot, SLOTS[slot][0])].title for slot in SLOTS}
            wrong += [f"{size} {scale} × {fronts.get(text.split(':')[0])}: {text}" for text in found]
    window.app.ui.scale = None
    ps.set_window_size(1280, 720)
    window.frames(4)
    assert not wrong
    assert not window.app.ui.broken


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
