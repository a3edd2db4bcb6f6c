"""The kinds of data that checks look at, as plain numpy values. What was not seen is NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from optim.body.joints import JOINT_NAMES

Kind = Literal["joints", "vertices", "cloud"]
JOINT = {name: number for number, name in enumerate(JOINT_NAMES)}
"""Name of a body joint → its number."""


@dataclass(frozen=True)
class Positions:
    """Positions of one person over T frames, in metres as the reader believes.

    The frame of reference should be a world with z up and the floor near z = 0, unless a camera's is said.
    """

    points: np.ndarray  # (T, K, 3)
    kind: Kind
    """SMPL's 22 joints, key vertices, or points of no fixed number."""
    fps: float
    """Frames per second of ``points``."""
    posed: bool = False
    """Whether the joints are those of a body model that a motion has posed, so that its bones are right in any case."""
    in_camera: bool = False
    """Whether the frame of reference is a camera's, where up is not known."""

    @property
    def seen(self) -> np.ndarray:
        """Frames (T,) in which at least a third of the points were seen."""
        return np.isfinite(self.points[..., 0]).mean(1) > 1 / 3

    def joint(self, name: str) -> np.ndarray:
        """Positions (T, 3) of one body joint."""
        return self.points[:, JOINT[name]]
