"""The quantities that several places show: name, unit and definition of each, and the distances behind them.

Scene, panels, findings, report, tables and videos show these numbers by these names; docs/diagnostics.md lists them.
Needs numpy only, so that the window's process can use it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Quantity:
    """One quantity that can be measured at a frame, a pair of sub-sequences or a seam."""

    label: str
    unit: str
    definition: str
    digits: int = 1

    def text(self, value: float) -> str:
        """A value with its unit, in the form that is used everywhere."""
        return f"{round(float(value), self.digits) + 0.0:.{self.digits}f} {self.unit}".rstrip()  # without "-0.0"


QUANTITIES = {
    "root_cm": Quantity(
        "drift", "cm", "distance of the root joints: first roll-out of stage 3 and the motion that it encodes"
    ),
    "joints_cm": Quantity("joint drift", "cm", "mean distance of the 22 joints of the same two"),
    "heading_deg": Quantity(
        "heading drift", "°", "turn of the body about the vertical; positive: the roll-out is turned to the left"
    ),
    "lowest_foot_cm": Quantity(
        "foot drift", "cm", "height of the lowest ankle or toe joint; positive: the roll-out floats"
    ),
    "novelty": Quantity("novelty", "", "how far a motion is outside the motion prior, 0 to 1", digits=2),
    "reconstruction_cm": Quantity(
        "reconstruction error", "cm", "mean distance of the 22 joints that one decoding from the motion before loses"
    ),
    "position_cm": Quantity(
        "overlap distance", "cm", "mean distance of the 43 key vertices of two sub-sequences at a frame that both hold"
    ),
    "velocity_cm": Quantity(
        "overlap velocity", "cm/frame", "mean difference of the moves of the same vertices from frame to frame"
    ),
    "pair_root_cm": Quantity(
        "root distance", "cm", "distance of the root joints of two sub-sequences at a frame that both hold"
    ),
    "pair_heading_deg": Quantity(
        "heading difference", "°", "turn of the body about the vertical; positive: the later one is turned to the left"
    ),
    "pair_joints_cm": Quantity("joint distance", "cm", "mean distance of the 22 joints of the same two"),
    "pair_foot_cm": Quantity(
        "foot difference", "cm", "height of the lowest ankle or toe joint; positive: the later one is higher"
    ),
    "pair_betas": Quantity("shape difference", "", "Euclidean distance of the 16 shape coefficients", digits=2),
    "pair_floor_cm": Quantity(
        "floor difference", "cm", "height of the later floor above the earlier one beneath the body"
    ),
    "floor_angle_deg": Quantity("floor angle", "°", "angle between the floors of two sub-sequences"),
    "seam_cm": Quantity("seam jump", "cm", "by how much a step across a seam differs, mean of the 22 joints"),
    "distance_cm": Quantity("joint consistency", "cm", "distance of a body joint from the regressed one"),
    "skate_mm": Quantity("foot skate", "mm/frame", "mean horizontal move of the feet that are near the floor"),
    "lowest_vertex_cm": Quantity(
        "lowest point", "cm", "height of the lowest vertex above the floor, negative below it"
    ),
    "depth_cm": Quantity("depth", "cm", "depth of the lowest vertex below the floor, 0 above it"),
    "joint_height_cm": Quantity("joint height", "cm", "height of a joint's centre above the floor"),
    "floor_tilt": Quantity("floor tilt", "°", "angle between the fitted and the observed floor"),
    "floor_height_cm": Quantity(
        "floor height", "cm", "height of the fitted floor above the observed one beneath the mean place of the root"
    ),
    "between_joints_cm": Quantity("joint difference", "cm", "mean distance of the 22 joints of two compared motions"),
    "between_root_cm": Quantity("root difference", "cm", "distance of the root joints of two compared motions"),
    "between_heading_deg": Quantity(
        "heading difference", "°", "turn about the vertical between two compared motions; positive: the second is left"
    ),
    "between_feet_cm": Quantity("foot difference", "cm", "mean distance of ankles and toes of two compared motions"),
    "data_cm": Quantity(
        "data distance", "cm", "mean distance of the body from the 3D joints, key vertices or points seen at a frame"
    ),
    "truth_cm": Quantity("joints", "cm", "mean distance of the 22 joints from the ground truth", digits=2),
    "observed_cm": Quantity("observations", "cm", "mean of the data distance over the frames", digits=2),
    "observed_px": Quantity("observations", "px", "mean of the data distance over the frames, for keypoints"),
    "mean_skate_mm": Quantity("foot skate", "mm/frame", "mean foot skate over the frames that have it", digits=2),
    "planted_share": Quantity("planted feet", "%", "share of the frames in which a foot stays near the floor"),
    "toe_depth_cm": Quantity("toe depth", "cm", "mean depth of the toe joints below the floor", digits=2),
    "mean_acceleration": Quantity("acceleration", "m/s²", "mean size of the acceleration of the 22 joints", digits=2),
    "end_drift_cm": Quantity(
        "end drift", "cm", "distance of the root joint in the last frame from the motion that stage 3 encodes"
    ),
    "overlap_cm": Quantity(
        "overlap distance",
        "cm",
        "mean distance of the key vertices where sub-sequences of the batch under way overlap",
        digits=2,
    ),
    "mean_px": Quantity(
        "reprojection", "px", "mean distance of projected and detected keypoints that weigh and are not doubted"
    ),
}
"""Name of the field with the values → the quantity. The motion that a roll-out encodes is that of stage 2; its missing
frames are bridged if the preset says so."""


TUNED = (
    "truth_cm",
    "observed_cm",
    "observed_px",
    "mean_skate_mm",
    "planted_share",
    "toe_depth_cm",
    "floor_tilt",
    "mean_acceleration",
    "end_drift_cm",
    "overlap_cm",
)
"""Figures of a whole fit by which weights are judged (``optim.diagnostics.tuned``)."""
ROUGH = ("mean_skate_mm", "planted_share", "toe_depth_cm", "floor_tilt", "end_drift_cm")
"""Those of which only the direction of a change is predicted well (docs/lab/effects.md)."""
PAIR = ("pair_root_cm", "pair_heading_deg", "pair_joints_cm", "pair_foot_cm", "pair_betas", "pair_floor_cm")
"""Quantities of two neighbouring sub-sequences that are shown as curves over the frames that both hold."""


def root_distance_cm(joints: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Distance (…) [cm] of the first joints of two sets (…, J, 3) [m]."""
    return distances_cm(np.asarray(joints)[..., 0, :], np.asarray(others)[..., 0, :])


