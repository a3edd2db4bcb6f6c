"""Checks of positions against themselves: lengths of bones, the feet against the path, repeated frames.

Each limit was measured on motion capture (593 clips in 4123 windows of 60 frames).
"""

from __future__ import annotations

import warnings

import numpy as np

from optim.checks.check import Check, Seen, certain, fine, likely
from optim.checks.images import Keypoints
from optim.checks.subjects import JOINT, LIMBS, UNITS, Positions

ALIKE = 2.5
"""Largest ratio between two limbs' lengths relative to those of an adult (measured: 1.3; 1.5 with 10 cm of noise)."""
WALKING = 0.4
"""Least speed [m/s] of the pelvis along the floor at which feet are held against the path."""
STEPS = 10
"""Least number of frames at this speed."""
SLIDING, STANDING = 0.5, 0.25
"""A path is wrong if the lower foot moves faster than the first share of the pelvis's speed, and slower than the second
under another scale or direction of the path (measured: 1.4 % of the clips slide so much, and none of them stands under
another path; of made-up wrong paths 69 to 92 % are found)."""
PATHS = {
    "mirrored": ((-1, 0), (0, 1)), "mirrored ": ((1, 0), (0, -1)), "with x and y exchanged": ((0, 1), (1, 0)),
    "with x and y exchanged and negated": ((0, -1), (-1, 0)), "turned by 180°": ((-1, 0), (0, -1)),
    "turned by 90°": ((0, -1), (1, 0)), "turned by -90°": ((0, 1), (-1, 0)),
}  # fmt: skip
"""What may be wrong with the path on the floor → matrix that makes it right."""
UNIT_MATCH = 0.15
"""Largest difference, as a share, between the scale that makes feet stand and that of a unit."""
REPEATED = 0.15
"""Least share of frames that are the same as the one before, in an even beat, in data that was filled up."""


def skeleton(data: Positions) -> Seen | None:
    """Limbs are about as long as an adult's relative to each other; joints in another order are not."""
    if data.kind != "joints" or data.posed:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # joints that are never seen
        ratios = [
            float(np.nanmedian(np.linalg.norm(data.joint(a) - data.joint(b), axis=1))) / length
            for a, b, length in LIMBS
        ]
    known = [ratio for ratio in ratios if ratio > 0]
    if len(known) < len(LIMBS) / 2:
        return None
    spread = max(known) / min(known)
    seen = f"the limbs' lengths relative to those of an adult differ by a factor of {spread:.2g}"
    if spread <= ALIKE:
        return fine(seen)
    return certain(
        seen,
        "the joints are in another order than SMPL's, or are no joints",
        "put them in the order pelvis, left_hip, right_hip, spine1, … (optim/body/joints.py), or save them as points3d",
    )


def steps(data: Positions) -> Seen | None:
    """While somebody walks, the lower foot stands: the path has the scale and the directions of the body."""
    if data.kind != "joints" or data.in_camera or len(data.points) < STEPS:
        return None
    path, foot = _walking(data)
    if len(path) < STEPS:
        return None
    slides = _slides(path, foot)
    seen = f"the lower foot moves at {slides:.0%} of the pelvis's speed"
    scale = float(np.median(-(path * foot).sum(1) / (path**2).sum(1)))
    others = {name: _slides(path @ np.array(matrix).T, foot) for name, matrix in PATHS.items()}
    best = min(others, key=lambda name: others[name])
    scaled = _slides(path * scale, foot) if scale > 0 else np.inf
    least = min(scaled, others[best])
    if slides <= SLIDING or least >= STANDING:
        return fine(seen)
    if scaled <= others[best]:
        unit = next((name for name, size in UNITS.items() if abs(scale / size - 1) < UNIT_MATCH), None)
        meant = f"it would stand if the path were {scale:.2g} times as long"
        if unit not in (None, "m"):
            return likely(seen, f"{meant}: it is in another unit", f"give --unit {unit}, or --unit m if not", asks=True)
        return likely(seen, meant, "look at how path and body were put together")
    return likely(
        seen,
        f"it would stand with the path {best.strip()}: path and rotations are in different frames",
        "look at how path and body were put together",
    )


def _walking(data: Positions) -> tuple[np.ndarray, np.ndarray]:
    """Velocities (N, 2) [m/s] on the floor of the pelvis, and of the lower foot relative to it, while they walk."""
    pelvis = data.joint("pelvis")
    feet = data.points[:, [JOINT["left_foot"], JOINT["right_foot"]]] - pelvis[:, None]
    path = np.diff(pelvis[:, :2], axis=0) * data.fps
    moves = np.diff(feet[..., :2], axis=0) * data.fps
    lower = np.where(np.isfinite(feet[:-1, :, 2]), feet[:-1, :, 2], np.inf).argmin(1)
    foot = moves[np.arange(len(moves)), lower]
    kept = np.isfinite(foot).all(1) & (np.linalg.norm(path, axis=1) > WALKING)  # False where something is NaN
    return path[kept], foot[kept]


def _slides(path: np.ndarray, foot: np.ndarray) -> float:
    """Speed of the lower foot in the world, as a share of the pelvis's, in medians."""
    return float(np.median(np.linalg.norm(path + foot, axis=1)) / np.median(np.linalg.norm(path, axis=1)))


def repeated_frames(data: Positions | Keypoints) -> Seen | None:
    """No frame is the one before once more, in an even beat, as if the data had been filled up to a higher rate."""
    if isinstance(data, Positions):
        if data.kind == "cloud":
            return None
        points = np.nan_to_num(data.points.reshape(len(data.points), -1))
    else:
        points = data.points.reshape(len(data.points), -1)
    beat = beat_of(points)
    if beat is None:
        return fine("each frame has its own content")
    every, share = beat
    return likely(
        f"{share:.0%} of the frames repeat the one before, in an even beat",
        f"the data was filled up to a higher frame rate: about {every:.2g} frames show one moment",
        "leave the repeated frames out and give the rate of those that remain",
    )


def beat_of(points: np.ndarray) -> tuple[float, float] | None:
    """Number of frames (of (T, N)) for each moment, and the share of repeated ones. None without an even beat."""
    same = (points[1:] == points[:-1]).all(1)
    seen = points[1:].any(1)
    share = float(same[seen].mean()) if seen.any() else 0.0
    new = np.flatnonzero(~same)
    if share < REPEATED or len(new) < 4:
        return None
    # The rarer of the two kinds comes at even distances: the new frames, or the repeated ones.
    apart = np.diff(new if share >= 0.5 else np.flatnonzero(same))
    even = len(apart) >= 3 and apart.min() > 1 and apart.max() - apart.min() <= 1
    return (len(points) / (len(new) + 1), share) if even else None


STEPS_CHECK = Check(
    "steps",
    Positions,
    steps,
    f"while the pelvis walks, the lower foot moves at up to {SLIDING:.0%} of its speed, unless no other scale or"
    f" direction of the path brings that below {STANDING:.0%}; another unit asks for --unit",
    answers=("unit",),
)
CHECKS = (
    Check(
        "skeleton",
        Positions,
        skeleton,
        f"limbs relative to an adult's differ by a factor of up to {ALIKE:g}: certain",
    ),
    Check(
        "repeated frames",
        (Positions, Keypoints),
        repeated_frames,
        f"up to {REPEATED:.0%} of the frames in an even beat",
    ),
)
