"""Recordings go where the user keeps videos."""

from pathlib import Path

import pytest

from viewer.film.studio import videos_folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_VIDEOS_DIR", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return tmp_path


def test_the_home_folder_where_there_is_no_folder_for_videos(home):
    assert videos_folder() == home


def test_the_folder_for_videos(home, monkeypatch):
    (home / "Videos").mkdir()
    assert videos_folder() == home / "Videos"
    monkeypatch.setenv("XDG_VIDEOS_DIR", str(home / "films"))
    assert videos_folder() == home / "films"
