"""Which joints can touch the floor, and when they are taken to do so."""

from __future__ import annotations

import torch
from torch import Tensor

from optim.body.joints import CONTACT_JOINTS

CONTACT_SPEED = 0.005
"""[m/frame] at 30 Hz; a slower joint that is low enough counts as touching the floor."""
CONTACT_HEIGHT = (0.0, 0.08, 0.08, 0.08, 0.08, 0.04, 0.04, 0.08, 0.08)
"""[m] per contact joint (root never, knees, ankles, toes, wrists). Source: HuMoR's data processing."""


def label_contacts(joints: Tensor) -> Tensor:
    """Which of the 9 contact joints touch the floor, (N, 22, 3) [m] at 30 Hz → (N, 9) 0 or 1."""
    points = joints[:, list(CONTACT_JOINTS)]
    speed = (points[1:] - points[:-1]).norm(dim=-1)
    speed = torch.cat((speed[:1], speed))
    return ((speed < CONTACT_SPEED) & (points[..., 2] < torch.tensor(CONTACT_HEIGHT))).float()
