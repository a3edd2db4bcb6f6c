"""Agreement of a fit with itself and with the image: regressed joints, overlapping sub-sequences, keypoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

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
from optim.problem.frames import PriorFrame, floor_plane
from optim.session.fit import Fit
from optim.session.history import Snapshot

PREVIOUS = -1
"""Value of ``OverlapDisagreement.before`` if the earlier sub-sequence belongs to a batch that the fit does not have."""


@dataclass(frozen=True)
class JointAgreement:
    """Distance between the body model's joints and those that the motion prior regresses."""

    distance_cm: np.ndarray
    """(B, T, 22); 0 at frame 0, where both are the joints of x_0."""


@dataclass(frozen=True)
class OverlapDisagreement:
    """Difference of two neighbouring sub-sequences over the F frames that they share, in the input frame."""

    before: int
    """Number of the earlier sub-sequence among those of all batches so far, or ``PREVIOUS``; the later one follows."""
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
    """Name in ``quantities.PAIR`` → (F,). Those of floors need a camera, those of poses need ``joints``."""
    joints: Tensor | None = None
    """(2, F, 22, 3) [m] joints of the earlier and of the later one; None where only key vertices are known
    (``PREVIOUS``)."""


@dataclass(frozen=True)
class Reprojection:
    """Difference of projected and detected keypoints (BODY_25)."""

    error_px: np.ndarray
    """(B, T, 25) distance in the image; NaN where nothing was detected."""
    used: np.ndarray
    """(B, T, 25) bool: keypoints that count (detected, not doubted, and not neck or hips)."""

    @property
    def mean_px(self) -> np.ndarray:
        """Mean error (B, T) [px] of the keypoints that count; NaN in frames without any."""
        count = self.used.sum(-1)
        total = np.where(self.used, self.error_px, 0.0).sum(-1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def joint_agreement(fit: Fit, snapshot: Snapshot | None = None) -> JointAgreement | None:
    """Distance ‖SMPL joint − regressed joint‖ of every joint; None before stage 3."""
    inside = fit.prediction(snapshot or fit.current).in_prior
    if inside is None:
        return None
    return JointAgreement(distances_cm(inside.joints, inside.rollout.joints))


def overlap_disagreement(
    fit: Fit, snapshot: Snapshot | None = None, *, of_batch: bool = False
) -> tuple[OverlapDisagreement, ...]:
    """One value per pair of neighbours that share frames, in all batches up to that of the snapshot.

    Args:
        of_batch: Only of pairs that still move: those within the snapshot's batch, and the one with the batch before.
    """
    snapshot = snapshot or fit.current
    seen = fit.problem_at(snapshot).observations
    if seen.seq_interval is None:
        return ()
    earlier = () if of_batch else fit.earlier_batches(snapshot)
    parts = [one for part in earlier for one in _sub_sequences(part, part.current)] + _sub_sequences(fit, snapshot)
    found: tuple[OverlapDisagreement, ...] = ()
    if seen.previous is not None and not earlier:
        old = seen.previous
        last = SubSequence(old.seq_interval[1] - len(old.verts3d), old.verts3d, old.betas, old.floor_plane)
        found = _pair(PREVIOUS, last, parts[0])
    return found + disagreements(parts)


def disagreements(parts: Sequence[SubSequence]) -> tuple[OverlapDisagreement, ...]:
    """One value per pair of neighbours that share frames, of sub-sequences in the order of the video."""
    pairs = enumerate(pairwise(parts))
    return tuple(found for number, (before, after) in pairs for found in _pair(number, before, after))


@dataclass(frozen=True)
class SubSequence:
    """What neighbours are compared by, over all F frames of a sub-sequence or over those that two share, in the input
    frame."""

    start: int
    """The first of these frames in the video."""
    verts: Tensor  # (F, 43, 3)
    betas: Tensor  # (16,)
    floor: Tensor | None  # (4,)
    joints: Tensor | None = None  # (F, 22, 3); like the next two None where only the vertices are known
    root_orient: Tensor | None = None  # (F, 3, 3)
    frame: PriorFrame | None = None
    """Its prior frame."""

    @property
    def places(self) -> Tensor:
        """Where the body is, (F, 3)."""
        return self.verts.mean(1) if self.joints is None else self.joints[:, 0]

    def within(self, first: int, end: int) -> SubSequence:
        """The same from one frame of the video up to another one."""
        rows = slice(first - self.start, end - self.start)
        cut = {name: value[rows] for name in ("joints", "root_orient") if (value := getattr(self, name)) is not None}
        return replace(self, start=first, verts=self.verts[rows], **cut)


def _sub_sequences(fit: Fit, snapshot: Snapshot) -> list[SubSequence]:
    """The sub-sequences of a snapshot's batch, over all their frames."""
    interval = fit.problem_at(snapshot).observations.seq_interval
    verts = _points(fit, snapshot, Parts(verts3d=True)).verts3d
    assert verts is not None and interval is not None
    motion, frames = fit.trajectory(snapshot), fit.prior_frame(snapshot)
    floors = floor_plane(snapshot.variables["floor_plane"]) if fit.problem.has_camera else None
    return [
        SubSequence(
            start,
            verts[b],
            snapshot.variables["betas"][b],
            None if floors is None else floors[b],
            motion.joints[b],
            motion.root_orient[b],
            PriorFrame(frames.R_prior_input[b : b + 1], frames.offset[b : b + 1]),
        )
        for b, start in enumerate(interval[:, 0].tolist())
    ]


def _pair(number: int, earlier: SubSequence, later: SubSequence) -> tuple[OverlapDisagreement, ...]:
    """How two neighbours differ over the frames that both hold; nothing where there are none."""
    end = min(earlier.start + len(earlier.verts), later.start + len(later.verts))
    if end <= later.start:
        return ()
    return (_disagreement(number, earlier.within(later.start, end), later.within(later.start, end)),)


def _of_poses(earlier: SubSequence, later: SubSequence) -> dict[str, np.ndarray]:
    """The curves of root, heading, joints and feet of the later one against the earlier one, in the latter's frame."""
    if earlier.frame is None or earlier.joints is None or later.joints is None:
        return {}
    sides = []
    for side in (later, earlier):
        assert side.joints is not None and side.root_orient is not None
        sides += [earlier.frame.points(side.joints[None]), earlier.frame.orient(side.root_orient[None])]
    found = distances(*sides)
    stored = {"root_cm": "pair_root_cm", "heading_deg": "pair_heading_deg", "joints_cm": "pair_joints_cm"}
    return {name: found[field][0] for field, name in {**stored, "lowest_foot_cm": "pair_foot_cm"}.items()}


def _disagreement(before: int, earlier: SubSequence, later: SubSequence) -> OverlapDisagreement:
    moves = [side.verts[1:] - side.verts[:-1] for side in (earlier, later)]
    frames = np.arange(later.start, later.start + len(later.verts))
    betas, angle, offset = shape_distance(later.betas, earlier.betas), None, None
    curves = {**_of_poses(earlier, later), "pair_betas": np.full(len(frames), betas)}
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
        joints=None if earlier.joints is None or later.joints is None else torch.stack((earlier.joints, later.joints)),
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
    return Reprojection(apart.numpy(), seen.counted_keypoints.numpy())


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