def distances_cm(points: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Distances (…, N) [cm] of the points of two sets (…, N, 3) [m]."""
    return np.asarray(100.0 * np.linalg.norm(np.asarray(points) - np.asarray(others), axis=-1))


def mean_distance_cm(points: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Mean distance (…) [cm] of the points of two sets (…, N, 3) [m]."""
    return np.asarray(distances_cm(points, others).mean(-1))


def shape_distance(betas: ArrayLike, others: ArrayLike) -> float:
    """Euclidean distance of two sets (16,) of shape coefficients."""
    return float(np.linalg.norm(np.asarray(betas) - np.asarray(others)))


def floor_angle_deg(plane: ArrayLike, other: ArrayLike) -> float:
    """Angle [°] between two floors (4,), unit normal and offset; accurate for small angles too."""
    ours, theirs = (np.asarray(floor, np.float64)[:3] for floor in (plane, other))
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(ours, theirs)), ours @ theirs)))


def floor_step_cm(plane: ArrayLike, other: ArrayLike, places: ArrayLike, *, up: ArrayLike) -> np.ndarray:
    """Height (…) [cm] of another floor above a floor, beneath places (…, 3) [m].

    Args:
        plane: Floor (4,): unit normal n and offset d [m] of n·p = d.
        other: The other floor (4,), in the same form.
        up: Direction (3,) that is roughly up in the frame of the planes and places; it only decides the sign.
    """
    ours, theirs, points = (np.asarray(value, np.float64) for value in (plane, other, places))
    ours = ours if ours[:3] @ np.asarray(up) > 0 else -ours
    beneath = points - (points @ ours[:3] - ours[3])[..., None] * ours[:3]
    return np.asarray(100.0 * (theirs[3] - beneath @ theirs[:3]) / (theirs[:3] @ ours[:3]))
