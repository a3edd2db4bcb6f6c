"""A file dropped on the window: one that can be fitted is opened next, any other is a message."""

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
