"""Rotations: axis-angle and 6D to matrices and back, in forms whose gradients are finite everywhere.

Matrices act on column vectors: ``p_b = R_b_a @ p_a``.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import torch
from torch import Tensor

from optim.common.quaternions import matrix_to_quaternion, quaternion_to_axis_angle

_SHORTEST = 1e-20
"""Stands for the length of a vector of zeros, which cannot be divided by."""
_SMALL_TURN = 1e-6
"""Angle [rad] below which a turn is its first order, ``I + [v]×``."""


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula, (..., 3) [rad] → (..., 3, 3).

    ``R = I + sin θ/θ [v]× + (1 − cos θ)/θ² [v]×²`` with θ² offset by 1e-16, so value and gradient are right at the
    identity, where the norm itself has none.
    """
    return _Rodrigues.apply(axis_angle)


class _Rodrigues(torch.autograd.Function):
    """One function, since stage 3 begins with a single rotation and some forty operations on it take their time."""

    @staticmethod
    def forward(ctx: Any, axis_angle: Tensor) -> Tensor:
        squared = (axis_angle * axis_angle).sum(-1, keepdim=True) + 1e-16
        angle = squared.sqrt()
        half = torch.sin(0.5 * angle)
        a, b = torch.sin(angle) / angle, 2.0 * half * half / squared
        cross = (axis_angle @ _generators(axis_angle.dtype, axis_angle.device)).unflatten(-1, (3, 3))
        matrix = a[..., None] * cross + b[..., None] * (cross @ cross)
        matrix.diagonal(dim1=-2, dim2=-1).add_(1.0)
        ctx.save_for_backward(axis_angle, squared, a, b, matrix)
        return matrix

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """The left Jacobian's transpose on the gradient of a small turn after this one."""
        axis_angle, squared, a, b, matrix = ctx.saved_tensors
        spin = (gradient @ matrix.mT).flatten(-2) @ _generators(gradient.dtype, gradient.device).T
        c = torch.where(squared < 1e-6, 1 / 6, (1.0 - a) / squared) * (axis_angle * spin).sum(-1, keepdim=True)
        return a * spin - b * torch.linalg.cross(axis_angle, spin) + c * axis_angle


@cache
def _generators(dtype: torch.dtype, device: torch.device) -> Tensor:
    """(3, 9): v @ this is [v]×, row by row."""
    rows = torch.zeros(3, 9, dtype=dtype)
    for row, (minus, plus) in enumerate(((5, 7), (6, 2), (1, 3))):
        rows[row, minus], rows[row, plus] = -1, 1
    return rows.to(device)


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Logarithm, (..., 3, 3) → (..., 3) [rad] with angle in [0, π]; gradients go through unit quaternions."""
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def matrix_to_sixd(matrix: Tensor) -> Tensor:
    """First two columns of the matrix, (..., 3, 3) → (..., 6)."""
    return matrix[..., :2].transpose(-1, -2).flatten(-2)


def sixd_to_matrix(sixd: Tensor) -> Tensor:
    """Gram–Schmidt on two columns, (..., 6) → (..., 3, 3). Source: Zhou et al., CVPR 2019.

    Two parallel columns, or a column of zeros, give no rotation; values and gradients stay finite.
    """
    x, y = sixd.unflatten(-1, (2, 3)).unbind(-2)
    x = _normalised(x)
    y = _normalised(y - (x * y).sum(-1, keepdim=True) * x)
    return torch.stack((x, y, torch.linalg.cross(x, y)), dim=-1)


def _normalised(vector: Tensor) -> Tensor:
    return vector / vector.norm(dim=-1, keepdim=True).clamp_min(_SHORTEST)


def geodesic_angle(a: Tensor, b: Tensor) -> Tensor:
    """Angle [rad] between rotations, (..., 3, 3) × 2 → (...), from ``|a − b| = 2 √2 sin(angle / 2)``.

    The gradient is 0 at angles of 0 and π, where there is none.
    """
    sine = (b - a).norm(dim=(-1, -2)) * (0.5 / math.sqrt(2.0))
    return 2.0 * torch.where(sine < 1.0, sine, 1.0).asin()


def interpolate(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """``share`` of the way from one rotation to another on the shortest arc; (..., 3, 3) × 2, (...) → (..., 3, 3)."""
    arc = matrix_to_axis_angle(start.mT @ end)
    return start @ _turn(arc * share[..., None].to(start.dtype))


def _turn(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula about a unit axis, (..., 3) [rad] → (..., 3, 3).

    ``axis_angle_to_matrix`` rounds otherwise, and motions that were filled in before shall come out the same.
    """
    angle = axis_angle.norm(dim=-1, keepdim=True)
    axis = axis_angle / angle.clamp_min(_SMALL_TURN)
    generators = _generators(axis_angle.dtype, axis_angle.device)
    turn = axis[..., :, None] * axis[..., None, :] * (1 - angle.cos())[..., None]
    xx, yy, zz = turn.diagonal(dim1=-2, dim2=-1).unbind(-1)
    diagonal = torch.stack((1 - yy - zz, 1 - xx - zz, 1 - xx - yy), dim=-1)
    turn = turn + ((axis * angle.sin()) @ generators).unflatten(-1, (3, 3))
    turn.diagonal(dim1=-2, dim2=-1).copy_(diagonal)
    first_order = (axis_angle @ generators).unflatten(-1, (3, 3)) + torch.eye(3).to(axis_angle)
    return torch.where(angle[..., None] < _SMALL_TURN, first_order, turn)


def align_points(points: Tensor, targets: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Rotation and shift that bring points nearest to their targets: ``target ≈ R @ point + t``.

    Args:
        points, targets: (..., N, 3) [m].
        weights: (..., N), not negative, of the squared distances.

    Returns:
        R (..., 3, 3) and t (..., 3) [m], without gradients. Points on a line leave the turn about it open.

    Source: Kabsch, Acta Crystallographica A32, 1976.
    """
    weights = (weights / weights.sum(-1, keepdim=True)).detach()
    points, targets = points.detach(), targets.detach()
    centre, target_centre = (torch.einsum("...k,...ki->...i", weights, x) for x in (points, targets))
    from_centre, from_target_centre = points - centre[..., None, :], targets - target_centre[..., None, :]
    covariance = torch.einsum("...k,...ki,...kj->...ij", weights, from_target_centre, from_centre)
    left, _, right = torch.linalg.svd(covariance.double())
    handed = torch.ones_like(left[..., 0])
    handed[..., 2] = torch.linalg.det(left @ right).sign()  # a mirror image is not allowed
    rotation = ((left * handed[..., None, :]) @ right).to(points.dtype)
    return rotation, target_centre - torch.einsum("...ij,...j->...i", rotation, centre)
