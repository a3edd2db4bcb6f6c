"""Recorded runs: what they show is what the session showed, without models and without torch, whole or broken off."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optim.common.errors import InputError
from optim.recording.runfile import RunFile
from optim.session import edits
from tests.viewer import recorded
from viewer.protocol import commands as c
from viewer.protocol.findings import FrameTerms
from viewer.protocol.view_model import Analysis, Finished, LoadFailed, Note, Scene, ViewModel
from viewer.replay.replay import ReplayClient
from viewer.replay.run_source import RunSource
from viewer.scene.skinning import Skinner
from viewer.worker.build_view import ViewBuilder
from viewer.worker.run_recorder import Recorder
from viewer.worker.worker import Worker

ROOT = Path(__file__).parents[3]


class Bench:
    """A worker with a recording, turn by turn."""

    def __init__(self, path: Path) -> None:
        self.session = recorded.make_session()
        self.published: list[object] = []
        self.inbox: deque[c.Command] = deque()
        recording = recorded.record(path, self.session)
        self.worker = Worker(self.session, self.published.append, self.inbox, recording=recording)

    def do(self, *commands: c.Command) -> ViewModel:
        for command in commands:
            self.inbox.append(command)
            self.worker.turn()
            while self.worker.running:
                self.worker.turn()
        return self.of(ViewModel)[-1]

    def of(self, kind: type) -> list:
        return [message for message in self.published if isinstance(message, kind)]

    def rest(self) -> None:
        """Until there is nothing left to do."""
        while self.worker.turn():
            pass


STORY = (
    c.RunStage(),
    edits.Bookmark("early", 3),
    edits.SetWeight("joints3d", 3.0, 2),
    c.RunStage(),
    edits.Rewind(5),
    edits.NameBranch("trunk", 0),
    edits.Hold("trans"),
    c.Step(),
    edits.Release("trans"),
    c.RunStage(),
    c.RunStage(),
    c.RunStage(),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Bench, Path]:
    """A whole fit with edits and a branch, all views written, and the closed file of it."""
    path = tmp_path_factory.mktemp("runs") / "run.humorscope"
    bench = Bench(path)
    bench.do(*STORY)
    bench.do(c.Analyse("drift", bench.session.current.id), edits.Perturb("no such", 1.0))
    assert bench.session.done
    bench.rest()
    bench.worker.close()
    return bench, path


@pytest.fixture
def source(run) -> RunSource:
    opened = RunSource(run[1])
    opened.refresh()
    return opened


def live(bench: Bench, snapshot: int) -> ViewModel:
    """What the worker shows of a snapshot."""
    builder: ViewBuilder = bench.worker._builder
    return builder.view(bench.session.history[snapshot], bench.worker._status())


def assert_close(found: Any, expected: Any, where: str) -> None:
    if isinstance(expected, np.ndarray):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=5e-6, err_msg=where)
    elif hasattr(expected, "__dataclass_fields__"):
        for field in fields(expected):
            assert_close(getattr(found, field.name), getattr(expected, field.name), f"{where}.{field.name}")
    elif isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for name, value in expected.items():
            assert_close(found[name], value, f"{where}.{name}")
    else:
        assert found == expected, where


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.7, 1.0])
def test_it_shows_what_the_session_showed(run, source, part):
    bench, _ = run
    snapshot = int(part * (len(bench.session.history) - 1))
    found, expected = source.view(snapshot), live(bench, snapshot)
    for name in ("trans", "joints", "rotations", "betas"):
        close = {"atol": 1e-3 if name == "rotations" else 2e-4}
        np.testing.assert_allclose(getattr(found.motion, name), getattr(expected.motion, name), **close, err_msg=name)
    vertices = [Skinner(view.scene.body).vertices(view.motion, 0, 4) for view in (found, expected)]
    np.testing.assert_allclose(vertices[0], vertices[1], atol=5e-4)
    for name in ("raw", "weighted", "floors", "history", "drift", "movement", "prior_frames", "nodes", "scene"):
        assert_close(getattr(found, name), getattr(expected, name), name)
    if expected.regressed is not None:
        np.testing.assert_allclose(found.regressed, expected.regressed, atol=1e-3)
    held = bench.session.history[snapshot]
    assert found.held == held.held and found.status.loss == pytest.approx(held.evaluation.total)
    assert found.status.state == ("done" if held.done else "paused")


def test_names_events_and_notes_come_back(run, source):
    bench, _ = run
    history = source.view(0).history
    assert history.bookmarks == ((3, "early"),)
    assert [branch.name for branch in history.branches] == ["trunk", "branch 2"]
    assert [event.text for event in history.events][:2] == ["weight joints3d = 3 in stage 2", "held trans"]
    told = [note.text for note in source.notes()]
    assert told[0].startswith("run.humorscope: ") and any("no such" in text for text in told)
    assert source.notes() == []
    assert source.current == bench.session.current.id


def test_questions_that_were_asked_are_answered_again(run, source):
    bench, _ = run
    last = bench.session.current.id
    drift = source.analysis(c.Analyse("drift", last))
    assert_close(drift.value, bench.of(Analysis)[0].value, "drift")
    assert source.analysis(c.Analyse("drift", last - 1)) is None
    losses = source.analysis(c.Analyse("frame_terms", 9))
    assert isinstance(losses.value, FrameTerms)
    snapshot = bench.session.history[9]
    expected = bench.worker._builder.members.per_frame(snapshot)
    np.testing.assert_allclose(losses.value.weighted, expected, rtol=2e-3, atol=1e-6)


class Viewer:
    """A client of a recording, polled until something has come."""

    def __init__(self, path: Path) -> None:
        self.client = ReplayClient(lambda: RunSource(path), advice="go there")
        self.messages: list[object] = []
        self.look(3)

    def look(self, times: int = 1) -> list:
        new = [message for _ in range(times) for message in self.client.poll()]
        self.messages += new
        return new

    def ask(self, command: c.Command) -> list:
        self.client.post(command)
        return self.look()


def test_the_client_scrubs_and_changes_nothing(run):
    bench, path = run
    before = path.read_bytes()
    viewer = Viewer(path)
    kinds = [type(message) for message in viewer.messages]
    assert kinds.index(Scene) < kinds.index(ViewModel) and kinds.count(Scene) == 1
    last = bench.session.current.id
    for command, shown in ((c.Inspect(4), 4), (c.Inspect(None), last), (edits.Rewind(7), 7), (c.Inspect(last), last)):
        (view,) = viewer.ask(command)
        assert (view.shown, view.current) == (shown, last)
    assert view.obeyed == 4
    for command in (c.Run(), c.Step(), edits.SetWeight("joints3d", 1.0, 1), edits.Hold("betas"), edits.Undo()):
        note = next(m for m in viewer.ask(command) if isinstance(m, Note))
        assert note.text == "This is a recording." and note.advice == "go there"
    (answer, _) = viewer.ask(c.Analyse("overlaps", 3))
    assert answer.value is None and "Nobody asked" in answer.error
    (note,) = viewer.ask(c.Inspect(9999))
    assert note.text.startswith("no snapshot 9999")
    assert isinstance(viewer.ask(c.Quit())[-1], Finished) and not viewer.client.alive
    assert path.read_bytes() == before


def test_a_run_in_progress_is_followed(tmp_path, monkeypatch):
    monkeypatch.setattr("viewer.replay.replay.LOOK_AGAIN", 0.0)
    bench = Bench(tmp_path / "run.humorscope")
    bench.do(c.Step())
    viewer = Viewer(tmp_path / "run.humorscope")
    for _ in range(3):
        bench.do(c.Step())
        view = viewer.look()[-1]
        assert view.shown == view.current == bench.session.current.id
        np.testing.assert_allclose(view.motion.joints, bench.of(ViewModel)[-1].motion.joints, atol=2e-4)
    viewer.ask(c.Inspect(1))
    bench.do(c.Step())
    view = viewer.look()[-1]
    assert view.shown == 1 and view.current == bench.session.current.id


def test_an_iteration_that_is_written_while_the_file_is_read_comes_with_its_view(tmp_path, monkeypatch):
    bench = Bench(tmp_path / "run.humorscope")
    bench.do(c.Step())
    source = RunSource(tmp_path / "run.humorscope")
    source.refresh()
    query, steps = source._file.rows, [c.Step()]

    def rows(*arguments: Any) -> list[tuple]:
        found = query(*arguments)
        if steps:
            bench.do(steps.pop())
        return found

    monkeypatch.setattr(source._file, "rows", rows)
    source.refresh()
    source.refresh()
    assert source.view(source.current).status.total_iterations == 2


def test_what_is_not_there_yet_is_taken_from_before_and_said(tmp_path):
    """Nothing had the time to write the views that no window had shown."""
    session = recorded.make_session()
    recording = recorded.record(tmp_path / "run.humorscope", session)
    recorder = Recorder(recording, ViewBuilder(session), lambda message: None)
    while session.current.phase < 3:
        session.step_iteration()
        recorder.follow()
    recorder.flush()
    source = RunSource(tmp_path / "run.humorscope")
    source.refresh()
    source.notes()
    tuned = [e.id for e in session.history.entries if e.phase == 2]
    assert len(tuned) > 3
    first, later = source.view(tuned[0]), source.view(tuned[2])
    np.testing.assert_array_equal(first.motion.joints, later.motion.joints)
    assert (
        source.notes()[-1].text == f"The motion of iteration {tuned[0]} is drawn: that of {tuned[2]} was not recorded."
    )
    assert later.status.loss == pytest.approx(session.history[tuned[2]].evaluation.total)
    while recorder.catch_up():
        pass
    recorder.flush()
    source.refresh()
    caught = source.view(tuned[2]).motion.joints
    assert not np.array_equal(caught, first.motion.joints)
    np.testing.assert_allclose(caught, session.fit.trajectory(session.history[tuned[2]]).joints.numpy(), atol=2e-4)


NO_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ImportError("there is no torch here")

sys.meta_path.insert(0, NoTorch())
from pathlib import Path
from viewer.replay.replay import ReplayClient
from viewer.replay.run_source import RunSource
client = ReplayClient(lambda: RunSource(Path(sys.argv[1])))
messages = [message for _ in range(3) for message in client.poll()]
print([message.current for message in messages if type(message).__name__ == "ViewModel"])
"""


