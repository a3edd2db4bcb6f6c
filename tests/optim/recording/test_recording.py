"""Recorded sessions: what is read back is bit for bit what was written, and going on from it repeats the same bits."""

from __future__ import annotations

import copy
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from optim.checks.contradictions import JUMP
from optim.common.errors import InputError
from optim.config.settings import parse
from optim.recording.recording import Recording, recorded_session
from optim.recording.replaying import Replay
from optim.recording.runfile import RunFile
from optim.schedule.stages import schedule
from optim.session.edits import (
    Bookmark,
    DropFrames,
    Hold,
    NameBranch,
    Perturb,
    Release,
    RemoveBookmark,
    SetFloor,
    SetWeight,
    TrustKeypoints,
)
from optim.session.session import Session
from tests import fakes

ROOT = Path(__file__).parents[3]
PHASES = schedule("humorscope", "rgb", num_iters=(2, 2, 4), lbfgs_max_iter=4, tune_frames=4)


def new_session(**options) -> Session:
    problem = fakes.problem("joints2d", frames=6, batch=2)
    doubts = torch.zeros(2, 6, 25, dtype=torch.int8)
    doubts[:, 1:3, 4] = JUMP
    return Session(
        replace(problem, observations=replace(problem.observations, doubts=doubts)), schedule=PHASES, **options
    )


def run_with_edits(session: Session, step) -> None:
    """Through all phases, with an edit of every kind, a branch and names on the way."""
    for _ in range(4):
        step()
    session.apply(SetWeight("joints2d", 0.002))
    session.apply(Bookmark("heavier"))
    step()
    session.rewind(2)
    session.apply(Hold("trans"))
    step()
    session.undo()
    session.rewind(len(session.history) - 1)
    session.apply(Release("trans"))
    session.apply(DropFrames(2, 4))
    session.apply(TrustKeypoints(True, 1, 3, keypoints=(4,)))
    session.apply(NameBranch("frozen"))
    while session.current.stage < 3:
        step()
    session.apply(SetFloor((0.0, -1.0, 0.0, -1.1)))
    session.apply(Hold("latent_motion[1:3]"))
    session.apply(Perturb("betas", scale=0.1))
    for _ in range(6):
        step()


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[Session, Path]:
    """A session and the file that it was written to, iteration by iteration; the file is closed."""
    path = tmp_path_factory.mktemp("runs") / "run.humorscope"
    session, recording = new_session(), Recording(RunFile(path, mode="new"))

    def step() -> None:
        session.step_iteration()
        recording.follow(session)

    run_with_edits(session, step)
    recording.follow(session)
    recording.file.close()
    return session, path


def restored(path: Path, mode: str = "read", **options) -> Session:
    session = new_session(**options)
    Recording(RunFile(path, mode=mode)).restore(session)  # type: ignore[arg-type]
    return session


def restored_into(session: Session, path: Path) -> Session:
    Recording(RunFile(path, mode="read")).restore(session)
    return session


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    """Equal to the last bit, tensors and arrays in their type and shape too."""
    assert type(found) is type(expected) or isinstance(expected, list | dict), where
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype and found.shape == expected.shape, where
        assert torch.equal(found.contiguous().view(torch.uint8), expected.contiguous().view(torch.uint8)), where
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype and found.shape == expected.shape, where
        assert found.tobytes() == expected.tobytes(), where
    elif is_dataclass(expected):
        for field in fields(expected):
            assert_same(getattr(found, field.name), getattr(expected, field.name), f"{where}.{field.name}")
    elif isinstance(expected, dict):
        assert list(found) == list(expected), where
        for key, value in expected.items():
            assert_same(found[key], value, f"{where}[{key}]")
    elif isinstance(expected, tuple):
        assert len(found) == len(expected), where
        for index, value in enumerate(expected):
            assert_same(found[index], value, f"{where}[{index}]")
    else:
        assert found == expected, where


