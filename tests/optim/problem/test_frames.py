"""Prior frames: rigid, invertible, standing on the floor."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from optim.common.rotations import axis_angle_to_matrix
from optim.problem import frames

generator = torch.Generator().manual_seed(0)


def randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def camera_case():
    """Three bodies about upright before a camera (y down), the floor 1.2 m below it."""
    trans = randn(3, 3) * 0.3 + torch.tensor([0.0, 0.1, 3.0])
    root = axis_angle_to_matrix(torch.tensor([torch.pi, 0.0, 0.0]) + 0.2 * randn(3, 3))
    normal = normalize(torch.tensor([0.0, -1.0, 0.0]) + 0.1 * randn(3, 3), dim=1)
    return normal * -1.2, trans, root, torch.tensor([0.0, -0.24, 0.03]) + 0.01 * randn(3, 3)


def world_case():
    trans = randn(3, 3) * 2 + torch.tensor([0.0, 0.0, 1.2])
    upright = axis_angle_to_matrix(torch.tensor([torch.pi / 2, 0.0, 0.0], dtype=torch.float64))
    turn = axis_angle_to_matrix(torch.tensor([[0.0, 0.0, a] for a in (0.3, 2.5, -1.7)], dtype=torch.float64))
    return (
        trans,
        turn @ upright @ axis_angle_to_matrix(0.2 * randn(3, 3)),
        torch.tensor([0.0, -0.24, 0.03]) + 0.01 * randn(3, 3),
    )


FRAMES = {
    "floor": lambda: frames.floor_frame(*camera_case()),
    "canonical": lambda: frames.canonical_frame(*world_case()),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_there_and_back(kind):
    frame = FRAMES[kind]()
    R, eye = frame.R_prior_input, torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(R @ R.transpose(1, 2), eye.expand(3, 3, 3))
    assert (torch.linalg.det(R) > 0).all()
    points, rotations, pelvis = randn(3, 4, 5, 3), axis_angle_to_matrix(randn(3, 4, 3)), randn(3, 3)
    torch.testing.assert_close(frame.points_back(frame.points(points)), points)
    torch.testing.assert_close(frame.orient_back(frame.orient(rotations)), rotations)
    torch.testing.assert_close(frame.trans_back(frame.trans(points[:, :, 0], pelvis), pelvis), points[:, :, 0])


@pytest.mark.parametrize("kind", FRAMES)
def test_body_parameters_and_points_move_alike(kind):
    """Joints of the moved parameters are the moved joints: the body turns about its root joint."""
    frame = FRAMES[kind]()
    trans, rotation, pelvis, bone = randn(3, 4, 3), axis_angle_to_matrix(randn(3, 4, 3)), randn(3, 3), randn(3)
    joint = trans + pelvis[:, None] + rotation @ bone
    moved = frame.trans(trans, pelvis) + pelvis[:, None] + frame.orient(rotation) @ bone
    torch.testing.assert_close(moved, frame.points(joint))


def test_floor_frame_stands_on_the_floor():
    floor, trans, root, pelvis = camera_case()
    frame, plane = frames.floor_frame(floor, trans, root, pelvis), frames.floor_plane(floor)
    assert (plane[:, 1] < 0).all()
    points = randn(3, 7, 3)
    height = (points * plane[:, None, :3]).sum(-1) - plane[:, None, 3]
    torch.testing.assert_close(frame.points(points)[..., 2], height)
    check_canonical(frame, trans, root, pelvis)


def test_canonical_frame_keeps_heights():
    trans, root, pelvis = world_case()
    frame, points = frames.canonical_frame(trans, root, pelvis), randn(3, 7, 3)
    torch.testing.assert_close(frame.points(points)[..., 2], points[..., 2])
    check_canonical(frame, trans, root, pelvis)


def check_canonical(frame, trans, root, pelvis):
    moved = frame.trans(trans[:, None], pelvis)[:, 0]
    torch.testing.assert_close(moved[:, :2], torch.zeros(3, 2, dtype=torch.float64))
    right = -frame.orient(root[:, None])[:, 0, :, 0]
    torch.testing.assert_close(right[:, 1], torch.zeros(3, dtype=torch.float64))
    assert (right[:, 0] > 0).all()


def test_floor_frame_has_smooth_gradients_where_the_published_ray_is_parallel_to_the_floor():
    """A body whose right is parallel to the floor: its ray meets the floor at infinity, the projection does not."""
    floor = torch.tensor([[0.0, 1.2, 0.0]], dtype=torch.float64)
    trans, pelvis = torch.tensor([[0.0, 0.0, 3.0]], dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)
    vector = torch.tensor([[torch.pi, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    frame = frames.floor_frame(floor, trans, axis_angle_to_matrix(vector), pelvis)
    (gradient,) = torch.autograd.grad(frame.R_prior_input.pow(3).sum(), vector)
    assert torch.isfinite(gradient).all() and gradient.norm() < 10
    assert torch.autograd.gradcheck(
        lambda v: frames.floor_frame(floor, trans, axis_angle_to_matrix(v), pelvis).R_prior_input, (vector,)
    )


def test_identity_changes_nothing():
    points = randn(2, 5, 3)
    assert torch.equal(frames.identity(2, dtype=torch.float64).points(points), points)