def test_it_needs_no_torch_and_no_models(run):
    bench, path = run
    result = subprocess.run([sys.executable, "-c", NO_TORCH, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == f"[{bench.session.current.id}]"


KILLED = """
import sys
import time
from pathlib import Path
from tests.viewer.replay.test_replay import Bench
from viewer.protocol import commands as c
bench = Bench(Path(sys.argv[1]))
bench.inbox += [c.SetSpeed(20.0), c.Run()]
while True:
    if not bench.worker.turn():
        time.sleep(0.02)
    print(bench.session.current.id, flush=True)
"""


def test_a_killed_run_opens_at_one_of_its_last_iterations(tmp_path):
    """All that was done a second before is there: what is newer waits to be written for half a second."""
    path, script = tmp_path / "run.humorscope", tmp_path / "run.py"
    script.write_text(KILLED)
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    command = [sys.executable, str(script), str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        told: list[tuple[float, int]] = []
        while not told or told[-1][1] < 28:
            snapshot = int(process.stdout.readline())
            told.append((time.monotonic(), snapshot))
        os.kill(process.pid, signal.SIGKILL)
        killed = time.monotonic()
        process.stdout.read()
    source = RunSource(path)
    source.refresh()
    assert source.current >= max(snapshot for when, snapshot in told if when < killed - 1.0) > 5
    view = source.view(source.current)
    assert view.history.ids.tolist() == list(range(source.current + 1))
    session = recorded.make_session()
    while session.current.id < source.current:
        session.step_iteration()
    assert view.status.loss == pytest.approx(session.current.evaluation.total, rel=1e-6)
    if not any("was not recorded" in note.text for note in source.notes()):
        np.testing.assert_allclose(view.motion.joints, session.fit.trajectory().joints.numpy(), atol=2e-4)


def test_files_that_cannot_be_shown_say_why(tmp_path):
    (tmp_path / "other").write_bytes(b"anything else")
    viewer = Viewer(tmp_path / "other")
    failed = viewer.messages[-1]
    assert isinstance(failed, LoadFailed) and failed.input_error and "not a recorded run" in failed.text
    broken = ReplayClient(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    failed, *more = [m for _ in range(4) for m in broken.poll() if isinstance(m, LoadFailed)]
    assert "ZeroDivisionError" in failed.text and not failed.input_error and not more  # tried once
    RunFile(tmp_path / "empty.humorscope", mode="new").close()
    with pytest.raises(InputError, match="nothing to look at.*--resume"):
        RunSource(tmp_path / "empty.humorscope")


def test_a_full_disk_stops_the_recording_and_not_the_fit(tmp_path, monkeypatch):
    bench = Bench(tmp_path / "run.humorscope")
    bench.do(c.Step())

    def full(*arguments: object, **options: object) -> None:
        raise InputError("run.humorscope: database or disk is full; make room, or record elsewhere")

    monkeypatch.setattr(bench.worker._recorder._recording, "write", full)
    bench.do(c.Step(), c.Step())
    bench.do(c.Step())
    warnings = [note for note in bench.of(Note) if note.level == "warning"]
    assert len(warnings) == 1 and "disk is full" in warnings[0].text and "The fit goes on" in warnings[0].advice
    assert bench.session.current.total_iterations == 4
    assert not bench.worker._recorder._waiting  # views pile up nowhere


def test_a_full_disk_leaves_one_file_also_where_the_window_is_gone(tmp_path, monkeypatch):
    bench = Bench(tmp_path / "run.humorscope")
    bench.do(c.Step())
    recorder = bench.worker._recorder

    def full(*arguments: object, **options: object) -> None:
        raise InputError("disk is full")

    def gone(message: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(recorder._recording, "write", full)
    monkeypatch.setattr(recorder, "_pass_on", gone)
    bench.session.step_iteration()
    with pytest.raises(BrokenPipeError):
        bench.worker.close()
    assert [path.name for path in tmp_path.iterdir()] == ["run.humorscope"]


def test_what_cannot_be_written_stops_the_recording_and_not_the_fit(tmp_path, monkeypatch):
    bench = Bench(tmp_path / "run.humorscope")
    bench.do(c.Step())
    monkeypatch.setattr(bench.worker._recorder, "_setup_at", lambda snapshot: 1 / 0)
    bench.do(c.Step(), c.Step())
    warnings = [note for note in bench.of(Note) if note.level == "warning"]
    assert len(warnings) == 1 and "ZeroDivisionError" in warnings[0].text
    assert bench.session.current.total_iterations == 3
    bench.worker.close()
    source = RunSource(tmp_path / "run.humorscope")
    source.refresh()
    assert source.current == 1 and source.view(1).status.total_iterations == 1


def test_recording_costs_little(tmp_path):
    """Beside an iteration of this small fit it may be seen; in milliseconds it is next to nothing."""
    bench = Bench(tmp_path / "run.humorscope")
    spent = []
    follow = bench.worker._recorder.follow

    def timed() -> None:
        began = time.perf_counter()
        follow()
        spent.append(time.perf_counter() - began)

    bench.worker._recorder.follow = timed
    bench.do(c.RunStage(), c.RunStage())
    assert sorted(spent)[len(spent) // 2] < 0.03
