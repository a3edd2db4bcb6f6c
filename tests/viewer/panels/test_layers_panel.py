"""Every layer has a switch that can be reached, and what is on changes with the stage until it is touched."""

from __future__ import annotations

import pytest

from viewer.layers.table import LAYER_TYPES
from viewer.panels.program.layers import HELP, missing
from viewer.ui.theme import LAYER_COLORS
from viewer.ui.ui_state import LAYERS, SHOWN_FROM_THE_START, UiState


def to_stage_3(window) -> None:
    for _ in range(2):
        window.click("Stage")
        window.settle()
    window.click("Iteration")
    window.settle()


def test_every_layer_has_a_switch_a_colour_and_a_word_of_help():
    drawn = {layer.name for layer in LAYER_TYPES}
    assert set(LAYERS) <= drawn
    assert set(LAYERS) == set(LAYER_COLORS) == set(HELP)
    assert set().union(*SHOWN_FROM_THE_START.values()) <= set(LAYERS)


def test_each_switch_switches_or_says_why_not(open_fit):
    window = open_fit("joints2d", "joints3d", batch=2)
    to_stage_3(window)
    for name, label in LAYERS.items():
        before = window.app.ui.layers[name]
        window.scroll_to(f"show/{label}", "layers")
        window.click(f"show/{label}", 0.1)
        works = missing(window.view, name) is None
        assert (window.app.ui.layers[name] is not before) == works, name
        assert (name in window.app.ui.chosen) == works, name
    window.frames(3)
    assert not window.app.ui.broken


def test_number_keys_switch_the_first_nine(window):
    for index, name in enumerate(list(LAYERS)[:9]):
        before = window.app.ui.layers[name]
        window.key(str(index + 1))
        assert window.app.ui.layers[name] is not before, name
        window.key(f"Keypad{index + 1}")
        assert window.app.ui.layers[name] is before, name


@pytest.mark.parametrize(("key", "digit"), [("Apostrophe", 4), ("Minus", 6)])
def test_the_digits_of_french_keyboards_that_have_another_name_switch_too(window, key, digit):
    name = list(LAYERS)[digit - 1]
    before = window.app.ui.layers[name]
    window.key(key)
    assert window.app.ui.layers[name] is not before


def test_what_is_shown_follows_the_stage_until_it_is_touched(open_fit):
    window = open_fit("joints3d")
    ui = window.app.ui
    assert {name for name, on in ui.layers.items() if on} == SHOWN_FROM_THE_START[1]
    ui.switch("skeleton")
    to_stage_3(window)
    assert {name for name, on in ui.layers.items() if on} == SHOWN_FROM_THE_START[3] - {"skeleton"}
    window.key("LeftArrow", shift=True)
    window.frames(3)
    assert not ui.layers["rollout"]  # an iteration of stage 2 is looked at


def test_a_layer_that_broke_gets_another_chance(window):
    ui = window.app.ui
    ui.broken["layer floor"] = "was: out of luck"
    ui.switch("floor")
    assert not ui.broken


def test_switches_are_remembered_per_window():
    ui = UiState()
    ui.switch("ghosts")
    ui.follow_stage(3)
    ui.follow_stage(1)
    assert ui.layers["ghosts"]
    assert not ui.layers["rollout"]
