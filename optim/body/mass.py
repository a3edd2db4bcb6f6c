"""Where the mass of a body is. Does not know what a motion is for."""

from __future__ import annotations

import numpy as np

from optim.body.joints import JOINT_NAMES

SEGMENTS = (
    ("pelvis", "neck", 0.497, 0.5), ("neck", "head", 0.081, 1.0),
    *((f"{side}_{a}", f"{side}_{b}", mass, where) for side in ("left", "right") for a, b, mass, where in (
        ("hip", "knee", 0.1, 0.5), ("knee", "ankle", 0.0465, 0.5), ("ankle", "foot", 0.0145, 0.5),
        ("shoulder", "elbow", 0.028, 0.5), ("elbow", "wrist", 0.022, 0.7))),
)  # fmt: skip
"""Two ends of a part of the body, its share of the mass, and where between them it lies.

Source: Winter, Biomechanics and Motor Control of Human Movement, table 4.1 (after Dempster), rounded.
"""


def centre_of_mass(joints: np.ndarray) -> np.ndarray:
    """Positions (T, 3) of the centre of mass of joints (T, 22, 3), in the frame and unit of the joints."""
    total = sum(mass for *_, mass, _ in SEGMENTS)
    number = JOINT_NAMES.index
    parts = [
        mass / total * ((1 - where) * joints[:, number(a)] + where * joints[:, number(b)])
        for a, b, mass, where in SEGMENTS
    ]
    return np.asarray(np.sum(parts, axis=0))
