"""The rule that says when a joint touches the floor."""

from __future__ import annotations

import torch
from torch import Tensor

from optim.body.joints import CONTACT_JOINTS

CONTACT_SPEED = 0.005
"""Speed [m/frame] at 30 Hz below which a joint that is low enough counts as touching the floor."""
CONTACT_HEIGHT = (0.0, 0.08, 0.08, 0.08, 0.08, 0.04, 0.04, 0.08, 0.08)
"""Height [m] below which each contact joint counts as low enough. The root never does.

Source: HuMoR's data processing.
"""


def label_contacts(joints: Tensor) -> Tensor:
    """Contact labels of the 9 contact joints: 1 where a joint touches the floor, otherwise 0.

    Args:
        joints: (N, 22, 3) [m] at 30 Hz, z up, with the floor at z = 0.

    Returns:
        (N, 9) float.
    """
    points = joints[:, list(CONTACT_JOINTS)]
    speed = (points[1:] - points[:-1]).norm(dim=-1)
    speed = torch.cat((speed[:1], speed))
    return ((speed < CONTACT_SPEED) & (points[..., 2] < torch.tensor(CONTACT_HEIGHT))).float()
