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

    def text(self, value: float) -> str:
        """A value with its unit, in the form that is used everywhere."""
        return f"{value:.1f} {self.unit}"


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
    "position_cm": Quantity(
        "overlap distance", "cm", "mean distance of the 43 key vertices of two sub-sequences at a frame that both hold"
    ),
    "seam_cm": Quantity("seam jump", "cm", "by how much a step across a seam differs, mean of the 22 joints"),
    "distance_cm": Quantity("joint consistency", "cm", "distance of a body joint from the regressed one"),
    "skate_mm": Quantity("foot skate", "mm/frame", "mean horizontal move of the feet that are near the floor"),
    "depth_cm": Quantity("depth", "cm", "depth of the lowest vertex below the floor, 0 above it"),
    "floor_tilt": Quantity("floor tilt", "°", "angle between the fitted and the observed floor"),
    "between_joints_cm": Quantity("joint difference", "cm", "mean distance of the 22 joints of two compared motions"),
    "between_root_cm": Quantity("root difference", "cm", "distance of the root joints of two compared motions"),
    "between_heading_deg": Quantity(
        "heading difference", "°", "turn about the vertical between two compared motions; positive: the second is left"
    ),
    "between_feet_cm": Quantity("foot difference", "cm", "mean distance of ankles and toes of two compared motions"),
    "mean_px": Quantity("reprojection", "px", "mean distance of projected and detected keypoints that enter the loss"),
}
"""Name of the field with the values → the quantity. The motion that a roll-out encodes is that of stage 2; its missing
frames are bridged if the preset says so."""


def root_distance_cm(joints: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Distance (…) [cm] of the first joints of two sets (…, J, 3) [m]."""
    return distances_cm(np.asarray(joints)[..., 0, :], np.asarray(others)[..., 0, :])


def distances_cm(points: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Distances (…, N) [cm] of the points of two sets (…, N, 3) [m]."""
    return np.asarray(100.0 * np.linalg.norm(np.asarray(points) - np.asarray(others), axis=-1))


def mean_distance_cm(points: ArrayLike, others: ArrayLike) -> np.ndarray:
    """Mean distance (…) [cm] of the points of two sets (…, N, 3) [m]."""
    return np.asarray(distances_cm(points, others).mean(-1))
