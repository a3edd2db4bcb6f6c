"""Metrics of a fit against the ground truth, as the paper reports them, plus foot skate and penetration of the mesh.

All motions are in a world with z up and the floor at z = 0. Source: HuMoR, Rempe et al., ICCV 2021, section 5, and the
groups of joints and the toe penetration of its public evaluation.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.body.contacts import label_contacts
from optim.body.joints import CONTACT_JOINTS
from optim.problem.variables import Trajectory

END_EFFECTORS = (7, 8, 10, 11, 20, 21)
"""Ankles, toes, wrists."""
LEGS = (4, 5, 7, 8, 10, 11)
"""Knees, ankles, toes."""
TOES = (10, 11)
FEET = (10, 11, 7, 8)
"""Toes, ankles."""
NEAR_FLOOR = (0.04, 0.04, 0.10, 0.10)
"""Height [m] of each joint in ``FEET`` below which it counts as near the floor."""
PENETRATION_DEPTHS_CM = (0, 3, 6, 9, 12, 15)
FRAMES_AT_ONCE = 120
"""Number of frames whose mesh is in memory at the same time."""


def joint_errors(fitted: Trajectory, truth: Trajectory, visible: Tensor) -> dict[str, Tensor]:
    """Mean distance of the 22 joints [cm], one number per sub-sequence (B,).

    Args:
        visible: (B, T, 22) bool, the joints that the fit could see.

    Returns:
        Group of joints → error; NaN for a group without members. For ``joints_root_aligned`` the root joints are moved
        onto each other in every frame.
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
    errors = {name: _mean_where(distance, mask) for name, mask in groups.items()}
    aligned = [motion.joints - motion.joints[:, :, :1] for motion in (fitted, truth)]
    return errors | {"joints_root_aligned": 100 * (aligned[0] - aligned[1]).norm(dim=-1).mean((1, 2))}


def joint_error(fitted: Trajectory, truth: Trajectory) -> Tensor:
    """Mean distance (B,) [cm] of the 22 joints."""
    return 100 * (fitted.joints - truth.joints).norm(dim=-1).mean((1, 2))


def acceleration(motion: Trajectory, *, fps: float = 30.0) -> Tensor:
    """Mean magnitude (B,) [m/s²] of the joints' acceleration."""
    return acceleration_of(motion.joints, fps=fps)


def acceleration_of(joints: Tensor, *, fps: float = 30.0) -> Tensor:
    """Mean magnitude (B,) [m/s²] of the acceleration of joints (B, T, J, 3) [m]."""
    change = (joints[:, 2:] - 2 * joints[:, 1:-1] + joints[:, :-2]) * fps**2
    return change.norm(dim=-1).mean((1, 2))


def acceleration_error(fitted: Trajectory, truth: Trajectory, *, fps: float = 30.0) -> Tensor:
    """Mean magnitude (B,) [m/s²] of the difference between the accelerations of the joints of two motions."""
    return acceleration_of(fitted.joints - truth.joints, fps=fps)


def toe_penetration(motion: Trajectory) -> dict[str, Tensor]:
    """Depth of the toe joints below the floor, per sub-sequence (B,).

    Returns:
        ``penetration_mean_cm``: mean depth over toes and frames, 0 above the floor; ``penetration_over_K_cm``: share of
        toes and frames in which the depth is more than K cm.
    """
    depth = 100 * (-motion.joints[:, :, list(TOES), 2]).clamp_min(0)
    shares = {f"penetration_over_{k}_cm": (depth > k).float().mean((1, 2)) for k in PENETRATION_DEPTHS_CM}
    return {"penetration_mean_cm": depth.mean((1, 2)), **shares}


def mesh_error(fitted: Trajectory, truth: Trajectory, body: BodyModel, truth_body: BodyModel) -> Tensor:
    """Mean distance (B,) [cm] of the vertices; NaN if the two bodies have different meshes."""
    if len(body.template) != len(truth_body.template):
        return torch.full((len(fitted.trans),), torch.nan)
    errors = []
    for b in range(len(fitted.trans)):
        pairs = zip(_meshes(fitted, body, b), _meshes(truth, truth_body, b), strict=True)
        errors.append(100 * torch.cat([(one - other).norm(dim=-1).mean(1) for one, other in pairs]).mean())
    return torch.stack(errors)


