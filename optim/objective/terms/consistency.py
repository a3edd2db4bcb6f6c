"""What should agree with itself: from frame to frame, between the body and the prior's joints, with the seen floor."""

from __future__ import annotations

from torch import Tensor

PARENTS = (0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 12, 12, 13, 14, 16, 17, 18, 19)
"""The other end of the bone of joints 1 to 21. As published: the collars hang from the neck, not from the spine."""


def smoothness(points: Tensor) -> Tensor:
    """½ ‖p_{t+1} − p_t‖² [m²]; (B, T, K, 3) → (B, T-1, K)."""
    return 0.5 * ((points[:, 1:] - points[:, :-1]) ** 2).sum(-1)


def agreement(a: Tensor, b: Tensor) -> Tensor:
    """½ ‖a − b‖² over the last axis."""
    return 0.5 * ((a - b) ** 2).sum(-1)


def bone_length(joints: Tensor) -> Tensor:
    """½ (change of each bone's length)² [m²]; regressed joints (B, T, 22, 3) → (B, T-1, 21)."""
    length = (joints[:, :, 1:] - joints[:, :, list(PARENTS)]).square().sum(-1).clamp_min(1e-12).sqrt()
    return 0.5 * (length[:, 1:] - length[:, :-1]) ** 2
