"""Make observations of a known motion as HuMoR's 3D experiments do: what is seen, noise, what is hidden.

Missing data is +inf. World: z up, floor at z = 0, metres. Every random number comes from a given generator.
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


def observe(
    truth: Trajectory, body: BodyModel, what: str, how: Degradation, *, count: int, generator: torch.Generator
) -> Observations:
    """A motion as it would be seen: ``joints3d``, ``verts3d`` or ``points3d`` (``count`` points a frame)."""
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
    """(B, T, count, 3) spread evenly over the body's surface by area, other ones in every frame."""
    mesh = body.mesh(truth.trans, truth.root_orient, truth.pose_body, truth.betas)
    faces = torch.from_numpy(body.faces)
    frames = [_on_triangles(vertices[faces], count, generator) for vertices in mesh.flatten(0, 1)]
    return torch.stack(frames).unflatten(0, mesh.shape[:2])


def _on_triangles(corners: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(F, 3, 3) → (count, 3)."""
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=-1)
    chosen = corners[torch.multinomial(area, count, replacement=True, generator=generator)]
    place = torch.rand(count, 2, 1, generator=generator)
    place = torch.where(place.sum(1, keepdim=True) > 1, 1 - place, place)  # folds the square onto the triangle
    return chosen[:, 0] + (place * (chosen[:, 1:] - chosen[:, :1])).sum(1)


def degrade(points: Tensor, how: Degradation, *, generator: torch.Generator) -> Tensor:
    """Noise first, then hide: (B, T, K, 3) → the same shape with +inf where nothing is seen.

    The order, and that noise decides what is below the height, are those of the public loader; that one fills a cloud
    up with copies of what is left of it.
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
