"""Unit quaternions (x, y, z, w), scalar last: conversion from and to axis-angle vectors and matrices, and product.

Gradients are finite everywhere. The formulas are those of SciPy's ``Rotation``, with the series of RoMa for small
angles.
"""

from __future__ import annotations

import torch
from torch import Tensor


def axis_angle_to_quaternion(axis_angle: Tensor) -> Tensor:
    """Quaternion of an axis-angle vector, (..., 3) [rad] → (..., 4)."""
    half = axis_angle.norm(dim=-1, keepdim=True) / 2
    return torch.cat((_sine_ratio(half) / 2.0 * axis_angle, half.cos()), dim=-1)


def quaternion_to_axis_angle(quaternion: Tensor) -> Tensor:
    """Axis-angle vector of a unit quaternion, (..., 4) → (..., 3) [rad]. Its angle lies in [0, π]."""
    quaternion = quaternion * torch.where(quaternion[..., 3:] > 0, 1.0, -1.0).to(quaternion.dtype)
    vector = quaternion[..., :3]
    half = torch.atan2(vector.norm(dim=-1), quaternion[..., 3])
    return (2.0 * _inverse_sine_ratio(half))[..., None] * vector


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Unit quaternion of a rotation matrix, (..., 3, 3) → (..., 4). Its sign is arbitrary.

    Four vectors are computed from the matrix. Vector k equals the quaternion multiplied by four times its entry k. The
    vector of the largest entry is normalised, because it loses the fewest digits.

    Source: Markley, "Unit Quaternion from Rotation Matrix", J. Guidance 31(2), 2008.
    """
    (a11, a12, a13), (a21, a22, a23), (a31, a32, a33) = (row.unbind(-1) for row in matrix.mT.unbind(-2))
    rows = (
        (1 + a11 - a22 - a33, a12 + a21, a13 + a31, a23 - a32),
        (a21 + a12, 1 + a22 - a33 - a11, a23 + a32, a31 - a13),
        (a31 + a13, a32 + a23, 1 + a33 - a11 - a22, a12 - a21),
        (a23 - a32, a31 - a13, a12 - a21, 1 + a11 + a22 + a33),
    )
    multiples = torch.stack([entry for row in rows for entry in row], dim=-1).unflatten(-1, (4, 4))
    largest = multiples.diagonal(dim1=-2, dim2=-1).argmax(-1)
    chosen = multiples.gather(-2, largest[..., None, None].expand(*largest.shape, 1, 4))[..., 0, :]
    return chosen / chosen.norm(dim=-1, keepdim=True)


def product(a: Tensor, b: Tensor) -> Tensor:
    """Quaternion of the rotation ``b`` followed by the rotation ``a``, (..., 4) × 2 → (..., 4)."""
    a, b = torch.broadcast_tensors(a, b)
    (v, w), (u, s) = (torch.split(q, [3, 1], dim=-1) for q in (a, b))
    vector = w * u + s * v + torch.linalg.cross(v, u)
    return torch.cat((vector, w * s - (v * u).sum(-1, keepdim=True)), dim=-1)


def inverse(quaternion: Tensor) -> Tensor:
    """Unit quaternion of the inverse rotation, (..., 4) → (..., 4)."""
    return quaternion * quaternion.new_tensor([-1.0, -1.0, -1.0, 1.0])


def _is_small(x: Tensor) -> Tensor:
    """Where the series up to x⁴ is used, because the derivative of the quotient loses its digits there."""
    return x.abs() < 2.0 * torch.finfo(x.dtype).eps ** (1 / 6)


def _sine_ratio(x: Tensor) -> Tensor:
    """``sin x / x``."""
    small = _is_small(x)
    return torch.where(small, 1 - x**2 / 6 + x**4 / 120, torch.sin(x) / torch.where(small, 1.0, x))


def _inverse_sine_ratio(x: Tensor) -> Tensor:
    """``x / sin x``."""
    small = _is_small(x)
    return torch.where(small, 1 + x**2 / 6 + 7 * x**4 / 360, x / torch.where(small, 1.0, torch.sin(x)))
