"""Novelty: 0 on motions that the shipped prior knows, near 1 on floor work, smooth, the same wherever a body stands."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

import assets
from optim.config.settings import parse
from optim.diagnostics.drift import novelty_of
from optim.initialise.initialisation import weakening
from optim.loading.models import load_motion_prior
from optim.loading.problem import load_source
from optim.priors.novelty import Novelty, novelty, smoothed
from optim.priors.rollout import State, canonical_pairs, canonical_turn, estimate_states, joint_pivot, turn_matrix
from optim.problem.observations import Observations
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes


@pytest.fixture(scope="module")
def prior():
    return load_motion_prior(assets.MOTION_PRIOR_FILE)


def states(name: str) -> State:
    """True motion of a demo clip."""
    clip = load_source(parse(["--data", name]))
    truth = clip.ground_truth
    return estimate_states(truth.trans, truth.root_orient, truth.pose_body, truth.joints, fps=30.0)


def everywhere(motion: State) -> torch.Tensor:
    """The body is seen in every frame."""
    return torch.ones(motion.trans.shape[:2])


def moved(motion: State, degrees: float, shift: tuple[float, float]) -> State:
    """The same motion turned about the vertical and standing elsewhere."""
    angle = torch.tensor(degrees).deg2rad()
    turn = turn_matrix(angle.cos(), angle.sin())
    along = torch.tensor([*shift, 0.0])
    root = motion.joints[:, :, :1]
    apart = motion.trans[:, :, None] - root
    joints = motion.joints @ turn.T + along
    return replace(
        motion,
        trans=(joints[:, :, :1] + apart)[:, :, 0],
        trans_vel=motion.trans_vel @ turn.T,
        root_orient=turn @ motion.root_orient,
        root_orient_vel=motion.root_orient_vel @ turn.T,
        joints=joints,
        joints_vel=motion.joints_vel @ turn.T,
    )


@pytest.mark.parametrize(("name", "new"), [("default_walk_turn", False), ("getup", True)])
def test_what_the_prior_knows(prior, name, new):
    motion = states(name)
    found = novelty(prior, motion, shown=everywhere(motion))
    assert found.frames.shape[1] == found.reconstruction_cm.shape[1] + 1
    assert float(found.frames.min()) >= 0 and float(found.frames.max()) <= 1
    assert float((found.frames > 0.9).float().mean()) > 0.4 if new else not found.frames.any()


def test_it_does_not_matter_where_the_body_stands(prior):
    motion = states("getup")
    shown = everywhere(motion)
    here, there = (novelty(prior, one, shown=shown) for one in (motion, moved(motion, 130.0, (3.0, -2.0))))
    torch.testing.assert_close(there.reconstruction_cm, here.reconstruction_cm, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(there.heading_deg, here.heading_deg, rtol=1e-3, atol=1e-3)


def test_one_new_transition_weakens_its_surroundings_smoothly():
    lost = torch.zeros(1, 59)
    lost[0, 30] = 30.0
    still, lying, shown = torch.zeros(1, 59), torch.full((1, 59), 90.0), torch.ones(1, 60)
    for reconstruction, heading in ((lost, still), (still, lost)):
        found = Novelty(still, reconstruction, heading, lying, shown).frames[0]
        assert float(found[31]) == 1.0 and float(found[:10].max()) == 0 and float(found[55:].max()) == 0
        assert 0 < float(found.diff().abs().max()) < 0.1
    assert not Novelty(still, lost, still, 0.2 * lying, shown).frames.any()  # an upright body, as in a kick
    assert torch.equal(smoothed(torch.ones(2, 4)), torch.ones(2, 4))


def test_the_divergence_is_that_of_two_normal_distributions():
    prior, body = fakes.motion_prior(), fakes.body()
    trans, root, pose, betas = (v.float() for v in fakes.motion(np.random.RandomState(0), 1, 6, camera=False))
    motion = estimate_states(trans, root, pose, body.joints(trans, root, pose, betas), fps=30.0)
    pivot = joint_pivot(motion.joints[:, 0] - motion.trans[:, :1])
    past, now = (states.flatten(0, 1) for states in canonical_pairs(motion.flat(), pivot, turn=canonical_turn))
    both = prior.posterior(past, now), prior.prior(past)
    inferred, known = (Normal(mean, variance.sqrt()) for mean, variance in both)
    expected = kl_divergence(inferred, known).sum(-1)
    found = novelty(prior, motion, shown=everywhere(motion)).divergence[0]
    torch.testing.assert_close(found, expected)


def test_hidden_bodies_are_left_to_the_prior():
    """Where a quarter of the points or more is hidden, nothing is weakened, however new the motion seems to be."""
    rules = PRESETS["humorscope"]
    problem = fakes.problem("joints3d", frames=40)
    variables = dict(Session(problem, schedule=schedule(rules)).current.variables)
    variables["root_orient"] = torch.zeros_like(variables["root_orient"])  # the body lies along y
    joints = torch.zeros_like(problem.observations.joints3d)
    found = weakening(replace(problem, observations=Observations(joints3d=joints)), variables, rules)
    assert float(found[0, 0]) == 1  # the untrained prior knows nothing
    assert weakening(problem, variables, PRESETS["humorscope-trusted-prior"]) is None
    joints[:, 20:, :6] = torch.inf
    found = weakening(replace(problem, observations=Observations(joints3d=joints)), variables, rules)
    assert float(found[:, 20:].max()) < 1e-6 and float(found[:, :8].min()) == 1
    assert float(found.diff(dim=1).abs().max()) < 0.1
    assert weakening(fakes.problem("joints2d", frames=40), variables, rules) is None


def test_a_fit_keeps_what_was_measured_when_stage_3_began(monkeypatch):
    rules = PRESETS["gauss-newton"]
    level = torch.full((1, 8), 0.5)
    monkeypatch.setattr("optim.session.session.weakening", lambda *_: level)
    session = Session(fakes.problem("joints3d", frames=8, batch=1), schedule=schedule(rules, num_iters=(1, 1, 1)))
    assert novelty_of(session.fit) is None and session.problem.novelty is None
    session.finish_stage(), session.finish_stage(), session.step_iteration()
    assert session.current.stage == 3 and session.problem.novelty is level
    assert "joints3d_smooth" in session.current.evaluation.terms
    assert novelty_of(session.fit).frames.shape == (1, 8)
    session.rewind(0)
    assert session.problem.novelty is None
