"""Contact terms: joints in contact do not move and are on the floor. Prior frame: z up, floor at z = 0."""

from __future__ import annotations

from torch import Tensor

from optim.objective.terms.scene import Scene

SLACK = 0.08
"""Height [m] of a joint centre that still counts as touching, because the centre is inside the body."""


def contact_vel(scene: Scene) -> Tensor:
    """½ c_t ‖p_t − p_{t-1}‖² [m²] for t ≥ 1, (B, T-1, 9), where c_t is the probability of contact."""
    contact, joints = scene.in_prior.contact_probability, scene.in_prior.contact_joints
    return 0.5 * contact[:, 1:] * ((joints[:, 1:] - joints[:, :-1]) ** 2).sum(-1)


def contact_height(scene: Scene) -> Tensor:
    """c · max(|z| − slack, 0) [m], (B, T, 9): distance from the floor of joints that should touch it."""
    contact, joints = scene.in_prior.contact_probability, scene.in_prior.contact_joints
    return contact * (joints[..., 2].abs() - SLACK).relu()
