"""Quaternions agree with RoMa bit for bit, and with matrices; gradients are finite where formulas break."""

import math

import pytest
import roma
import torch

from optim.common.quaternions import (
    axis_angle_to_quaternion,
    inverse,
    matrix_to_quaternion,
    product,
    quaternion_to_axis_angle,
)
from optim.common.rotations import axis_angle_to_matrix

KINDS = (torch.float32, torch.float64)


def turns(kind: torch.dtype, *, seed: int = 0, count: int = 2000) -> torch.Tensor:
    """Axis-angle vectors of 0 to 180°, many of them small, on the axes and in between."""
    generator = torch.Generator().manual_seed(seed)
    axis = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=kind), dim=-1)
    angle = math.pi * torch.rand(count, 1, generator=generator, dtype=kind) ** 6
    on_axes = torch.cat((torch.eye(3, dtype=kind), -torch.eye(3, dtype=kind), torch.zeros(1, 3, dtype=kind)))
    return torch.cat((axis * angle, on_axes, on_axes * (math.pi / 2), on_axes * math.pi))


@pytest.mark.parametrize("kind", KINDS)
def test_the_numbers_are_those_of_roma(kind):
    """Results of fits were made with RoMa and are to stay what they were."""
    vectors = turns(kind)
    ours = roma.rotvec_to_unitquat(vectors)
    matrices = roma.rotvec_to_rotmat(vectors)
    pairs = (
        (axis_angle_to_quaternion(vectors), ours),
        (quaternion_to_axis_angle(-ours), roma.unitquat_to_rotvec(-ours)),
        (matrix_to_quaternion(matrices), roma.rotmat_to_unitquat(matrices)),
        (product(ours, ours.flip(0)), roma.quat_product(ours, ours.flip(0))),
        (inverse(ours), roma.quat_conjugation(ours)),
    )
    for own, theirs in pairs:
        assert own.dtype == kind
        torch.testing.assert_close(own, theirs, rtol=0, atol=0)


def test_axis_angle_round_trip():
    vectors = turns(torch.float64)
    there = axis_angle_to_matrix(quaternion_to_axis_angle(axis_angle_to_quaternion(vectors)))
    torch.testing.assert_close(there, axis_angle_to_matrix(vectors), rtol=0, atol=1e-12)


def test_a_product_turns_by_the_second_factor_first():
    first, second = turns(torch.float64), turns(torch.float64, seed=1)
    both = product(axis_angle_to_quaternion(second), axis_angle_to_quaternion(first))
    together = axis_angle_to_matrix(second) @ axis_angle_to_matrix(first)
    torch.testing.assert_close(axis_angle_to_matrix(quaternion_to_axis_angle(both)), together, rtol=0, atol=1e-9)


def test_a_turn_and_its_inverse_are_none():
    quaternion = axis_angle_to_quaternion(turns(torch.float64))
    none = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64).expand_as(quaternion)
    torch.testing.assert_close(product(quaternion, inverse(quaternion)), none, rtol=0, atol=1e-14)


@pytest.mark.parametrize("vector", [(1e-4, -2e-4, 0.0), (0.01, 0.0, 0.0), (0.3, 0.2, -1.0), (0.0, 3.0, 0.0)])
def test_gradient_matches_finite_differences(vector):
    point = torch.tensor(vector, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: quaternion_to_axis_angle(2.0 * axis_angle_to_quaternion(v)), (point,))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_everywhere(kind):
    vectors = turns(kind).requires_grad_()
    quaternion = axis_angle_to_quaternion(vectors)
    quaternion_to_axis_angle(quaternion).sum().backward()
    assert torch.isfinite(vectors.grad).all()
    matrices = roma.rotvec_to_rotmat(turns(kind)).requires_grad_()
    quaternion_to_axis_angle(matrix_to_quaternion(matrices)).sum().backward()
    assert torch.isfinite(matrices.grad).all()
