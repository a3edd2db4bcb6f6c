"""Loss terms as residuals with signs: half the sum of their squares bends like the term (Gauss-Newton).

Robust terms are squares under the weights that they have at the point, point clouds are compared with the vertices that
are nearest there, and a contact probability or a variance of the prior counts as a constant. ``Gates`` holds these.
``contact_height`` is straight on both sides of its kink; near it, it counts as a spring.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from optim.objective.terms import consistency, contact, data, overlap, planted
from optim.objective.terms.scene import Scene, there

KINK = 2e-3
"""Distance [m] from the kink of ``contact_height`` within which the term counts as a spring."""


@dataclass(frozen=True)
class Gates:
    """The values at a point that count as constants around it; None before stage 3 and where a term is absent."""

    contact: Tensor | None = None
    """(B, T, 9) probability of contact."""
    near_kink: Tensor | None = None
    """(B, T, 9) that probability where the joint is near the kink of ``contact_height``, 0 elsewhere."""
    planted: Tensor | None = None
    """(B, T, 16) strength with which joints are planted."""
    variance: Tensor | None = None
    """(B, T-1, 48) variance of the conditional prior."""
    whitening: Tensor | None = None
    """(B, 138, 138) inverse Cholesky factor of the likeliest component of the prior of first frames."""
    mean: Tensor | None = None
    """(B, 138) mean of that component."""
    image: Tensor | None = None
    """(B, T, 25, 2) root of the weight of each image coordinate."""
    nearest: Tensor | None = None
    """(B, T, N) vertex nearest to each point of the cloud."""
    cloud: Tensor | None = None
    """(B, T, N) root of the weight of each point."""


def gates_at(scene: Scene) -> Gates:
    """The gates at a prediction without gradients."""
    found: dict[str, Tensor] = {}
    predicted, problem, seen = scene.predicted, scene.problem, scene.seen
    if predicted.in_prior is not None:
        inside = predicted.in_prior
        probability = inside.contact_probability
        found["contact"] = probability
        found["planted"] = planted.strength(scene)
        found["near_kink"] = probability * ((inside.contact_joints[..., 2].abs() - contact.SLACK).abs() < KINK)
        if inside.rollout.prior_var is not None:
            found["variance"] = inside.rollout.prior_var
        mixture, state = problem.init_state_prior, first_state(scene)
        white = torch.einsum("kij,bkj->bki", mixture.whitening, state[:, None] - mixture.means)
        likeliest = (mixture.offsets - 0.5 * white.square().sum(-1)).argmax(-1)
        found["whitening"], found["mean"] = mixture.whitening[likeliest], mixture.means[likeliest]
    if predicted.points.keypoints is not None:
        found["image"] = data.keypoint_slopes(scene).sqrt()
    if predicted.points.mesh is not None:
        robust, tuning, least = data.cloud_robustness(scene)
        found["nearest"], weight = data.matches(
            seen.masked("points3d"), predicted.points.mesh, robust=robust, tuning=tuning, least_scale=least
        )
        found["cloud"] = weight.sqrt()
    return Gates(**found)


def first_state(scene: Scene) -> Tensor:
    """The first frame (B, 138) as the prior of first frames takes it."""
    names = ("joints_vel", "trans_vel", "root_orient_vel")
    parts = [scene.in_prior.joints[:, 0], *(scene.predicted.variables[name][:, 0] for name in names)]
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def _matched(mesh: Tensor, nearest: Tensor) -> Tensor:
    return mesh.gather(2, nearest[..., None].expand(*nearest.shape, 3))


def _seen(scene: Scene, name: str, predicted: Tensor) -> Tensor:
    seen = scene.seen.masked(name)
    return seen.mask.sqrt() * (predicted - torch.where(seen.mask > 0, seen.values, predicted.detach()))


def _joints2d(scene: Scene, gates: Gates) -> Tensor:
    projected = there(scene.problem.camera).project(there(scene.predicted.points.keypoints))
    weight = there(gates.image)
    return weight * torch.where(weight > 0, projected - scene.seen.keypoints, torch.zeros_like(projected))


def _points3d(scene: Scene, gates: Gates) -> Tensor:
    matched = _matched(there(scene.predicted.points.mesh), there(gates.nearest))
    seen = scene.seen.masked("points3d")
    apart = torch.where(seen.mask > 0, matched - seen.values, torch.zeros_like(matched))
    return there(gates.cloud)[..., None] * apart


def _bone_length(scene: Scene, gates: Gates) -> Tensor:
    joints = scene.in_prior.rollout.joints
    length = (joints[:, :, 1:] - joints[:, :, list(consistency.PARENTS)]).square().sum(-1).clamp_min(1e-12).sqrt()
    return length[:, 1:] - length[:, :-1]


def _contact_vel(scene: Scene, gates: Gates) -> Tensor:
    joints = scene.in_prior.contact_joints
    return there(gates.contact)[:, 1:, :, None].sqrt() * (joints[:, 1:] - joints[:, :-1])


def _contact_height(scene: Scene, gates: Gates) -> Tensor:
    return (there(gates.near_kink) / (2 * KINK)).sqrt() * scene.in_prior.contact_joints[..., 2]


def _planted_vel(scene: Scene, gates: Gates) -> Tensor:
    moved = planted.resting_joints(scene.in_prior).diff(dim=1)
    return there(gates.planted)[:, 1:, :, None].sqrt() * moved


def _planted_height(scene: Scene, gates: Gates) -> Tensor:
    return there(gates.planted).sqrt() * planted.off_height(scene.in_prior)


def _pose_prior(scene: Scene, gates: Gates) -> Tensor:
    inside = scene.predicted.in_prior
    latent = scene.predicted.variables["latent_pose"]
    return 2.0**0.5 * (latent if inside is None else scene.problem.pose_prior.encode(scene.predicted.pose_body))


def _motion_prior(scene: Scene, gates: Gates) -> Tensor:
    rollout = scene.in_prior.rollout
    latents = scene.predicted.variables["latent_motion"][:, : rollout.prior_mean.shape[1]]
    return (latents - rollout.prior_mean) / there(gates.variance).sqrt()


def _init_motion_prior(scene: Scene, gates: Gates) -> Tensor:
    return torch.einsum("bij,bj->bi", there(gates.whitening), first_state(scene) - there(gates.mean))


def _overlap(difference: Callable[[Tensor, Tensor], Tensor]) -> SignedResidual:
    def residual(scene: Scene, gates: Gates) -> Tensor:
        return overlap.within_batch(scene.verts3d, overlap.shared_frames(scene), difference)

    return residual


def _before(difference: Callable[[Tensor, Tensor], Tensor]) -> SignedResidual:
    def residual(scene: Scene, gates: Gates) -> Tensor:
        length = overlap.overlap_before(scene)
        return overlap.against_previous(scene.verts3d, scene.previous.verts3d, length, difference)

    return residual


def _floor_reg(scene: Scene, gates: Gates) -> Tensor:
    away, metric = scene.floor - scene.problem.observed_floor, scene.problem.floor_metric
    return away if metric is None else (torch.linalg.cholesky(metric).mT @ away[..., None])[..., 0]


def _floor_before(scene: Scene, gates: Gates) -> Tensor:
    plane = there(scene.previous.floor_plane)
    return scene.floor[:1] - (plane[:3] * plane[3:])[None]


SignedResidual = Callable[[Scene, Gates], Tensor]
RESIDUALS: Mapping[str, SignedResidual] = {
    "joints3d": lambda scene, gates: _seen(scene, "joints3d", scene.joints),
    "expected_joints": lambda scene, gates: scene.expected.mask.sqrt() * (scene.joints - scene.expected.values),
    "verts3d": lambda scene, gates: _seen(scene, "verts3d", scene.verts3d),
    "points3d": _points3d,
    "joints2d": _joints2d,
    "joints3d_rollout": lambda scene, gates: _seen(
        scene, "joints3d", scene.in_prior.frame.points_back(scene.in_prior.rollout.joints)
    ),
    "pose_prior": _pose_prior,
    "shape_prior": lambda scene, gates: 2.0**0.5 * scene.betas,
    "joints3d_smooth": lambda scene, gates: scene.joints[:, 1:] - scene.joints[:, :-1],
    "motion_prior": _motion_prior,
    "init_motion_prior": _init_motion_prior,
    "joint_consistency": lambda scene, gates: scene.in_prior.joints - scene.in_prior.rollout.joints,
    "bone_length": _bone_length,
    "contact_vel": _contact_vel,
    "contact_height": _contact_height,
    "planted_vel": _planted_vel,
    "planted_height": _planted_height,
    "floor_penetration": lambda scene, gates: planted.too_low(scene.in_prior),
    "floor_reg": _floor_reg,
    "rgb_overlap_consist_verts3d_pos": _overlap(lambda before, after: before - after),
    "rgb_overlap_consist_verts3d_vel": _overlap(lambda before, after: (before - after).diff(dim=0)),
    "rgb_overlap_xbatch_verts3d_pos": _before(lambda before, after: before - after),
    "rgb_overlap_xbatch_verts3d_vel": _before(lambda before, after: (before - after).diff(dim=0)),
    "rgb_overlap_consist_betas": lambda scene, gates: scene.betas[1:] - scene.betas[:-1],
    "rgb_overlap_xbatch_betas": lambda scene, gates: scene.betas[:1] - scene.previous.betas[None],
    "rgb_overlap_consist_floor": lambda scene, gates: scene.floor[1:] - scene.floor[:-1],
    "rgb_overlap_xbatch_floor": _floor_before,
}
"""Name of a loss term → its residuals, of any shape. A term without one is straight as far as predictions go."""
