"""Make observations of a known motion as HuMoR's 3D experiments do: what is seen, noise, what is hidden.

Missing data is +inf. World: z up, floor at z = 0, metres. Every random number comes from a given generator.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optim.body import BodyModel
from optim.variables import Trajectory

ROOT_ONLY_JOINTS = (0, 12, 15, 16, 17)
"""Pelvis, neck, head, shoulders: what ``--amass-root-joint-only`` leaves."""


@dataclass(frozen=True)
class Degradation:
    """How much of a motion is seen, and how well."""

    noise_std: float = 0.0
    """Gaussian noise on every coordinate [m]."""
    hide_below: float | None = None
    """Points whose observed height [m] is below are missing."""
    drop_middle: bool = False
    """Nothing is seen in the middle third of the frames."""
    root_only: bool = False
    """Of the joints only ``ROOT_ONLY_JOINTS`` are seen, at any height."""


def observed_points(truth: Trajectory, body: BodyModel, *, verts: bool) -> Tensor:
    """The 22 joints (B, T, 22, 3) or the 43 key vertices (B, T, 43, 3) of a motion."""
    if not verts:
        return truth.joints
    ids = torch.tensor(body.keypoint_vertices)
    return body.joints_and_vertices(truth.trans, truth.root_orient, truth.pose_body, truth.betas, ids)[1]


def degrade(points: Tensor, how: Degradation, *, generator: torch.Generator) -> Tensor:
    """Noise first, then hide: (B, T, K, 3) → the same shape with +inf where nothing is seen.

    The order, and that noise decides what is below the height, are those of the public loader.
    """
    seen = points + how.noise_std * torch.randn(points.shape, generator=generator)
    hidden = torch.zeros(points.shape[:3], dtype=torch.bool)
    if how.hide_below is not None and not how.root_only:
        hidden |= seen[..., 2] < how.hide_below
    if how.root_only:
        others = [joint for joint in range(points.shape[2]) if joint not in ROOT_ONLY_JOINTS]
        hidden[:, :, others] = True
    if how.drop_middle:
        third = points.shape[1] // 3
        hidden[:, third : 2 * third] = True
    return torch.where(hidden[..., None], torch.inf, seen)
