"""The kinds of data that checks look at, as plain numpy values. What was not seen is NaN."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from optim.body.joints import JOINT_NAMES

Kind = Literal["joints", "vertices", "cloud"]
JOINT = {name: number for number, name in enumerate(JOINT_NAMES)}
"""Name of a body joint → its number."""
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
"""Value of ``--unit`` → metres."""
LIMBS = (
    ("left_hip", "left_knee", 0.379),
    ("right_hip", "right_knee", 0.379),
    ("left_knee", "left_ankle", 0.424),
    ("right_knee", "right_ankle", 0.424),
    ("left_shoulder", "left_elbow", 0.259),
    ("right_shoulder", "right_elbow", 0.259),
    ("left_elbow", "left_wrist", 0.235),
    ("right_elbow", "right_wrist", 0.235),
)
"""Two ends of a long bone, and its length [m] in a body of 1.70 m."""
UNIT_WORDS = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "in": "inches", "ft": "feet"}
AXES = {"x": (0, 1), "-x": (0, -1), "y": (1, 1), "-y": (1, -1), "z": (2, 1), "-z": (2, -1)}
"""Value of ``--up`` → number of the axis and its sign."""


def axis_name(direction: np.ndarray) -> str:
    """The axis, as in ``AXES``, that a direction (3,) lies along most."""
    axis = int(np.abs(direction).argmax())
    return next(name for name, value in AXES.items() if value == (axis, 1 if direction[axis] > 0 else -1))


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

    from_depth: bool = False
    """Whether the points come from depth images, whose unit ``--depth-scale`` gives."""

    @property
    def seen(self) -> np.ndarray:
        """Frames (T,) in which at least a third of the points were seen."""
        return np.isfinite(self.points[..., 0]).mean(1) > 1 / 3

    def joint(self, name: str) -> np.ndarray:
        """Positions (T, 3) of one body joint."""
        return self.points[:, JOINT[name]]
