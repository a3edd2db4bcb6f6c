"""Agreement of a fit with itself and with the image: regressed joints, overlapping sub-sequences, keypoints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optim.diagnostics.quantities import distances_cm, mean_distance_cm
from optim.objective.prediction import Parts, Points, body_points
from optim.objective.terms.overlap import overlap_lengths
from optim.problem.frames import floor_plane
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
    betas = snapshot.variables["betas"]
    floors = floor_plane(snapshot.variables["floor_plane"]) if fit.problem.has_camera else None
    starts = seen.seq_interval[:, 0].tolist()
    found = []
    if seen.previous is not None:
        old = seen.previous
        shared = min(max(0, old.seq_interval[1] - starts[0]), len(old.verts3d))
        known = min(shared, verts.shape[1])
        if known:
            pieces = old.verts3d[len(old.verts3d) - shared :][:known], verts[0, :known]
            shapes, planes = (old.betas, betas[0]), None if floors is None else (old.floor_plane, floors[0])
            found.append(_disagreement(PREVIOUS, starts[0], pieces, shapes, planes))
    for b, shared in enumerate(overlap_lengths(seen.seq_interval)):
        if shared:
            pieces = verts[b, -shared:], verts[b + 1, :shared]
            shapes, planes = (betas[b], betas[b + 1]), None if floors is None else (floors[b], floors[b + 1])
            found.append(_disagreement(b, starts[b + 1], pieces, shapes, planes))
    return tuple(found)


def _disagreement(
    before: int,
    start: int,
    verts: tuple[Tensor, Tensor],
    betas: tuple[Tensor, Tensor],
    floors: tuple[Tensor, Tensor] | None,
) -> OverlapDisagreement:
    moves = [points[1:] - points[:-1] for points in verts]
    return OverlapDisagreement(
        before=before,
        frames=np.arange(start, start + len(verts[0])),
        position_cm=mean_distance_cm(verts[1], verts[0]),
        velocity_cm=mean_distance_cm(moves[1], moves[0]),
        betas=float((betas[1] - betas[0]).norm()),
        floor_angle_deg=None if floors is None else float(angle_deg(floors[0][:3], floors[1][:3])),
        floor_offset_cm=None if floors is None else 100.0 * float(floors[1][3] - floors[0][3]),
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


def _points(fit: Fit, snapshot: Snapshot, parts: Parts) -> Points:
    """Points of the body at a snapshot, in all frames, in the input frame."""
    found = fit.prediction(snapshot)
    return body_points(fit.problem, found.trans, found.root_orient, found.pose_body, snapshot.variables["betas"], parts)
