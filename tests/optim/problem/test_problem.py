"""Observations and problems that do not fit say what is wrong; those that do are what they were given."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.common.errors import InputError
from optim.priors.init_state_prior import InitStatePrior
from optim.problem.camera import BODY_25_BONES, Camera, depth_from_bones
from optim.problem.observations import Observations, PreviousBatch
from tests import fakes


def test_masks_fill_gaps_with_nothing():
    joints = torch.randn(1, 4, 22, 3)
    seen = Observations(joints3d=fakes.hide(joints, (slice(None), slice(1, 2), slice(0, 3))))
    masked = seen.masked("joints3d")
    assert torch.isfinite(masked.values).all()
    assert int(masked.mask.sum()) == 4 * 22 - 3
    assert torch.equal(masked.values * masked.mask, joints * masked.mask)
    assert torch.equal(seen.joints3d[0, 1, :3], torch.full((3, 3), torch.inf)), "observations are not overwritten"


def test_ignored_keypoints_weigh_nothing_and_are_not_overwritten():
    points = torch.rand(1, 3, 25, 3) + 0.1
    seen = Observations(joints2d=points)
    assert (seen.keypoint_weights[:, :, [1, 9, 12]] == 0).all()
    torch.testing.assert_close(seen.keypoint_weights[:, :, 0, 0], points[:, :, 0, 2] ** 2)
    assert (seen.joints2d[..., 2] > 0).all()


def test_first_frames():
    seen = Observations(joints3d=torch.zeros(2, 6, 22, 3), seq_interval=torch.tensor([[0, 6], [4, 10]]))
    assert seen.first(4).shape == (2, 4)
    assert seen.first(None) is seen and seen.first(9) is seen


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({}, "at least one"),
        ({"joints3d": torch.zeros(1, 4, 21, 3)}, r"\(B, T, 22, 3\)"),
        ({"joints2d": torch.zeros(4, 25, 3)}, r"\(B, T, 25, 3\)"),
        ({"joints3d": torch.zeros(1, 4, 22, 3), "verts3d": torch.zeros(1, 5, 43, 3)}, "same length"),
        ({"joints3d": torch.full((1, 4, 22, 3), torch.nan)}, "inf"),
        ({"joints2d": torch.full((1, 4, 25, 3), -1.0)}, "negative"),
        ({"joints3d": torch.zeros(1, 4, 22, 3, dtype=torch.int64)}, "floating"),
        ({"joints3d": torch.zeros(1, 1, 22, 3)}, "at least 2"),
        ({"joints3d": torch.zeros(1, 4, 22, 3), "seq_interval": torch.zeros(3, 2)}, "seq_interval"),
    ],
)
def test_bad_observations(arrays, part):
    with pytest.raises(InputError, match=part):
        Observations(**arrays)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"fps": 25.0}, "resample"),
        ({"camera": None}, "camera"),
        ({"floor": None}, "floor is missing"),
        ({"floor": torch.tensor([0.0, -1.0, 0.0, -1.0])}, r"\(1, 4\)"),
        ({"floor": torch.tensor([[0.0, torch.nan, 0.0, -1.0]])}, "finite"),
        ({"floor": torch.tensor([[0.0, -1.0, 0.0, 0.0]])}, "through the camera"),
        ({"camera": Camera(torch.ones(3, 2), torch.ones(3, 2))}, "3 cameras"),
        ({"observations": Observations(joints2d=torch.zeros(1, 4, 25, 3))}, "nothing is visible"),
        ({"robust_loss": "huber"}, "bisquare"),
    ],
)
def test_bad_problems(changes, part):
    problem = fakes.problem("joints2d", frames=4)
    with pytest.raises(InputError, match=part):
        replace(problem, **changes)


def test_bad_models_and_cameras():
    with pytest.raises(InputError, match="138"):
        InitStatePrior(torch.ones(1), torch.zeros(1, 5), torch.eye(5)[None])
    with pytest.raises(InputError, match="positive"):
        Camera.from_matrix(torch.zeros(3, 3))
    with pytest.raises(InputError, match="shape"):
        Camera.from_matrix(torch.zeros(2, 4))


def test_mixture_is_torchs():
    """The factored density against torch.distributions."""
    prior = fakes.init_state_prior(torch.float64)
    parts = torch.distributions.MultivariateNormal(prior.means, covariance_matrix=prior.covariances)
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(prior.weights), parts)
    states = prior.means.mean(0) + 0.5 * torch.randn(7, 138, dtype=torch.float64)
    torch.testing.assert_close(prior.log_prob(states), mixture.log_prob(states))


def test_depth_makes_bones_as_long_as_they_look():
    body = torch.randn(1, 25, 3) * torch.tensor([0.3, 0.5, 0.0])
    camera = Camera.from_matrix(torch.tensor([[900.0, 0, 500], [0, 900.0, 400], [0, 0, 1]]))
    pixels = camera.project(body + torch.tensor([0.0, 0.0, 4.0]))
    seen = torch.cat((pixels, torch.ones(1, 25, 1)), dim=-1)[:, None].repeat(1, 3, 1, 1)
    seen[:, 0, :, 2] = 0.0
    torch.testing.assert_close(depth_from_bones(body, seen, camera), torch.tensor([4.0]), rtol=1e-4, atol=0)
    unseen = torch.zeros(1, 3, 25, 3)
    assert torch.isfinite(depth_from_bones(body, unseen, camera)).all()
    assert {joint for bone in BODY_25_BONES for joint in bone} == set(range(25))


def test_a_problem_offers_what_terms_can_act_on():
    assert fakes.problem("joints3d").offers == {"joints3d"}
    assert fakes.problem("joints2d", "points3d").offers == {"joints2d", "points3d", "floor"}
    parts = fakes.problem("joints3d", batch=2, frames=6)
    assert "overlap" not in parts.offers, "unrelated sub-sequences"
    seen = replace(parts.observations, seq_interval=torch.tensor([[0, 6], [4, 10]]))
    assert replace(parts, observations=seen).offers == {"joints3d", "overlap"}
    single = fakes.problem("joints3d", frames=6)
    alone = replace(single.observations, seq_interval=torch.tensor([[4, 10]]))
    assert replace(single, observations=alone).offers == {"joints3d"}, "no neighbour"
    before = PreviousBatch((0, 6), torch.zeros(6, 43, 3), torch.zeros(16), torch.tensor([0.0, -1.0, 0.0, -1.0]))
    after = replace(single, observations=replace(alone, previous=before))
    assert after.offers == {"joints3d", "overlap", "previous"}
