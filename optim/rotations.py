"""Rotations: axis-angle and 6D to matrices and back, in forms whose gradients are finite everywhere.

Matrices act on column vectors: ``p_b = R_b_a @ p_a``.
"""

from __future__ import annotations

import roma
import torch
from torch import Tensor


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula, (..., 3) [rad] → (..., 3, 3).

    ``R = cos θ I + sin θ/θ [v]× + (1 − cos θ)/θ² v vᵀ`` with θ² offset by 1e-16, so value and gradient are
    right at the identity, where the norm itself has none.
    """
    x, y, z = axis_angle.unbind(-1)
    squared = (axis_angle * axis_angle).sum(-1) + 1e-16
    angle = squared.sqrt()
    half = torch.sin(0.5 * angle)
    a = torch.sin(angle) / angle
    b = 2.0 * half * half / squared
    cos = 1.0 - b * squared
    ax, ay, az = a * x, a * y, a * z
    bx, by, bz = b * x, b * y, b * z
    bxy, bxz, byz = bx * y, bx * z, by * z
    rows = (
        cos + bx * x, bxy - az, bxz + ay,
        bxy + az, cos + by * y, byz - ax,
        bxz - ay, byz + ax, cos + bz * z,
    )  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


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
