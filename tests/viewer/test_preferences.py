"""What a window remembers: in the user's configuration folder, and harmless when unreadable."""

from __future__ import annotations

from pathlib import Path

import pytest

from viewer.preferences import (
    Preferences,
    apply_preferences,
    from_ui,
    load_preferences,
    preferences_path,
    save_preferences,
)
from viewer.ui_state import UiState


def test_round_trip(tmp_path):
    ui = UiState(follow=False, plot_terms=False)
    ui.layers["floor"] = False
    path = tmp_path / "deep" / "window.json"
    save_preferences(path, from_ui(ui))
    again = UiState()
    apply_preferences(load_preferences(path), again)
    assert (again.follow, again.plot_terms, again.layers) == (False, False, ui.layers)
    assert not again.show_hint


def test_first_start_shows_the_hint(tmp_path):
    ui = UiState()
    apply_preferences(load_preferences(tmp_path / "none.json"), ui)
    assert ui.show_hint


@pytest.mark.parametrize("text", ["", "{", "[]", '{"layers": 3, "other": 1}', '{"layers": {"nonsense": true}}', "\x00"])
def test_a_damaged_file_is_as_good_as_none(tmp_path, text):
    path = tmp_path / "window.json"
    path.write_text(text)
    ui = UiState()
    apply_preferences(load_preferences(path), ui)
    assert ui.layers == UiState().layers


def test_lies_in_the_configuration_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert preferences_path() == tmp_path / "humorscope" / "window.json"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    assert preferences_path() == Path.home() / ".config" / "humorscope" / "window.json"


def test_an_unwritable_folder_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    save_preferences(tmp_path / "file" / "window.json", Preferences())
