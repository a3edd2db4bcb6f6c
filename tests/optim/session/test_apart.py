"""A session apart: goes on by itself, leaves the first one alone, and is taken over as one edit."""

from __future__ import annotations

import pickle

import pytest
import torch

from optim.recording.recording import Recording, recorded_session
from optim.recording.runfile import RunFile
from optim.schedule.stages import schedule
from optim.session.edits import DropFrames, Hold, RestartSolver, SetFloor, SetWeight
from optim.session.session import Session
from tests import fakes

STEPS = {"num_iters": (2, 2, 2), "lbfgs_max_iter": 4, "tune_init": False}


def fitted(*modalities: str) -> Session:
    problem = fakes.problem(*modalities, frames=6)
    session = Session(problem, schedule=schedule("humorscope", "rgb" if problem.has_camera else "3d", **STEPS))
    session.run()
    return session


def same(a, b) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_a_phase_that_has_ended_goes_on_when_asked():
    session = fitted()
    end = session.current
    assert session.step_iteration() is end
    on = session.step_on()
    assert on.id == end.id + 1 and on.phase == end.phase and on.evaluation.total <= end.evaluation.total


def test_what_is_done_apart_changes_nothing_here():
    session = fitted()
    here, count = session.current, len(session.history)
    bits = {name: value.clone() for name, value in here.variables.items()}
    other = session.apart()
    other.apply(SetWeight("joints3d", 30.0))
    for _ in range(6):
        other.step_on()
    assert not same(other.current.variables, here.variables)
    assert session.current is here and len(session.history) == count and not session.can_undo
    assert same(here.variables, bits)


def test_both_go_the_same_way_from_the_same_place():
    session = fitted()
    other = session.apart()
    for _ in range(5):
        assert same(session.step_on().variables, other.step_on().variables)


@pytest.mark.parametrize(
    ("modality", "edit"),
    [
        ("joints3d", SetWeight("joints3d", 30.0)),
        ("joints3d", Hold("betas")),
        ("joints3d", DropFrames(0, 3)),
        ("joints2d", SetFloor((0.0, -1.0, 0.0, -1.2))),
    ],
)
def test_taking_over_is_one_edit_that_can_be_undone(modality, edit):
    session = fitted(modality)
    here, count = session.current, len(session.history)
    other = session.apart()
    other.apply(edit)
    other.step_on()
    taken = session.adopt(other, edit, other.current.cause)
    assert len(session.history) == count + 1 and taken.parent == here.id and taken.edit == edit
    assert same(taken.variables, other.current.variables)
    assert same(session.step_on().variables, other.step_on().variables), "both go on alike"
    assert session.undo() is here


def test_a_run_file_holds_what_was_taken_over(tmp_path):
    session = fitted()
    recording = recorded_session(session, path=tmp_path / "run.humorscope")
    other = session.apart()
    other.apply(SetWeight("joints3d", 30.0))
    for _ in range(3):
        other.step_on()
    taken = session.adopt(other, SetWeight("joints3d", 30.0), "dragged")
    session.step_on()
    recording.follow(session)
    recording.file.close()
    again = fitted()
    Recording(RunFile(tmp_path / "run.humorscope", mode="read")).restore(again)
    found = again.history[taken.id]
    assert same(found.variables, taken.variables) and found.edit == taken.edit and found.weights == taken.weights
    assert same(again.step_on().variables, session.step_on().variables)


def test_restarting_the_solver_forgets_its_memory():
    session = fitted()
    assert session.current.solver.pairs
    restarted = session.apply(RestartSolver())
    assert (
        not restarted.solver.pairs and restarted.evaluation.total == session.history[restarted.parent].evaluation.total
    )


def test_a_session_apart_knows_what_stage_3_encodes():
    session = fitted()
    encoded, other = session.fit.stage2_trajectory, session.apart()
    assert encoded is not None and other.fit.stage2_trajectory is not None
    assert torch.equal(other.fit.stage2_trajectory.joints, encoded.joints)
    assert other.fit.stage3_init is None, "the first roll-out is in the history of the other session"
    again = pickle.loads(pickle.dumps(other))
    assert torch.equal(again.fit.stage2_trajectory.joints, encoded.joints)
    assert session.apart(session.history[0]).fit.stage2_trajectory is None