@pytest.mark.parametrize("order", ["as they were made", "backwards"])
def test_every_snapshot_comes_back_to_the_last_bit(recorded, order):
    """Those whose state is in the file, and those that are worked out again from the one before."""
    session, path = recorded
    again = restored(path)
    assert len(again.history) == len(session.history) > 30
    snapshots = session.history.snapshots
    for snapshot in snapshots if order == "as they were made" else reversed(snapshots):
        assert_same(again.history[snapshot.id], snapshot, f"snapshot {snapshot.id}")


def test_states_stay_where_a_branch_ends_and_where_something_begins(recorded):
    """And the solver's memory leaves the file where none of these needs it."""
    session, path = recorded
    file = RunFile(path, mode="read")
    entries, ends = session.history.entries, {branch.last for branch in session.history.branches}
    begun = {entry.id for entry in entries if entry.cause != "iteration"}
    phase_ends = {entry.parent for entry in entries if entry.cause == "phase"}
    kept = {snapshot for (snapshot,) in file.rows("SELECT snapshot FROM states")}
    assert kept == ends | begun | phase_ends | {session.current.id} < {entry.id for entry in entries}
    whole = file.rows("SELECT snapshot FROM states WHERE pairs IS NOT NULL")
    memory = {pair for (snapshot,) in whole for pair in session.history[snapshot].solver.pairs}
    ((pairs,),) = file.rows("SELECT count(*) FROM pairs")
    assert pairs == len(memory) < len({pair for s in session.history.snapshots for pair in s.solver.pairs})
    ((dangling,),) = file.rows(
        "SELECT count(*) FROM pairs WHERE s NOT IN (SELECT id FROM arrays) OR before NOT IN (SELECT id FROM arrays)"
        " OR after NOT IN (SELECT id FROM arrays)"
    )
    assert dangling == 0


def test_edits_come_back_and_stand_in_a_column(recorded):
    """Whole, with what they were given, and readable by any program that reads SQLite and JSON."""
    session, path = recorded
    edited = {s.id: s.edit for s in session.history.snapshots if s.edit is not None}
    assert {type(edit) for edit in edited.values()} >= {SetWeight, Hold, Release, DropFrames, SetFloor, Perturb}
    again = restored(path)
    assert {snapshot: again.history[snapshot].edit for snapshot in edited} == edited
    with sqlite3.connect(path) as database:
        rows = dict(database.execute("SELECT id, edit FROM snapshots WHERE edit IS NOT NULL"))
    assert rows.keys() == edited.keys()
    first = json.loads(rows[min(rows)])
    assert (first["edit"], first["term"], first["value"]) == ("SetWeight", "joints2d", 0.002)


def test_a_long_phase_leaves_states_on_its_way(tmp_path, monkeypatch):
    monkeypatch.setattr("optim.recording.recording.WHOLE_EVERY", 5)
    session, recording = new_session(), Recording(RunFile(tmp_path / "run.humorscope", mode="new"))
    for _ in range(18):
        session.step_iteration()
        recording.follow(session)
    counts = {s.id: s.solver.iterations for s in session.history.snapshots if s.cause == "iteration"}
    kept = {snapshot for (snapshot,) in recording.file.rows("SELECT snapshot FROM states")}
    on_the_way = {snapshot for snapshot, count in counts.items() if count % 5 == 0}
    assert len(on_the_way) > 1 and on_the_way < kept


def test_an_edit_that_keeps_the_memory_gives_the_same_bits(tmp_path):
    """Its state lies in the file without its pairs, which are those of the iteration before it."""
    path = tmp_path / "run.humorscope"
    session, recording = new_session(), Recording(RunFile(path, mode="new"))
    for number in range(7):
        session.step_iteration()
        if number in (3, 5):
            session.apply(SetWeight("joints2d", 0.001 + 0.0001 * number, keep_memory=True))
        recording.follow(session)
    edits = [entry.id for entry in session.history.entries if entry.edited]
    assert session.history[edits[0]].solver.pairs
    assert recording.file.rows("SELECT count(*) FROM states WHERE pairs IS NULL") == [(2,)]
    again = restored(path)
    assert_same(again.history[edits[1]], session.history[edits[1]])
    assert_same(again.rewind(edits[0]), session.rewind(edits[0]))
    assert_same(again.step_iteration().variables, session.step_iteration().variables)


