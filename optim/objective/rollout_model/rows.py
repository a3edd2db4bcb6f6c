"""The loss terms as rows of a least-squares problem: ½ Σ (row · deviation)² has the curvature of the loss.

Robust terms are reweighted squares. The height of contacts, which has no curvature, becomes a square of the same slope.
Rows of terms that compare sub-sequences hold the other sub-sequence still.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from optim.body.body_model import BODY25_FROM_JOINTS
from optim.body.joints import CONTACT_JOINTS, NUM_JOINTS, RESTING_JOINTS
from optim.body.point_jacobian import Attached, Posed, attached_joints, attached_vertices, point_jacobian, posed
from optim.common.rotations import axis_angle_to_matrix, cross_matrix
from optim.objective.rollout_model.deviations import (
    BETAS,
    FRAME_SHIFT,
    FRAME_TURN,
    JOINTS,
    JOINTS_VEL,
    POSE,
    ROOT,
    ROOT_VEL,
    SIZE,
    TRANS,
    TRANS_VEL,
)
from optim.objective.terms import planted
from optim.objective.terms.consistency import PARENTS
from optim.objective.terms.contact import SLACK
from optim.objective.terms.data import cloud_robustness, keypoint_slopes, matches
from optim.objective.terms.overlap import overlap_lengths
from optim.objective.terms.scene import Scene, there
from optim.problem.camera import NEAREST
from optim.problem.observations import Masked

_BODY = torch.cat([torch.arange(SIZE)[part] for part in (TRANS, ROOT, POSE, BETAS)])
"""Columns of a deviation, in the order of ``point_jacobian``."""
LEAST_HEIGHT = 0.01
"""Smallest height [m] beyond the slack at which the square that stands for the height of a contact is placed."""
CLOUD_POINTS = 128
"""Number of points of each frame that stand for all points of a cloud."""


@dataclass(frozen=True)
class Linearised:
    """A prediction with the derivatives of the body's points with respect to deviations."""

    scene: Scene

    @cached_property
    def body(self) -> Posed:
        in_prior, betas = self.scene.in_prior.rollout, self.scene.betas
        return posed(self.scene.problem.body, in_prior.root_orient, in_prior.pose_body, betas)

    def moved(self, points: Attached, frames: slice = slice(None)) -> Tensor:
        """Derivatives (B, T, K, 3, SIZE) of points in the prior frame."""
        found = point_jacobian(self.body.at(frames), points)
        return found.new_zeros(*found.shape[:-1], SIZE).index_copy_(-1, _BODY, found)

    @cached_property
    def joints(self) -> Tensor:
        """Derivatives (B, T, 22, 3, SIZE) of the body's joints in the prior frame."""
        return self.moved(attached_joints(self.scene.problem.body))

    @cached_property
    def verts3d(self) -> Tensor:
        """Derivatives (B, T, 43, 3, SIZE) of the key vertices as observed; see ``observed``."""
        body = self.scene.problem.body
        moved = self.moved(attached_vertices(body, torch.tensor(body.keypoint_vertices)))
        return self.observed(moved, self.scene.verts3d)

    def observed(self, moved: Tensor, points: Tensor) -> Tensor:
        """Derivatives of points of the input frame, along the axes of the prior frame.

        Args:
            moved: (B, T, K, 3, SIZE) derivatives in the prior frame. Those of the transform are added in place.
            points: (B, T, K, 3) in the input frame [m].
        """
        if self.scene.in_prior.follows:
            turned = points @ self.scene.in_prior.frame.R_prior_input.mT[:, None]
            moved[..., FRAME_TURN] = cross_matrix(turned)
            moved[..., FRAME_SHIFT] = -torch.eye(3, dtype=moved.dtype)
        return moved


def joints3d(here: Linearised) -> Tensor:
    """Rows (B, T, 22, 3, SIZE), 0 for unseen joints."""
    mask = here.scene.seen.masked("joints3d").mask
    return here.observed(here.joints.clone(), here.scene.joints) * mask[..., None]


def expected_joints(here: Linearised) -> Tensor:
    """Rows (B, T, 22, 3, SIZE), 0 for joints without an expected place."""
    return here.observed(here.joints.clone(), here.scene.joints) * here.scene.expected.mask[..., None]


def verts3d(here: Linearised) -> Tensor:
    """Rows (B, T, 43, 3, SIZE), 0 for unseen vertices."""
    return here.verts3d * here.scene.seen.masked("verts3d").mask[..., None]


