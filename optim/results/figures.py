"""Measure a fit's results per frame and per stage, and against the ground truth, for tables, report and evaluation.

Everything is measured in a world with z up and the floor at z = 0. It is the world of the true floor if that is known,
otherwise of the stage's own floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optim.body.body_model import BODY25_FROM_JOINTS
from optim.diagnostics.agreement import angle_deg
from optim.diagnostics.drift import distances
from optim.diagnostics.metrics import all_metrics, lowest_vertex, plausibility, skate_mm
from optim.loading.clip import moved
from optim.problem.frames import PriorFrame
from optim.results.results import FitResult, in_world

BODY25_OF_JOINT = {joint: k for k, joint in enumerate(BODY25_FROM_JOINTS) if joint < 22} | {10: 19, 11: 22, 15: 0}
"""Body joint → keypoint of BODY_25 that shows it. Feet are shown by the big toes and the head by the nose."""


@dataclass(frozen=True)
class FloorOfStage:
    """Floor of a stage relative to the camera, the observed floor and the true floor."""

    stage: str
    offset_m: float
    """Distance of the camera from the floor."""
    from_observed_deg: float
    """Angle to the floor that was given to the fit. NaN if there is none."""
    from_true_deg: float | None
    """Angle to the true floor. None if it is unknown."""
    offset_from_true_cm: float | None
    """Difference of the camera's distance from the two floors. None if the true floor is unknown."""


def stage_metrics(result: FitResult) -> dict[str, dict[str, float]]:
    """Stage → metric → value. Without ground truth, only the metrics that need none are there."""
    table = {}
    for stage in result.stages:
        frame = world_of(result, stage)
        motion = moved(result.motion(stage), frame, result.body)
        with torch.no_grad():
            if result.truth is None:
                values = plausibility(motion, result.body)
            else:
                truth_body = result.body_truth or result.body
                truth = moved(result.truth, frame, truth_body)
                values = all_metrics(motion, truth, visible_joints(result), result.body, truth_body=truth_body)
        table[stage] = {name: float(value[0]) for name, value in values.items()}
    return table


def visible_joints(result: FitResult) -> Tensor:
    """Whether each joint was observed (1, T, 22) bool. All are taken as observed if the observations are not known.

    With keypoints, a joint is observed if its own keypoint is. Spine and collars are observed if the neck or the mid
    hip is.
    """
    seen, frames = result.observations, result.frames
    everything = torch.ones(1, frames, 22, dtype=torch.bool)
    if seen is None:
        return everything
    if "joints3d" in seen.visible:
        return seen.visible["joints3d"]
    if "joints2d" not in seen.visible:
        return everything
    keypoints = seen.visible["joints2d"]
    shown = (keypoints[..., 1] | keypoints[..., 8])[..., None].expand(1, frames, 22).clone()
    for joint, keypoint in BODY25_OF_JOINT.items():
        shown[..., joint] = keypoints[..., keypoint]
    return shown


def per_frame(result: FitResult, stage: str | None = None) -> dict[str, np.ndarray]:
    """Measurements (T,) of one stage by name with unit, in the world of its own floor. NaN where nothing is measured.

    Args:
        stage: Name in ``STAGES``. None takes the last stage reached.
    """
    name = stage or result.last_stage
    motion, _ = result.in_world(name)
    lowest = lowest_vertex(motion, result.body)[0] * 100.0
    root = motion.joints[0, :, 0]
    columns: dict[str, Tensor] = {
        "root_x_m": root[:, 0],
        "root_y_m": root[:, 1],
        "root_z_m": root[:, 2],
        "lowest_vertex_cm": lowest,
        "foot_skate_mm": skate_mm(motion.joints)[0],
    }
    if result.truth is not None:
        apart = (result.motion(name).joints - result.truth.joints)[0].norm(dim=-1) * 100.0
        columns |= {"joint_error_cm": apart.mean(-1), "root_error_cm": apart[:, 0]}
    if (pixels := reprojection(result, name)) is not None:
        columns["reprojection_px"] = pixels
    return {key: value.numpy() for key, value in columns.items()}


def reprojection(result: FitResult, stage: str | None = None) -> Tensor | None:
    """Mean distance in the image (T,) [px] of the keypoints that count. None without keypoints or camera."""
    seen, camera, body = result.observations, result.camera, result.body
    if seen is None or seen.joints2d is None or camera is None:
        return None
    motion = result.motion(stage)
    ids = torch.tensor(body.openpose_vertices)
    parts = (motion.trans, motion.root_orient, motion.pose_body, motion.betas)
    keypoints = body.keypoints25(*body.joints_and_vertices(*parts, ids))
    apart = (camera.project(keypoints) - seen.keypoints).norm(dim=-1)[0]
    used = seen.counted_keypoints[0]
    total = torch.where(used, apart, torch.zeros_like(apart)).sum(-1)
    return torch.where(used.any(-1), total / used.sum(-1).clamp_min(1), torch.nan)


def drift_curves(result: FitResult) -> Mapping[str, np.ndarray] | None:
    """Drift of the first roll-out per frame (T,), by field of ``optim.diagnostics.drift.Drift``.

    None if stage 2 or the first roll-out is missing.
    """
    if result.encoded is None or "stage3_init" not in result.stages:
        return None
    frame = in_world(result.stages["stage3_init"], result.body, result.floor("stage3_init"))[1]
    before, after = (moved(motion, frame, result.body) for motion in (result.encoded, result.stages["stage3_init"]))
    found = distances(after.joints, after.root_orient, before.joints, before.root_orient)
    return {name: values[0] for name, values in found.items()}


def floors(result: FitResult) -> list[FloorOfStage]:
    """Floor of every stage that has its own. The list is empty without a camera."""
    observed = result.observed_floor
    true = None if result.truth is None or result.truth.floor_plane is None else result.truth.floor_plane[0]
    rows = []
    for stage, motion in result.stages.items():
        if motion.floor_plane is None:
            continue
        plane = motion.floor_plane[0]
        rows.append(
            FloorOfStage(
                stage,
                offset_m=abs(float(plane[3])),
                from_observed_deg=float("nan") if observed is None else _angle(plane, observed),
                from_true_deg=None if true is None else _angle(plane, true),
                offset_from_true_cm=None if true is None else 100.0 * (abs(float(plane[3])) - abs(float(true[3]))),
            )
        )
    return rows


def world_of(result: FitResult, stage: str) -> PriorFrame:
    """Transform from the frame of the input to the world in which a stage is measured."""
    if result.truth is not None and result.truth.floor_plane is not None:
        return in_world(result.truth, result.body_truth or result.body, result.truth.floor_plane[0])[1]
    return result.in_world(stage)[1]


def _angle(a: Tensor, b: Tensor) -> float:
    return float(angle_deg(a[None, :3] * a[3], b[None, :3] * b[3]))
