"""Real windows at the sizes that screens have, with ordinary and with large texts: nothing is cut or covered.

``tests/viewer/ui/test_sizes.py`` asks the same of more sizes without a screen.
"""

from __future__ import annotations

from itertools import zip_longest

import pytest

from viewer.panels.table import SLOTS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("desktop", "first", "sizes"),
    [
        ("1", (1280, 720), [(1280, 720), (1366, 768), (1920, 1080)]),
        ("2", (2560, 1440), [(2560, 1440), (3840, 2160), (1920, 1080)]),
    ],
)
def test_every_panel_fits_in_a_real_window(open_real, desktop, first, sizes):
    """A split clip in stage 3, with answers in the panels; the size of the window changes as by its corner."""
    window = open_real("a split clip", GDK_SCALE=desktop)
    window.wait(lambda s: s.get("state") == "paused")
    assert window.state()["size"] == list(first)
    window.click("Got it")
    for stage in (1, 2):
        window.click("Stage")
        window.wait(lambda s, stage=stage: s["state"] == "paused" and s["stage"] == stage and s["iterations"] > 0)
    window.click("Iteration")
    window.wait(lambda s: s["stage"] == 3 and s["drift"])
    window.xdotool("key", "d")
    window.wait(lambda s: s["found"])
    window.click("Compare")
    window.click("Pin this")
    window.wait(lambda s: s["pins"])
    wrong = []
    for size in sizes:
        window.resize(*size)
        assert window.state()["scale"] == pytest.approx(min(float(desktop), size[0] / 1280, size[1] / 720))
        for names in zip_longest(*SLOTS.values()):
            found = window.measure({slot: name for slot, name in zip(SLOTS, names, strict=True) if name is not None})
            wrong += [f"{size} {names}: {text}" for text in found]
    assert not wrong
