"""The figures of a whole fit by which weights are judged; ``quantities`` has their names, units and definitions."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from optim.diagnostics.agreement import data_distance, overlap_disagreement
from optim.diagnostics.ground import floor_tilt
from optim.diagnostics.metrics import acceleration, feet_near_floor, foot_skate, joint_error, toe_penetration
from optim.problem.variables import Trajectory
from optim.session.fit import Fit
from optim.session.history import Snapshot


def tuned_figures(fit: Fit, snapshot: Snapshot | None = None, *, encoded: Trajectory | None = None) -> dict[str, float]:
    """Name in ``quantities.TUNED`` → mean over the sub-sequences; without the figures that this fit does not have.

    Args:
        encoded: The motion that stage 3 encodes, in the input frame (``Fit.stage2_trajectory``).
    """
    snapshot = snapshot or fit.current
    seen, upright = fit.trajectory(snapshot), fit.prior_trajectory(snapshot)
    truth, (distance, unit) = fit.problem.ground_truth, data_distance(fit, snapshot)
    found: dict[str, Tensor | np.ndarray | None] = {
        "truth_cm": None if truth is None else joint_error(seen, truth),
        f"observed_{unit}": distance,
        "mean_skate_mm": foot_skate(upright),
        "planted_share": planted_share(upright.joints),
        "toe_depth_cm": toe_penetration(upright)["penetration_mean_cm"],
        "floor_tilt": floor_tilt(fit, snapshot),
        "mean_acceleration": acceleration(upright, fps=fit.problem.fps),
        "end_drift_cm": None
        if encoded is None or snapshot.stage < 3
        else 100.0 * (seen.joints[:, -1, 0] - encoded.joints[:, -1, 0]).norm(dim=-1),
        "overlap_cm": np.array([p.position_cm.mean() for p in overlap_disagreement(fit, snapshot, of_batch=True)]),
    }
    means = {name: _mean(np.asarray(values)) for name, values in found.items() if values is not None}
    return {name: value for name, value in means.items() if np.isfinite(value)}


def planted_share(joints: Tensor) -> Tensor:
    """Share (B,) [%] of the frames in which a foot is near the floor, and was so in the frame before.

    ``joints`` is (B, T, 22, 3), z up and the floor at z = 0.
    """
    _, near = feet_near_floor(joints)
    return 100.0 * near.any(-1).float().mean(1)


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
