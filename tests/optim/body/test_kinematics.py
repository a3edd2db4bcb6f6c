"""The kinematic chain: against one joint after the other, and its gradient against finite differences."""

import torch

from optim.body.kinematics import Kinematics
from optim.common.rotations import axis_angle_to_matrix

PARENTS = (-1, 0, 0, 1, 3, 2)


def arguments(batch: int = 2, frames: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    bones = torch.randn(batch, len(PARENTS), 3, generator=generator, dtype=torch.float64)
    turns = torch.randn(batch, frames, len(PARENTS), 3, generator=generator, dtype=torch.float64)
    return bones.requires_grad_(), axis_angle_to_matrix(turns).requires_grad_()


def test_a_joint_hangs_from_its_parent():
    bones, local = arguments()
    rotation, position = Kinematics.apply(bones, local, PARENTS)
    assert rotation.shape == (2, 3, 6, 3, 3) and position.shape == (2, 3, 6, 3)
    torch.testing.assert_close(rotation[:, :, 0], local[:, :, 0])
    torch.testing.assert_close(position[:, :, 0], bones[:, None, 0].expand(2, 3, 3))
    for joint, parent in list(enumerate(PARENTS))[1:]:
        torch.testing.assert_close(rotation[:, :, joint], rotation[:, :, parent] @ local[:, :, joint])
        carried = (rotation[:, :, parent] @ bones[:, None, joint, :, None])[..., 0]
        torch.testing.assert_close(position[:, :, joint], position[:, :, parent] + carried)


def test_gradient_matches_finite_differences():
    given = arguments()
    assert torch.autograd.gradcheck(lambda *x: Kinematics.apply(*x, PARENTS), given)


def test_gradient_of_one_result_alone():
    given = arguments()
    for index in (0, 1):
        assert torch.autograd.gradcheck(lambda *x, i=index: Kinematics.apply(*x, PARENTS)[i], given)
