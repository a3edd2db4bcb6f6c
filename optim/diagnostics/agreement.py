"""Agreement of a fit with itself and with the image: regressed joints, overlapping sub-sequences, keypoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optim.diagnostics.drift import distances
from optim.diagnostics.quantities import (
    distances_cm,
    floor_angle_deg,
    floor_step_cm,
    mean_distance_cm,
    shape_distance,
)
from optim.objective.prediction import Parts, Points, body_points
from optim.objective.terms.data import nearest_vertices
from optim.objective.terms.overlap import overlap_lengths
from optim.problem.frames import PriorFrame, floor_plane
from optim.problem.variables import Trajectory
from optim.session.fit import Fit
from optim.session.history import Snapshot

PREVIOUS = -1
"""Value of ``OverlapDisagreement.before`` if the earlier sub-sequence is the last one of the previous batch."""


@dataclass(frozen=True)
class JointAgreement:
    """Distance between the body model's joints and those that the motion prior regresses."""

    distance_cm: np.ndarray
    """(B, T, 22); 0 at frame 0, where both are the joints of x_0."""


@dataclass(frozen=True)
class OverlapDisagreement:
    """Difference of two neighbouring sub-sequences over the F frames that they share, in the input frame."""

    before: int
    """Index of the earlier sub-sequence in the batch, or ``PREVIOUS``; the later one follows it."""
    frames: np.ndarray
    """(F,) frame numbers in the whole video."""
    position_cm: np.ndarray
    """(F,) mean distance of the 43 key vertices."""
    velocity_cm: np.ndarray
    """(F-1,) mean difference of their moves from frame to frame [cm/frame]."""
    betas: float
    """Euclidean distance of the shape coefficients."""
    floor_angle_deg: float | None
    """Angle [°] between the normals of the floors; None without floors."""
    floor_offset_cm: float | None
    """Difference [cm] of the floors' distances from the camera; positive if the later floor is farther away."""
    curves: Mapping[str, np.ndarray]
    """Name in ``quantities.PAIR`` → (F,). Floors exist with a camera only; poses of the batch before are not known."""


