"""The rows of every term against differences of what the term compares, through the whole roll-out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from optim.body.joints import CONTACT_JOINTS
from optim.common.rotations import axis_angle_to_matrix
from optim.objective.objective import Objective
from optim.objective.prediction import Prediction
from optim.objective.rollout_model import model as model_module
from optim.objective.rollout_model.model import quadratic
from optim.objective.rollout_model.networks import NetworkJacobians, network_jacobians
from optim.objective.rollout_model.rows import LEAST_HEIGHT
from optim.objective.terms import planted
from optim.objective.terms.consistency import PARENTS
from optim.objective.terms.contact import SLACK
from optim.objective.terms.data import nearest_vertices
from optim.problem.frames import canonical_frame
from optim.problem.problem import Problem
from optim.problem.variables import Variables, packing, root_variable
from optim.schedule.phases import STAGE_3, Phase
from optim.schedule.presets import PRESETS
from optim.schedule.terms import TERMS, Term
from tests import fakes
from tests.optim.objective.rollout_model.dense import hessian
from tests.optim.objective.test_objective import FRAMES, LEGS, everything_seen

STEP = 1e-6
WEIGHT = 2.5
"""Weight of the term that is tried."""
FLOOR_ROOT = torch.tensor([[2.0, 0.5, 0.0], [0.0, 3.0, -1.0], [0.0, 0.0, 0.7]], dtype=torch.float64)
"""Root of the metric of the floor's distance."""
Compared = Callable[[Prediction, Prediction], Tensor]


@pytest.fixture(scope="module", params=[True, False], ids=["camera", "world"])
def seen(request) -> Problem:
    """Everything observed; the body's shape does not depend on its pose, as in the model."""
    problem = everything_seen(camera=request.param)
    metric = (FLOOR_ROOT.T @ FLOOR_ROOT).expand(2, 3, 3) if request.param else None
    return replace(problem, body=replace(problem.body, pose_directions=None), floor_metric=metric)


def overlaps(points: Tensor) -> Tensor:
    """What the two sub-sequences (frames 2 to 7 and 4 to 9) share, each once, for the other is held still."""
    return torch.cat((points[0, 2:5], points[1, :3]))


def moves(points: Tensor) -> Tensor:
    """The moves from frame to frame within what they share."""
    return torch.cat((points[0, 3:5] - points[0, 2:4], points[1, 1:3] - points[1, :2]))


