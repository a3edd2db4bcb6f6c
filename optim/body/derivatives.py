"""Derivatives of joints and vertices of the body by small turns of its joints and by its shape, in closed form.

A small turn ω (3,) of a joint comes before its local rotation, in the frame of its parent: R becomes exp([ω]×) R. The
root's parent is the frame of the result. By ``trans`` the derivative of every point is the identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.body.joints import NUM_JOINTS
from optim.body.kinematics import Kinematics, tree_of


@dataclass(frozen=True)
class Derivatives:
    """Derivatives of K points in every frame."""

    turn: Tensor
    """(B, T, K, 3, 22, 3) [m/rad] by small turns of the 22 joints."""
    shape: Tensor
    """(B, T, K, 3, 16) [m] by the shape coefficients."""


@dataclass(frozen=True)
class PosedBody:
    """A body in given poses, whose points can be differentiated.

    Args:
        root_orient: (B, T, 3, 3); pose_body: (B, T, 21, 3, 3); betas: (B, 16). As for ``BodyModel.joints``.
    """

    body: BodyModel
    root_orient: Tensor
    pose_body: Tensor
    betas: Tensor

    @cached_property
    def joints(self) -> Derivatives:
        """Derivatives of the 22 body joints."""
        apart = self._position[:, :, :, None] - self._position[:, :, None]
        arms = self._ways[..., None] * apart
        turn = torch.linalg.cross(self._carrier.mT[:, :, None], arms[..., None, :]).movedim(-1, 3)
        return Derivatives(turn, self._shape)

    def vertices(self, ids: Tensor) -> Derivatives:
        """Derivatives of vertices, given by their indices (K,), or (B, T, K) where every frame has its own."""
        weights, directions = self.body.weights[ids], self.body.shape_directions[ids]
        rest = self.body.template[ids] + (directions @ self.betas[:, None, None, :, None])[..., 0]
        if self.body.pose_directions is not None:
            rest = rest + (self.body.pose_directions[ids] @ self._bent[:, :, None, :, None])[..., 0]
        carried = (self._rotation[:, :, None] @ rest[..., None, :, None])[..., 0] + self._offset[:, :, None]
        below = ((weights[..., None] * carried).mT @ self._ways).mT
        turn = self._turned(below - (weights @ self._ways)[..., None] * self._position[:, :, None])
        blend = (weights @ self._rotation.flatten(-2)).unflatten(-1, (3, 3))
        if self.body.pose_directions is not None:
            turn[..., 1:, :] += self._corrected(self.body.pose_directions[ids], blend)
        shift = self._shape - self._rotation @ self._rest_shape
        shape = blend @ directions + (weights @ shift.flatten(-2)).unflatten(-1, (3, -1))
        return Derivatives(turn, shape)

    def _turned(self, arms: Tensor) -> Tensor:
        """Derivatives (B, T, K, 3, 22, 3) by turns, from the arms (B, T, K, 22, 3) on which the joints turn points.

        By components, which takes a third of the time of ``torch.linalg.cross`` where there are many points.
        """
        a, b = self._carrier.mT[:, :, None].unbind(-1), arms[..., None, :].unbind(-1)
        return torch.stack((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]), dim=3)

    def _corrected(self, directions: Tensor, blend: Tensor) -> Tensor:
        """Derivatives (B, T, K, 3, 21, 3) of the pose-dependent corrections (..., K, 3, 189) of vertices."""
        turned = self.pose_body[..., None, :, :].expand(*self.pose_body.shape[:-2], 3, 3, 3)
        axes = torch.eye(3, dtype=blend.dtype)[:, :, None].expand_as(turned)
        spins = torch.linalg.cross(axes, turned, dim=-2).flatten(-2)
        by_joint = directions.unflatten(-1, (NUM_JOINTS - 1, 9)).transpose(-3, -2)
        return (blend[..., None, :, :] @ (by_joint @ spins[:, :, None].mT)).transpose(-3, -2)

    @cached_property
    def _ways(self) -> Tensor:
        return tree_of(self._parents, self.betas.dtype, self.betas.device).ways

    @cached_property
    def _parents(self) -> tuple[int, ...]:
        return self.body.parents[:NUM_JOINTS]

    @cached_property
    def _above(self) -> Tensor:
        return tree_of(self._parents, self.betas.dtype, self.betas.device).above

    @cached_property
    def _rest(self) -> Tensor:
        return self.body.rest_joints(self.betas)[:, :NUM_JOINTS]

    @cached_property
    def _chain(self) -> tuple[Tensor, Tensor]:
        local = torch.cat((self.root_orient[..., None, :, :], self.pose_body), dim=2)
        bones = torch.cat((self._rest[:, :1], self._rest[:, 1:] - self._rest[:, self._above]), dim=1)
        return Kinematics.apply(bones, local, self._parents)

    @property
    def _rotation(self) -> Tensor:
        return self._chain[0]

    @property
    def _position(self) -> Tensor:
        return self._chain[1]

    @cached_property
    def _offset(self) -> Tensor:
        """Shift (B, T, 22, 3) that takes a rotated point of the rest pose to its place."""
        return self._position - (self._rotation @ self._rest[:, None, :, :, None])[..., 0]

    @cached_property
    def _carrier(self) -> Tensor:
        """Rotation (B, T, 22, 3, 3) of each joint's parent; the identity for the root."""
        still = torch.eye(3, dtype=self.betas.dtype).expand(*self._rotation.shape[:2], 1, 3, 3)
        return torch.cat((still, self._rotation[:, :, self._above]), dim=2)

    @cached_property
    def _rest_shape(self) -> Tensor:
        return self.body.joint_shape_directions[:NUM_JOINTS]

    @cached_property
    def _shape(self) -> Tensor:
        """Derivative (B, T, 22, 3, 16) of the joints by the shape."""
        bones = torch.cat((self._rest_shape[:1], self._rest_shape[1:] - self._rest_shape[self._above]))
        return (self._ways @ (self._carrier @ bones).flatten(-2)).unflatten(-1, (3, -1))

    @cached_property
    def _bent(self) -> Tensor:
        return (self.pose_body - torch.eye(3, dtype=self.betas.dtype)).flatten(-3)
