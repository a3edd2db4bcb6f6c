"""A fit by Levenberg–Marquardt in a run file: its states come back to the last bit, and the fit goes on from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from optim.recording.recording import Recording
from optim.recording.runfile import RunFile
from optim.recording.solver_states import solver_text
from optim.schedule.stages import schedule
from optim.session.edits import SetSolver, SetWeight
from optim.session.session import Session
from optim.solver.levenberg_marquardt import LevenbergMarquardtState
from optim.solver.solver import Point, State
from tests import fakes

DAMPED = ("levenberg-marquardt", "levenberg-marquardt", "lbfgs")


def new_session(**options) -> Session:
    phases = schedule("humorscope", "3d", num_iters=(1, 3, 1), lbfgs_max_iter=6, solvers=DAMPED)
    return Session(fakes.problem(frames=6), schedule=phases, **options)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> tuple[Session, Path]:
    """Both stages with an edit of a weight and a stretch of the other solver in between."""
    path = tmp_path_factory.mktemp("runs") / "run.humorscope"
    session, recording = new_session(), Recording(RunFile(path, mode="new"))
    edits = {6: SetWeight("joints3d", 2.0), 8: SetSolver("lbfgs"), 11: SetSolver("levenberg-marquardt")}
    for count in range(15):
        session.step_iteration()
        if count in edits:
            session.apply(edits[count])
        recording.follow(session)
    recording.file.close()
    return session, path


def test_every_state_comes_back(recorded):
    session, path = recorded
    again = new_session(memory_limit=0)
    Recording(RunFile(path, mode="read")).restore(again)
    kinds = set()
    for expected in session.history.snapshots:
        found = again.history[expected.id]
        assert type(found.solver) is type(expected.solver)
        assert found.schedule == expected.schedule
        assert torch.equal(found.solver.point.x, expected.solver.point.x)
        assert torch.equal(found.solver.point.gradient, expected.solver.point.gradient)
        assert (found.solver.tried, found.stop) == (expected.solver.tried, expected.stop)
        assert getattr(found.solver, "damping", None) == getattr(expected.solver, "damping", None)
        kinds.add(type(found.solver).__name__)
    assert kinds == {"LbfgsState", "LevenbergMarquardtState"}


def test_the_fit_goes_on_as_if_it_had_not_been_interrupted(recorded):
    session, path = recorded
    again = new_session()
    Recording(RunFile(path, mode="read")).restore(again)
    assert isinstance(again.current.solver, LevenbergMarquardtState)
    for _ in range(6):
        expected, found = session.step_iteration(), again.step_iteration()
        assert found.evaluation.total == expected.evaluation.total
        assert all(torch.equal(found.variables[name], value) for name, value in expected.variables.items())


def test_the_state_of_a_solver_that_files_do_not_know_is_refused():
    with pytest.raises(TypeError, match="State"):
        solver_text(State(Point(torch.zeros(1), 0.0, torch.zeros(1))))
