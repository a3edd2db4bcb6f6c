"""Views: chosen by buttons and keys, with their layers, viewpoint, panel and legend; leaving one changes nothing."""

from __future__ import annotations

import itertools

import numpy as np
import polyscope as ps
import pytest

from optim.diagnostics.causes.table import RULES
from tests.viewer.eyes import SIGHTS, difference, seen
from tests.viewer.panels.test_layers_panel import to_stage_3
from viewer.layers.rollout import RolloutLayer
from viewer.panels.table import PANELS
from viewer.scene.camera import SIDES, camera_view_matrix
from viewer.ui import theme
from viewer.ui.focus import FOCUSES, VIEW_OF_RULE, focus_on, legend
from viewer.ui.palette import LEAST, PALETTES
from viewer.ui.preferences import from_ui
from viewer.ui.ui_state import ALWAYS, LAYERS, SHOWN_FROM_THE_START, UiState


@pytest.fixture
def split(open_fit):
    """A fit of a split clip with a camera, in stage 3."""
    window = open_fit("joints2d", batch=2, overlap=3)
    to_stage_3(window)
    return window


def on(ui: UiState) -> set[str]:
    return {name for name, shown in ui.layers.items() if shown}


def test_the_table_names_what_there_is():
    for row in FOCUSES.values():
        assert set(row.layers) <= set(LAYERS)
        assert row.panel in PANELS
        assert row.camera in ("home", "camera", *SIDES)
    assert len({row.key for row in FOCUSES.values()}) == len(FOCUSES)


def test_every_rule_of_the_diagnosis_has_a_view():
    assert set(VIEW_OF_RULE) == {rule.name for rule in RULES}
    assert set(VIEW_OF_RULE.values()) <= set(FOCUSES)


def test_the_diagnosis_leads_to_the_frame_and_the_view_of_a_fault(split):
    ui = split.app.ui
    split.key("D")
    split.frames(4)
    faults = [v for v in split.view.analyses["diagnosis"].value.verdicts if v.level != "good"]
    index, fault = next((i, v) for i, v in enumerate(faults) if VIEW_OF_RULE[v.rule] != "fit")
    name, frame = VIEW_OF_RULE[fault.rule], ui.frame if fault.frame is None else fault.frame
    if f"verdict {index}/{FOCUSES[name].title}" not in split.widgets:
        split.scroll_to(f"verdict {index}/{FOCUSES[name].title}", "losses")
    split.click(f"verdict {index}/{FOCUSES[name].title}")
    assert (ui.focus, ui.frame) == (name, frame)
    assert ui.tabs[PANELS[FOCUSES[name].panel].slot] == FOCUSES[name].panel
    split.key("D")
    split.frames(2)
    assert ui.tabs["losses"] == "diagnosis"


@pytest.mark.parametrize("by_key", [False, True])
def test_each_view_shows_its_layers_its_panel_and_its_viewpoint(split, by_key):
    ui, before = split.app.ui, on(split.app.ui)
    for name in ("drift", "overlaps", "floor", "image", "fit"):
        row = FOCUSES[name]
        if by_key:
            split.key(row.key)
        else:
            split.click(f"focus/{row.title}")
        split.frames(3)
        assert ui.focus == name and not ui.broken
        assert on(ui) == (before if name == "fit" else set(row.layers))
        assert ui.tabs[PANELS[row.panel].slot] == row.panel
        if name == "image":
            wanted = camera_view_matrix(split.view.scene.camera)
            np.testing.assert_allclose(ps.get_camera_view_matrix(), wanted, atol=1e-4)
            assert not ui.follow
        else:
            assert ui.follow


def test_a_view_without_anything_to_show_cannot_be_chosen(window):
    for name in ("overlaps", "image", "drift"):
        window.click(f"focus/{FOCUSES[name].title}")
        window.key(FOCUSES[name].key)
        assert window.app.ui.focus == "fit"


def test_layers_are_switched_one_by_one_in_a_view_and_forgotten_with_it(split):
    ui = split.app.ui
    ui.switch("ghosts")
    split.click("focus/Floor")
    split.key("2")
    assert ui.layers["skeleton"] and not ui.layers["ghosts"]
    assert from_ui(ui).layers == {"ghosts": True}
    split.click("focus/Fit")
    split.frames(2)
    assert on(ui) == SHOWN_FROM_THE_START[3] | {"ghosts"}
    assert ui.chosen == {"ghosts"}


def test_a_stage_that_begins_changes_the_fit_view_only():
    ui = UiState(slots={name: panel.slot for name, panel in PANELS.items()})
    focus_on(ui, "floor")
    ui.follow_stage(3)
    assert on(ui) == set(FOCUSES["floor"].layers)
    focus_on(ui, "fit")
    assert on(ui) == SHOWN_FROM_THE_START[3]


@pytest.mark.parametrize("name", PALETTES)
def test_the_colours_of_a_legend_can_be_told_apart(split, name):
    view = split.view
    try:
        theme._take(name)
        for row in FOCUSES.values():
            entries = legend(view, list(row.layers or ALWAYS - {"overlaps"}))
            assert entries
            for sight in SIGHTS:
                for one, other in itertools.combinations(entries, 2):
                    apart = difference(seen(one.color, sight), seen(other.color, sight))
                    assert apart >= LEAST - 2, f"{row.title}, {sight}: {one.text}, {other.text}: {apart:.1f}"
    finally:
        theme._take("dark")


def test_the_legend_follows_the_layers_and_can_be_hidden(split, monkeypatch):
    from viewer.window import scene_view

    drawn: list[list[str]] = []
    original = scene_view.draw_legend

    def draw(entries, free):
        drawn.append([entry.text for entry in entries])
        (box,) = original(entries, free)
        assert box.x >= free.x and box.x + box.width <= free.x + free.width
        assert box.y + box.height <= free.y + free.height
        return [box]

    monkeypatch.setattr(scene_view, "draw_legend", draw)
    split.click("focus/Drift")
    split.frames(2)
    assert drawn[-1] == ["stage 2", "first roll-out", "root drift [cm]", "floor contact [%]"]
    split.key("1")  # the bodies
    assert {"sub-sequence 1", "sub-sequence 2"} <= set(drawn[-1])
    split.app.ui.tabs["layers"] = "view"
    split.frames(3)
    split.scroll_to("what the colours mean", "layers")
    split.click("what the colours mean", 0.05)
    count = len(drawn)
    split.frames(3)
    assert len(drawn) == count and not split.app.ui.broken


def test_drift_paths_fade_after_the_phase_that_starts_from_them(open_fit):
    window = open_fit("joints3d")
    to_stage_3(window)
    ui, layer = window.app.ui, next(x for x in window.app.scene_view.layers if type(x) is RolloutLayer)
    phase = window.view.history.phase[window.view.history.row_of(window.view.shown)]
    assert window.view.phases[int(phase)].stage == 3
    assert not layer.faded(window.view, ui)
    bright = ps.get_curve_network("rollout path rolled 0").get_color()
    while int(window.view.history.phase[window.view.history.row_of(window.view.shown)]) == phase:
        window.click("Phase")
        window.settle()
        window.click("Iteration")
        window.settle()
    window.frames(2)
    assert layer.faded(window.view, ui)
    faint = ps.get_curve_network("rollout path rolled 0").get_color()
    assert sum(faint) < 0.6 * sum(bright)
    assert len(list(layer.labels(window.view, ui))) == 1
    window.key("F3")
    window.frames(2)
    assert ps.get_curve_network("rollout path rolled 0").get_color() == pytest.approx(bright)
