"""Terms of the prior weaken where the motion is unknown, and smoothing joins, in the loss and in its predicted bend."""

from dataclasses import replace

import pytest
import torch

from optim.objective.objective import Objective
from optim.objective.unknown_motion import LEAST, weighed
from optim.problem.frames import identity
from optim.problem.problem import Problem
from optim.problem.variables import packing
from optim.schedule.presets import PRESETS
from optim.schedule.stages import JOINING_SHARE, schedule
from optim.schedule.terms import TERMS
from optim.sensitivity.curvature import Curvature
from optim.session.session import Session
from tests import fakes

RULES, TRUSTING = PRESETS["humorscope"], PRESETS["humorscope-trusted-prior"]
FRAMES = 6


@pytest.fixture(scope="module")
def known() -> Problem:
    return fakes.problem("joints3d", frames=FRAMES, batch=2, dtype=torch.float64)


def objective(problem: Problem, *, rules=RULES) -> Objective:
    frame = identity(problem.batch, dtype=torch.float64)
    return Objective(problem, schedule(rules, "3d")[-1], frame)


def raw(problem: Problem, *, rules=RULES) -> dict[str, torch.Tensor]:
    """Raw value (B, T) of each term at one point."""
    loss = objective(problem, rules=rules)
    variables = fakes.variables(problem, loss.phase, dtype=torch.float64)
    return loss.residuals(loss.predict(variables))


def test_a_known_motion_is_fitted_as_without_the_rule(known):
    """Not only nearly: the terms and their sum are the same numbers."""
    ours, without = raw(known), raw(known, rules=TRUSTING)
    assert ours.keys() == without.keys() and "joints3d_smooth" not in ours
    assert all(torch.equal(ours[name], without[name]) for name in ours)


def test_factors_follow_the_novelty_of_each_frame(known):
    novelty = torch.linspace(0, 1, 2 * FRAMES, dtype=torch.float64).view(2, FRAMES)
    ours, without = raw(replace(known, novelty=novelty)), raw(known)
    factors = {"weakened": 1 - (1 - LEAST) * novelty, "same": torch.ones_like(novelty)}
    for term in TERMS:
        if term.name in without and without[term.name].ndim == 2:
            torch.testing.assert_close(ours[term.name], factors[term.where_unknown] * without[term.name])
    smooth = ours["joints3d_smooth"]
    assert smooth[0, 0] == 0 and (smooth[:, 1:] > 0).all()
    full = raw(replace(known, novelty=torch.ones_like(novelty)))["joints3d_smooth"]
    torch.testing.assert_close(smooth, novelty * full)


def test_smoothing_has_a_share_of_its_weight_in_stage_2():
    phases = schedule(RULES, "3d")
    second, third = phases[1].weights["joints3d_smooth"], phases[-1].weights["joints3d_smooth"]
    assert third == JOINING_SHARE * second > 0
    assert "joints3d_smooth" not in schedule(TRUSTING, "3d")[-1].weights
    given = schedule(RULES, "3d", weights={"joints3d_smooth": (10.0, 10.0, 4.0)})
    assert given[-1].weights["joints3d_smooth"] == 4.0


@pytest.mark.parametrize("unknown", [False, True])
def test_a_smoothing_that_was_given_counts_in_every_frame(known, unknown):
    novelty = torch.linspace(0, 1, 2 * FRAMES, dtype=torch.float64).view(2, FRAMES) if unknown else None
    phase = schedule(RULES, "3d", weights={"joints3d_smooth": (10.0, 10.0, 4.0)})[-1]
    plain = schedule(TRUSTING, "3d", weights={"joints3d_smooth": (10.0, 10.0, 4.0)})[-1]
    made = []
    for one in (phase, plain):
        loss = Objective(replace(known, novelty=novelty), one, identity(known.batch, dtype=torch.float64))
        made.append(loss.residuals(loss.predict(fakes.variables(known, one, dtype=torch.float64)))["joints3d_smooth"])
    assert torch.equal(*made)


def test_predicted_effects_know_the_factors(known):
    """The product with the curvature changes by what the squares of the weakened terms change by."""
    loss = objective(replace(known, novelty=torch.ones(2, FRAMES, dtype=torch.float64)))
    weak = {term.weight for term in TERMS if term.where_unknown == "weakened"}
    scaled = {name: value * (LEAST if name in weak else 1.0) for name, value in loss.phase.weights.items()}
    plain = Objective(known, replace(loss.phase, weights=scaled, preset=TRUSTING), loss.prior_frame)
    variables = fakes.variables(known, loss.phase, dtype=torch.float64)
    free = packing(variables, loss.phase)
    snapshot = replace(
        Session(fakes.problem("joints3d", frames=3), schedule=schedule()).current, variables=variables, packing=free
    )
    way = torch.randn(free.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found, expected = (Curvature(one, snapshot).times(way) for one in (loss, plain))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


def test_weighed_residuals_keep_their_shape():
    values = torch.ones(2, 3, 4, 5)
    factors = torch.tensor([[0.0, 0.25, 1.0]] * 2)
    assert torch.equal(weighed(values, None), values)
    assert weighed(values, factors)[0, :, 0, 0].tolist() == [0.0, 0.25, 1.0]
    assert weighed(values, factors, squares=True)[0, :, 0, 0].tolist() == [0.0, 0.5, 1.0]