@dataclass(frozen=True)
class Reprojection:
    """Difference of projected and detected keypoints (BODY_25)."""

    error_px: np.ndarray
    """(B, T, 25) distance in the image; NaN where nothing was detected."""
    used: np.ndarray
    """(B, T, 25) bool: keypoints that enter the loss (detected, and not neck or hips)."""

    @property
    def mean_px(self) -> np.ndarray:
        """Mean error (B, T) [px] of the keypoints that enter the loss; NaN in frames without any."""
        count = self.used.sum(-1)
        total = np.where(self.used, self.error_px, 0.0).sum(-1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def joint_agreement(fit: Fit, snapshot: Snapshot | None = None) -> JointAgreement | None:
    """Distance ‖SMPL joint − regressed joint‖ of every joint; None before stage 3."""
    inside = fit.prediction(snapshot or fit.current).in_prior
    if inside is None:
        return None
    return JointAgreement(distances_cm(inside.joints, inside.rollout.joints))


def overlap_disagreement(fit: Fit, snapshot: Snapshot | None = None) -> tuple[OverlapDisagreement, ...]:
    """One value per pair of neighbours that share frames, within the batch and against the batch before."""
    snapshot = snapshot or fit.current
    seen = fit.problem_at(snapshot).observations
    if seen.seq_interval is None:
        return ()
    verts = _points(fit, snapshot, Parts(verts3d=True)).verts3d
    assert verts is not None
    betas, motion, frames = snapshot.variables["betas"], fit.trajectory(snapshot), fit.prior_frame(snapshot)
    floors = floor_plane(snapshot.variables["floor_plane"]) if fit.problem.has_camera else None
    starts = seen.seq_interval[:, 0].tolist()
    found = []
    if seen.previous is not None:
        old = seen.previous
        shared = min(max(0, old.seq_interval[1] - starts[0]), len(old.verts3d))
        known = min(shared, verts.shape[1])
        if known:
            before = _Side(old.verts3d[len(old.verts3d) - shared :][:known], old.betas, old.floor_plane)
            after = _Side(verts[0, :known], betas[0], None if floors is None else floors[0])
            found.append(_disagreement(PREVIOUS, starts[0], before, after, {}))
    for b, shared in enumerate(overlap_lengths(seen.seq_interval)):
        if shared:
            there = (b, slice(verts.shape[1] - shared, None)), (b + 1, slice(0, shared))
            before, after = (
                _Side(
                    verts[row, rows], betas[row], None if floors is None else floors[row], motion.joints[row, rows, 0]
                )
                for row, rows in there
            )
            found.append(_disagreement(b, starts[b + 1], before, after, _of_poses(motion, frames, b, shared)))
    return tuple(found)


@dataclass(frozen=True)
class _Side:
    """One of two sub-sequences over their F shared frames, in the input frame."""

    verts: Tensor  # (F, 43, 3)
    betas: Tensor  # (16,)
    floor: Tensor | None  # (4,)
    roots: Tensor | None = None  # (F, 3); None where only the vertices are known, for the batch before

    @property
    def places(self) -> Tensor:
        """Where the body is, (F, 3)."""
        return self.verts.mean(1) if self.roots is None else self.roots


def _of_poses(motion: Trajectory, frames: PriorFrame, b: int, shared: int) -> dict[str, np.ndarray]:
    """The curves of root, heading, joints and feet of sub-sequence b + 1 against b, in the prior frame of b."""
    frame = PriorFrame(frames.R_prior_input[b : b + 1], frames.offset[b : b + 1])
    sides = []
    for row, there in ((b + 1, slice(0, shared)), (b, slice(motion.trans.shape[1] - shared, None))):
        joints = frame.points(motion.joints[row : row + 1, there])
        sides += [joints, frame.orient(motion.root_orient[row : row + 1, there])]
    found = distances(*sides)
    stored = {"root_cm": "pair_root_cm", "heading_deg": "pair_heading_deg", "joints_cm": "pair_joints_cm"}
    return {name: found[field][0] for field, name in {**stored, "lowest_foot_cm": "pair_foot_cm"}.items()}


def _disagreement(
    before: int, start: int, earlier: _Side, later: _Side, curves: Mapping[str, np.ndarray]
) -> OverlapDisagreement:
    moves = [side.verts[1:] - side.verts[:-1] for side in (earlier, later)]
    frames = np.arange(start, start + len(earlier.verts))
    betas, angle, offset = shape_distance(later.betas, earlier.betas), None, None
    curves = {**curves, "pair_betas": np.full(len(frames), betas)}
    if earlier.floor is not None and later.floor is not None:
        angle = floor_angle_deg(earlier.floor, later.floor)
        towards_camera = -earlier.floor[:3] * earlier.floor[3]
        step = floor_step_cm(earlier.floor, later.floor, earlier.places, up=towards_camera)
        curves["pair_floor_cm"], offset = step, float(step.mean())
    return OverlapDisagreement(
        before=before,
        frames=frames,
        position_cm=mean_distance_cm(later.verts, earlier.verts),
        velocity_cm=mean_distance_cm(moves[1], moves[0]),
        betas=betas,
        floor_angle_deg=angle,
        floor_offset_cm=offset,
        curves=curves,
    )


def angle_deg(a: Tensor, b: Tensor) -> Tensor:
    """Angle [°] between vectors (…, 3); accurate for small angles too."""
    return torch.atan2(torch.linalg.cross(a, b).norm(dim=-1), (a * b).sum(-1)).rad2deg()


def reprojection(fit: Fit, snapshot: Snapshot | None = None) -> Reprojection | None:
    """Image distance [px] of every detected keypoint; None where no keypoints are observed."""
    snapshot = snapshot or fit.current
    problem, seen = fit.problem, fit.problem_at(snapshot).observations
    if seen.joints2d is None or problem.camera is None:
        return None
    keypoints = _points(fit, snapshot, Parts(keypoints=True)).keypoints
    assert keypoints is not None
    apart = (problem.camera.project(keypoints) - seen.keypoints).norm(dim=-1)
    apart = torch.where(seen.visible["joints2d"], apart, torch.full_like(apart, torch.nan))
    return Reprojection(apart.numpy(), (seen.keypoint_weights[..., 0] > 0).numpy())


def data_distance(fit: Fit, snapshot: Snapshot | None = None) -> tuple[np.ndarray, str]:
    """Mean distance (B, T) of the body from what was observed at a frame, and its unit; NaN where nothing was.

    3D joints and key vertices are compared with their points of the body [cm], keypoints in the image [px], and points
    of a cloud with the nearest vertex [cm]; of several kinds the first of these decides.
    """
    snapshot = snapshot or fit.current
    seen = fit.problem_at(snapshot).observations
    name = next(name for name in ("joints3d", "verts3d", "joints2d", "points3d") if name in seen.modalities)
    if name == "joints2d":
        found = reprojection(fit, snapshot)
        assert found is not None
        return found.mean_px, "px"
    points = _points(fit, snapshot, Parts(verts3d=name == "verts3d", mesh=name == "points3d"))
    observed = seen.masked(name)
    if name == "points3d":
        assert points.mesh is not None
        nearest = nearest_vertices(observed.values, points.mesh)
        fitted = points.mesh.gather(2, nearest[..., None].expand(*nearest.shape, 3))
    else:
        fitted = points.joints if points.verts3d is None else points.verts3d
    mask = observed.mask[..., 0]
    apart = (mask * (fitted - observed.values).norm(dim=-1)).sum(-1)
    count = mask.sum(-1)
    return torch.where(count > 0, 100.0 * apart / count.clamp_min(1), torch.nan).numpy(), "cm"


def _points(fit: Fit, snapshot: Snapshot, parts: Parts) -> Points:
    """Points of the body at a snapshot, in all frames, in the input frame."""
    found = fit.prediction(snapshot)
    return body_points(fit.problem, found.trans, found.root_orient, found.pose_body, snapshot.variables["betas"], parts)
