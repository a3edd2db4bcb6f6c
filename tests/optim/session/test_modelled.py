"""Stage 3 by L-BFGS on the Gauss-Newton model: steps, edits and recording, and what happens without a model."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch

from optim.recording.recording import Recording
from optim.recording.runfile import RunFile
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session.edits import Hold, Plan, Release, SetSolver, SetWeight
from optim.session.session import Session
from optim.session.solvers import Models
from optim.solver.lbfgs import LbfgsState
from optim.solver.modelled_lbfgs import ModelledState
from tests import fakes
from tests.optim.recording.test_recording import assert_same


def new_session(*seen: str, preset: str = "gauss-newton", steps: int = 2, batch: int = 1) -> Session:
    problem = fakes.problem(*(seen or ("joints3d",)), frames=6, batch=batch)
    phases = schedule(preset, problem.data_type, num_iters=(1, 1, steps), lbfgs_max_iter=6, tune_frames=3)
    return Session(problem, schedule=phases)


def into_stage_3(session: Session) -> None:
    while session.current.stage < 3:
        session.step_iteration()


@pytest.fixture(scope="module")
def fitted() -> Session:
    session = new_session(steps=4)
    session.run()
    return session


def test_the_preset_gives_stage_3_its_solver(fitted):
    assert [phase.solver for phase in fitted.schedule] == ["lbfgs", "lbfgs", "lbfgs-gn"]
    states = [s.solver for s in fitted.history.snapshots if s.stage == 3]
    assert all(isinstance(state, ModelledState) for state in states)
    losses = [state.point.value for state in states]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]


def test_it_is_lower_than_plain_lbfgs_after_as_many_evaluations(fitted):
    into = next(s for s in fitted.history.snapshots if s.stage == 3)
    spent = fitted.current.evaluations_spent - into.evaluations_spent
    fitted.rewind(into.id)
    fitted.apply(SetSolver("lbfgs"))
    while not fitted.done and fitted.current.evaluations_spent - into.evaluations_spent < spent:
        fitted.step_iteration()
    assert isinstance(fitted.current.solver, LbfgsState) and not isinstance(fitted.current.solver, ModelledState)
    modelled = min(s.solver.point.value for s in fitted.history.snapshots if isinstance(s.solver, ModelledState))
    assert modelled < fitted.current.solver.point.value


def test_any_iteration_repeats_its_bits_also_with_models_that_are_made_anew(fitted):
    found = [s for s in fitted.history.snapshots if isinstance(s.solver, ModelledState)]
    for before, after in list(zip(found[:-1], found[1:], strict=True))[::3]:
        if after.parent != before.id or after.cause != "iteration":
            continue
        fitted._models = Models()
        fitted.rewind(before.id)
        again = fitted.step_iteration()
        assert again.id != after.id
        assert_same(again.solver, after.solver)


@pytest.mark.parametrize("held", ["x_0", "betas", "latent_motion[1:3]", "latent_motion"])
def test_what_is_held_stays_and_the_rest_goes_on(held):
    session = new_session()
    into_stage_3(session)
    session.step_iteration()
    before = session.apply(Hold(held))
    after = session.finish_phase()
    name = "latent_motion" if held.startswith("latent") else "betas" if held == "betas" else "trans"
    part = slice(1, 3) if "[" in held else slice(None)
    assert torch.equal(after.variables[name][:, part], before.variables[name][:, part])
    assert after.evaluation.total < before.evaluation.total
    released = session.apply(Release(held))
    assert isinstance(released.solver, ModelledState) and released.solver.made is None


def test_an_edited_weight_is_taken_up_by_a_new_model():
    session = new_session()
    into_stage_3(session)
    session.step_iteration()
    edited = session.apply(SetWeight("joints3d", 3.0))
    assert edited.solver.made is None
    after = session.step_iteration()
    assert after.solver.made.x is edited.solver.point.x and after.evaluation.total < edited.evaluation.total


@pytest.mark.parametrize("seen", ["joints2d", "verts3d", "points3d"])
def test_other_observations_and_several_sub_sequences(seen):
    session = new_session(seen, batch=2)
    into_stage_3(session)
    before = session.current.evaluation.total
    assert session.finish_phase().evaluation.total < before
    assert isinstance(session.current.solver, ModelledState) and session.current.solver.preconditioner is None


def test_three_phases_can_have_it_too():
    """Fewer frames while x_0 is tuned, and x_0 held while it is not."""
    rules = replace(PRESETS["humorscope"], stage_3_solver="lbfgs-gn")
    problem = fakes.problem(frames=6)
    session = Session(problem, schedule=schedule(rules, "3d", num_iters=(1, 1, 3), lbfgs_max_iter=4, tune_frames=3))
    session.run()
    assert {s.schedule[s.phase].name for s in session.history.snapshots if isinstance(s.solver, ModelledState)} == {
        "stage 3 tune",
        "stage 3 freeze",
        "stage 3 refine",
    }


def test_multiple_shooting_has_a_measured_diagonal_in_its_place(caplog):
    rules = replace(PRESETS["humorscope"], stage_3="shooting", stage_3_solver="lbfgs-gn")
    session = Session(fakes.problem(frames=12), schedule=schedule(rules, "3d", num_iters=(1, 1, 4), lbfgs_max_iter=2))
    with caplog.at_level(logging.WARNING):
        while session.current.stage < 3:
            session.step_iteration()
    assert "shooting" in caplog.text and "diagonal" in caplog.text
    assert session.current.solver.preconditioner is not None
    before = session.current.evaluation.total
    assert session.step_iteration().evaluation.total < before


def test_a_recorded_fit_comes_back_and_goes_on_with_the_same_bits(tmp_path):
    path = tmp_path / "run.humorscope"
    session, recording = new_session(steps=4), Recording(RunFile(tmp_path / "run.humorscope", mode="new"))
    into_stage_3(session)
    for _ in range(8):
        session.step_iteration()
        recording.follow(session)
    session.rewind(len(session.history) - 3)
    session.apply(Plan(session.schedule[session.current.phase + 1 :]))
    recording.follow(session)
    recording.file.close()
    again = new_session(steps=4)
    Recording(RunFile(path, mode="read")).restore(again)
    for snapshot in session.history.snapshots:
        if isinstance(snapshot.solver, ModelledState):
            assert_same(again.history[snapshot.id].solver, snapshot.solver, f"snapshot {snapshot.id}")
    assert_same(again.step_iteration().solver, session.step_iteration().solver)
