"""Make observations of a known motion as in HuMoR's 3D experiments: choose points, add noise, hide some of them.

Missing data is +inf. World frame: z up, floor at z = 0, metres. Every random number comes from the given generator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.problem.observations import Observations
from optim.problem.variables import Trajectory

ROOT_ONLY_JOINTS = (0, 12, 15, 16, 17)
"""Pelvis, neck, head and shoulders: the joints that remain with ``--amass-root-joint-only``."""


@dataclass(frozen=True)
class Degradation:
    """How much of a motion is observed, and with how much noise."""

    noise_std: float = 0.0
    """Standard deviation of the Gaussian noise on every coordinate [m]."""
    hide_below: float | None = None
    """Points with an observed height below this are missing [m]. None hides no point for its height."""
    drop_middle: bool = False
    """Whether all points are missing in the middle third of the frames."""
    root_only: bool = False
    """Whether only ``ROOT_ONLY_JOINTS`` are observed, at any height."""


def observe(
    truth: Trajectory, body: BodyModel, what: str, how: Degradation, *, count: int, generator: torch.Generator
) -> Observations:
    """Observations of a motion.

    Args:
        truth: The motion, in the world frame [m].
        what: ``joints3d``, ``verts3d`` or ``points3d``.
        how: Noise and hidden points.
        count: Number of points per frame, for ``points3d``.

    Returns:
        Observations in the frame of ``truth``, with +inf where a point is missing.
    """
    if what == "points3d":
        points = surface_points(truth, body, count=count, generator=generator)
    elif what == "verts3d":
        ids = torch.tensor(body.keypoint_vertices)
        points = body.joints_and_vertices(truth.trans, truth.root_orient, truth.pose_body, truth.betas, ids)[1]
    else:
        points = truth.joints
    seen: dict[str, Any] = {what: degrade(points, how, generator=generator)}
    return Observations(**seen)


def surface_points(truth: Trajectory, body: BodyModel, *, count: int, generator: torch.Generator) -> Tensor:
    """Points (B, T, count, 3) [m] drawn evenly by area from the body's surface, anew in every frame."""
    mesh = body.mesh(truth.trans, truth.root_orient, truth.pose_body, truth.betas)
    faces = torch.from_numpy(body.faces)
    frames = [_on_triangles(vertices[faces], count, generator) for vertices in mesh.flatten(0, 1)]
    return torch.stack(frames).unflatten(0, mesh.shape[:2])


def _on_triangles(corners: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Points (count, 3) drawn evenly by area from triangles (F, 3, 3)."""
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1)
    chosen = corners[torch.multinomial(area, count, replacement=True, generator=generator)]
    place = torch.rand(count, 2, 1, generator=generator)
    place = torch.where(place.sum(1, keepdim=True) > 1, 1 - place, place)  # fold the unit square onto the triangle
    return chosen[:, 0] + (place * (chosen[:, 1:] - chosen[:, :1])).sum(1)


def degrade(points: Tensor, how: Degradation, *, generator: torch.Generator) -> Tensor:
    """Add noise, then hide points: (B, T, K, 3) [m] → the same shape with +inf where a point is missing.

    As in HuMoR's public loader, the noise comes first, so it influences which points are below the height. Unlike that
    loader, hidden points of a cloud are not replaced by copies of the others.
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
