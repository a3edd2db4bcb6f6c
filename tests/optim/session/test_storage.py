"""Snapshots on disk: they come back as they were, memory stays within its limit, going on gives the same bits."""

from __future__ import annotations

import pytest
import torch

from optim.common.errors import InputError
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes

PHASES = schedule("humorscope", "rgb", num_iters=(2, 2, 3), lbfgs_max_iter=4, tune_frames=4)


def fitted(**options) -> Session:
    session = Session(fakes.problem("joints2d", frames=6), schedule=PHASES, **options)
    session.run()
    return session


@pytest.fixture(scope="module")
def in_memory() -> Session:
    return fitted()


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory) -> Session:
    """The same fit with room for almost nothing."""
    return fitted(memory_limit=1, history_folder=tmp_path_factory.mktemp("history"))


def test_older_iterations_leave_memory(in_memory, on_disk):
    store = on_disk.history.store
    assert store.number_on_disk > len(on_disk.history) // 2 and store.bytes_on_disk > 0
    assert in_memory.history.store.number_on_disk == 0
    assert store.bytes_in_memory < in_memory.history.store.bytes_in_memory
    entries = on_disk.history.entries
    for index in range(len(entries)):  # fetching all of them one after the other does not fill memory
        assert on_disk.history[index].id == index
    assert store.number_on_disk > len(on_disk.history) // 2


def test_what_comes_back_is_what_went_in(in_memory, on_disk):
    for expected, found in zip(in_memory.history.snapshots, on_disk.history.snapshots, strict=True):
        assert set(found.variables) == set(expected.variables)
        assert all(torch.equal(found.variables[name], value) for name, value in expected.variables.items())
        assert found.evaluation.total == expected.evaluation.total
        assert found.solver.trials == expected.solver.trials and found.stop == expected.stop
        for theirs, ours in zip(expected.solver.pairs, found.solver.pairs, strict=True):
            assert torch.equal(theirs.s, ours.s) and torch.equal(theirs.y, ours.y) and theirs.rho == ours.rho
        assert found.schedule == expected.schedule and found.schedule[found.phase] in on_disk.schedule


def test_a_tensor_shared_by_snapshots_is_written_once(in_memory, on_disk):
    """100 pairs of three vectors per snapshot would be many times the memory that they share."""
    assert on_disk.history.store.bytes_on_disk < 3 * in_memory.history.store.bytes_in_memory


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


def one_stage(limit: int) -> Session:
    """Iterations whose curvature is forgotten half way, so that the first half can leave memory altogether."""
    session = Session(fakes.problem(frames=6), schedule=schedule(num_iters=(8, 0, 0)), memory_limit=limit)
    for weight in (1.5, 1.0):
        for _ in range(12):
            session.step_iteration()
        session.set_weight("joints3d", weight)
    return session


def test_the_limit_is_kept():
    """Anywhere between all and what must stay."""
    most, least = (one_stage(limit).history.store for limit in (10**9, 1))
    limit = (least.bytes_in_memory + most.bytes_in_memory) // 2
    store = one_stage(limit).history.store
    assert store.bytes_in_memory <= limit < most.bytes_in_memory
    assert 0 < store.number_on_disk <= least.number_on_disk


def test_bad_places_are_refused(tmp_path):
    problem = fakes.problem(frames=4)
    with pytest.raises(InputError, match="existing"):
        Session(problem, schedule=PHASES[:1], history_folder=tmp_path / "nowhere")
    with pytest.raises(InputError, match="0 or more"):
        Session(problem, schedule=PHASES[:1], memory_limit=-5)


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
        session.skip_phase()
    assert 10e6 < total < 500e6, f"{total / 1e6:.0f} MB"
