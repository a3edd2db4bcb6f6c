"""The strength of planted joints is held during an outer step, so that the solver sees one loss."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from optim.objective.rollout_model.model import RolloutModel
from optim.problem.frames import identity
from optim.recording.recording import Recording
from optim.recording.runfile import RunFile
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session import solvers
from optim.session.causes import CONTACTS, ITERATION
from optim.session.edits import Perturb, SetWeight
from optim.session.session import Session
from optim.session.solvers import Models, alike
from optim.solver.modelled_lbfgs import ModelledState
from tests import fakes
from tests.optim.recording.test_recording import assert_same

PLANTED = replace(PRESETS["gauss-newton"], contacts="planted")


def new_session(solver: str = "lbfgs-gn", steps: int = 3) -> Session:
    rules = replace(PLANTED, stage_3_solver=solver)
    return Session(fakes.problem(frames=6), schedule=schedule(rules, "3d", num_iters=(1, 1, steps), lbfgs_max_iter=4))


@pytest.fixture(scope="module", params=["lbfgs", "lbfgs-gn"])
def fitted(request) -> Session:
    session = new_session(request.param)
    session.run()
    return session


def stage_3(session: Session):
    return [snapshot for snapshot in session.history.snapshots if snapshot.stage == 3]


def test_each_outer_step_has_one_strength_and_a_loss_that_falls(fitted):
    steps = [list(group) for _, group in itertools.groupby(stage_3(fitted), key=lambda snapshot: snapshot.step)]
    assert len(steps) == 3
    for step in steps:
        losses = [snapshot.evaluation.total for snapshot in step]
        assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0]
        assert all(snapshot.planted is step[0].planted for snapshot in step)
        assert [snapshot.cause for snapshot in step[1:]] == [ITERATION] * (len(step) - 1)
    assert {snapshot.planted for snapshot in fitted.history.snapshots if snapshot.stage < 3} == {None}


def test_it_is_measured_where_the_step_begins(fitted):
    anew = [snapshot for snapshot in stage_3(fitted) if snapshot.cause == CONTACTS]
    assert len(anew) == 2
    for snapshot in anew:
        before = fitted.history[snapshot.parent]
        objective = fitted._objective(snapshot)
        assert torch.equal(objective.held_strength(snapshot.variables), snapshot.planted)
        assert not torch.equal(snapshot.planted, before.planted)
        assert all(torch.equal(value, before.variables[name]) for name, value in snapshot.variables.items())
        assert snapshot.solver.pairs and snapshot.evaluations_spent == before.evaluations_spent + 1
        assert (snapshot.total_iterations, snapshot.iteration) == (before.total_iterations, 0)


def test_the_solver_keeps_its_memory_and_its_model(fitted):
    """The strength hardly matters to the model, which is measured where the model is made."""
    for snapshot in stage_3(fitted):
        if snapshot.cause == CONTACTS:
            before, after = fitted.history[snapshot.parent].solver, snapshot.solver
            assert (
                after.pairs is before.pairs
                and after.stop is None
                and not torch.equal(after.point.gradient, before.point.gradient)
            )
            assert not isinstance(after, ModelledState) or after.made is before.made is not None


def test_no_model_is_made_where_joints_are_planted_anew(monkeypatch):
    made = []
    monkeypatch.setattr(solvers, "RolloutModel", lambda *given: made.append(given[-1]) or RolloutModel(*given))
    session = new_session()
    session.run()
    assert any(snapshot.cause == CONTACTS for snapshot in session.history.snapshots)
    states = [s.solver for s in stage_3(session) if isinstance(s.solver, ModelledState) and s.solver.made is not None]
    places = list({id(state.made.x): state.made.x for state in states}.values())
    assert len(made) == len(places) and all(x is place for x, place in zip(made, places, strict=True))


def test_a_model_serves_another_strength_but_nothing_else():
    session = new_session()
    while session.current.planted is None:
        session.step_iteration()
    objective = session._objective(session.current)
    problem = objective.problem
    assert alike(objective, replace(objective, problem=replace(problem, planted=0.5 * problem.planted)))
    batch, frames = problem.batch, problem.frames
    others = (
        replace(objective, problem=replace(problem, observations=replace(problem.observations))),
        replace(objective, problem=replace(problem, novelty=torch.ones(batch, frames))),
        replace(objective, problem=replace(problem, floor_metric=torch.eye(3).expand(batch, 3, 3))),
        replace(objective, phase=replace(objective.phase, steps=9)),
        replace(objective, prior_frame=identity(batch)),
    )
    assert not any(alike(objective, other) or alike(other, objective) for other in others)


def test_any_iteration_repeats_its_bits_also_with_models_that_are_made_anew(fitted):
    for after in stage_3(fitted)[1:]:
        fitted._models = Models()
        fitted.rewind(after.parent)
        again = fitted.step_iteration()
        assert again.id != after.id and again.cause == after.cause
        assert_same((again.variables, again.solver, again.planted), (after.variables, after.solver, after.planted))


def test_going_on_in_a_phase_always_makes_an_iteration(fitted):
    ended = next(s for s in stage_3(fitted) if s.stop is not None and s.step == 0)
    other = fitted.apart(ended)
    after = other.step_on()
    assert after.cause == ITERATION and after.total_iterations == ended.total_iterations + 1
    again = fitted.apart(ended)
    asked = iter((False, True, True))
    assert again.step_on(lambda: next(asked)).cause == CONTACTS, "broken off within the iteration"
    assert again.step_on().evaluation.total == after.evaluation.total


def test_a_recorded_fit_has_the_strength_too(tmp_path):
    session, recording = new_session(), Recording(RunFile(tmp_path / "run.humorscope", mode="new"))
    while not session.done:
        session.step_iteration()
        recording.follow(session)
    again = new_session()
    Recording(RunFile(tmp_path / "run.humorscope", mode="read")).restore(again)
    for snapshot in session.history.snapshots:
        assert_same(again.history[snapshot.id], snapshot)
    last = [snapshot for snapshot in stage_3(session) if snapshot.cause == CONTACTS][-1]
    for either in (session, again):
        either.rewind(last.id)
    assert_same(again.step_iteration().solver, session.step_iteration().solver)


def test_planting_anew_hides_no_iteration_where_only_the_latest_is_kept():
    """What takes the place of an iteration follows the first one, as that iteration did."""
    session = new_session()
    while session.current.planted is None:
        session.step_iteration()
    other = session.apart()
    while other.current.cause != CONTACTS:
        other.step_iteration()
    assert len(other.history) == 2 and other.history.begun(other.current.id).id == 0


def test_an_edit_measures_it_and_lets_it_go_with_its_terms():
    session = new_session()
    while session.current.planted is None:
        session.step_iteration()
    before = session.step_iteration()
    moved = session.apply(Perturb("latent_motion", 1.0))
    assert not torch.equal(moved.planted, before.planted)
    assert torch.equal(moved.planted, session._objective(moved).held_strength(moved.variables))
    for term in ("planted_vel", "planted_height"):
        free = session.apply(SetWeight(term, 0.0))
    assert free.planted is None and "floor_penetration" in free.evaluation.terms
    assert session.step_outer().planted is None
