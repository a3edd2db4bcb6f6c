"""Terms of planted joints: a joint at its resting height that does not move costs nothing, and nothing else is free."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.body.joints import CONTACT_JOINTS, FOOT_JOINTS, RESTING_HEIGHT, RESTING_JOINTS
from optim.objective.prediction import InPrior, Points, Prediction
from optim.objective.terms import contact, planted
from optim.objective.terms.scene import Scene
from optim.priors.rollout import Rollout
from optim.problem.frames import identity
from tests import fakes


@pytest.fixture(scope="module")
def problem():
    return fakes.problem(frames=4)


def scene(problem, joints: torch.Tensor, probability: float | torch.Tensor) -> Scene:
    """A scene of joints (1, T, 22, 3) in the prior frame, all with the same probability of contact."""
    logits = torch.logit(torch.as_tensor(probability)).expand(1, joints.shape[1] - 1, len(CONTACT_JOINTS))
    rollout = Rollout(**{name: None for name in Rollout.__dataclass_fields__} | {"contact_logits": logits})
    inside = InPrior(identity(1), rollout, joints)
    return Scene(problem, problem.observations, Prediction(None, None, None, Points(joints), {}, inside))


def at_rest(frames: int = 4) -> torch.Tensor:
    """Joints (1, T, 22, 3) that stand still at their resting heights, those without one 1 m high."""
    joints = torch.ones(1, frames, 22, 3)
    for joint, height in RESTING_HEIGHT.items():
        joints[..., joint, 2] = height
    return joints


def sums(found: Scene) -> dict[str, float]:
    terms = planted.planted_vel, planted.planted_height, planted.floor_penetration
    return {term.__name__: float(term(found).sum()) for term in terms}


def test_a_body_at_rest_costs_nothing(problem):
    assert set(sums(scene(problem, at_rest(), 0.99)).values()) == {0.0}


def test_a_deep_sole_costs_although_the_public_term_lets_it_be(problem):
    deep = at_rest()
    deep[..., list(FOOT_JOINTS), 2] -= 0.03
    found = scene(problem, deep, 0.99)
    assert float(contact.contact_height(found)[..., 3:7].sum()) == 0.0
    terms = sums(found)
    assert terms["planted_height"] > 0 and terms["floor_penetration"] > 0 and terms["planted_vel"] == 0.0


def test_a_high_joint_costs_only_where_it_is_planted(problem):
    high = at_rest()
    high[..., 10, 2] += 0.1
    for probability, costs in ((0.99, True), (planted.GATE - 0.01, False)):
        terms = sums(scene(problem, high, probability))
        assert (terms["planted_height"] > 0) is costs
        assert terms["floor_penetration"] == 0.0


def test_a_moving_joint_costs_more_the_likelier_its_contact_is(problem):
    moving = at_rest()
    moving[0, :, 10, 0] += 0.01 * torch.arange(4)
    found = [sums(scene(problem, moving, probability))["planted_vel"] for probability in (0.1, 0.5, 0.9)]
    assert found == pytest.approx([0.0, 3 * 0.5 * 0.3 / 0.8 * 1e-4, 3 * 0.5 * 0.7 / 0.8 * 1e-4], rel=1e-4)


def test_no_contact_is_denied(problem):
    """The gradient leads to another motion, never to another contact probability."""
    logits = torch.full((1, 3, len(CONTACT_JOINTS)), 2.0, requires_grad=True)
    joints = (at_rest() + 0.05 * torch.randn(1, 4, 22, 3)).requires_grad_()
    found = scene(problem, joints, 0.5)
    inside = replace(found.in_prior, rollout=replace(found.in_prior.rollout, contact_logits=logits))
    found = replace(found, predicted=replace(found.predicted, in_prior=inside))
    total = planted.planted_vel(found).sum() + planted.planted_height(found).sum()
    by_joints, by_logits = torch.autograd.grad(total, (joints, logits), allow_unused=True)
    assert by_logits is None and float(by_joints.abs().sum()) > 0


def test_a_hip_that_lies_still_is_held_although_the_prior_knows_no_contact_of_hips(problem):
    hip, lying, upright = RESTING_JOINTS.index(1), at_rest(), at_rest()
    upright[..., 1, 2] = 0.9
    rolling = lying.clone()
    rolling[0, :, 1, 0] += 0.05 * torch.arange(4)
    found = [planted.strength(scene(problem, joints, 0.01))[..., hip] for joints in (lying, upright, rolling)]
    assert [float(value.mean()) for value in found] == [1.0, 0.0, 0.0]
    feet = [RESTING_JOINTS.index(joint) for joint in FOOT_JOINTS]
    assert float(planted.strength(scene(problem, lying, 0.01))[..., feet].max()) == 0.0, "the prior knows feet"
