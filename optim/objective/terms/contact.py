"""Joints in contact stand still and stand on the floor. Prior frame: z up, floor at z = 0."""

from __future__ import annotations

from torch import Tensor


def contact_vel(contact: Tensor, joints: Tensor) -> Tensor:
    """½ c_t ‖p_t − p_{t-1}‖² [m²] for t ≥ 1.

    Args:
        contact: (B, T, K) probability in [0, 1]; gradients flow into it. joints: (B, T, K, 3) m.

    Returns:
        (B, T-1, K).
    """
    return 0.5 * contact[:, 1:] * ((joints[:, 1:] - joints[:, :-1]) ** 2).sum(-1)


def contact_height(contact: Tensor, joints: Tensor, *, slack: float = 0.08) -> Tensor:
    """c · max(|z| − slack, 0) [m]: how far off the floor a touching joint is, beyond the flesh around its centre.

    Args:
        contact: (B, T, K) probability in [0, 1]; gradients flow into it. joints: (B, T, K, 3) m.

    Returns:
        (B, T, K).
    """
    return contact * (joints[..., 2].abs() - slack).relu()