def joints3d_rollout(here: Linearised) -> Tensor:
    """Rows (B, T, 22, 3, SIZE), 0 for unseen joints."""
    regressed = here.scene.in_prior.rollout.joints
    found = here.observed(_regressed(regressed), here.scene.in_prior.frame.points_back(regressed))
    return found * here.scene.seen.masked("joints3d").mask[..., None]


def joint_consistency(here: Linearised) -> Tensor:
    """Rows (B, T, 22, 3, SIZE)."""
    return here.joints - _regressed(here.scene.in_prior.rollout.joints)


def joints2d(here: Linearised) -> Tensor:
    """Rows (B, T, 25, 2, SIZE): squared error, reweighted so that its slope is that of the robust function."""
    scene, body = here.scene, here.scene.problem.body
    camera, keypoints = there(scene.problem.camera), there(scene.predicted.points.keypoints)
    joints, vertices = attached_joints(body), attached_vertices(body, torch.tensor(body.openpose_vertices))
    order = [i if i < NUM_JOINTS else i - len(body.parents) + NUM_JOINTS for i in BODY25_FROM_JOINTS]
    points = Attached(
        torch.cat((joints.weights, vertices.weights))[order],
        torch.cat((joints.template, vertices.template))[order],
        torch.cat((joints.shape_directions, vertices.shape_directions))[order],
    )
    moved = here.observed(here.moved(points), keypoints)
    x, y, z = keypoints.unbind(-1)
    z = torch.where(z.abs() < NEAREST, NEAREST, z)
    zero = torch.zeros_like(z)
    focal = camera.focal.view(-1, 1, 1, 2, 1)
    projection = torch.stack((1 / z, zero, -x / z**2, zero, 1 / z, -y / z**2), dim=-1).unflatten(-1, (2, 3)) * focal
    projection = projection @ scene.in_prior.frame.R_prior_input.mT[:, None, None]
    found: Tensor = (projection @ moved) * keypoint_slopes(scene).sqrt()[..., None]
    return found


