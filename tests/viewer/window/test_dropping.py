"""A file dropped on the window: one that can be opened is opened next, any other is a message."""

from __future__ import annotations

import sys

import pytest

from optim.config.settings import parse
from viewer.commands import window as commands


@pytest.fixture
def app(window):
    window.app.opens = (".mp4", ".npz")
    return window.app


def test_a_video_ends_the_window_and_is_what_comes_next(app):
    app.drop(["/some where/notes.txt", "/some where/Ein Clip.MP4"])
    assert app.ui.quit and app.dropped == "/some where/Ein Clip.MP4"


def test_anything_else_is_a_message(app):
    app.drop(["notes.txt"])
    assert not app.ui.quit and app.dropped is None
    assert app.ui.notes[0].text == "notes.txt: .mp4, .npz can be dropped on the window"


def test_where_nothing_can_be_opened_nothing_is(app):
    app.opens = ()
    app.drop(["a.mp4"])
    assert app.dropped is None and "nothing can here" in app.ui.notes[0].text


def test_the_next_program_has_the_same_models_and_rules(monkeypatch):
    became = []
    monkeypatch.setattr(commands.os, "execv", lambda *words: became.append(words))
    settings = parse(["--preset", "reference", "--data", "getup", "--observations", "joints2d", "--no-record"])
    commands.open_instead(settings, "/some where/clip.mp4")
    program, words = became[0]
    assert program == words[0] == sys.executable and words[1].endswith("run_viewer.py")
    again = parse(words[2:])
    assert again.no_record and again.kind == "RGB" and str(again.data_path) == "/some where/clip.mp4"
    assert (again.preset, again.smpl, again.humor) == ("reference", settings.smpl, settings.humor)


@pytest.mark.parametrize("name", ["a run.humorscope", "A RUN.HUMORSCOPE", "results_out", "results_out/walk"])
def test_a_recorded_run_and_results_are_shown_next(app, monkeypatch, tmp_path, name):
    (tmp_path / "results_out" / "walk").mkdir(parents=True)
    (tmp_path / "results_out" / "walk" / "stage3_results.npz").write_bytes(b"")
    became = []
    monkeypatch.setattr(commands.os, "execv", lambda *words: became.append(words))
    app.recognise = commands.is_known
    path = str(tmp_path / name)
    app.drop([path])
    assert app.dropped == path
    commands.open_instead(parse(["--preset", "reference", "--no-record"]), path)
    again = parse(became[0][1][2:])
    assert str(again.open) == path and again.data_path is None and again.preset == "reference"


def test_a_folder_without_data_and_results_is_refused(app, tmp_path):
    app.recognise = commands.is_known
    app.drop([str(tmp_path)])
    assert app.dropped is None and str(tmp_path) in app.ui.notes[0].text
