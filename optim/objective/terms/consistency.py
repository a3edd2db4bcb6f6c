"""Consistency terms: over time, between the body's joints and the prior's, and with the observed floor."""

from __future__ import annotations

import torch
from torch import Tensor

from optim.objective.terms.scene import Scene

PARENTS = (0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 12, 12, 13, 14, 16, 17, 18, 19)
"""Joint at the other end of the bone of joints 1 to 21. As in the public code, the collars hang from the neck, not from
the spine."""


def joints3d_smooth(scene: Scene) -> Tensor:
    """½ ‖p_{t+1} − p_t‖² [m²] of the body's joints, (B, T-1, 22)."""
    return 0.5 * ((scene.joints[:, 1:] - scene.joints[:, :-1]) ** 2).sum(-1)


def joint_consistency(scene: Scene) -> Tensor:
    """½ ‖joint of the body − joint that the prior regresses‖² [m²], (B, T, 22)."""
    return agreement(scene.in_prior.joints, scene.in_prior.rollout.joints)


def floor_reg(scene: Scene) -> Tensor:
    """½ ‖floor − observed floor‖² [m²], (B,); both floors are given as normal · offset.

    Where the uncertainty of the observed floor is stated, the distance is measured in its standard deviations, and one
    counts as 5 cm (``Problem.floor_metric``).
    """
    metric = scene.problem.floor_metric
    if metric is None:
        return agreement(scene.floor, scene.problem.observed_floor)
    away = scene.floor - scene.problem.observed_floor
    return 0.5 * torch.einsum("bi,bij,bj->b", away, metric, away)


def bone_length(scene: Scene) -> Tensor:
    """½ (change of each bone's length)² [m²] of the joints that the prior regresses, (B, T-1, 21)."""
    joints = scene.in_prior.rollout.joints
    length = (joints[:, :, 1:] - joints[:, :, list(PARENTS)]).square().sum(-1).clamp_min(1e-12).sqrt()
    return 0.5 * (length[:, 1:] - length[:, :-1]) ** 2


def agreement(a: Tensor, b: Tensor) -> Tensor:
    """½ ‖a − b‖² over the last axis."""
    return 0.5 * ((a - b) ** 2).sum(-1)
