"""The coordinates in which the Gauss-Newton model describes small changes of a motion.

A change of the state of one frame is a *deviation* of 207 numbers in the prior frame, in the order of the decoder's
output. A rotation R becomes exp([δ]×) R. The quantities that are the same in all frames follow it: the shape
coefficients, the pivot of the joints (``rollout.joint_pivot``), and the transform from the input frame to the prior
frame, which changes with a camera only.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optim.common.rotations import cross_matrix
from optim.priors.motion_prior import CHANGE_PARTS

TRANS, TRANS_VEL = CHANGE_PARTS["trans"], CHANGE_PARTS["trans_vel"]
ROOT, ROOT_VEL = CHANGE_PARTS["root_orient"], CHANGE_PARTS["root_orient_vel"]
POSE, JOINTS, JOINTS_VEL = CHANGE_PARTS["pose_body"], CHANGE_PARTS["joints"], CHANGE_PARTS["joints_vel"]
"""Blocks of a state's deviation; rotations have three numbers each."""
STATE = 207
"""Length of a state's deviation."""
BETAS = slice(STATE, STATE + 16)
PIVOT = slice(BETAS.stop, BETAS.stop + 2)
FRAME_TURN = slice(PIVOT.stop, PIVOT.stop + 3)
"""Turn of ``PriorFrame.R_prior_input``, from the left."""
FRAME_SHIFT = slice(FRAME_TURN.stop, FRAME_TURN.stop + 3)
"""Change of ``PriorFrame.offset`` [m]."""
SIZE = FRAME_SHIFT.stop
"""Length of a deviation with the quantities that all frames share."""


def turn_between(rotation: Tensor, reference: Tensor) -> Tensor:
    """The small turn δ (..., 3) of exp([δ]×) reference = rotation, to first order."""
    relative = rotation @ reference.mT
    pairs = ((2, 1), (0, 2), (1, 0))
    return torch.stack([0.5 * (relative[..., i, j] - relative[..., j, i]) for i, j in pairs], dim=-1)


def left_jacobian(turn: Tensor) -> Tensor:
    """The matrix J (..., 3, 3) of exp([v + δ]×) = exp([J δ]×) exp([v]×) to first order, for turns v (..., 3) [rad].

    Source: Barfoot, State Estimation for Robotics, section 7.1.
    """
    squared = (turn * turn).sum(-1)[..., None, None] + 1e-16
    angle, cross = squared.sqrt(), cross_matrix(turn)
    small = squared < 1e-6
    b = torch.where(small, 0.5, (1.0 - angle.cos()) / squared)
    c = torch.where(small, 1.0 / 6.0, (angle - angle.sin()) / (squared * angle))
    return torch.eye(3, dtype=turn.dtype) + b * cross + c * (cross @ cross)
