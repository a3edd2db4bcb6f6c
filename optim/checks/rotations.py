"""Checks of the rotations of a motion, by their values: their form, their unit, Euler angles, knees.

Each limit was measured on motion capture (593 clips in 4123 windows of 60 frames); the value next to a limit is the
most extreme one that was found there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optim.checks.check import Check, Seen, certain, fine, likely
from optim.checks.subjects import JOINT
from optim.common.euler import EULER_ORDERS, euler_to_axis_angle

SAME = 0.02
"""Largest deviation from a unit length or a right angle, as rounded numbers have it."""
SHARE = 0.95
"""Least share of the rotations that have such a form, so that a few damaged ones do not hide it."""
DEGREES = 2.0
"""Largest median angle of the body's joints [rad] (measured: 0.73; the same motions in degrees: at least 2.3)."""
LARGE = 7.0
"""Largest 99 % quantile of the joints' angles [rad]. A turn has 6.3 (measured: 3.1)."""
KNEES = -0.15
"""Least 90 % quantile of the knees' angles [rad], positive where they bend as knees do (measured: 0.17)."""
STEADY_UP, LEAN = 30.0, 27.0
"""Rotations are Euler angles if, read as such, the trunk leans by less than the first angle [°] in 90 % of the frames,
and in the median by so much less than as axis-angle vectors (measured: 21.7; 12.5 in whole clips)."""
WRAP, STILL, OTHERS = 0.5, 0.3, 0.5
"""One angle of three wraps if it jumps by a turn within the first [rad], while the two others move by less than the
second and are larger than the third. An axis-angle vector that wraps turns round as a whole."""


@dataclass(frozen=True)
class Rotations:
    """The array of rotations of a file, as it was read."""

    values: np.ndarray  # (N, …) one row per frame

    @property
    def rows(self) -> np.ndarray:
        """The finite rows, with one axis for everything in a frame (N, columns)."""
        rows = self.values.reshape(len(self.values), -1) if self.values.size else np.zeros((0, 0))
        return rows[np.isfinite(rows).all(1)]


def form(data: Rotations) -> Seen | None:
    """Matrices, 6D rotations and quaternions have unit lengths and right angles, which axis-angle vectors have not."""
    rows = data.rows
    if not rows.size:
        return None
    for tell in (_matrices, _sixd, _quaternions):
        found = tell(rows)
        if found is not None:
            name, cure = found
            count = f"{rows.shape[1]} columns"
            return certain(f"the rotations ({count}) are {name}", "axis-angle vectors are expected", cure)
    if (rows == np.round(rows)).all() and rows.any():
        return certain(
            "all rotations are whole numbers", "they were cut to whole numbers when they were saved", "save floats"
        )
    return fine(f"{rows.shape[1] // 3} axis-angle vectors") if rows.shape[1] % 3 == 0 else None


def _matrices(rows: np.ndarray) -> tuple[str, str] | None:
    if rows.shape[1] % 9:
        return None
    turns = rows.reshape(-1, 3, 3)
    if not _mostly(np.abs(turns @ turns.transpose(0, 2, 1) - np.eye(3)).max((1, 2)) < SAME):
        return None
    return f"matrices of {rows.shape[1] // 9} rotations", _convert("from_matrix(poses.reshape(-1, 3, 3))")


def _sixd(rows: np.ndarray) -> tuple[str, str] | None:
    if rows.shape[1] % 6:
        return None
    for order, name in (((2, 3), "two vectors after each other"), ((3, 2), "two columns of each matrix, interleaved")):
        pairs = rows.reshape(-1, *order)
        pairs = pairs if order == (2, 3) else pairs.transpose(0, 2, 1)
        a, b = pairs[:, 0], pairs[:, 1]
        right = np.abs((a * b).sum(1)) < SAME
        if _mostly(right & _unit(a) & _unit(b)):
            cure = "convert them: the third vector is the cross product of the two; save the matrices as axis-angle"
            return f"the 6D form of {rows.shape[1] // 6} rotations ({name})", cure
    return None


def _quaternions(rows: np.ndarray) -> tuple[str, str] | None:
    if rows.shape[1] % 4:
        return None
    turns = rows.reshape(-1, 4)
    if not _mostly(_unit(turns)):
        return None
    first = np.abs(turns[:, 0]).mean() > np.abs(turns[:, 3]).mean()
    order = "w first" if first else "w last"
    cure = _convert(f"from_quat(poses.reshape(-1, 4), scalar_first={first})")
    return f"quaternions of {rows.shape[1] // 4} rotations ({order})", cure


def _convert(call: str) -> str:
    return f"convert them with SciPy: Rotation.{call}.as_rotvec().reshape(len(poses), -1)"


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.abs(np.linalg.norm(vectors, axis=1) - 1) < SAME


def _mostly(right: np.ndarray) -> bool:
    return bool(right.mean() >= SHARE)


def _body(data: Rotations) -> np.ndarray | None:
    """Axis-angle vectors (N, 22, 3) of the root and the body joints. None if there are fewer columns."""
    rows = data.rows
    return rows[:, :66].reshape(-1, 22, 3) if len(rows) and rows.shape[1] >= 66 else None


