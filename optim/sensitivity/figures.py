"""The figures by which weights are judged, as smooth functions of a prediction, so that they have gradients.

They follow ``optim.diagnostics.tuned``, with smooth gates in place of comparisons. What is predicted is their change;
their values are those of ``tuned``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from optim.diagnostics.metrics import FEET, NEAR_FLOOR, TOES, acceleration_of
from optim.objective.prediction import Prediction
from optim.objective.terms.overlap import Difference, against_previous, overlap_lengths, within_batch
from optim.objective.terms.scene import there
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory

Figure = Callable[[Prediction], Tensor]
"""From a prediction for all frames to one number."""
GATE = 0.01
"""Height [m] over which a foot passes from near the floor to not near it."""
DEPTH = 0.005
"""Height [m] over which a toe passes from above the floor to below it."""
NOISE: Mapping[str, float] = {
    "truth_cm": 0.012,
    "observed_cm": 0.006,
    "observed_px": 0.023,
    "mean_skate_mm": 0.035,
    "planted_share": 2.6,
    "toe_depth_cm": 0.005,
    "floor_tilt": 0.022,
    "mean_acceleration": 0.03,
    "end_drift_cm": 0.025,
    "overlap_cm": 0.007,
}
"""Name in ``quantities.TUNED`` → change below which a re-fit of the same loss differs by chance, measured on one or two
clips (docs/lab/effects.md). The share of planted frames changes by whole frames."""
NOISE_IN_IMAGES: Mapping[str, float] = {
    "truth_cm": 0.2,
    "mean_skate_mm": 0.55,
    "toe_depth_cm": 0.011,
    "end_drift_cm": 0.31,
}
"""The same where only images are seen, whose depth is hardly known."""


def figures_of(problem: Problem, prediction: Prediction, encoded: Trajectory | None) -> dict[str, Figure]:
    """The figures that a prediction has, by name.

    Args:
        encoded: The motion that stage 3 encodes, in the input frame; None: there is no end drift.
    """
    found: dict[str, Figure] = {}
    truth, seen = problem.ground_truth, problem.observations
    if truth is not None:
        found["truth_cm"] = lambda p: 100.0 * (p.points.joints - truth.joints).norm(dim=-1).mean()
    if seen.joints3d is not None:
        visible, joints = seen.visible["joints3d"], seen.masked("joints3d").values
        found["observed_cm"] = lambda p: 100.0 * (p.points.joints - joints)[visible].norm(dim=-1).mean()
    elif seen.verts3d is not None and prediction.points.verts3d is not None:
        shown, places = seen.visible["verts3d"], seen.masked("verts3d").values
        found["observed_cm"] = lambda p: 100.0 * (there(p.points.verts3d) - places)[shown].norm(dim=-1).mean()
    elif seen.joints2d is not None and problem.camera is not None and prediction.points.keypoints is not None:
        camera, spots, counted = problem.camera, seen.keypoints, seen.counted_keypoints
        found["observed_px"] = lambda p: (
            (camera.project(there(p.points.keypoints)) - spots)[counted].norm(dim=-1).mean()
        )
    found["mean_acceleration"] = lambda p: acceleration_of(p.points.joints, fps=problem.fps).mean()
    if prediction.in_prior is not None:
        found["mean_skate_mm"] = lambda p: skate(_upright(p))
        found["planted_share"] = lambda p: planted(_upright(p))
        found["toe_depth_cm"] = lambda p: toe_depth(_upright(p))
        if encoded is not None:
            end = encoded.joints[:, -1, 0]
            found["end_drift_cm"] = lambda p: 100.0 * (p.points.joints[:, -1, 0] - end).norm(dim=-1).mean()
    if problem.has_camera and "floor_plane" in prediction.variables:
        floor = problem.observed_floor
        found["floor_tilt"] = lambda p: angle(p.variables["floor_plane"], floor)
    if seen.seq_interval is not None and prediction.points.verts3d is not None and _gaps(problem, prediction).numel():
        found["overlap_cm"] = lambda p: 100.0 * _gaps(problem, p).mean()
    return found


def noise_floor(problem: Problem, figure: str) -> float:
    """Change of a figure of ``quantities.TUNED`` that could be chance in a fit of this problem."""
    seen_in_images = set(problem.observations.modalities) == {"joints2d"}
    return NOISE_IN_IMAGES.get(figure, NOISE[figure]) if seen_in_images else NOISE[figure]


def angle(floors: Tensor, others: Tensor) -> Tensor:
    """Mean angle [°] between planes (B, 3), given as normal times offset."""
    sine = (torch.linalg.cross(floors, others).square().sum(-1) + 1e-16).sqrt()
    return torch.atan2(sine, (floors * others).sum(-1)).rad2deg().mean()


def _gaps(problem: Problem, prediction: Prediction) -> Tensor:
    """Distance [m] of the key vertices in each overlap of sub-sequences, one number for each overlap."""
    points, seen, found = there(prediction.points.verts3d), problem.observations, list[Tensor]()
    distance: Difference = lambda before, after: (before - after).norm(dim=-1)  # noqa: E731
    intervals = there(seen.seq_interval)
    if seen.previous is not None and seen.previous.seq_interval[1] > int(intervals[0, 0]):
        length = seen.previous.seq_interval[1] - int(intervals[0, 0])
        found.append(against_previous(points, seen.previous.verts3d, length, distance))
    for b, length in enumerate(overlap_lengths(intervals)):
        found.append(within_batch(points[b : b + 2], [length], distance))
    return torch.stack([gap.mean() for gap in found if gap.numel()]) if found else points.new_zeros(0)


def planted(joints: Tensor) -> Tensor:
    """Share [%] of the frames in which a foot is and was near the floor; ``joints`` as for ``skate``."""
    near = _near(joints[:, :, list(FEET)])
    return 100.0 * (1.0 - (1.0 - near).prod(-1)).mean()


def _near(feet: Tensor) -> Tensor:
    """How far each foot (B, T, 4, 3) is near the floor, now and in the frame before, 0 to 1: (B, T - 1, 4)."""
    near = ((torch.tensor(NEAR_FLOOR, dtype=feet.dtype) - feet[..., 2]) / GATE).sigmoid()
    return near[:, 1:] * near[:, :-1]


def skate(joints: Tensor) -> Tensor:
    """Mean horizontal move [mm/frame] of feet near the floor; ``joints`` is (B, T, 22, 3), z up, floor at z = 0."""
    feet = joints[:, :, list(FEET)]
    near = _near(feet)
    speed = ((feet[:, 1:, :, :2] - feet[:, :-1, :, :2]).square().sum(-1) + 1e-8).sqrt()
    return 1000.0 * (speed * near).sum() / near.sum().clamp_min(1e-6)


def toe_depth(joints: Tensor) -> Tensor:
    """Mean depth [cm] of the toe joints below the floor; ``joints`` as for ``skate``."""
    return 100.0 * DEPTH * torch.nn.functional.softplus(-joints[:, :, list(TOES), 2] / DEPTH).mean()


def _upright(prediction: Prediction) -> Tensor:
    return there(prediction.in_prior).joints
