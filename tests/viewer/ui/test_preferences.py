"""What a window remembers: in the user's configuration folder, and harmless when unreadable."""

from __future__ import annotations

from pathlib import Path

import pytest

from viewer.ui.look import SavedView
from viewer.ui.preferences import (
    Preferences,
    apply_preferences,
    from_ui,
    load_preferences,
    preferences_path,
    save_preferences,
)
from viewer.ui.ui_state import UiState


def test_round_trip(tmp_path):
    ui = UiState(follow=False, plot_terms=False)
    ui.switch("floor")
    ui.look.ghosts, ui.look.point_size = 7, 1.5
    ui.look.save(SavedView("from the side", "prior", tuple(float(x) for x in range(16)), 40.0))
    path = tmp_path / "deep" / "window.json"
    save_preferences(path, from_ui(ui))
    again = UiState()
    apply_preferences(load_preferences(path), again)
    assert (again.follow, again.plot_terms, again.layers) == (False, False, ui.layers)
    assert (again.chosen, again.look) == ({"floor"}, ui.look)
    assert not again.show_hint


def test_layers_that_were_not_switched_still_follow_the_stage(tmp_path):
    ui = UiState()
    ui.switch("rollout")
    ui.switch("rollout")  # off, on purpose
    save_preferences(tmp_path / "window.json", from_ui(ui))
    again = UiState()
    apply_preferences(load_preferences(tmp_path / "window.json"), again)
    again.follow_stage(3)
    assert not again.layers["rollout"]
    assert again.layers["contacts"]


def test_first_start_shows_the_hint(tmp_path):
    ui = UiState()
    apply_preferences(load_preferences(tmp_path / "none.json"), ui)
    assert ui.show_hint


@pytest.mark.parametrize("text", ["", "{", "[]", '{"layers": 3, "other": 1}', '{"layers": {"nonsense": true}}', "\x00",
    '{"views": [{"name": "a", "frame": "world", "matrix": [1, 2], "fov_degrees": 40}], "look": {"ghosts": "x"}}',
    '{"views": [3], "look": [1]}',
])  # fmt: skip
def test_a_damaged_file_is_as_good_as_none(tmp_path, text):
    path = tmp_path / "window.json"
    path.write_text(text)
    ui = UiState()
    apply_preferences(load_preferences(path), ui)
    assert ui.layers == UiState().layers
    assert ui.look == UiState().look


def test_lies_in_the_configuration_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert preferences_path() == tmp_path / "humorscope" / "window.json"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert preferences_path() == Path.home() / ".config" / "humorscope" / "window.json"


def test_an_unwritable_folder_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "window.json"
    save_preferences(path, Preferences(follow=False))
    assert load_preferences(path) == Preferences()
