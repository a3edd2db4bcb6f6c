"""Snapshots that left memory come back from the run file as they were, memory stays within its limit."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from optim.common.errors import InputError
from optim.recording.recording import Recording
from optim.recording.runfile import RunFile
from optim.schedule.stages import schedule
from optim.session.edits import SetWeight, SkipPhase
from optim.session.session import Session
from tests import fakes

PHASES = schedule("humorscope", "rgb", num_iters=(2, 2, 3), lbfgs_max_iter=4, tune_frames=4)


def new_session(**options) -> Session:
    return Session(fakes.problem("joints2d", frames=6), schedule=PHASES, **options)


def recording_of(session: Session, path: Path) -> Recording:
    recording = Recording(RunFile(path, mode="new"))
    recording.follow(session)
    return recording


@pytest.fixture(scope="module")
def in_memory() -> Session:
    session = new_session()
    session.run()
    return session


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory) -> Session:
    """The same fit, recorded, with room for almost nothing."""
    session = new_session(memory_limit=1)
    recording = recording_of(session, tmp_path_factory.mktemp("runs") / "run.humorscope")
    while not session.done:
        session.step_iteration()
        recording.follow(session)
    return session


def test_older_iterations_leave_memory(in_memory, on_disk):
    store, count = on_disk.history.store, len(on_disk.history)
    assert store.number_in_memory < count // 2
    assert in_memory.history.store.number_in_memory == count
    assert store.bytes_in_memory < in_memory.history.store.bytes_in_memory
    for index in range(count):  # fetching all of them one after the other does not fill memory
        assert on_disk.history[index].id == index
    assert store.number_in_memory < count // 2


def test_what_comes_back_is_what_went_in(in_memory, on_disk):
    for expected, found in zip(in_memory.history.snapshots, on_disk.history.snapshots, strict=True):
        assert set(found.variables) == set(expected.variables)
        assert all(torch.equal(found.variables[name], value) for name, value in expected.variables.items())
        assert found.evaluation.total == expected.evaluation.total
        assert found.solver.trials == expected.solver.trials and found.stop == expected.stop
        for theirs, ours in zip(expected.solver.pairs, found.solver.pairs, strict=True):
            assert torch.equal(theirs.s, ours.s) and torch.equal(theirs.y, ours.y) and theirs.rho == ours.rho
        assert found.schedule == expected.schedule and found.schedule[found.phase] in on_disk.schedule


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_going_on_from_disk_gives_the_same_bits(in_memory, on_disk, place):
    end = on_disk.current.id
    expected = [s for s in in_memory.history.snapshots if s.cause == "iteration"]
    start = expected[int(place * len(expected))].id
    on_disk.rewind(start)
    for id_of_next in range(start + 1, start + 6):
        again, first = on_disk.step_iteration(), in_memory.history[id_of_next]
        assert again.evaluation.total == first.evaluation.total
        assert all(torch.equal(again.variables[name], value) for name, value in first.variables.items())
        assert again.solver.trials == first.solver.trials
    on_disk.rewind(end)


def one_stage(limit: int, path: Path) -> Session:
    """Iterations whose curvature is forgotten half way, so that the first half can leave memory altogether."""
    session = Session(fakes.problem(frames=6), schedule=schedule(num_iters=(8, 0, 0)), memory_limit=limit)
    recording = recording_of(session, path)
    for weight in (1.5, 1.0):
        for _ in range(12):
            session.step_iteration()
            recording.follow(session)
        session.apply(SetWeight("joints3d", weight))
    return session


def test_the_limit_is_kept(tmp_path):
    """Anywhere between all and what must stay."""
    most, least = (one_stage(limit, tmp_path / str(limit)).history.store for limit in (10**9, 1))
    limit = (least.bytes_in_memory + most.bytes_in_memory) // 2
    store = one_stage(limit, tmp_path / "run").history.store
    assert store.bytes_in_memory <= limit < most.bytes_in_memory
    assert least.number_in_memory <= store.number_in_memory < most.number_in_memory


def test_unrecorded_iterations_stay_and_the_user_is_told_once(caplog):
    session = new_session(memory_limit=50_000)
    with caplog.at_level(logging.WARNING):
        session.run()
    assert session.history.store.number_in_memory == len(session.history)
    assert session.history.store.bytes_in_memory > 50_000
    (message,) = [record.getMessage() for record in caplog.records if "history" in record.getMessage()]
    assert "run file" in message


def test_a_negative_limit_is_refused():
    with pytest.raises(InputError, match="0 or more"):
        Session(fakes.problem(frames=4), schedule=PHASES[:1], memory_limit=-5)


@pytest.mark.slow
def test_a_full_default_history_fits_in_memory():
    """30/80/70 steps of 20 iterations, T = 60, B = 4: what a few iterations of each phase add, times their number."""
    session = Session(fakes.problem(frames=60, batch=4), schedule=schedule(num_iters=(30, 80, 70)))
    total, few = 0.0, 8
    while True:
        for _ in range(2):
            session.step_iteration()
        before, begun = session.history.store.bytes_in_memory, len(session.history)
        for _ in range(few):
            session.step_iteration()
        phase = session.schedule[session.current.phase]
        grown = (session.history.store.bytes_in_memory - before) / (len(session.history) - begun)
        total += grown * phase.steps * phase.iterations
        if session.current.next_phase is None:
            break
        session.apply(SkipPhase())
    assert 10e6 < total < 500e6, f"{total / 1e6:.0f} MB"
