"""Data terms: what is compared with what, in which frame, and what unseen points have a say in."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.objective.objective import Objective
from optim.objective.prediction import Parts, predict_rollout
from optim.objective.terms import data
from optim.objective.terms.data import bisquare_weights, joints3d, joints3d_rollout
from optim.objective.terms.scene import Scene
from optim.problem import frames
from optim.problem.variables import packing
from optim.schedule.phases import STAGE_3, Phase
from tests import fakes


def test_points_that_were_not_seen_have_no_say_in_the_weights():
    generator = torch.Generator().manual_seed(0)
    residual, mask = torch.rand(2, 3, 40, generator=generator), torch.ones(2, 3, 40)
    mask[:, :, 25:] = 0.0
    spoilt = torch.where(mask > 0, residual, 100.0)
    weights = bisquare_weights(spoilt, mask)
    torch.testing.assert_close(weights[..., :25], bisquare_weights(residual[..., :25], mask[..., :25]))
    assert float(weights[..., 25:].abs().max()) == 0.0


@pytest.mark.parametrize(("stage", "limited"), [(2, True), (3, False)])
def test_the_scale_of_robust_weights_has_a_lower_limit_only_for_a_free_motion(stage, limited):
    """In stage 3 the body lies on the cloud already; a limit there would give outliers their full weight."""
    made = fakes.problem("points3d", frames=4)
    names = STAGE_3 if stage == 3 else ("trans", "root_orient", "latent_pose", "betas")
    phase = Phase("test", stage, names, 1, weights={"points3d": 1.0})
    variables = fakes.variables(made, phase)
    free = packing(variables, phase)

    def loss(least: float) -> float:
        objective = Objective(replace(made, robust_least_scale=least), phase, frames.identity(1))
        return objective.point(free.pack(variables), variables, free).value

    assert (loss(10.0) != loss(0.0)) == limited


def test_regressed_joints_are_compared_in_the_frame_of_the_observations():
    """Where they are those of the body, both terms of 3D joints agree, although a camera saw the motion."""
    made = fakes.problem("joints3d", "joints2d", frames=4)
    phase = Phase("test", 3, (*STAGE_3, "floor_plane"), 1)
    predicted = predict_rollout(made, fakes.variables(made, phase), Parts(), frame=None)
    inside = predicted.in_prior
    alike = replace(inside, rollout=replace(inside.rollout, joints=inside.joints))
    scene = Scene(made, made.observations, replace(predicted, in_prior=alike))
    torch.testing.assert_close(joints3d_rollout(scene), joints3d(scene), rtol=1e-4, atol=1e-6)


def test_the_nearest_vertices_of_the_same_points_and_mesh_are_searched_once(monkeypatch):
    searches, search = [], data._searched
    monkeypatch.setattr(data, "_searched", lambda *given: searches.append(given) or search(*given))
    points, mesh = torch.randn(1, 2, 5, 3), torch.randn(1, 2, 9, 3)
    for shift, count in ((0.0, 1), (0.0, 1), (3.0, 2), (0.0, 3)):
        there = mesh + shift  # another tensor with the same numbers, or another mesh
        found = data.nearest_vertices(points, there)
        assert len(searches) == count
        assert torch.equal(found, torch.cdist(points, there).argmin(-1))
    data.nearest_vertices(points.clone(), mesh)
    assert len(searches) == 4
