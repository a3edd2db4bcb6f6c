"""Run files of version 1, as the last program that wrote them left one: they open, are scrubbed and gone on with.

``data/version1.humorscope.xz`` was written by commit 977651c, with LAST_MOMENT of ``viewer/run_recorder.py`` set to 0:
``tests.viewer.recorded.make_session`` in a ``Worker`` that is recorded, then these commands, each until it is done:
RunStage, Bookmark(3, "early"), SetWeight("joints3d", 3.0, 2), Step, Rewind(2), Freeze("trans"), Step, RunStage,
RunStage, six times Step, Perturb("no such", 1.0), Analyse("drift", 31), and ``Worker.close``.
"""

from __future__ import annotations

import base64
import json
import lzma
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch

from optim.common.errors import InputError
from optim.recording.recording import Recording, recorded_session
from optim.recording.runfile import RunFile
from tests.viewer import recorded
from viewer.protocol import commands as c
from viewer.replay.bundle import bundle
from viewer.replay.run_source import RunSource

OLD = Path(__file__).parent / "data" / "version1.humorscope.xz"
LAST = 31
"""Where the session stood."""


@pytest.fixture
def old(tmp_path) -> Path:
    path = tmp_path / "old.humorscope"
    path.write_bytes(lzma.decompress(OLD.read_bytes()))
    return path


def states(path: Path) -> dict[int, dict]:
    """What version 1 wrote of its snapshots, read without any code of ours."""
    with sqlite3.connect(path) as database:
        return {row: dict(json.loads(text)["map"]) for row, text in database.execute("SELECT id, state FROM snapshots")}


def vector(path: Path, reference: dict) -> np.ndarray:
    content = reference["tensor"]
    if isinstance(content, list):
        return np.frombuffer(base64.b64decode(content[2]), content[0])
    with sqlite3.connect(path) as database:
        ((dtype, data),) = database.execute("SELECT dtype, data FROM arrays WHERE id = ?", (content,))
    return np.frombuffer(data, dtype)


def test_every_snapshot_comes_back_to_the_last_bit(old):
    written = states(old)
    session = recorded.make_session()
    Recording(RunFile(old, mode="read")).restore(session)
    assert len(session.history) == len(written) == LAST + 1 and session.current.id == LAST
    for row, state in written.items():
        snapshot, solver = session.history[row], state["solver"]
        assert (snapshot.parent, snapshot.cause, snapshot.step) == (state["parent"], state["cause"], state["step"])
        assert snapshot.solver.scale == solver["scale"] and snapshot.solver.stop == solver["stop"]
        pairs = solver["pairs"]["##"] if isinstance(solver["pairs"], dict) else solver["pairs"]
        assert len(snapshot.solver.pairs) == len(pairs)
        for name in ("x", "gradient"):
            expected = vector(old, solver["point"][name])
            assert getattr(snapshot.solver.point, name).numpy().tobytes() == expected.tobytes()
        for name, written_as in dict(state["variables"]["map"]).items():
            if written_as is not None:
                assert snapshot.variables[name].numpy().tobytes() == vector(old, written_as).tobytes()


def test_going_on_repeats_what_was_recorded(old):
    """From an earlier iteration the same way is taken again; machines may differ in the last digits."""
    session = recorded.make_session()
    Recording(RunFile(old, mode="read")).restore(session)
    session.rewind(18)
    for expected in range(19, LAST + 1):
        found, entry = session.step_iteration(), session.history.entry(expected)
        assert found.evaluation.total == pytest.approx(entry.evaluation.total, rel=1e-4)
        assert (found.phase, found.step, found.iteration) == (entry.phase, entry.step, entry.iteration)


def test_it_is_resumed_in_the_same_file(old):
    session = recorded.make_session()
    recording = recorded_session(session, path=old)
    assert session.current.id == LAST and session.history.bookmarks == {3: "early"}
    for _ in range(4):
        session.step_iteration()
        recording.follow(session)
    again = recorded.make_session()
    Recording(RunFile(old, mode="read")).restore(again)
    assert again.current.id == LAST + 4
    for name, value in session.current.variables.items():
        assert torch.equal(again.current.variables[name], value)
    assert torch.equal(again.step_iteration().solver.point.x, session.step_iteration().solver.point.x)
    assert again.undo().id == session.undo().id


def test_it_is_opened_and_scrubbed_and_stays_as_it_is(old):
    before = old.read_bytes()
    session = recorded.make_session()
    Recording(RunFile(old, mode="read")).restore(session)
    source = RunSource(old)
    source.refresh()
    assert source.current == LAST
    for snapshot in range(LAST + 1):
        view, entry = source.view(snapshot), session.history.entry(snapshot)
        assert view.status.loss == entry.evaluation.total and view.phases[entry.phase].stage == entry.stage
        assert view.held == entry.held
    source.notes()
    for snapshot in (0, 9, 18):  # what is no iteration was always written
        motion, expected = source.view(snapshot).motion, session.fit.trajectory(session.history[snapshot])
        np.testing.assert_allclose(motion.joints, expected.joints.numpy(), atol=3e-4)
    assert source.notes() == []
    history = source.view(LAST).history
    assert history.bookmarks == ((3, "early"),)
    assert [event.text for event in history.events] == ["weight joints3d = 3 in stage 2", "froze trans"]
    assert source.analysis(c.Analyse("drift", LAST)).value is not None
    assert source.view(LAST).drift is not None and source.view(LAST).regressed is not None
    source.close()
    assert old.read_bytes() == before and [path.name for path in old.parent.iterdir()] == [old.name]


def test_notes_come_back(old):
    source = RunSource(old)
    source.refresh()
    assert any("no such" in note.text for note in source.notes())


def test_a_bundle_of_it_is_of_today(old, tmp_path):
    found = bundle(old, tmp_path / "bundle.humorscope")
    with sqlite3.connect(found.path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)
    source = RunSource(found.path)
    source.refresh()
    assert source.current == LAST


@pytest.mark.parametrize(
    "damage", ["DELETE FROM arrays WHERE id < 30", "UPDATE snapshots SET state = '{}' WHERE id = 4"]
)
@pytest.mark.parametrize("mode", ["read", "append"])
def test_a_damaged_one_is_refused_and_left_alone(old, damage, mode):
    with sqlite3.connect(old) as database:
        database.execute(damage)
    with pytest.raises(InputError, match="old.humorscope: cannot be converted.*the file is damaged"):
        RunFile(old, mode=mode)
    with sqlite3.connect(old) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM snapshots").fetchone() == (LAST + 1,)