def contact_accuracy(fitted: Trajectory, truth: Trajectory) -> Tensor:
    """Share (B,) of correct contact labels over frames and the 9 contact joints; NaN in stages 1 and 2.

    Where the ground truth has no labels, slow and low joints are labelled as in training.
    """
    if fitted.contacts is None:
        return torch.full((len(fitted.trans),), torch.nan)
    ids = list(CONTACT_JOINTS)
    if truth.contacts is not None:
        labels = truth.contacts[..., ids] > 0.5
    else:
        labels = torch.stack([label_contacts(joints) for joints in truth.joints]) > 0.5
    return ((fitted.contacts[..., ids] > 0.5) == labels).float().mean((1, 2))


def foot_skate(motion: Trajectory) -> Tensor:
    """Mean of ``skate_mm`` (B,) over the frames that have it [mm/frame]; NaN if no foot ever is near the floor."""
    return skate_mm(motion.joints).nanmean(1)


def skate_mm(joints: Tensor) -> Tensor:
    """Foot skate (B, T) [mm/frame]: mean horizontal move since the frame before of the feet that are near the floor.

    NaN in frame 0 and where no foot is near the floor. ``joints`` is (B, T, 22, 3), z up and the floor at z = 0.
    """
    speed, near = feet_near_floor(joints)
    count = near.sum(-1)
    mean = torch.where(count > 0, 1000.0 * (speed * near).sum(-1) / count.clamp_min(1), torch.nan)
    return torch.cat((torch.full_like(mean[:, :1], torch.nan), mean), dim=1)


def lowest_vertex(motion: Trajectory, body: BodyModel) -> Tensor:
    """Height (B, T) [m] of the lowest vertex of the mesh; computed for a few frames at a time, to save memory."""
    batch = range(len(motion.trans))
    return torch.stack([torch.cat([mesh[..., 2].amin(-1) for mesh in _meshes(motion, body, b)]) for b in batch])


def feet_near_floor(joints: Tensor) -> tuple[Tensor, Tensor]:
    """Horizontal move [m/frame] of ``FEET`` between frames, and whether they are near the floor in both frames.

    Args:
        joints: (B, T, 22, 3).

    Returns:
        (B, T-1, 4) each.
    """
    points = joints[:, :, list(FEET)]
    low = points[..., 2] < torch.tensor(NEAR_FLOOR, device=points.device)
    speed = (points[:, 1:, :, :2] - points[:, :-1, :, :2]).norm(dim=-1)
    return speed, low[:, 1:] & low[:, :-1]


def all_metrics(
    fitted: Trajectory, truth: Trajectory, visible: Tensor, body: BodyModel, *, truth_body: BodyModel | None = None
) -> dict[str, Tensor]:
    """All metrics of this module, name → (B,).

    Args:
        visible: (B, T, 22) bool, the joints that the fit could see.
        truth_body: Body of the ground truth, if it is not that of the fit.
    """
    return {
        **joint_errors(fitted, truth, visible),
        "mesh": mesh_error(fitted, truth, body, truth_body or body),
        "contact_accuracy": contact_accuracy(fitted, truth),
        **plausibility(fitted, body),
        "acceleration_of_truth": acceleration(truth),
    }


def plausibility(motion: Trajectory, body: BodyModel) -> dict[str, Tensor]:
    """The metrics that need no ground truth, name → (B,)."""
    return {
        "acceleration": acceleration(motion),
        "foot_skate_mm": foot_skate(motion),
        **toe_penetration(motion),
        "mesh_penetration_mean_cm": 100 * (-lowest_vertex(motion, body)).clamp_min(0).mean(1),
    }


def _meshes(motion: Trajectory, body: BodyModel, b: int) -> Iterator[Tensor]:
    """The vertices (frames, V, 3) of one sub-sequence, a few frames at a time."""
    for start in range(0, motion.trans.shape[1], FRAMES_AT_ONCE):
        here = slice(start, start + FRAMES_AT_ONCE)
        trans, root, pose = (part[b, None, here] for part in (motion.trans, motion.root_orient, motion.pose_body))
        yield body.mesh(trans, root, pose, motion.betas[b, None])[0]


def _only(mask: Tensor, joints: tuple[int, ...]) -> Tensor:
    chosen = torch.zeros_like(mask)
    chosen[..., list(joints)] = True
    return chosen


def _mean_where(values: Tensor, mask: Tensor) -> Tensor:
    count = mask.sum((1, 2))
    total = torch.where(mask, values, torch.zeros_like(values)).sum((1, 2))
    return torch.where(count > 0, total / count.clamp_min(1), torch.full_like(total, torch.nan))
