"""Transforms between the input frame (camera or world) and the prior frame (z up, floor at z = 0), and the floor plane.

``R_prior_input`` maps vectors of the input frame to the prior frame. Of the body model only the position of the root
joint is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from optim.priors.rollout import canonical_turn, turn_matrix


@dataclass(frozen=True)
class PriorFrame:
    """A rigid transform per sub-sequence: p_prior = R_prior_input p_input + offset."""

    R_prior_input: Tensor  # (B, 3, 3)
    offset: Tensor  # (B, 3) m

    @property
    def inverse(self) -> PriorFrame:
        """The same transform the other way round, as a transform of its own."""
        back = self.R_prior_input.transpose(1, 2)
        return PriorFrame(back, -(back @ self.offset[..., None])[..., 0])

    def points(self, points: Tensor) -> Tensor:
        """Points (B, ..., 3) [m] from the input frame to the prior frame."""
        return _rotate(self.R_prior_input, points) + _like(self.offset, points)

    def points_back(self, points: Tensor) -> Tensor:
        """Points (B, ..., 3) [m] from the prior frame to the input frame."""
        return _rotate(self.R_prior_input.transpose(1, 2), points - _like(self.offset, points))

    def orient(self, rotation: Tensor) -> Tensor:
        """Root rotations (B, T, 3, 3) from the input frame to the prior frame."""
        return self.R_prior_input[:, None] @ rotation

    def orient_back(self, rotation: Tensor) -> Tensor:
        """Root rotations (B, T, 3, 3) from the prior frame to the input frame."""
        return self.R_prior_input.transpose(1, 2)[:, None] @ rotation

    def trans(self, trans: Tensor, pelvis: Tensor) -> Tensor:
        """SMPL translations (B, T, 3) [m] from the input frame to the prior frame.

        ``pelvis`` (B, 3) is the root joint of the shaped rest pose. The body turns about that joint, which is at
        ``trans + pelvis``.
        """
        pelvis = pelvis[:, None]
        return self.points(trans + pelvis) - pelvis

    def trans_back(self, trans: Tensor, pelvis: Tensor) -> Tensor:
        """SMPL translations (B, T, 3) [m] from the prior frame to the input frame; ``pelvis`` as in ``trans``."""
        pelvis = pelvis[:, None]
        return self.points_back(trans + pelvis) - pelvis


def identity(batch: int, *, dtype: torch.dtype = torch.float32) -> PriorFrame:
    """The transform for a prior frame that is the input frame."""
    return PriorFrame(torch.eye(3, dtype=dtype).expand(batch, 3, 3), torch.zeros(batch, 3, dtype=dtype))


def floor_plane(floor: Tensor) -> Tensor:
    """Unit normal and offset (B, 4) of the floor variable normal · offset (B, 3).

    The y component of the normal in the camera frame is never positive: the normal points up.
    """
    offset = floor.norm(dim=1, keepdim=True)
    plane = torch.cat((floor / offset, offset), dim=1)
    return torch.where(plane[:, 1:2] > 0, -plane, plane)


def floor_frame(floor: Tensor, trans: Tensor, root_orient: Tensor, pelvis: Tensor) -> PriorFrame:
    """The prior frame on a given floor below a body, from values in the camera frame.

    Args:
        floor: (B, 3) normal · offset [m].
        trans: (B, 3) SMPL translation of the first frame [m]; it becomes x = y = 0.
        root_orient: (B, 3, 3); minus its x column, projected onto the floor, becomes +x.
        pelvis: (B, 3) root joint of the shaped rest pose [m]; its height above the floor is kept.

    The public code intersects the ray along the body's right with the floor. The projection used here gives the same
    direction without an intersection that may be far away.
    """
    plane = floor_plane(floor)
    up = plane[:, :3]
    body_right = -root_orient[:, :, 0]
    right = functional.normalize(body_right - (body_right * up).sum(1, keepdim=True) * up, dim=1)
    rotation = torch.stack((right, torch.linalg.cross(up, right), up), dim=1)
    height = ((trans + pelvis) * up).sum(1) - plane[:, 3]
    placed = torch.cat((pelvis[:, :2], height[:, None]), dim=1)
    return PriorFrame(rotation, placed - _rotate(rotation, trans + pelvis))


def canonical_frame(trans: Tensor, root_orient: Tensor, pelvis: Tensor) -> PriorFrame:
    """The canonical frame of a body in a world with z up and the floor at z = 0; arguments as in ``floor_frame``."""
    rotation = turn_matrix(*canonical_turn(root_orient))
    placed = torch.cat((pelvis[:, :2], (trans + pelvis)[:, 2:]), dim=1)
    return PriorFrame(rotation, placed - _rotate(rotation, trans + pelvis))


def _rotate(rotation: Tensor, vectors: Tensor) -> Tensor:
    """Vectors (B, ..., 3) multiplied by rotations (B, 3, 3)."""
    flat = vectors.reshape(len(rotation), -1, 3)
    return (flat @ rotation.transpose(1, 2)).reshape(vectors.shape)


def _like(offset: Tensor, points: Tensor) -> Tensor:
    return offset.view(len(offset), *(1,) * (points.ndim - 2), 3)
