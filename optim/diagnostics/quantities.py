"""What is measured in more than one place: its name, its unit, its one definition, and the distances it is made of.

Scene, panels, findings, report, tables and videos show these numbers by these names; docs/diagnostics.md lists them.
Needs numpy only, so that the window's process can use it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Quantity:
    """One thing that can be measured at a frame, a pair or a seam."""

    label: str
    unit: str
    definition: str

    def text(self, value: float) -> str:
        """A value with its unit, as every place writes it."""
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
    "mean_px": Quantity("reprojection", "px", "mean distance of projected and detected keypoints that enter the loss"),
}
"""Field that holds the values → what they are. The motion that a roll-out encodes is that of stage 2, frames in which
nothing is seen bridged where the rules of the fit bridge them."""


def root_distance_cm(joints: ArrayLike, others: ArrayLike) -> np.ndarray:
    """(…, J, 3) and the same [m] → (…) distance of the first joints."""
    return distances_cm(np.asarray(joints)[..., 0, :], np.asarray(others)[..., 0, :])


def distances_cm(points: ArrayLike, others: ArrayLike) -> np.ndarray:
    """(…, N, 3) and the same [m] → (…, N) distances."""
    return np.asarray(100.0 * np.linalg.norm(np.asarray(points) - np.asarray(others), axis=-1))


def mean_distance_cm(points: ArrayLike, others: ArrayLike) -> np.ndarray:
    """(…, N, 3) and the same [m] → (…) mean distance of the N points."""
    return np.asarray(distances_cm(points, others).mean(-1))
