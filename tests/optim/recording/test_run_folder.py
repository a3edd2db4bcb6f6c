"""Where runs are recorded: names, room for new ones, and what becomes of a run that never began."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.recording import run_folder
from optim.recording.recording import recorded_session
from optim.recording.run_folder import Place, choose_place, new_run, remove_run, runs_folder, tidy
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "humorscope" / "runs"


def old(path: Path, *, hours: float, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))
    return path


def test_by_default_it_is_a_new_file_in_the_users_data_folder(data_folder):
    place = choose_place(parse(["--data", "getup"]))
    assert place.kept and place.path.parent == data_folder == runs_folder() and data_folder.is_dir()
    assert place.path.name.startswith("getup-20") and place.path.suffix == ".humorscope"


def test_names_are_made_of_the_clip_and_are_never_taken(tmp_path):
    first = new_run("my clip/ü (1)", folder=tmp_path)
    assert first.name.startswith("my_clip_ü_1-")
    first.touch()
    second = new_run("my clip/ü (1)", folder=tmp_path)
    assert second != first and not second.exists()
    assert new_run("...", folder=tmp_path).name.startswith("run-")
    new_run("長" * 80, folder=tmp_path).touch()  # as long as a file's name can be


def test_the_oldest_make_room(tmp_path):
    runs = [old(tmp_path / f"{hours}.humorscope", hours=hours) for hours in (2, 3, 4, 5)]
    beside = old(tmp_path / "5.humorscope-wal", hours=5)
    other = old(tmp_path / "notes.txt", hours=99)
    assert tidy(tmp_path, kept=3) == runs[3:] and not beside.exists()
    assert tidy(tmp_path, kept_bytes=25) == runs[2:3]
    assert [path.exists() for path in runs] == [True, True, False, False] and other.exists()


def test_the_newest_run_stays_whatever_its_size(tmp_path):
    only = old(tmp_path / "only.humorscope", hours=50, size=100)
    assert tidy(tmp_path, kept_bytes=10) == tidy(tmp_path, kept=0) == []
    assert only.exists()


def test_what_may_still_be_written_to_stays(tmp_path):
    old(tmp_path / "a.humorscope", hours=5)
    old(tmp_path / "a.humorscope-wal", hours=0)
    assert tidy(tmp_path, kept=0) == []


def test_runs_that_another_session_deletes_do_no_harm(tmp_path, monkeypatch):
    runs = [old(tmp_path / f"{hours}.humorscope", hours=hours) for hours in (2, 3)]
    listed = list(runs)
    monkeypatch.setattr(Path, "glob", lambda *_: listed)
    runs[0].unlink()
    assert tidy(tmp_path, kept=1) == [runs[0]] and runs[1].exists()


def test_making_room_is_told(data_folder, monkeypatch, caplog):
    monkeypatch.setattr(run_folder, "tidy", lambda folder: [Path("a"), Path("b")])
    choose_place(parse([]))
    assert "the oldest 2 recordings were deleted" in caplog.text and "--record FILE" in caplog.text


def test_a_file_that_is_asked_for_is_new(tmp_path):
    path = tmp_path / "here" / "run.humorscope"
    assert choose_place(parse(["--record", str(path)])) == Place(path)
    path.touch()
    with pytest.raises(InputError, match="is there already.*--resume"):
        choose_place(parse(["--record", str(path)]))


def test_places_that_cannot_be_written_to(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written to"):
        choose_place(parse(["--record", str(tmp_path / "file" / "run.humorscope")]))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    place = choose_place(parse([]))
    assert not place.kept and "nothing of this run is kept" in caplog.text
    assert place.settle() is None and not place.path.parent.exists()


def test_without_a_recording_nothing_is_left(data_folder):
    place = choose_place(parse(["--no-record"]))
    place.path.touch()
    assert not data_folder.exists()
    assert place.settle() is None and not place.path.parent.exists()


def test_a_run_that_never_began_is_not_kept(tmp_path):
    session = Session(fakes.problem(frames=4), schedule=schedule(num_iters=(1, 0, 0)))
    place = Place(tmp_path / "run.humorscope")
    assert place.settle() is None
    for steps, expected in ((0, None), (1, place.path)):
        recording = recorded_session(session, path=place.path)
        for _ in range(steps):
            session.step_iteration()
        recording.follow(session)
        recording.file.close()
        assert place.settle() == expected and place.path.exists() == (expected is not None)
    remove_run(place.path)
    assert not list(tmp_path.glob("run*"))