def radians(data: Rotations) -> Seen | None:
    """Joints turn by less than a turn, and by far less in the median."""
    body = _body(data)
    if body is None:
        return None
    angles = np.linalg.norm(body, axis=2)
    middle, large = float(np.median(angles[:, 1:])), float(np.quantile(angles, 0.99))
    seen = f"the joints' angles are {middle:.3g} in the median, 1 % are above {large:.3g}"
    if large <= LARGE:
        return fine(f"{seen} rad")
    if middle > DEGREES:
        return certain(seen, "these are degrees, not radians", "give --degrees")
    return likely(seen, "some rotations are in degrees or are no axis-angle vectors", "--degrees converts all of them")


def euler_angles(data: Rotations) -> Seen | None:
    """Rotations are no Euler angles: read as such, the trunk is not far more upright, and no single angle wraps."""
    body = _body(data)
    if body is None or float(np.quantile(np.linalg.norm(body, axis=2), 0.99)) > LARGE:
        return None
    order, less = steadiest_order(body[:, 0])
    wraps = wrapped_angles(body)
    advice = f"give --euler {order or 'ORDER'}, which converts them, or --euler no if they are axis-angle vectors"
    if order is None and not wraps:
        return fine("axis-angle vectors, by the lean of the trunk")
    found = []
    if order is not None:
        found.append(f"read as Euler angles {order}, the trunk leans by {less:.0f}° less")
    if wraps:
        found.append(f"single angles jump by a turn, {wraps} times")
    return likely("; ".join(found), "these are Euler angles and no axis-angle vectors", advice, asks=True)


def wrapped_angles(body: np.ndarray) -> int:
    """Number of jumps by a turn of a single one of the three numbers of a rotation, in (N, 22, 3)."""
    change = np.abs(np.diff(body, axis=0))
    jumps = np.abs(change - 2 * np.pi) < WRAP
    others = np.where(jumps, 0.0, change).max(-1)
    size = np.linalg.norm(np.where(jumps, 0.0, body[1:]), axis=-1)
    return int(((jumps.sum(-1) == 1) & (others < STILL) & (size > OTHERS)).sum())


def steadiest_order(root: np.ndarray) -> tuple[str | None, float]:
    """Order of Euler angles in which a trunk (N, 3) is upright that is not so as axis-angle vectors.

    Returns:
        The order, as in ``EULER_ORDERS``, and by how much less the trunk leans [°]. None if there is no such order.
    """
    trunk = _second_axis(root)
    if any(np.median(_lean(trunk * sign, axis)) < STEADY_UP for axis in range(3) for sign in (1, -1)):
        return None, 0.0  # upright, though perhaps along another axis
    best: tuple[str | None, float] = (None, LEAN)
    for order in EULER_ORDERS:
        other = _second_axis(euler_to_axis_angle(root, order))
        less = float(np.median(_lean(trunk)) - np.median(_lean(other)))
        if less > best[1] and np.quantile(_lean(other), 0.9) < STEADY_UP:
            best = order, less
    return best


def _second_axis(vectors: np.ndarray) -> np.ndarray:
    """The y axis (N, 3) as axis-angle vectors (N, 3) turn it, by Rodrigues' formula."""
    angle = np.linalg.norm(vectors, axis=1, keepdims=True)
    axis, y = vectors / np.maximum(angle, 1e-12), np.array([0.0, 1.0, 0.0])
    return y * np.cos(angle) + np.cross(axis, y) * np.sin(angle) + axis * axis[:, 1:2] * (1 - np.cos(angle))


def _lean(trunk: np.ndarray, axis: int = 2) -> np.ndarray:
    """Angles (N,) [°] of directions (N, 3) from an axis."""
    return np.degrees(np.arccos(np.clip(trunk[:, axis], -1, 1)))


def knees(data: Rotations) -> Seen | None:
    """Knees bend one way only, about the x axis of the thigh. Other conventions of rotations bend them backwards."""
    body = _body(data)
    if body is None or float(np.quantile(np.linalg.norm(body, axis=2), 0.99)) > LARGE:
        return None
    bends = {side: float(np.quantile(body[:, JOINT[f"{side}_knee"], 0], 0.9)) for side in ("left", "right")}
    seen = f"the knees bend by {np.degrees(bends['left']):.0f}° and {np.degrees(bends['right']):.0f}° at most"
    if min(bends.values()) >= KNEES:
        return fine(seen)
    return likely(
        seen,
        "they bend backwards: the rotations are inverted (transposed), mirrored, or of another skeleton",
        "look at the motion before it is fitted",
    )


CHECKS = (
    Check(
        "form of rotations",
        Rotations,
        form,
        f"unit lengths and right angles within {SAME:g} in {SHARE:.0%} of the rotations are matrices, 6D or"
        " quaternions: certain; whole numbers too",
    ),
    Check(
        "radians",
        Rotations,
        radians,
        f"99 % of the joints' angles up to {LARGE:g} rad; with a median above {DEGREES:g} they are degrees: certain",
        answers=("degrees",),
    ),
    Check(
        "Euler angles",
        Rotations,
        euler_angles,
        f"no single angle jumps by a turn, and read as Euler angles the trunk does not lean by {LEAN:g}° less;"
        " otherwise asks for --euler",
        answers=("euler",),
    ),
    Check("knees", Rotations, knees, f"90 % quantile of the knees' angle at least {KNEES:g} rad"),
)
