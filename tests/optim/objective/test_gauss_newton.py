"""The Gauss–Newton model of stages 1 and 2, against finite differences of the gradient and of the residuals.

Where every residual is 0, the curvature of the loss is exactly that of the model. A body that stands still, seen where
it stands by every sub-sequence, is such a place for each term, so that the whole matrix can be compared.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from optim.common.rotations import axis_angle_to_matrix
from optim.objective import squares
from optim.objective.gauss_newton import LONGEST_MOVE, gauss_newton
from optim.objective.objective import Objective
from optim.objective.prediction import Parts, predict_free
from optim.objective.squares import SQUARES, Place
from optim.objective.terms import data
from optim.objective.terms.scene import Scene
from optim.problem.observations import Masked, Observations, PreviousBatch
from optim.problem.problem import Problem
from optim.problem.variables import Variables, packing, root_variable
from optim.schedule.presets import Preset
from optim.schedule.stages import schedule
from optim.schedule.terms import TERMS
from tests import fakes

FLOAT = torch.float64
BATCH, FRAMES = 2, 6
INTERVALS = torch.tensor([[0, 6], [4, 10]])
BEFORE = (-4, 2)
FREE = tuple(term.name for term in TERMS if term.stage < 3 and not term.name.endswith("_floor"))
OF_THE_VARIABLES = {"pose_prior", "shape_prior", "rgb_overlap_consist_betas", "rgb_overlap_xbatch_betas"}


def start(problem: Problem, rules: Preset) -> Variables:
    """An upright body in its rest pose, 4 m in front of the camera if there is one."""
    shape = problem.batch, problem.frames
    turn = torch.tensor([3.0, 0.0, 0.1] if problem.has_camera else [1.5, 0.0, 0.1], dtype=FLOAT).expand(*shape, 3)
    variables = {
        "trans": torch.tensor([0.0, 0.0, 4.0], dtype=FLOAT).expand(*shape, 3),
        "root_orient": root_variable(axis_angle_to_matrix(turn), rotation=rules.rotation),
        "latent_pose": torch.zeros(*shape, 32, dtype=FLOAT),
        "betas": torch.zeros(problem.batch, 16, dtype=FLOAT),
    }
    return variables | ({"floor_plane": problem.observed_floor} if problem.has_camera else {})


def standing(modality: str, rotation: str) -> tuple[Problem, Variables]:
    """Two overlapping sub-sequences of a body that stands still, observed where it is, and its variables."""
    problem = fakes.problem(modality, batch=BATCH, frames=FRAMES, dtype=FLOAT)
    preset = "reference" if rotation == "axis-angle" else "reference-6d"
    rules = schedule(preset, problem.data_type)[0].preset
    generator = torch.Generator().manual_seed(4)
    variables = start(problem, rules)
    moved = {
        "trans": 0.1,
        "root_orient": 0.3,
        "latent_pose": 0.5,
        "betas": 0.5,
    }
    for name, size in moved.items():
        value = variables[name]
        change = size * torch.randn(1, *(1,) * (value.ndim - 2), value.shape[-1], dtype=FLOAT, generator=generator)
        variables = {**variables, name: (value[:1, :1] if value.ndim == 3 else value[:1]) + change.expand_as(value)}
    points = predict_free(problem, variables, Parts(verts3d=True, keypoints=True, mesh=True)).points
    seen: dict[str, Tensor] = {"joints3d": points.joints, "verts3d": points.verts3d}
    seen["points3d"] = points.mesh[:, :, ::3]
    if problem.camera is not None:
        spots = problem.camera.project(points.keypoints)
        seen["joints2d"] = torch.cat((spots, torch.full((BATCH, FRAMES, 25, 1), 0.7, dtype=FLOAT)), dim=-1)
    shown = seen[modality].clone()
    shown[:, 2] = 0.0 if modality == "joints2d" else torch.inf  # a frame without any observation
    plane = torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=FLOAT)
    previous = PreviousBatch(BEFORE, points.verts3d[0], variables["betas"][0], plane)
    observed = Observations(**{modality: shown}, seq_interval=INTERVALS, previous=previous)
    expected = torch.where(torch.arange(22)[:, None] < 10, points.joints, torch.inf)
    return replace(problem, observations=observed, robust_loss="none", expected_joints=expected), variables


@pytest.mark.parametrize("rotation", ["axis-angle", "6d"])
@pytest.mark.parametrize("name", FREE)
def test_the_matrix_is_the_derivative_of_the_gradient(name, rotation, monkeypatch):
    monkeypatch.setattr(squares, "ALONG_THE_SURFACE", 1.0)  # the nearest vertices stay the same here
    term = next(term for term in TERMS if term.name == name)
    modality = next(
        (need for need in term.needs if need in ("joints3d", "verts3d", "points3d", "joints2d")), "joints3d"
    )
    problem, variables = standing(modality, rotation)
    preset = "reference" if rotation == "axis-angle" else "reference-6d"
    phase = replace(schedule(preset, problem.data_type)[1], weights={term.weight: 0.7})
    objective = Objective(problem, phase)
    objective.__dict__["terms"] = (term,)  # several overlap terms share one weight
    free = packing(variables, phase, held=("latent_pose[1:2]",))
    x = free.pack(variables)
    matrix = gauss_newton(objective, x, variables, free)
    for seed in range(3):
        direction = torch.randn(len(x), dtype=FLOAT, generator=torch.Generator().manual_seed(seed))
        h = 1e-5 / float(direction.abs().max())
        after, before = (objective.point(x + s * h * direction, variables, free).gradient for s in (1.0, -1.0))
        expected = (after - before) / (2.0 * h)
        torch.testing.assert_close(
            matrix.product(direction), expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max())
        )
        assert float(expected.abs().max()) > 0
        assert matrix.curvature(direction) == pytest.approx(float(direction @ expected), rel=1e-6)


def test_every_term_of_the_free_motion_has_a_model():
    assert set(FREE) == set(SQUARES) | OF_THE_VARIABLES


def test_robust_keypoints_have_the_weights_whose_gradient_is_that_of_the_loss():
    problem = fakes.problem("joints2d", frames=3, dtype=FLOAT)
    problem = replace(problem, joint2d_sigma=30.0)
    variables = start(problem, schedule("reference", "rgb")[0].preset)
    predicted = predict_free(problem, variables, Parts(keypoints=True))
    scene = Scene(problem, problem.observations, predicted)
    (found,) = SQUARES["joints2d"](Place(scene, ("trans", "root_orient", "latent_pose", "betas")))
    seen, weight = problem.observations.keypoints, problem.observations.keypoint_weights
    projected = problem.camera.project(predicted.points.keypoints).requires_grad_()
    loss = data.keypoint_distance(seen, weight, projected, sigma=30.0).sum()
    (gradient,) = torch.autograd.grad(loss, projected)
    residual = (projected.detach() - seen).flatten(2).flatten(0, 1)
    assert float(residual.abs().max()) > 30, "some keypoints are outliers"
    torch.testing.assert_close(found.weight * residual, gradient.flatten(2).flatten(0, 1))


def test_robust_clouds_have_the_weights_whose_gradient_is_that_of_the_loss():
    problem = fakes.problem("points3d", frames=3, noise=0.05, dtype=FLOAT)
    variables = start(problem, schedule("humorscope", "points3d")[0].preset)
    mesh = predict_free(problem, variables, Parts(mesh=True)).points.mesh.requires_grad_()
    seen: Masked = problem.observations.masked("points3d")
    (gradient,) = torch.autograd.grad(data.cloud_distance(seen, mesh).sum(), mesh)
    nearest, weight = data.matches(seen, mesh.detach())
    there = nearest[..., None].expand(*nearest.shape, 3)
    pull = weight[..., None] * (mesh.detach().gather(2, there) - seen.values)
    torch.testing.assert_close(torch.zeros_like(mesh.detach()).scatter_add_(2, there, pull), gradient)


def test_frames_of_the_same_time_are_neighbours_in_the_matrix():
    """So the band stays narrow where sub-sequences overlap."""
    problem, variables = standing("joints3d", "axis-angle")
    shifted = replace(problem.observations, seq_interval=torch.tensor([[0, 6], [1, 7]]))
    problem = replace(problem, observations=shifted)
    phase = replace(schedule("reference", "3d")[1], weights={"rgb_overlap_consist": 1.0})
    free = packing(variables, phase)
    matrix = gauss_newton(Objective(problem, phase), free.pack(variables), variables, free)
    width = sum(variables[name].shape[-1] for name in ("trans", "root_orient", "latent_pose"))
    assert len(matrix.band) == 4 * width, "velocities couple a time with the next one, in both sub-sequences"


def test_unknowns_that_do_not_move_are_not_in_the_step():
    problem, variables = standing("joints3d", "axis-angle")
    phase = schedule("reference", "3d")[1]
    held = ("trans[0:3]", "betas", "latent_pose[2:4]")
    free = packing(variables, phase, held=held)
    x = free.pack(variables)
    point = Objective(problem, phase).point(x, variables, free)
    matrix = gauss_newton(Objective(problem, phase), x, variables, free)
    step = matrix.step(point.gradient + 1e-3, 1e-3)
    assert step.shape == x.shape and float(step.abs().max()) > 0
    moved = free.unpack(x + step, variables)
    assert torch.equal(moved["betas"], variables["betas"])
    assert torch.equal(moved["trans"][:, :3], variables["trans"][:, :3])
    assert not torch.equal(moved["trans"][:, 3:], variables["trans"][:, 3:])


@pytest.mark.parametrize("modality", ["joints2d", "joints3d"])
def test_steps_are_bounded_where_keypoints_in_images_are_seen(modality):
    problem, variables = standing(modality, "axis-angle")
    variables = {**variables, "trans": variables["trans"] + 3.0}
    phase = schedule("reference", problem.data_type)[0]
    objective, free = Objective(problem, phase), packing(variables, phase)
    x = free.pack(variables)
    point, model = objective.point(x, variables, free), gauss_newton(objective, x, variables, free)
    if modality == "joints3d":
        assert model.step(point.gradient, 1e-9).abs().max() > 2.0, "all the way"
        return
    with pytest.raises(ArithmeticError, match="longer"):
        model.step(point.gradient, 1e-9)
    bounded = free.unpack(model.step(point.gradient, 1e4), variables)["trans"]
    assert 0.0 < bounded.abs().max() <= LONGEST_MOVE
