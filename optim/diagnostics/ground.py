"""A motion and its floor: foot skate, penetration, contact probabilities, and tilt of the floor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optim.diagnostics.agreement import angle_deg
from optim.diagnostics.metrics import PENETRATION_DEPTHS_CM, lowest_vertex, skate_mm
from optim.diagnostics.quantities import floor_step_cm
from optim.problem.frames import floor_plane
from optim.session.fit import Fit
from optim.session.history import Snapshot


@dataclass(frozen=True)
class Ground:
    """Figures of the motion at a snapshot, in the prior frame (z up, floor at z = 0)."""

    skate_mm: np.ndarray
    """(B, T) mean horizontal move [mm] since the frame before, of feet near the floor; NaN where none is."""
    lowest_vertex_cm: np.ndarray | None
    """(B, T) height of the lowest vertex above the floor, negative below it; None without ``mesh``."""
    contact_probability: np.ndarray | None
    """(B, T, 9) in the order of ``CONTACT_JOINTS``; None before stage 3."""

    @property
    def depth_cm(self) -> np.ndarray | None:
        """(B, T) depth of the lowest vertex below the floor, 0 above it; None without ``mesh``."""
        return None if self.lowest_vertex_cm is None else np.maximum(-self.lowest_vertex_cm, 0.0)

    @property
    def skate_mean_mm(self) -> np.ndarray:
        """(B,) mean over the frames with a foot near the floor; 0 where there is none."""
        count = np.isfinite(self.skate_mm).sum(1)
        return np.nan_to_num(self.skate_mm).sum(1) / np.maximum(count, 1)

    @property
    def penetration_share(self) -> np.ndarray | None:
        """(B, 6) share of frames in which the depth is more than 0, 3, 6, 9, 12, 15 cm."""
        if self.depth_cm is None:
            return None
        return (self.depth_cm[..., None] > np.array(PENETRATION_DEPTHS_CM)).mean(1)


def ground(fit: Fit, snapshot: Snapshot | None = None, *, mesh: bool = True) -> Ground:
    """Skate, penetration and contacts. Before stage 3 the floor is the one that the next roll-out would have.

    Args:
        mesh: Compute the penetration, which needs the whole mesh.
    """
    snapshot = snapshot or fit.current
    motion = fit.prior_trajectory(snapshot)
    inside = fit.prediction(snapshot).in_prior
    return Ground(
        skate_mm=skate_mm(motion.joints).numpy(),
        lowest_vertex_cm=(100.0 * lowest_vertex(motion, fit.problem.body)).numpy() if mesh else None,
        contact_probability=None if inside is None else inside.contact_probability.numpy(),
    )


def floor_tilt(fit: Fit, snapshot: Snapshot | None = None) -> np.ndarray | None:
    """Angle (B,) [°] between the floor at a snapshot and the observed one; None without a camera."""
    snapshot = snapshot or fit.current
    if not fit.problem.has_camera:
        return None
    return angle_deg(snapshot.variables["floor_plane"], fit.problem_at(snapshot).observed_floor).numpy()


def floor_height_cm(fit: Fit, snapshot: Snapshot | None = None) -> np.ndarray | None:
    """Height (B,) [cm] of the floor at a snapshot above the observed one; None without a camera.

    It is measured beneath the mean place of the root joint, since two floors that lean against each other have another
    height at every place.
    """
    snapshot = snapshot or fit.current
    if not fit.problem.has_camera:
        return None
    places = fit.trajectory(snapshot).joints[:, :, 0].mean(1)
    fitted = floor_plane(snapshot.variables["floor_plane"])
    observed = floor_plane(fit.problem_at(snapshot).observed_floor)
    found = [
        float(floor_step_cm(first, second, place, up=first[:3]))
        for first, second, place in zip(observed, fitted, places, strict=True)
    ]
    return np.array(found)