def compared(problem: Problem) -> dict[str, Compared]:
    """Term → what it compares at a prediction, so that its loss is ½ Σ (what is compared − what is fixed)².

    The second prediction is where the model is made; weights of robust terms are those of that point.
    """

    def joints2d(p: Prediction, at: Prediction) -> Tensor:
        seen, weight = problem.observations.keypoints, problem.observations.keypoint_weights
        limit = problem.joint2d_sigma**2
        squared = (problem.camera.project(at.points.keypoints) - seen) ** 2
        return problem.camera.project(p.points.keypoints) * (2 * weight).sqrt() * limit / (limit + squared)

    def points3d(p: Prediction, at: Prediction) -> Tensor:
        nearest = nearest_vertices(problem.observations.points3d, at.points.mesh)
        return p.points.mesh.gather(2, nearest[..., None].expand(*nearest.shape, 3))

    def contact_height(p: Prediction, at: Prediction) -> Tensor:
        height = at.in_prior.contact_joints[..., 2].abs() - SLACK
        weight = at.in_prior.contact_probability / height.clamp_min(LEAST_HEIGHT) * (height > 0)
        return p.in_prior.contact_joints[..., 2] * weight.sqrt()

    def contact_vel(p: Prediction, at: Prediction) -> Tensor:
        moved = p.in_prior.joints[:, :, list(CONTACT_JOINTS)].diff(dim=1)
        return moved * at.in_prior.contact_probability[:, 1:, :, None].sqrt()

    def planted_vel(p: Prediction, at: Prediction) -> Tensor:
        strength = planted.measured_strength(at.in_prior)[:, 1:, :, None]
        return planted.resting_joints(p.in_prior).diff(dim=1) * strength.sqrt()

    def planted_height(p: Prediction, at: Prediction) -> Tensor:
        return planted.off_height(p.in_prior) * planted.measured_strength(at.in_prior).sqrt()

    def bone_length(p: Prediction, at: Prediction) -> Tensor:
        joints = p.in_prior.rollout.joints
        return (joints[:, :, 1:] - joints[:, :, list(PARENTS)]).norm(dim=-1).diff(dim=1)

    def motion_prior(p: Prediction, at: Prediction) -> Tensor:
        return (p.variables["latent_motion"] - p.in_prior.rollout.prior_mean) / at.in_prior.rollout.prior_var.sqrt()

    def init_motion_prior(p: Prediction, at: Prediction) -> Tensor:
        prior = problem.init_state_prior

        def whitened(q: Prediction) -> Tensor:
            values = [q.variables[name][:, 0].flatten(1) for name in ("joints_vel", "trans_vel", "root_orient_vel")]
            state = torch.cat((q.in_prior.joints[:, 0].flatten(1), *values), dim=1)
            return torch.einsum("kij,bkj->bki", prior.whitening, state[:, None] - prior.means)

        likely = (prior.offsets - 0.5 * whitened(at).square().sum(-1)).argmax(1)
        return whitened(p)[torch.arange(len(likely)), likely] * (FRAMES / 2) ** 0.5

    frames = FRAMES**0.5
    return {
        "joints3d": lambda p, at: p.points.joints,
        "expected_joints": lambda p, at: p.points.joints[:, 1:, LEGS],
        "verts3d": lambda p, at: p.points.verts3d,
        "points3d": points3d,
        "joints2d": joints2d,
        "joints3d_rollout": lambda p, at: p.in_prior.frame.points_back(p.in_prior.rollout.joints),
        "joint_consistency": lambda p, at: p.in_prior.joints - p.in_prior.rollout.joints,
        "contact_height": contact_height,
        "pose_prior": lambda p, at: problem.pose_prior.encode(p.pose_body) * 2**0.5,
        "joints3d_smooth": lambda p, at: p.points.joints.diff(dim=1),
        "contact_vel": contact_vel,
        "planted_vel": planted_vel,
        "planted_height": planted_height,
        "floor_penetration": lambda p, at: planted.too_low(p.in_prior),
        "bone_length": bone_length,
        "motion_prior": motion_prior,
        "init_motion_prior": init_motion_prior,
        "shape_prior": lambda p, at: p.variables["betas"] * 2**0.5 * frames,
        "floor_reg": lambda p, at: p.variables["floor_plane"] @ FLOOR_ROOT.T * frames,
        "rgb_overlap_consist_betas": lambda p, at: p.variables["betas"],
        "rgb_overlap_xbatch_betas": lambda p, at: p.variables["betas"][:1],
        "rgb_overlap_consist_floor": lambda p, at: p.variables["floor_plane"],
        "rgb_overlap_xbatch_floor": lambda p, at: p.variables["floor_plane"][:1],
        "rgb_overlap_consist_verts3d_pos": lambda p, at: overlaps(p.points.verts3d),
        "rgb_overlap_consist_verts3d_vel": lambda p, at: moves(p.points.verts3d),
        "rgb_overlap_xbatch_verts3d_pos": lambda p, at: p.points.verts3d[0, :3],
        "rgb_overlap_xbatch_verts3d_vel": lambda p, at: p.points.verts3d[0, :3].diff(dim=0),
    }


def alone(problem: Problem, term: Term, *, preset: str) -> tuple[Objective, Variables]:
    """Stage 3 with the weight of one term, without those that share the weight; and variables of it."""
    names = (*STAGE_3, "floor_plane") if problem.has_camera else STAGE_3
    weights = {term.weight: WEIGHT}
    joining = weights if term.where_unknown == "joins" and problem.novelty is not None else {}
    rules = {"weights": weights, "joining": joining, "preset": PRESETS[preset]}
    phase = Phase("test", 3, names, 1, init_motion_frames=2, **rules)
    variables = fakes.variables(problem, phase, dtype=torch.float64)
    frame, root = None, axis_angle_to_matrix(variables["root_orient"])
    if not problem.has_camera and phase.preset.prior_frame != "following":
        pelvis = problem.body.rest_joints(variables["betas"])[:, 0]
        frame = canonical_frame(variables["trans"][:, 0], root[:, 0] @ root[:, 0], pelvis)
    variables["root_orient"] = root_variable(root, rotation=phase.preset.rotation)
    objective = Objective(problem, phase, frame)
    objective.__dict__["terms"] = (term,)  # a cached property
    return objective, variables


