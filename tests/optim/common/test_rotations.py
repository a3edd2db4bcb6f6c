"""Rotations: round trips, orthonormality, gradients at the places where formulas break."""

import math

import pytest
import torch

from optim.common.rotations import (
    axis_angle_to_matrix,
    geodesic_angle,
    matrix_to_axis_angle,
    matrix_to_sixd,
    sixd_to_matrix,
)


def random_axis_angles(count: int = 200, *, largest: float = 3.1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    axis = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1)
    return axis * largest * torch.rand(count, 1, generator=generator, dtype=torch.float64)


def test_axis_angle_round_trip():
    vectors = random_axis_angles()
    torch.testing.assert_close(matrix_to_axis_angle(axis_angle_to_matrix(vectors)), vectors, rtol=0, atol=1e-7)


def test_matrices_are_rotations():
    matrices = axis_angle_to_matrix(random_axis_angles(largest=20.0))
    identity = torch.eye(3, dtype=torch.float64).expand_as(matrices)
    torch.testing.assert_close(matrices @ matrices.mT, identity, rtol=0, atol=1e-12)
    torch.testing.assert_close(torch.linalg.det(matrices), torch.ones(200, dtype=torch.float64))


def test_quarter_turn_about_z_moves_x_to_y():
    turned = axis_angle_to_matrix(torch.tensor([0.0, 0.0, math.pi / 2])) @ torch.tensor([1.0, 0.0, 0.0])
    torch.testing.assert_close(turned, torch.tensor([0.0, 1.0, 0.0]))


def test_sixd_round_trip():
    matrices = axis_angle_to_matrix(random_axis_angles())
    torch.testing.assert_close(sixd_to_matrix(matrix_to_sixd(matrices)), matrices)


@pytest.mark.parametrize("vector", [(0.0, 0.0, 0.0), (1e-9, 0.0, 0.0), (1e-4, -2e-4, 0.0), (0.3, 0.2, -1.0)])
def test_gradient_matches_finite_differences(vector):
    point = torch.tensor(vector, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(axis_angle_to_matrix, (point,), eps=1e-6, atol=1e-6)


def test_float32_gradient_is_finite_at_the_identity():
    point = torch.zeros(5, 3, requires_grad=True)
    axis_angle_to_matrix(point).sum().backward()
    assert torch.isfinite(point.grad).all()


def test_geodesic_angle_is_the_turn_between():
    vectors = random_axis_angles()
    angles = geodesic_angle(torch.eye(3, dtype=torch.float64).expand(200, 3, 3), axis_angle_to_matrix(vectors))
    torch.testing.assert_close(angles, vectors.norm(dim=-1), rtol=0, atol=1e-6)
