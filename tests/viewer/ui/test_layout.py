"""No panel overlaps another and nothing is cut off, at 1280×720 and other sizes."""

from __future__ import annotations

from itertools import combinations
from typing import get_args

import pytest

from tests.viewer import fakes
from tests.viewer.uidriver import Box
from viewer.panels.table import SLOTS
from viewer.ui.layout import Slot, layout


@pytest.mark.parametrize("size", [(1280, 720), (1024, 640), (1920, 1080), (2560, 1440), (800, 500)])
@pytest.mark.parametrize("scale", [1.0, 1.5])
@pytest.mark.parametrize("wide", [False, True])
def test_rectangles_do_not_overlap_and_stay_inside(size, scale, wide):
    rects = layout(*size, scale=scale, wide=wide)
    boxes = {name: Box(r.x, r.y, r.x + r.width, r.y + r.height) for name, r in rects.items()}
    whole = Box(0, 0, *size)
    for name, box in boxes.items():
        assert box.inside(whole), name
    for a, b in combinations(boxes, 2):
        assert not boxes[a].overlaps(boxes[b]), (a, b)


def test_every_place_has_a_rectangle_and_every_rectangle_a_panel():
    assert set(SLOTS) == set(get_args(Slot)) == set(layout(1280, 720)) - {"view"}


@pytest.mark.parametrize("camera", [False, True])
@pytest.mark.parametrize("stages", [0, 1, 2, 3])
def test_drawn_panels_fit_at_1280_by_720(open_window, camera, stages):
    problem = fakes.make_problem(camera=camera)
    window = open_window(lambda: fakes.PacedSession(problem))
    for _ in range(stages):
        window.click("Stage")
        window.settle()
    if stages == 2:
        window.click("Iteration")
    window.frames(3)
    drawn = {name: window.windows[name] for name in SLOTS}
    for a, b in combinations(drawn, 2):
        assert not drawn[a].overlaps(drawn[b]), (a, b)
    for name in SLOTS:
        assert window.overflow[name] == (0.0, 0.0), name
    for name, box in window.widgets.items():
        if box.frame == window.frame:
            assert box.inside(drawn[box.window]), name
    for index, term in enumerate(window.view.scene.terms):
        if term.stage <= max(stages, 1) and window.view.weights[:, index].any():
            window.box(f"{term.name}/exact")


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("slot", "panel"), [(slot, name) for slot, names in SLOTS.items() for name in names[1:]])
def test_panels_behind_tabs_fit_too(open_fit, slot, panel, wide):
    window = open_fit(batch=2, overlap=3)
    for _ in range(2):
        window.click("Stage")
        window.settle()
    window.click("Iteration")
    window.settle()
    window.app.ui.tabs[slot], window.app.ui.wide = panel, wide
    window.frames(6)
    assert not window.app.ui.broken
    assert window.overflow[slot] == (0.0, 0.0)
    for name, box in window.widgets.items():
        if box.frame == window.frame:
            assert box.inside(window.windows[box.window]), name
