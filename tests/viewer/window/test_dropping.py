"""Opening from the window: what is dropped, typed or chosen is opened next; a fit in progress is not lost unasked."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from optim.config.settings import parse
from viewer.commands import window as commands

KEPT = "This fit is kept in walk.humorscope; run_viewer.py --resume goes on with it."


@pytest.fixture
def app(window):
    """A window in which nothing can be lost."""
    window.app.ui.opening = commands.opening()
    return window.app


@pytest.fixture
def fitting(window):
    """A window with a fit in progress."""
    window.app.ui.opening = commands.opening(KEPT)
    return window


def test_a_video_ends_the_window_and_is_what_comes_next(app):
    app.drop(["/some where/notes.txt", "/some where/Ein Clip.MP4"])
    assert app.ui.quit and app.ui.opening.chosen == "/some where/Ein Clip.MP4"


def test_anything_else_is_a_message(app, window):
    app.drop(["notes.txt"])
    assert not app.ui.quit and app.ui.opening.chosen is None
    assert app.ui.notes[0].text == "notes.txt: not a file or folder that the program reads"
    window.frames(2)
    assert window.shows("not a file or folder") and window.shows("It reads run files, folders of results")


def test_a_fit_in_progress_is_left_only_after_a_question(fitting):
    app = fitting.app
    app.drop(["/some where/clip.mp4"])
    fitting.frames(2)
    assert not app.ui.quit and fitting.shows(KEPT) and "Compare with it" not in fitting.widgets
    fitting.click("Stay here")
    assert not app.ui.quit and app.ui.opening.asked is None
    app.drop(["/some where/run.humorscope"])
    fitting.frames(2)
    fitting.click("Compare with it")
    assert app.ui.pins.run_to_open == "/some where/run.humorscope" and not app.ui.quit
    app.drop(["/some where/clip.mp4"])
    fitting.frames(2)
    fitting.click("Open it")
    assert app.ui.quit and app.ui.opening.chosen == "/some where/clip.mp4"


def test_a_fit_that_is_not_recorded_is_said_to_be_lost(tmp_path):
    from optim.recording.run_folder import Place

    assert "will be lost" in commands._what_is_kept(Place(tmp_path / "a.humorscope", kept=False))
    assert "a.humorscope" in commands._what_is_kept(Place(tmp_path / "a.humorscope"))


def test_the_next_program_has_the_same_models_and_rules(monkeypatch):
    became = []
    monkeypatch.setattr(commands.os, "execv", lambda *words: became.append(words))
    settings = parse(["--preset", "reference", "--data", "getup", "--observations", "joints2d", "--no-record"])
    commands.open_instead(settings, "/some where/clip.mp4")
    program, words = became[0]
    assert program == words[0] == sys.executable and words[2].endswith("run_viewer.py")
    again = parse(words[3:])
    assert again.no_record and again.kind == "RGB" and str(again.data_path) == "/some where/clip.mp4"
    assert (again.preset, again.smpl, again.humor) == ("reference", settings.smpl, settings.humor)


@pytest.mark.parametrize(("name", "preset"), [("clip.mp4", "fast"), ("recording", "humorscope")])
def test_a_default_preset_follows_from_the_next_data(monkeypatch, tmp_path, name, preset):
    became = []
    monkeypatch.setattr(commands.os, "execv", lambda *words: became.append(words))
    (tmp_path / "recording" / "Depth").mkdir(parents=True)
    for settings in (parse([]), parse(["--observations", "verts3d"])):
        commands.open_instead(settings, str(tmp_path / name))
        assert parse(became[-1][1][3:]).preset == preset


def test_a_configuration_is_read_as_on_the_command_line(app, monkeypatch, tmp_path):
    became, path = [], tmp_path / "my fit.cfg"
    path.write_text("--data getup\n--seed 3\n")
    monkeypatch.setattr(commands.os, "execv", lambda *words: became.append(words))
    app.drop([str(path)])
    assert app.ui.opening.chosen == str(path)
    commands.open_instead(parse([]), str(path))
    again = parse(became[0][1][3:])
    assert (again.data, again.seed) == ("getup", 3)


@pytest.mark.parametrize("name", ["a run.humorscope", "A RUN.HUMORSCOPE", "results_out", "results_out/walk"])
def test_a_recorded_run_and_results_are_shown_next(app, monkeypatch, tmp_path, name):
    (tmp_path / "results_out" / "walk").mkdir(parents=True)
    (tmp_path / "results_out" / "walk" / "stage3_results.npz").write_bytes(b"")
    became = []
    monkeypatch.setattr(commands.os, "execv", lambda *words: became.append(words))
    path = str(tmp_path / name)
    app.drop([path])
    assert app.ui.opening.chosen == path
    commands.open_instead(parse(["--preset", "reference", "--no-record"]), path)
    again = parse(became[0][1][3:])
    assert str(again.open) == path and again.data_path is None and again.preset == "reference"


def test_a_folder_without_data_and_results_is_refused(app, tmp_path):
    app.drop([str(tmp_path)])
    assert app.ui.opening.chosen is None and str(tmp_path) in app.ui.notes[0].text


@pytest.fixture
def files(tmp_path):
    (tmp_path / "clips" / "deep").mkdir(parents=True)
    for name in ("walk.mp4", "wave.mp4", "notes.txt", "run.humorscope"):
        (tmp_path / "clips" / name).write_bytes(b"")
    return tmp_path


def test_the_dialogue_lists_what_the_program_reads_and_opens_a_click(app, window, files):
    app.ui.opening.text = f"{files}/"
    window.key("O", ctrl=True)
    window.frames(2)
    assert window.shows("nothing that the program reads")
    window.click("clips/")
    names = {name for name, box in window.widgets.items() if box.frame == window.frame}
    assert {"deep/", "walk.mp4", "wave.mp4", "run.humorscope"} <= names and "notes.txt" not in names
    window.click("walk.mp4")
    window.frames(2)
    assert window.shows("data to fit (RGB)") and app.ui.opening.chosen is None
    window.click("Open")
    assert app.ui.quit and app.ui.opening.chosen == str(files / "clips" / "walk.mp4")


def test_a_typed_path_is_completed_by_the_list(app, window, files):
    window.key("O", ctrl=True)
    window.frames(2)
    window.click("path")
    window.key("A", ctrl=True)
    window.type(f"{files}/clips/wa")
    window.frames(3)
    names = {name for name, box in window.widgets.items() if box.frame == window.frame}
    assert {"walk.mp4", "wave.mp4"} <= names and not {"deep/", "run.humorscope"} & names
    window.type("v")
    window.frames(3)
    assert [path.name for path in app.ui.opening.entries()] == ["wave.mp4"]
    window.key("Escape")
    window.frames(2)
    assert app.ui.opening.purpose is None and not app.ui.quit


def test_recent_runs_are_one_click_away(app, window, files):
    app.ui.opening.recent = lambda: [files / "clips" / "run.humorscope"]
    app.ui.show_panel("settings")
    window.frames(2)
    window.click("Open…")
    window.frames(2)
    window.click("run")
    assert app.ui.quit and app.ui.opening.chosen == str(files / "clips" / "run.humorscope")


def test_a_fit_begins_again_with_what_it_was_asked_for_and_further_flags(monkeypatch):
    became = []
    monkeypatch.setattr(commands.os, "execv", lambda *words: became.append(words))
    given = "--joint2d-weight 0.001 0.002 0.003 --num-iters 3 4 5 --rotate 90 --stage3-full-contact --no-record"
    settings = parse(["--data-path", "/some where/clip.mp4", *given.split()])
    commands.begin_again(settings, ("--focal", "1700"))
    again = parse(became[0][1][3:])
    assert again == replace(settings, focal=1700.0)


@pytest.mark.parametrize(
    "given",
    [
        ("--observations", "joints2d", "--preset", "fast"),
        ("--data", "getup", "--observations", "joints3d", "--preset", "reference", "--seed", "0"),
        ("--preset", "humorscope", "--stage3-no-tune-init-state"),
    ],
)
def test_what_equals_a_default_stays_chosen_when_a_fit_begins_again(monkeypatch, given):
    became = []
    monkeypatch.setattr(commands.os, "execv", lambda *words: became.append(words))
    settings = parse(given)
    commands.begin_again(settings, ())
    assert parse(became[0][1][3:]) == settings
