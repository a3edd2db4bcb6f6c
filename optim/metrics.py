"""Figures of a fit against the truth, as the paper reports them: joint errors, acceleration, ground penetration.

Everything in a world with z up and the floor at z = 0. Source: HuMoR, Rempe et al., ICCV 2021, section 5.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optim.body import BodyModel
from optim.variables import Trajectory

END_EFFECTORS = (10, 11, 15, 20, 21)
"""Toes, head, wrists."""
LEGS = (1, 2, 4, 5, 7, 8, 10, 11)
FEET = (10, 11, 7, 8)
"""Toes, ankles."""
NEAR_FLOOR = (0.04, 0.04, 0.10, 0.10)
"""Height [m] below which each of ``FEET`` counts as being on the floor."""
PENETRATION_DEPTHS_CM = (0, 3, 6, 9, 12, 15)


def joint_errors(fitted: Trajectory, truth: Trajectory, visible: Tensor) -> dict[str, Tensor]:
    """Mean distance of the 22 joints [cm], one number per sub-sequence (B,).

    Args:
        visible: (B, T, 22) bool, which joints the fit could see. A group without any member is NaN.
    """
    distance = 100 * (fitted.joints - truth.joints).norm(dim=-1)
    whole = torch.ones_like(visible)
    groups = {
        "joints_all": whole,
        "joints_visible": visible,
        "joints_occluded": ~visible,
        "joints_end_effectors": _only(whole, END_EFFECTORS),
        "joints_legs": _only(whole, LEGS),
    }
    return {name: _mean_where(distance, mask) for name, mask in groups.items()}


def acceleration(motion: Trajectory, *, fps: float = 30.0) -> Tensor:
    """Mean magnitude of the joints' acceleration [m/s²], (B,)."""
    joints = motion.joints
    change = (joints[:, 2:] - 2 * joints[:, 1:-1] + joints[:, :-2]) * fps**2
    return change.norm(dim=-1).mean((1, 2))


def ground_penetration(motion: Trajectory, body: BodyModel) -> dict[str, Tensor]:
    """How the lowest vertex of the mesh stands to the floor, per sub-sequence (B,).

    Returns:
        ``penetration_mean_cm``: mean depth below the floor over all frames, 0 where above; ``penetration_over_K_cm``:
        share of frames in which it is more than K cm below.
    """
    lowest = lowest_vertex(motion, body)
    depth = 100 * (-lowest).clamp_min(0)
    shares = {f"penetration_over_{k}_cm": (depth > k).float().mean(1) for k in PENETRATION_DEPTHS_CM}
    return {"penetration_mean_cm": depth.mean(1), **shares}


def lowest_vertex(motion: Trajectory, body: BodyModel) -> Tensor:
    """Height [m] of the lowest vertex of the mesh, (B, T); one sub-sequence at a time, which bounds the memory."""
    heights = []
    for b in range(len(motion.trans)):
        parts = (motion.trans, motion.root_orient, motion.pose_body, motion.betas)
        heights.append(body.mesh(*(part[b, None] for part in parts))[0, :, :, 2].amin(-1))
    return torch.stack(heights)


def feet_near_floor(joints: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal move of ``FEET`` between frames [m/frame], and whether they are near the floor at both ends.

    Args:
        joints: (B, T, 22, 3).

    Returns:
        (B, T-1, 4) each.
    """
    points = joints[:, :, list(FEET)]
    low = points[..., 2] < torch.tensor(NEAR_FLOOR)
    speed = (points[:, 1:, :, :2] - points[:, :-1, :, :2]).norm(dim=-1)
    return speed, low[:, 1:] & low[:, :-1]


def all_metrics(fitted: Trajectory, truth: Trajectory, visible: Tensor, body: BodyModel) -> dict[str, Tensor]:
    """Every figure of this module, name → (B,)."""
    return {
        **joint_errors(fitted, truth, visible),
        "acceleration": acceleration(fitted),
        **ground_penetration(fitted, body),
    }


def _only(mask: Tensor, joints: tuple[int, ...]) -> Tensor:
    chosen = torch.zeros_like(mask)
    chosen[..., list(joints)] = True
    return chosen


def _mean_where(values: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum((1, 2))
    total = torch.where(mask, values, torch.zeros_like(values)).sum((1, 2))
    return torch.where(count > 0, total / count.clamp_min(1), torch.full_like(total, torch.nan))