def test_what_comes_out_otherwise_is_told(recorded, caplog):
    """As on a machine that rounds differently from the one that recorded."""
    again = restored(recorded[1])
    entry, replay = again.history.entry(1), Replay(again.fit.problem_at(again.history[0]))
    replay.iterations(again.history[0], [entry])
    assert "rounds differently" not in caplog.text
    other = replace(entry.evaluation, total=entry.evaluation.total * 1.001)
    replay.iterations(again.history[0], [replace(entry, evaluation=other)])
    assert "this machine rounds differently" in caplog.text and "iteration 1," in caplog.text


def test_a_restored_session_stands_where_the_recorded_one_stood(recorded):
    session, path = recorded
    again = restored(path)
    assert again.current.id == session.current.id
    assert again.history.entries == session.history.entries
    assert again.history.branches == session.history.branches
    assert again.history.bookmarks == session.history.bookmarks == {session.history.find("heavier").id: "heavier"}
    assert again.history.find("frozen").id == session.current.id
    assert again.travels == session.travels
    assert again.undo().id == again.current.id == session.history[session.travels[0][-1]].id


def test_going_on_gives_the_same_bits(recorded, tmp_path):
    """Whether the session went on by itself or was read from a file in between; also from an earlier snapshot."""
    session, path = recorded
    for start in (session.current.id, 9):
        again, other = restored(path), new_session()
        Recording(RunFile(path, mode="read")).restore(other)
        again.rewind(start)
        session.rewind(start)
        for _ in range(8):
            expected, found = session.step_iteration(), again.step_iteration()
            assert found.evaluation.total == expected.evaluation.total
            assert found.solver.trials == expected.solver.trials
            assert all(torch.equal(found.variables[name], value) for name, value in expected.variables.items())


def test_a_run_that_was_interrupted_is_the_run_that_was_not(tmp_path):
    """Stopped and taken up again after every few iterations, with almost no memory for the history."""
    whole = new_session()
    whole.run()
    path = tmp_path / "run.humorscope"
    RunFile(path, mode="new").close()
    while True:
        session, recording = new_session(memory_limit=1), Recording(RunFile(path, mode="append"))
        if len(recording):
            recording.restore(session)
        for _ in range(9):
            session.step_iteration()
            recording.follow(session)
        recording.file.close()
        if session.done:
            break
    assert len(session.history) == len(whole.history)
    assert_same(replace(session.current, seconds=0.0), replace(whole.current, seconds=0.0))


def test_recorded_snapshots_leave_memory_and_come_back(tmp_path):
    session = new_session(memory_limit=1)
    recording = Recording(RunFile(tmp_path / "run.humorscope", mode="new"))
    recording.follow(session)
    for _ in range(20):
        session.step_iteration()
        recording.follow(session)
    assert session.history.store.number_in_memory < len(session.history) // 2
    assert [snapshot.id for snapshot in session.history.snapshots] == list(range(len(session.history)))


def test_names_are_given_changed_and_taken(tmp_path):
    path = tmp_path / "run.humorscope"
    session, recording = new_session(), Recording(RunFile(path, mode="new"))
    session.step_iteration()
    for change in (
        lambda: session.apply(Bookmark("a")),
        lambda: session.apply(Bookmark("b", snapshot=0)),
        lambda: session.apply(Bookmark("c")),
        lambda: session.apply(RemoveBookmark(0)),
        lambda: session.apply(NameBranch("trunk")),
    ):
        change()
        recording.follow(session)
        assert restored(path).history.bookmarks == session.history.bookmarks
    assert restored(path).history.branches == session.history.branches


