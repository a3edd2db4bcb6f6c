"""Rotations: axis-angle and 6D to matrices and back, in forms whose gradients are finite everywhere.

Matrices act on column vectors: ``p_b = R_b_a @ p_a``.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import roma
import torch
from torch import Tensor


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
    """Logarithm, (..., 3, 3) → (..., 3) [rad] with angle in [0, π]; gradients through unit quaternions (roma)."""
    return roma.rotmat_to_rotvec(matrix)


def matrix_to_sixd(matrix: Tensor) -> Tensor:
    """First two columns of the matrix, (..., 3, 3) → (..., 6)."""
    return matrix[..., :2].transpose(-1, -2).flatten(-2)


def sixd_to_matrix(sixd: Tensor) -> Tensor:
    """Gram–Schmidt on two columns, (..., 6) → (..., 3, 3). Source: Zhou et al., CVPR 2019."""
    return roma.special_gramschmidt(sixd.unflatten(-1, (2, 3)).transpose(-1, -2))


def geodesic_angle(a: Tensor, b: Tensor) -> Tensor:
    """Angle [rad] between rotations, (..., 3, 3) × 2 → (...); finite gradients at 0 are not promised."""
    return roma.rotmat_geodesic_distance(a, b)


def interpolate(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """``share`` of the way from one rotation to another on the shortest arc; (..., 3, 3) × 2, (...) → (..., 3, 3)."""
    arc = roma.rotmat_to_rotvec(start.transpose(-1, -2) @ end)
    return start @ roma.rotvec_to_rotmat(arc * share[..., None].to(start.dtype))
