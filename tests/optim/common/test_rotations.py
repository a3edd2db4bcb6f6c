"""Rotations: round trips, orthonormality, gradients at the places where formulas break."""

import math

import pytest
import roma
import torch

from optim.common.rotations import (
    align_points,
    axis_angle_to_matrix,
    geodesic_angle,
    interpolate,
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


def random_matrices(kind: torch.dtype, *, seed: int = 0, count: int = 500) -> torch.Tensor:
    return roma.random_rotmat(count, dtype=kind, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", [torch.float32, torch.float64])
def test_the_numbers_are_those_of_roma(kind):
    """Results of fits were made with RoMa and are to stay what they were."""
    start, end = random_matrices(kind), random_matrices(kind, seed=1)
    near = start @ roma.rotvec_to_rotmat(1e-6 * torch.linspace(0, 5, 1500, dtype=kind).reshape(500, 3))
    sixd = torch.randn(500, 6, generator=torch.Generator().manual_seed(2), dtype=kind)
    share = torch.linspace(0, 1, 500, dtype=kind)

    def slerp(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ roma.rotvec_to_rotmat(roma.rotmat_to_rotvec(a.mT @ b) * share[:, None])

    pairs = (
        (matrix_to_axis_angle(start), roma.rotmat_to_rotvec(start)),
        (sixd_to_matrix(sixd), roma.special_gramschmidt(sixd.unflatten(-1, (2, 3)).mT)),
        (geodesic_angle(start, end), roma.rotmat_geodesic_distance(start, end)),
        (interpolate(start, end, share), slerp(start, end)),
        (interpolate(start, near, share), slerp(start, near)),
    )
    for own, theirs in pairs:
        assert own.dtype == kind
        torch.testing.assert_close(own, theirs, rtol=0, atol=0)


def test_the_gradient_of_the_logarithm_is_that_of_roma():
    own, theirs = (random_matrices(torch.float32).requires_grad_() for _ in range(2))
    weight = torch.linspace(-1, 1, 1500).reshape(500, 3)
    (matrix_to_axis_angle(own) * weight).sum().backward()
    (roma.rotmat_to_rotvec(theirs) * weight).sum().backward()
    torch.testing.assert_close(own.grad, theirs.grad, rtol=0, atol=0)


def test_gradients_are_finite_where_formulas_break():
    half_turns = torch.diag_embed(torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1]]))
    matrices = torch.cat((torch.eye(3)[None], half_turns)).requires_grad_()
    matrix_to_axis_angle(matrices).sum().backward()
    assert torch.isfinite(matrices.grad).all()
    matrices.grad = None
    geodesic_angle(torch.eye(3), matrices).sum().backward()
    assert torch.isfinite(matrices.grad).all()
    no_rotation = torch.tensor([[0.0] * 6, [1.0, 0, 0, 2, 0, 0], [0.0, 0, 0, 0, 1, 0]], requires_grad=True)
    found = sixd_to_matrix(no_rotation)
    found.sum().backward()
    assert torch.isfinite(found).all() and torch.isfinite(no_rotation.grad).all()


@pytest.mark.parametrize("points", [3, 14, 500])
def test_alignment_is_that_of_roma(points):
    generator = torch.Generator().manual_seed(points)
    model = torch.randn(4, 60, points, 3, generator=generator)
    turned = model @ random_matrices(torch.float32, count=240).reshape(4, 60, 3, 3).mT
    target = turned + torch.randn(4, 60, points, 3, generator=generator) * 0.1 + 2.0
    weights = torch.rand(4, 60, points, generator=generator)
    own, theirs = align_points(model, target, weights), roma.rigid_points_registration(model, target, weights)
    torch.testing.assert_close(own[0], theirs[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(own[1], theirs[1], rtol=0, atol=1e-6)


def test_alignment_finds_the_motion_and_makes_no_mirror_image():
    model = torch.randn(20, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turn = axis_angle_to_matrix(torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64))
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    weights = torch.ones(20, dtype=torch.float64)
    weights[-1] = 0.0
    target = model @ turn.mT + shift
    target[-1] = 100.0  # a point without weight
    rotation, place = align_points(model, target, weights)
    torch.testing.assert_close(rotation, turn)
    torch.testing.assert_close(place, shift)
    mirrored, _ = align_points(model, model * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64), weights)
    torch.testing.assert_close(torch.linalg.det(mirrored), torch.tensor(1.0, dtype=torch.float64))