def test_settings_of_the_fit_are_kept(tmp_path):
    settings = parse(["--data", "getup", "--seed", "3", "--joint3d-weight", "1", "2", "3", "--out", "here"])
    recording = Recording(RunFile(tmp_path / "run.humorscope", mode="new"))
    assert recording.settings is None
    recording.begin(new_session().problem, settings)
    assert Recording(RunFile(tmp_path / "run.humorscope", mode="read")).settings == replace(settings, out=None)


def test_another_problem_is_refused(recorded):
    other = Session(fakes.problem("joints2d", frames=6, batch=2, seed=1), schedule=PHASES)
    with pytest.raises(InputError, match="other data or models"):
        Recording(RunFile(recorded[1], mode="read")).restore(other)


def with_other_priors(**priors) -> Session:
    problem = new_session().problem
    return Session(replace(problem, **priors), schedule=PHASES)


def test_another_prior_is_refused(tmp_path):
    """Also where the first loss does not depend on it."""
    path, session = tmp_path / "run.humorscope", new_session()
    recorded_session(session, path=path).follow(session)
    problem = session.problem
    motion, mixture = copy.deepcopy(problem.motion_prior), problem.init_state_prior
    motion.decoder.net[-1].bias.mul_(1.01)
    pose = copy.deepcopy(problem.pose_prior)
    pose.network.bodyprior_dec_out.bias.mul_(1 + 1e-6)
    for flag, priors in {
        "--humor": {"motion_prior": motion},
        "--vposer": {"pose_prior": pose},
        "--init-motion-prior": {"init_state_prior": replace(mixture, means=mixture.means + 0.1)},
    }.items():
        with pytest.raises(InputError, match=f"run.humorscope: was recorded with another .*prior.* with {flag} FILE"):
            restored_into(with_other_priors(**priors), path)
    assert len(restored_into(with_other_priors(motion_prior=copy.deepcopy(problem.motion_prior)), path).history) == 1


def test_another_motion_prior_is_noticed_where_a_file_holds_no_checksums(recorded):
    """As files of older versions: the loss of stage 3 is another one. This file was begun without a problem."""
    motion = copy.deepcopy(recorded[0].problem.motion_prior)
    motion.decoder.net[-1].bias.mul_(2.0)
    with pytest.raises(InputError, match="was recorded with another motion prior: iteration .* --humor"):
        restored_into(with_other_priors(motion_prior=motion), recorded[1])


KILLED = """
import sys
from pathlib import Path
from optim.recording.recording import Recording
from optim.recording.runfile import RunFile
from tests.optim.recording.test_recording import new_session
session, recording = new_session(), Recording(RunFile(Path(sys.argv[1]), mode="new"))
recording.follow(session)
while True:
    session.step_iteration()
    recording.follow(session)
    print(session.current.id, flush=True)
"""


def test_a_killed_run_opens_at_its_last_iteration(tmp_path):
    path, script = tmp_path / "run.humorscope", tmp_path / "run.py"
    script.write_text(KILLED)
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    command = [sys.executable, str(script), str(path)]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT) as run:
        assert run.stdout is not None
        lines = [run.stdout.readline() for _ in range(7)]
        os.kill(run.pid, signal.SIGKILL)
        lines += run.stdout.read().split("\n")
    told = [int(line) for line in lines if line.strip()]
    again = restored(path)
    assert again.current.id == len(again.history) - 1 >= told[-1] >= 7
    whole = new_session()
    while whole.current.id < again.current.id:
        whole.step_iteration()
    assert_same(replace(again.current, seconds=0.0), replace(whole.current, seconds=0.0))


def test_it_can_be_read_while_it_is_written(tmp_path):
    path = tmp_path / "run.humorscope"
    session, recording = new_session(), Recording(RunFile(path, mode="new"))
    recording.follow(session)
    for expected in range(1, 5):
        session.step_iteration()
        recording.follow(session)
        assert restored(path).current.id == expected


def test_half_an_iteration_is_not_written(tmp_path):
    session, path = new_session(), tmp_path / "run.humorscope"
    recording = Recording(RunFile(path, mode="new"))
    recording.follow(session)
    session.step_iteration()

    def fail(new: range) -> None:
        raise KeyError("broken")

    with pytest.raises(KeyError):
        recording.follow(session, fail)
    assert len(Recording(RunFile(path, mode="read"))) == 1