TRIED = [(term, "humorscope") for term in TERMS if term.name != "shooting_gap"]
TRIED += [(TERMS[0], "humorscope-6d"), (TERMS[0], "reference")]
TRIED += [(term, "fast-following-frame") for term in TERMS if term.name in ("joints3d", "init_motion_prior")]
"""Each term once; the preset matters to all of them through the roll-out and the prior frame only."""


KNOWN: dict[tuple[str, bool], NetworkJacobians] = {}
"""Jacobians of the networks, which are the same for all terms and take most of the time."""


def known_jacobians(preset: str, problem: Problem) -> Callable[..., NetworkJacobians]:
    """``network_jacobians`` at the point of all terms under a preset, computed once."""
    known = preset, problem.has_camera

    def jacobians(*arguments, **options) -> NetworkJacobians:
        if known not in KNOWN:
            KNOWN[known] = network_jacobians(*arguments, **options)
        return KNOWN[known]

    return jacobians


def along_a_way(term: Term, objective: Objective, variables: Variables, seen: Problem) -> tuple[Tensor, Tensor]:
    """Curvature of the model along a random direction, and the change there of what the term compares."""
    free = packing(variables, objective.phase)
    x = free.pack(variables)
    model, entry = quadratic(objective, variables, free, x, averaged=None)
    way = torch.randn(x.shape, generator=torch.Generator().manual_seed(3), dtype=x.dtype)
    latents = free.split(torch.arange(free.size))["latent_motion"].flatten(1)
    along = torch.cat((way[entry.places], way[latents]), dim=1)

    def at(step: float) -> Prediction:
        return objective.predict(free.unpack(x + step * way, variables))

    compare, here = compared(seen)[term.name], at(0.0)
    change = (compare(at(STEP), here) - compare(at(-STEP), here)) / (2 * STEP)
    return torch.einsum("bi,bij,bj->", along, hessian(model), along), change


@pytest.mark.parametrize(("term", "preset"), TRIED, ids=[f"{term.name} {preset}" for term, preset in TRIED])
def test_curvature_of_each_term(term, preset, seen, monkeypatch):
    """Along a random direction the curvature of the model is the squared change of what the term compares."""
    if not set(term.needs) <= seen.offers:
        pytest.skip("needs a camera")
    objective, variables = alone(seen, term, preset=preset)
    monkeypatch.setattr(model_module, "network_jacobians", known_jacobians(preset, seen))
    monkeypatch.setattr(planted, "RESTING_HEIGHT", dict.fromkeys(planted.RESTING_HEIGHT, 1.0))  # some are too low
    found, change = along_a_way(term, objective, variables, seen)
    tolerance = 2e-2 if preset == "reference" else 1e-5  # The derivative of the published turn is approximated.
    assert float(found) > 0
    assert float(found) == pytest.approx(WEIGHT * float(change.square().sum()), rel=tolerance)


@pytest.mark.parametrize("term", [term for term in TERMS if term.where_unknown != "same"], ids=lambda term: term.name)
def test_curvature_where_the_motion_is_unknown(term, seen, monkeypatch):
    """Every frame's share of the curvature has the factor that the frame's share of the loss has."""
    monkeypatch.setattr(model_module, "network_jacobians", known_jacobians("humorscope", seen))
    novelty = torch.rand(seen.batch, FRAMES, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    objective, variables = alone(replace(seen, novelty=novelty), term, preset="humorscope")
    found, change = along_a_way(term, objective, variables, seen)
    factors = objective.factor(term)
    assert factors is not None and factors.shape == change.shape[:2] and 0 < factors.min() < factors.max()
    assert float(found) == pytest.approx(WEIGHT * float((factors * change.square().flatten(2).sum(-1)).sum()), rel=1e-5)