def points3d(here: Linearised) -> Tensor:
    """Rows (B, T, CLOUD_POINTS, 3, SIZE) of some of the points, each against its nearest vertex."""
    scene, problem, mesh = here.scene, here.scene.problem, there(here.scene.predicted.points.mesh)
    seen = scene.seen.masked("points3d")
    every = max(1, seen.values.shape[2] // CLOUD_POINTS)
    robust, tuning, least = cloud_robustness(scene)
    some = Masked(seen.values[:, :, ::every], seen.mask[:, :, ::every])
    nearest, weight = matches(some, mesh, robust=robust, tuning=tuning, least_scale=least)
    matched = mesh.gather(2, nearest[..., None].expand(*nearest.shape, 3))
    found = matched.new_empty(*matched.shape, SIZE)
    for b in range(len(nearest)):
        for frame in range(nearest.shape[1]):
            moved = here.moved(attached_vertices(problem.body, nearest[b, frame]), slice(frame, frame + 1))
            found[b, frame] = moved[b, 0]
    return here.observed(found, matched) * (weight * every).sqrt()[..., None, None]


def pose_prior(here: Linearised) -> Tensor:
    """Rows (B, T, 32, SIZE): √2 times the derivative of VPoser's latents, from as many copies of every pose."""
    prior, pose = here.scene.problem.pose_prior, here.scene.predicted.pose_body
    size = prior.latent_dim
    turns = pose.new_zeros(*pose.shape[:2], size, 63).requires_grad_()
    with torch.enable_grad():
        turned = axis_angle_to_matrix(turns.unflatten(-1, (21, 3))) @ pose[:, :, None].detach()
        picked = prior.encode(turned).diagonal(dim1=-2, dim2=-1).sum()
    (gradient,) = torch.autograd.grad(picked, turns)
    found = gradient.new_zeros(*gradient.shape[:-1], SIZE)
    found[..., POSE] = gradient
    scaled: Tensor = found * 2.0**0.5
    return scaled


def contact_height(here: Linearised) -> Tensor:
    """Rows (B, T, 9, SIZE): the square that has the slope of the term at the height of each joint."""
    in_prior = here.scene.in_prior
    height = in_prior.contact_joints[..., 2].abs() - SLACK
    square = torch.where(height > 0, in_prior.contact_probability / height.clamp_min(LEAST_HEIGHT), 0.0)
    return here.joints[:, :, list(CONTACT_JOINTS), 2] * square.sqrt()[..., None]


def planted_height(here: Linearised) -> Tensor:
    """Rows (B, T, 16, SIZE), 0 for joints within the slack."""
    weight = planted.strength(here.scene) * (planted.off_height(here.scene.in_prior) > 0)
    return here.joints[:, :, list(RESTING_JOINTS), 2] * weight.sqrt()[..., None]


def floor_penetration(here: Linearised) -> Tensor:
    """Rows (B, T, 16, SIZE), 0 for joints that are high enough."""
    return here.joints[:, :, list(RESTING_JOINTS), 2] * (planted.too_low(here.scene.in_prior) > 0)[..., None]


def overlap_positions(here: Linearised) -> Tensor:
    """Rows (B, T, 43, 3, SIZE) of the key vertices in the frames that sub-sequences of the batch share."""
    return here.verts3d * _shared(here).sqrt()[..., None, None, None]


def previous_positions(here: Linearised) -> Tensor:
    """Rows (B, T, 43, 3, SIZE) of the key vertices in the frames that the first sub-sequence shares with the last."""
    return here.verts3d * _shared_before(here)[..., None, None, None]


FRAME_ROWS: Mapping[str, Callable[[Linearised], Tensor]] = {
    "joints3d": joints3d,
    "expected_joints": expected_joints,
    "verts3d": verts3d,
    "points3d": points3d,
    "joints2d": joints2d,
    "joints3d_rollout": joints3d_rollout,
    "joint_consistency": joint_consistency,
    "contact_height": contact_height,
    "planted_height": planted_height,
    "floor_penetration": floor_penetration,
    "pose_prior": pose_prior,
    "rgb_overlap_consist_verts3d_pos": overlap_positions,
    "rgb_overlap_xbatch_verts3d_pos": previous_positions,
}
"""Term → its rows (B, T, ..., SIZE) on the deviation of each frame."""

Pair = tuple[Tensor, Tensor]
"""Rows on the later and on the earlier frame of each step."""


def joints3d_smooth(here: Linearised) -> Pair:
    """Rows (B, T-1, 22, 3, SIZE)."""
    moved = here.observed(here.joints.clone(), here.scene.joints)
    return moved[:, 1:], moved[:, :-1]


def contact_vel(here: Linearised) -> Pair:
    """Rows (B, T-1, 9, 3, SIZE)."""
    moved = here.joints[:, :, list(CONTACT_JOINTS)]
    scale = here.scene.in_prior.contact_probability[:, 1:, :, None, None].sqrt()
    return moved[:, 1:] * scale, moved[:, :-1] * scale


def planted_vel(here: Linearised) -> Pair:
    """Rows (B, T-1, 16, 3, SIZE)."""
    moved = here.joints[:, :, list(RESTING_JOINTS)]
    scale = planted.strength(here.scene)[:, 1:, :, None, None].sqrt()
    return moved[:, 1:] * scale, moved[:, :-1] * scale


def bone_length(here: Linearised) -> Pair:
    """Rows (B, T-1, 21, SIZE)."""
    joints = here.scene.in_prior.rollout.joints
    bones = joints[:, :, 1:] - joints[:, :, list(PARENTS)]
    along = bones / bones.norm(dim=-1, keepdim=True).clamp_min(1e-6)
    by_joint = along.new_zeros(*along.shape[:2], len(PARENTS), NUM_JOINTS, 3)
    bone = torch.arange(len(PARENTS))
    by_joint[:, :, bone, bone + 1] += along
    by_joint[:, :, bone, torch.tensor(PARENTS)] -= along
    found = along.new_zeros(*along.shape[:3], SIZE)
    found[..., JOINTS] = by_joint.flatten(-2)
    return found[:, 1:], found[:, :-1]


def overlap_velocities(here: Linearised) -> Pair:
    """Rows (B, T-1, 43, 3, SIZE) of the moves within the frames that sub-sequences of the batch share."""
    shared = _shared(here, moves=True)[:, 1:].sqrt()[..., None, None, None]
    return here.verts3d[:, 1:] * shared, here.verts3d[:, :-1] * shared


def previous_velocities(here: Linearised) -> Pair:
    """Rows (B, T-1, 43, 3, SIZE) of the moves within the frames shared with the batch before."""
    shared = _shared_before(here)[:, 1:, None, None, None]
    return here.verts3d[:, 1:] * shared, here.verts3d[:, :-1] * shared


STEP_ROWS: Mapping[str, Callable[[Linearised], Pair]] = {
    "joints3d_smooth": joints3d_smooth,
    "contact_vel": contact_vel,
    "planted_vel": planted_vel,
    "bone_length": bone_length,
    "rgb_overlap_consist_verts3d_vel": overlap_velocities,
    "rgb_overlap_xbatch_verts3d_vel": previous_velocities,
}
"""Term → rows (B, T-1, ..., SIZE) on the deviations of the later and, with the sign reversed, the earlier frame."""


def init_motion_prior(here: Linearised) -> Tensor:
    """Rows (B, 138, SIZE) of the first frame: the whitening of the component of the mixture that is most likely."""
    prior, motion = here.scene.problem.init_state_prior, here.scene.in_prior.rollout
    velocities = (motion.joints_vel, motion.trans_vel, motion.root_orient_vel)
    parts = (here.scene.in_prior.joints[:, 0], *(value[:, 0] for value in velocities))
    state = torch.cat([part.flatten(1) for part in parts], dim=1)
    whitened = torch.einsum("kij,bkj->bki", prior.whitening, state[:, None] - prior.means)
    likely = (prior.offsets - 0.5 * (whitened * whitened).sum(-1)).argmax(-1)
    found = state.new_zeros(len(state), state.shape[1], SIZE)
    start = 0
    for columns in (JOINTS, JOINTS_VEL, TRANS_VEL, ROOT_VEL):
        stop = start + columns.stop - columns.start
        found[..., columns] = prior.whitening[likely][..., start:stop]
        start = stop
    return found


FIRST_ROWS: Mapping[str, Callable[[Linearised], Tensor]] = {"init_motion_prior": init_motion_prior}
"""Term → its rows (B, M, SIZE) on the deviation of the first frame."""


def _neighbours(here: Linearised) -> Tensor:
    """Number (B,) of sub-sequences of the batch that are compared with each one."""
    batch = here.scene.problem.batch
    found = torch.zeros(batch, dtype=here.scene.betas.dtype)
    found[1:] += 1.0
    found[:-1] += 1.0
    return found


def _first_only(here: Linearised) -> Tensor:
    found = torch.zeros(here.scene.problem.batch, dtype=here.scene.betas.dtype)
    found[0] = 1.0
    return found


def _shape(here: Linearised) -> Tensor:
    return torch.full((here.scene.problem.batch,), 2.0, dtype=here.scene.betas.dtype)


def floor_reg(here: Linearised) -> Tensor:
    """The metric (B, 3, 3) of the floor's distance, or 1 (B,)."""
    metric = here.scene.problem.floor_metric
    return torch.ones_like(here.scene.floor[:, 0]) if metric is None else metric


OWN_CURVATURE: Mapping[str, tuple[str, Callable[[Linearised], Tensor]]] = {
    "shape_prior": ("betas", _shape),
    "floor_reg": ("floor_plane", floor_reg),
    "rgb_overlap_consist_betas": ("betas", _neighbours),
    "rgb_overlap_xbatch_betas": ("betas", _first_only),
    "rgb_overlap_consist_floor": ("floor_plane", _neighbours),
    "rgb_overlap_xbatch_floor": ("floor_plane", _first_only),
}
"""Term of one variable → its name, and its curvature: (B,) for each of its D entries alike, or a matrix (B, D, D)."""


def _regressed(joints: Tensor) -> Tensor:
    """Derivatives (B, T, 22, 3, SIZE) of the joints that the motion prior regresses."""
    found = joints.new_zeros(*joints.shape[:2], NUM_JOINTS * 3, SIZE)
    found[..., JOINTS] = torch.eye(NUM_JOINTS * 3, dtype=joints.dtype)
    by_joint: Tensor = found.unflatten(2, (NUM_JOINTS, 3))
    return by_joint


def _shared(here: Linearised, *, moves: bool = False) -> Tensor:
    """Number (B, T) of neighbours that share each frame, or with ``moves`` also the frame before it."""
    scene = here.scene
    found = scene.joints.new_zeros(scene.joints.shape[:2])
    missing, skip = scene.problem.frames - scene.seen.frames, int(moves)
    for b, length in enumerate(overlap_lengths(there(scene.seen.seq_interval))):
        count = max(0, length - missing)
        if count:
            found[b, found.shape[1] - count + skip :] += 1.0
            found[b + 1, skip:count] += 1.0
    return found


def _shared_before(here: Linearised) -> Tensor:
    """1 (B, T) in the frames that the first sub-sequence shares with the batch before, else 0."""
    scene = here.scene
    found = scene.joints.new_zeros(scene.joints.shape[:2])
    found[0, : max(0, scene.previous.seq_interval[1] - int(there(scene.seen.seq_interval)[0, 0]))] = 1.0
    return found