def test_two_sessions_do_not_write_into_one_file(tmp_path):
    path = tmp_path / "run.humorscope"
    first, second = new_session(), new_session()
    recording = Recording(RunFile(path, mode="new"))
    other = Recording(RunFile(path, mode="append"))
    recording.follow(first)
    with pytest.raises(InputError, match="another session"):
        other.follow(second)


@pytest.mark.parametrize(
    "content, expected",
    [
        (None, "no such file"),
        (b"", "nothing has been recorded yet"),
        (b"PK\x03\x04 something else entirely", "not a recorded run"),
        (b"SQLite format 3\0" + b"\xff" * 4000, "damaged"),
    ],
)
def test_other_files_are_refused(tmp_path, content, expected):
    path = tmp_path / "run.humorscope"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=expected):
        RunFile(path, mode="read")


def test_foreign_and_newer_databases_are_refused(recorded, tmp_path):
    with sqlite3.connect(tmp_path / "foreign.humorscope") as database:
        database.execute("CREATE TABLE snapshots (id INTEGER)")
    with pytest.raises(InputError, match="another program"):
        RunFile(tmp_path / "foreign.humorscope", mode="read")
    newer = tmp_path / "newer.humorscope"
    newer.write_bytes(recorded[1].read_bytes())
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(InputError, match="format 99.*update"):
        RunFile(newer, mode="read")


def test_a_file_that_is_cut_off_is_refused_with_advice(recorded, tmp_path):
    whole = recorded[1].read_bytes()
    path = tmp_path / "cut.humorscope"
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(InputError, match="damaged or cut off: copy it again"):
        restored(path)


def test_a_writer_that_was_killed_at_once_leaves_a_file_to_begin_in(tmp_path):
    path = tmp_path / "run.humorscope"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(InputError, match="nothing has been recorded yet"):
        RunFile(path, mode="read")
    session = new_session()
    Recording(RunFile(path, mode="append")).follow(session)
    assert len(Recording(RunFile(path, mode="read"))) == 1


def test_new_files_replace_nothing(tmp_path):
    path = tmp_path / "run.humorscope"
    RunFile(path, mode="new").close()
    with pytest.raises(InputError, match="is there already.*--resume"):
        RunFile(path, mode="new")
    with pytest.raises(InputError, match="cannot be made"):
        RunFile(tmp_path / "no" / "folder.humorscope", mode="new")


def test_reading_changes_nothing_where_nothing_may_be_written(recorded, tmp_path):
    path = tmp_path / "run.humorscope"
    path.write_bytes(recorded[1].read_bytes())
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    before = path.read_bytes()
    try:
        assert len(restored(path).history) > 30
        assert path.read_bytes() == before
    finally:
        tmp_path.chmod(0o755)


def test_a_run_that_was_killed_before_its_first_iteration_is_refused(tmp_path):
    session, recording = new_session(), Recording(RunFile(tmp_path / "run.humorscope", mode="new"))
    recording.begin(session.problem, None)
    with pytest.raises(InputError, match="run.humorscope: no iteration has been recorded"):
        recording.restore(session)


def test_settings_of_another_version_are_named(tmp_path):
    recording = Recording(RunFile(tmp_path / "run.humorscope", mode="new"))
    recording.file.log("settings", json.dumps({"map": [["seed", 1], ["gone", 2]]}))
    with pytest.raises(InputError, match="run.humorscope: settings gone of another version"):
        _ = recording.settings


def test_writing_is_quick(tmp_path):
    """A few milliseconds an iteration at most: the fit must not wait for its recording."""
    session, recording = new_session(), Recording(RunFile(tmp_path / "run.humorscope", mode="new"))
    recording.follow(session)
    spent = []
    for _ in range(30):
        session.step_iteration()
        began = time.perf_counter()
        recording.follow(session)
        spent.append(time.perf_counter() - began)
    assert sorted(spent)[15] < 0.01
