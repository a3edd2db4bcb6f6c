"""Rotations: axis-angle vectors and 6D vectors to matrices and back, with gradients that are finite everywhere.

Matrices act on column vectors: ``p_b = R_b_a @ p_a``.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from optim.common.quaternions import matrix_to_quaternion, quaternion_to_axis_angle

_SHORTEST = 1e-20
"""Smallest length that a vector is divided by, so that a vector of zeros does not give NaN."""
_SMALL_TURN = 1e-6
"""Angle [rad] below which a rotation is computed to first order, ``I + [v]×``."""


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Rotation matrix of an axis-angle vector by Rodrigues' formula, (..., 3) [rad] → (..., 3, 3).

    ``R = I + sin θ/θ [v]× + (1 − cos θ)/θ² [v]×²``, where 1e-16 is added to θ². Value and gradient are therefore right
    at the identity too, where the norm itself has no gradient.
    """
    return _Rodrigues.apply(axis_angle)


class _Rodrigues(torch.autograd.Function):
    """Rodrigues' formula as one autograd function.

    About forty small autograd operations on the single rotation of stage 3's first frame would take much longer.
    """

    @staticmethod
    def forward(ctx: Any, axis_angle: Tensor) -> Tensor:
        squared = (axis_angle * axis_angle).sum(-1, keepdim=True) + 1e-16
        angle = squared.sqrt()
        half = torch.sin(0.5 * angle)
        a, b = torch.sin(angle) / angle, 2.0 * half * half / squared
        cross = cross_matrix(axis_angle)
        matrix = a[..., None] * cross + b[..., None] * (cross @ cross)
        matrix.diagonal(dim1=-2, dim2=-1).add_(1.0)
        ctx.save_for_backward(axis_angle, squared, a, b, matrix)
        return matrix

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Multiply the gradient of a small rotation after this one by the transpose of the left Jacobian."""
        axis_angle, squared, a, b, matrix = ctx.saved_tensors
        spin = (gradient @ matrix.mT).flatten(-2) @ _generators(gradient.dtype, gradient.device).T
        c = torch.where(squared < 1e-6, 1 / 6, (1.0 - a) / squared) * (axis_angle * spin).sum(-1, keepdim=True)
        return a * spin - b * torch.linalg.cross(axis_angle, spin) + c * axis_angle


_GENERATORS: dict[tuple[torch.dtype, torch.device], Tensor] = {}


def _generators(dtype: torch.dtype, device: torch.device) -> Tensor:
    """Matrix G (3, 9) such that v @ G is [v]×, row by row.

    A dictionary keeps it, because ``torch.compile`` looks through ``functools.cache`` and would build G at every call.
    """
    if (dtype, device) not in _GENERATORS:
        rows = torch.zeros(3, 9, dtype=dtype)
        for row, (minus, plus) in enumerate(((5, 7), (6, 2), (1, 3))):
            rows[row, minus], rows[row, plus] = -1, 1
        _GENERATORS[dtype, device] = rows.to(device)
    return _GENERATORS[dtype, device]


def cross_matrix(vector: Tensor) -> Tensor:
    """The matrix [v]× of the cross product with v, (..., 3) → (..., 3, 3)."""
    return (vector @ _generators(vector.dtype, vector.device)).unflatten(-1, (3, 3))


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Axis-angle vector of a rotation matrix, (..., 3, 3) → (..., 3) [rad]. Its angle lies in [0, π].

    It is computed through a unit quaternion, which keeps the gradients finite.
    """
    return quaternion_to_axis_angle(matrix_to_quaternion(matrix))


def matrix_to_sixd(matrix: Tensor) -> Tensor:
    """6D form of a rotation matrix: its first two columns, (..., 3, 3) → (..., 6). Source: Zhou et al., CVPR 2019."""
    return matrix[..., :2].transpose(-1, -2).flatten(-2)


def sixd_to_matrix(sixd: Tensor) -> Tensor:
    """Rotation matrix of a 6D vector by Gram–Schmidt on its two columns, (..., 6) → (..., 3, 3).

    Two parallel columns, or a column of zeros, do not give a rotation; values and gradients stay finite.

    Source: Zhou et al., CVPR 2019.
    """
    x, y = sixd.unflatten(-1, (2, 3)).unbind(-2)
    x = _normalised(x)
    y = _normalised(y - (x * y).sum(-1, keepdim=True) * x)
    return torch.stack((x, y, torch.linalg.cross(x, y)), dim=-1)


def _normalised(vector: Tensor) -> Tensor:
    return vector / vector.norm(dim=-1, keepdim=True).clamp_min(_SHORTEST)


def geodesic_angle(a: Tensor, b: Tensor) -> Tensor:
    """Angle [rad] between two rotations, (..., 3, 3) × 2 → (...), from ``|a − b| = 2 √2 sin(angle / 2)``.

    At angles of 0 and π the angle has no derivative; the gradient is 0 there.
    """
    sine = (b - a).norm(dim=(-1, -2)) * (0.5 / math.sqrt(2.0))
    return 2.0 * torch.where(sine < 1.0, sine, 1.0).asin()


def interpolate(start: Tensor, end: Tensor, share: Tensor) -> Tensor:
    """Rotation at ``share`` (0 to 1) of the shortest arc from ``start`` to ``end``.

    Shapes: (..., 3, 3), (..., 3, 3), (...) → (..., 3, 3).
    """
    arc = matrix_to_axis_angle(start.mT @ end)
    return start @ _turn(arc * share[..., None].to(start.dtype))


def _turn(axis_angle: Tensor) -> Tensor:
    """Rodrigues' formula written with a unit axis, (..., 3) [rad] → (..., 3, 3).

    ``axis_angle_to_matrix`` rounds differently. This form keeps the bits of interpolated motions as they always were.
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
    """Rotation and translation that bring points nearest to their targets: ``target ≈ R @ point + t``.

    Args:
        points, targets: (..., N, 3) [m].
        weights: (..., N), not negative: weights of the squared distances.

    Returns:
        R (..., 3, 3) and t (..., 3) [m], without gradients. If all points lie on a line, the rotation about that line
        is arbitrary.

    Source: Kabsch, Acta Crystallographica A32, 1976.
    """
    weights = (weights / weights.sum(-1, keepdim=True)).detach()
    points, targets = points.detach(), targets.detach()
    centre, target_centre = (torch.einsum("...k,...ki->...i", weights, x) for x in (points, targets))
    from_centre, from_target_centre = points - centre[..., None, :], targets - target_centre[..., None, :]
    covariance = torch.einsum("...k,...ki,...kj->...ij", weights, from_target_centre, from_centre)
    left, _, right = torch.linalg.svd(covariance.double())
    handed = torch.ones_like(left[..., 0])
    handed[..., 2] = torch.linalg.det(left @ right).sign()  # a reflection is not allowed
    rotation = ((left * handed[..., None, :]) @ right).to(points.dtype)
    return rotation, target_centre - torch.einsum("...ij,...j->...i", rotation, centre)
