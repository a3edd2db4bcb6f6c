"""Derivatives of points of the body with respect to its translation, the turns of its joints, and its shape.

A joint is a point that hangs on itself alone; a vertex hangs on several joints by its skinning weights. That the shape
of a vertex also depends on the pose (``pose_directions``) is left out: it changes the derivatives of the published
body's key vertices by a few percent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from optim.body.body_model import NUM_BETAS, BodyModel
from optim.body.joints import NUM_JOINTS
from optim.body.kinematics import Kinematics, tree_of
from optim.common.rotations import cross_matrix

COLUMNS = 3 + 3 * NUM_JOINTS + NUM_BETAS
"""Number of columns: translation, one turn per joint (root first), shape."""


@dataclass(frozen=True)
class Attached:
    """K points in the rest pose, each with its weights on the joints."""

    weights: Tensor  # (K, 22)
    template: Tensor  # (K, 3) m
    shape_directions: Tensor  # (K, 3, 16)


def attached_joints(body: BodyModel) -> Attached:
    """The 22 body joints as points."""
    eye = torch.eye(NUM_JOINTS, dtype=body.joint_template.dtype)
    return Attached(eye, body.joint_template[:NUM_JOINTS], body.joint_shape_directions[:NUM_JOINTS])


def attached_vertices(body: BodyModel, vertex_ids: Tensor) -> Attached:
    """Vertices by their indices (K,)."""
    return Attached(body.weights[vertex_ids], body.template[vertex_ids], body.shape_directions[vertex_ids])


@dataclass(frozen=True)
class Posed:
    """A shaped and posed body, and how its joints depend on the shape."""

    betas: Tensor  # (B, 16)
    rest: Tensor  # (B, 22, 3) joints of the shaped rest pose
    rest_by_shape: Tensor  # (22, 3, 16)
    rotations: Tensor  # (B, T, 22, 3, 3) world rotation of every joint
    carriers: Tensor  # (B, T, 22, 3, 3) world rotation of every joint's parent; the identity for the root
    positions: Tensor  # (B, T, 22, 3) without the translation
    positions_by_shape: Tensor  # (B, T, 22, 3, 16)
    ways: Tensor  # (22, 22): entry [a, b] is 1 if a turn of joint b moves what hangs on joint a

    def at(self, frames: slice) -> Posed:
        """The same body in some of the frames."""
        names = ("rotations", "carriers", "positions", "positions_by_shape")
        return replace(self, **{name: getattr(self, name)[:, frames] for name in names})


def posed(body: BodyModel, root_orient: Tensor, pose_body: Tensor, betas: Tensor) -> Posed:
    """The body at rotations (B, T, 3, 3) and (B, T, 21, 3, 3) and shapes (B, 16)."""
    parents = body.parents[:NUM_JOINTS]
    tree = tree_of(parents, betas.dtype, betas.device)
    rest, by_shape = body.rest_joints(betas)[:, :NUM_JOINTS], body.joint_shape_directions[:NUM_JOINTS]
    bones = torch.cat((rest[:, :1], rest[:, 1:] - rest[:, tree.above]), dim=1)
    local = torch.cat((root_orient[:, :, None], pose_body), dim=2)
    rotations, positions = Kinematics.apply(bones, local, parents)
    root = torch.eye(3, dtype=betas.dtype).expand(*local.shape[:2], 1, 3, 3)
    carriers = torch.cat((root, rotations[:, :, tree.above]), dim=2)
    bones_by_shape = torch.cat((by_shape[:1], by_shape[1:] - by_shape[tree.above]))
    moved = torch.einsum("ab,...bik->...aik", tree.ways, carriers @ bones_by_shape)
    return Posed(betas, rest, by_shape, rotations, carriers, positions, moved, tree.ways)


def point_jacobian(body: Posed, points: Attached) -> Tensor:
    """Derivatives (B, T, K, 3, COLUMNS) of points [m].

    The columns of a turn are those of a small turn of the joint's local rotation from the left.
    """
    weights = points.weights
    shaped = points.template + torch.einsum("kcs,bs->bkc", points.shape_directions, body.betas)
    from_joint = (shaped[:, :, None] - body.rest[:, None])[:, None, ..., None]  # (B, 1, K, 22, 3, 1)
    hung = (body.rotations[:, :, None] @ from_joint)[..., 0] + body.positions[:, :, None]  # (B, T, K, 22, 3)
    below = (weights[..., None] * hung).mT @ body.ways  # (B, T, K, 3, 22): what hangs on a joint and those beyond it
    arms = below.mT - (weights @ body.ways)[..., None] * body.positions[:, :, None]
    turns = (-cross_matrix(arms) @ body.carriers[:, :, None]).transpose(-3, -2).flatten(-2)
    blended = torch.einsum("kj,btjcd->btkcd", weights, body.rotations)
    joints_by_shape = body.positions_by_shape - body.rotations @ body.rest_by_shape
    by_shape = blended @ points.shape_directions + torch.einsum("kj,btjcs->btkcs", weights, joints_by_shape)
    move = torch.eye(3, dtype=turns.dtype).expand(*turns.shape[:3], 3, 3)
    return torch.cat((move, turns, by_shape), dim=-1)
