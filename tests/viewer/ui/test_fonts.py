"""Names in scripts that the usual font lacks get a font that has them, if there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from viewer.ui import fonts


@pytest.fixture
def system(monkeypatch, tmp_path) -> list[str]:
    """A system with one font; returns the letters that it was asked for."""
    asked: list[str] = []
    monkeypatch.delenv(fonts.CHOSEN, raising=False)
    monkeypatch.setattr(fonts, "OF_SYSTEMS", ())
    monkeypatch.setattr(fonts, "_of_fontconfig", lambda letters: asked.append(letters) or tmp_path / "all.ttf")
    return asked


@pytest.mark.parametrize("name", ["walk.npz", "Jürgen čeština Ångström ğışİ", "περπάτημα", "Ходьба", "a → b … °"])
def test_the_usual_font_stays_where_it_has_the_letters(system, name):
    assert fonts.font_for(["--data-path", name]) is None and system == []


@pytest.mark.parametrize(("name", "letters"), [("歩く.npz", "く歩"), ("걷기", "걷기"), ("เดิน", "นิเด")])
def test_other_scripts_get_a_font_that_has_all_their_letters(system, tmp_path, name, letters):
    assert fonts.font_for(["--data-path", name]) == tmp_path / "all.ttf"
    assert system == ["".join(sorted(letters))]


def test_the_users_font_comes_first_and_a_wrong_one_is_told(system, monkeypatch, tmp_path, caplog):
    own = tmp_path / "own.ttf"
    own.touch()
    monkeypatch.setenv(fonts.CHOSEN, str(own))
    assert fonts.font_for(["walk"]) == own
    monkeypatch.setenv(fonts.CHOSEN, "nowhere.ttf")
    assert fonts.font_for(["walk"]) is None and "nowhere.ttf: no such file" in caplog.text


def test_where_no_font_has_the_letters_it_is_told(monkeypatch, caplog):
    monkeypatch.delenv(fonts.CHOSEN, raising=False)
    monkeypatch.setattr(fonts, "OF_SYSTEMS", ())
    monkeypatch.setattr(fonts, "_of_fontconfig", lambda letters: None)
    assert fonts.font_for(["歩"]) is None
    assert "no font was found with the letters 歩" in caplog.text


def test_a_font_of_fontconfig_is_a_file():
    found = fonts._of_fontconfig("é")
    assert found is None or Path(found).is_file()
