"""Axis-angle flips: two almost equal rotations whose axis-angle vectors are 2π apart.

A loss on the vectors would pull such a pair together although nothing is wrong with the rotations. This project
compares rotations as matrices. Only the variable itself and what is written to files can flip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optim.common.rotations import axis_angle_to_matrix, geodesic_angle, matrix_to_axis_angle
from optim.problem.variables import root_matrix
from optim.session.fit import Fit
from optim.session.history import Snapshot

CLOSE = 0.5
"""Largest angle [rad] between rotations that count as almost equal."""


@dataclass(frozen=True)
class Flips:
    """Masks of the places where vectors jump although rotations do not."""

    variable: np.ndarray | None
    """(B, F) bool: the variable ``root_orient`` against its previous frame (stage 3 has only one frame); None where it
    is optimised in 6D."""
    round_trip: np.ndarray | None
    """(B, F) bool: the variable against its rotation after a transform to the prior frame and back."""
    saved: np.ndarray
    """(B, T, 22) bool: root and body rotations as they are saved, against the previous frame."""


def flips(fit: Fit, snapshot: Snapshot | None = None, *, close: float = CLOSE) -> Flips:
    """All flips at a snapshot."""
    snapshot = snapshot or fit.current
    motion, root = fit.trajectory(snapshot), snapshot.variables["root_orient"]
    rotations = torch.cat((motion.root_orient[:, :, None], motion.pose_body), dim=2)
    saved = over_time(matrix_to_axis_angle(rotations), close=close).numpy()
    if root.shape[-1] != 3:
        return Flips(None, None, saved)
    frame, matrix = fit.prior_frame(snapshot), root_matrix(root)
    there_and_back = matrix_to_axis_angle(frame.orient_back(frame.orient(matrix)))
    return Flips(
        variable=over_time(root, close=close).numpy(),
        round_trip=are_flipped(root, there_and_back, close=close).numpy(),
        saved=saved,
    )


def over_time(vectors: Tensor, *, close: float = CLOSE) -> Tensor:
    """Flips of vectors (B, T, …, 3) against the previous frame, (B, T, …) bool; frame 0 has none."""
    found = are_flipped(vectors[:, 1:], vectors[:, :-1], close=close)
    return torch.cat((torch.zeros_like(vectors[:, :1, ..., 0], dtype=torch.bool), found), dim=1)


def are_flipped(a: Tensor, b: Tensor, *, close: float = CLOSE) -> Tensor:
    """Whether vectors (…, 3) are more than π apart but their rotations at most ``close`` [rad]; (…) bool."""
    apart = (a - b).norm(dim=-1) > math.pi
    return apart & (geodesic_angle(axis_angle_to_matrix(a), axis_angle_to_matrix(b)) <= close)
