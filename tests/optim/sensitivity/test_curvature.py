"""Curvature: symmetric and positive, exact where the loss is a sum of squares, and interruptible."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from optim.common.errors import InputError
from optim.diagnostics.tuned import tuned_figures
from optim.objective.objective import Objective
from optim.schedule.stages import schedule
from optim.sensitivity import curvature as module
from optim.sensitivity.curvature import BrokenOffError, Curvature, conjugate_gradients
from optim.sensitivity.figures import NOISE
from optim.sensitivity.predict import STEP, effects, probe, trial
from optim.session.causes import ITERATION
from optim.session.session import Session
from optim.solver.banded import BorderedBand
from tests import fakes


@pytest.fixture(scope="module")
def fitted() -> Session:
    phases = schedule("direct", "3d", num_iters=(3, 6, 8), lbfgs_max_iter=10)
    session = Session(fakes.problem(frames=6), schedule=phases)
    session.run()
    return session


@pytest.fixture
def curvature(fitted) -> Curvature:
    snapshot = fitted.current
    objective = Objective(fitted.problem, snapshot.schedule[snapshot.phase], snapshot.prior_frame)
    return Curvature(objective, snapshot)


def test_conjugate_gradients_solve_in_as_many_steps_as_there_are_unknowns():
    generator = torch.Generator().manual_seed(1)
    root = torch.randn(12, 12, generator=generator, dtype=torch.float64)
    matrix, b = root @ root.T + torch.eye(12), torch.randn(12, generator=generator, dtype=torch.float64)
    x = conjugate_gradients(lambda v: matrix @ v, b, lambda v: v / matrix.diagonal(), iterations=12, tolerance=0.0)
    torch.testing.assert_close(matrix @ x, b, rtol=1e-8, atol=1e-8)


def test_curvature_is_symmetric_and_positive(curvature):
    generator = torch.Generator().manual_seed(2)
    a, b = (torch.randn(curvature.leaf.shape, generator=generator) for _ in range(2))
    ha, hb = curvature.times(a), curvature.times(b)
    assert float(a @ ha) > 0 and float(b @ hb) > 0
    assert float(b @ ha) == pytest.approx(float(a @ hb), rel=1e-3)


@pytest.mark.parametrize("stage", [2, 3])
def test_a_solution_has_the_curvature_of_what_was_asked(fitted, stage):
    """In stage 2 the model is a band, in stage 3 a roll-out."""
    path = [fitted.history[entry.id] for entry in fitted.history.path(fitted.current.id)]
    snapshot = [one for one in path if one.stage == stage][-1]
    phase = snapshot.schedule[snapshot.phase]
    found = Curvature(Objective(fitted.fit.problem_at(snapshot), phase, snapshot.prior_frame), snapshot)
    wanted = found.gradient(found.prediction.points.joints[0, -1, 0, 2])
    solved = found.solve(wanted, damping=0.0)
    assert float((found.times(solved) - wanted).norm()) < 0.02 * float(wanted.norm())


def test_the_pulls_of_all_weights_add_up_to_the_gradient():
    """Also where several terms share one weight, as those of overlaps do."""
    problem = fakes.problem(frames=6, batch=2)
    shared = replace(problem.observations, seq_interval=torch.tensor([[0, 6], [4, 10]]))
    problem = replace(problem, observations=shared)
    session = Session(problem, schedule=schedule("direct", "3d", num_iters=(1, 1, 1)))
    snapshot = session.current
    phase = replace(snapshot.schedule[0], weights={"rgb_overlap_consist": 2.0, "joints3d": 1.0})
    objective = Objective(problem, phase)
    assert len(objective.terms) > len(phase.weights)
    found = Curvature(objective, snapshot)
    whole = found.gradient(objective.total(objective.residuals(found.prediction)))
    torch.testing.assert_close(sum(found.term_gradients().values()), whole)


def test_an_effect_is_about_that_of_the_larger_weight_itself(fitted):
    change = effects(fitted, "observed_cm").changes["joints3d"]
    assert change == pytest.approx(probe(fitted, "joints3d", STEP).changes["observed_cm"], rel=0.5)


def test_what_has_changed_lately_is_noise(fitted, monkeypatch):
    monkeypatch.setitem(NOISE, "observed_cm", 0.0)
    found, path = effects(fitted, "observed_cm"), fitted.history.path(fitted.current.id)
    iterations = [entry for entry in path if entry.phase == fitted.current.phase and entry.cause == ITERATION]
    last_quarter = iterations[-math.ceil(len(iterations) / 4)]
    encoded = fitted.fit.stage2_trajectory
    before = tuned_figures(fitted.fit, fitted.history[last_quarter.id], encoded=encoded)["observed_cm"]
    assert found.floor == pytest.approx(abs(found.value - before)) and found.floor > 0


def test_weights_of_data_pull_the_body_to_the_data(fitted):
    """At a minimum, a larger weight of a term lowers that term; every weight of the phase is in the overview."""
    found = effects(fitted, "observed_cm")
    phase = fitted.current.schedule[fitted.current.phase]
    assert found.changes["joints3d"] < 0
    assert set(found.changes) <= {name for name, value in phase.weights.items() if value}
    assert found.floor >= 0.006 and found.value > 0


def test_a_weight_that_counts_only_where_the_motion_is_unknown_is_left_out(fitted):
    here = fitted.current
    phase = here.schedule[here.phase]
    assert "joints3d_smooth" in phase.joining and "joints3d_smooth" in phase.weights
    more = replace(phase, joining={**phase.joining, "joint_consistency": phase.weights["joint_consistency"]})
    schedule = (*here.schedule[: here.phase], more, *here.schedule[here.phase + 1 :])
    found = effects(fitted, "observed_cm", replace(here, schedule=schedule))
    others = set(effects(fitted, "observed_cm").changes)
    assert "joints3d_smooth" not in others and set(found.changes) == others - {"joint_consistency"}


def test_a_probe_says_what_the_new_loss_gains(fitted):
    found = probe(fitted, "joints3d", 3.0)
    assert found.changes["observed_cm"] < 0 and found.gain > 0
    assert found.trajectory.joints.shape == fitted.fit.trajectory().joints.shape


def test_a_trial_leaves_the_session_alone(fitted):
    here, count = fitted.current, len(fitted.history)
    found = trial(fitted, "joints3d", 30.0, iterations=10)
    assert found["observed_cm"] < 0
    assert fitted.current is here and len(fitted.history) == count
    same = trial(fitted, "joints3d", 1.0, iterations=3)
    assert all(change == pytest.approx(0.0, abs=1e-6) for change in same.values()), "the control is subtracted"


@pytest.mark.parametrize(
    "ask", [lambda s, i: effects(s, "observed_cm", interrupt=i), lambda s, i: trial(s, "joints3d", 2.0, interrupt=i)]
)
def test_it_can_be_broken_off(fitted, ask):
    asked = iter([False, False, True])  # the second one comes after the model was made
    with pytest.raises(BrokenOffError):
        ask(fitted, lambda: next(asked))


def test_segments_of_multiple_shooting_are_refused(fitted):
    here = fitted.current
    phase = replace(here.schedule[here.phase], segment=3)
    schedule = (*here.schedule[: here.phase], phase, *here.schedule[here.phase + 1 :])
    with pytest.raises(InputError, match="shooting"):
        effects(fitted, "observed_cm", replace(here, schedule=schedule))


def test_numbers_that_are_not_finite_are_told(fitted, monkeypatch):
    """Where the model has none, where its step has none, and where the loss at the predicted motion has none."""

    def fails(*arguments, **options):
        raise ArithmeticError("not positive definite")

    path = [fitted.history[entry.id] for entry in fitted.history.path(fitted.current.id)]
    second = next(one for one in path if one.stage == 2)
    for name, snapshot in (("gauss_newton", second), ("ExactModel", fitted.current)):
        with monkeypatch.context() as patched, pytest.raises(InputError, match="cannot be predicted here"):
            patched.setattr(module, name, fails)
            effects(fitted, "observed_cm", snapshot)
    with monkeypatch.context() as patched, pytest.raises(InputError, match="cannot be predicted here"):
        patched.setattr(BorderedBand, "step", fails)
        effects(fitted, "observed_cm", second)
    monkeypatch.setattr(Curvature, "solve", lambda self, b, damping=None: torch.full_like(b, math.inf))
    with pytest.raises(InputError, match="not finite"):
        probe(fitted, "joints3d", 3.0)


def test_what_is_not_there_is_refused(fitted):
    with pytest.raises(InputError, match="no figure 'truth_cm'"):
        effects(fitted, "truth_cm")
    with pytest.raises(InputError, match="has no weight"):
        probe(fitted, "joints2d", 3.0)
