"""Terms of planted joints: they stand still, at the height at which the body rests on them, and nothing is below that.

Prior frame: z up, floor at z = 0. Unlike those in ``contact``, these terms cannot be satisfied by denying a contact: no
gradient flows into the strength with which a joint is planted. A fit holds the strength for a while
(``Problem.planted``), so that the gradient is that of the loss and a line search looks at one function.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optim.body.joints import CONTACT_JOINTS, FOOT_JOINTS, RESTING_HEIGHT, RESTING_JOINTS
from optim.objective.prediction import InPrior
from optim.objective.terms.scene import Scene

GATE = 0.2
"""Contact probability up to which a joint is not planted at all."""
LOW = (0.02, 0.04)
"""Heights [m] above rest up to which a joint is low, and from which it is not at all."""
SLOW = (0.01, 0.02)
"""Speeds [m/frame] up to which a joint is slow, and from which it is not at all."""
SLACK = 0.005
"""Height [m] above or below the resting height that still counts as resting."""


def planted_vel(scene: Scene) -> Tensor:
    """½ s_t ‖p_t − p_{t−1}‖² [m²] for t ≥ 1, (B, T-1, 16), where s_t is the strength of ``strength``."""
    moved = resting_joints(scene.in_prior).diff(dim=1)
    return 0.5 * strength(scene)[:, 1:] * (moved**2).sum(-1)


def planted_height(scene: Scene) -> Tensor:
    """½ s max(|z − h| − slack, 0)² [m²], (B, T, 16), where h is the resting height of the joint."""
    return 0.5 * strength(scene) * off_height(scene.in_prior) ** 2


def floor_penetration(scene: Scene) -> Tensor:
    """½ max(h − slack − z, 0)² [m²], (B, T, 16): joints that are too low for the body to be above the floor."""
    return 0.5 * too_low(scene.in_prior) ** 2


def strength(scene: Scene) -> Tensor:
    """Strength (B, T, 16) of ``measured_strength``: the one that is held, or where none is held the one here."""
    held, inside = scene.problem.planted, scene.in_prior
    return measured_strength(inside) if held is None else held[:, : inside.joints.shape[1]].to(inside.joints)


def measured_strength(inside: InPrior) -> Tensor:
    """How strongly each of ``RESTING_JOINTS`` is planted, from 0 to 1, (B, T, 16), without a gradient.

    For ankles and toes it is ``max(c − gate, 0) / (1 − gate)`` of the prior's contact probability c. For the other
    joints it is the larger one of that and of what the motion itself shows: 1 where a joint is low and slow. The prior
    knows no contact of hips, head, shoulders and elbows, and misses those of root, knees and hands on the floor.
    """
    probability = inside.contact_probability.detach()
    found = probability.new_zeros(*probability.shape[:2], len(RESTING_JOINTS))
    found[..., [RESTING_JOINTS.index(joint) for joint in CONTACT_JOINTS]] = ((probability - GATE) / (1.0 - GATE)).relu()
    others = [index for index, joint in enumerate(RESTING_JOINTS) if joint not in FOOT_JOINTS]
    found[..., others] = torch.maximum(found[..., others], _low_and_slow(inside)[..., others])
    return found


def _low_and_slow(inside: InPrior) -> Tensor:
    """1 (B, T, 16) where a joint is low and slow, 0 where it is not, and between them in proportion."""
    moved = resting_joints(inside).detach().diff(dim=1).norm(dim=-1)
    speed = torch.cat((moved[:, :1], moved), dim=1)
    return _falling(above_rest(inside).detach(), *LOW) * _falling(speed, *SLOW)


def _falling(values: Tensor, full: float, none: float) -> Tensor:
    return ((none - values) / (none - full)).clamp(0.0, 1.0)


def resting_joints(inside: InPrior) -> Tensor:
    """Positions (B, T, 16, 3) [m] of ``RESTING_JOINTS``, of the body model."""
    return inside.joints[:, :, list(RESTING_JOINTS)]


def above_rest(inside: InPrior) -> Tensor:
    """Height (B, T, 16) [m] of each joint above its resting height."""
    joints = resting_joints(inside)
    return joints[..., 2] - joints.new_tensor(list(RESTING_HEIGHT.values()))


def off_height(inside: InPrior) -> Tensor:
    """Distance (B, T, 16) [m] from the resting height beyond the slack."""
    return (above_rest(inside).abs() - SLACK).relu()


def too_low(inside: InPrior) -> Tensor:
    """Depth (B, T, 16) [m] below the resting height beyond the slack."""
    return (-above_rest(inside) - SLACK).relu()
