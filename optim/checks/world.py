"""Checks of positions in space: unit of length, direction of up, height of the floor, speeds.

Each limit was measured on motion capture (593 clips in 4123 windows of 60 frames: walking, sport, dance, falls, lying
and getting up); the value next to a limit is the most extreme one that was found there.
"""

from __future__ import annotations

import warnings

import numpy as np

from optim.checks.check import Check, Seen, certain, fine, likely, note
from optim.checks.consistency import STEPS_CHECK
from optim.checks.subjects import AXES, LIMBS, UNIT_WORDS, UNITS, Positions, axis_name

LIMB_RATIO = (0.45, 1.5)
"""Least and largest length of limbs relative to ``LIMBS``: bodies of 0.77 m (a toddler) to 2.55 m."""
USUAL = (0.75, 1.25)
"""The same for bodies of 1.28 to 2.13 m, as SMPL's shapes have them. Others are noted."""
EXTENT = (0.5, 3.0)
"""Least and largest diagonal [m] of the box around a person (measured: 0.9 to 2.5)."""
ROOM = 12.0
"""Largest diagonal [m] of a cloud, which may show the surroundings too."""
ROOT_SPEED = 12.0
"""Largest median speed [m/s] of the pelvis (measured: 4.3; the fastest sprinters reach 12)."""
HIGH = 6.0
"""Largest distance [m] of the feet from the floor that may be a story higher rather than another unit."""
NEAR = 0.6
"""Largest distance [m] of the feet from the floor in the unit that the path is really in."""
UPRIGHT = 0.35
"""Least median component along z of the direction from pelvis to head in data that is not looked at further."""
ALONG_AXIS = 0.7
"""Least median component of that direction along another axis, if that axis may be up."""
LYING = (-0.2, 0.3, 0.12)
"""Lowest joint of a person who lies or crawls on the floor: least and largest median height [m], and largest standard
deviation over time [m] (measured for lying and crawling: -0.01 to 0.05, 0.03; of vertices -0.15 to 0.01, 0.08)."""
FLOOR = (-0.15, 0.25)
"""Least and largest height [m] of the lowest joint, as the 5 % quantile over time (measured: -0.10 to 0.07)."""
FLOOR_OF_POINTS = (-0.3, 0.25)
"""The same for the lowest of vertices or points, which lie below joints (measured: -0.25 to 0.05)."""
FAR_FLOOR = (-0.5, 1.2)
"""Heights [m] of the lowest joint beyond which a fit on the floor z = 0 would be worthless."""
JOINT_SPEED = 25.0
"""Largest 99 % quantile of the joints' speeds [m/s] (measured: 9.7)."""
TOE = 0.03
"""Height [m] of the joint at the toes above the floor (measured: 0.028 in the median)."""
HEAD_VERTICES, HIP_VERTICES = (0, 1, 2, 7, 8), (5, 6, 15, 16)
"""Rows of the 43 key vertices at the head, and around the hips."""
LONG, STEADY = 1.8, 0.8
"""Least length of a cloud, relative to its width, and least steadiness of its direction over time (1: it never turns),
at which the direction says how a person stands. Of people who are not upright, all lay on the floor (measured)."""


def unit_of_length(data: Positions) -> Seen | None:
    """The length of limbs, or else the extent of the person, tells metres from other units."""
    if not data.seen.any():
        return None
    if data.posed:
        return _unit_of_path(data)
    if data.kind == "joints":
        ratio = _limb_ratio(data)
        if ratio is None:
            return None
        low, high = LIMB_RATIO
        seen = f"thighs are {ratio * LIMBS[0][2]:.3g} m long"
        reference = 1.0
    else:
        ratio, reference = _extent(data), 1.75
        low, high = EXTENT[0], (ROOM if data.kind == "cloud" else EXTENT[1])
        seen = f"the points of a frame extend over {ratio:.3g} m"
    if ratio == 0:
        return likely(seen, "all of them lie at one place", "look at the file")
    if data.kind == "joints" and low <= ratio <= high and not USUAL[0] <= ratio <= USUAL[1]:
        return note(
            seen,
            f"a body of {1.7 * ratio:.2g} m, which SMPL's shapes hardly reach, or another scale",
            "--unit m says that it is right",
        )
    if data.kind == "cloud" and EXTENT[1] < ratio <= high:
        return note(seen, "it shows more than a person, or the unit is not metres", "--unit m says that it is right")
    if low <= ratio <= high:
        return fine(seen)
    if data.kind == "cloud" and ratio < low:
        return note(seen, "only a piece of a person is seen, or the unit is not metres", "--unit says which it is")
    return _other_unit(seen, ratio / reference, least=low / reference, from_depth=data.from_depth)


def _other_unit(seen: str, ratio: float, *, least: float, from_depth: bool) -> Seen:
    """The unit in which a size that is ``ratio`` times that of an adult makes sense."""
    if from_depth:
        return certain(seen, "the scale of the depth images is another one", "give --depth-scale in metres per step")
    name = min(UNITS, key=lambda unit: abs(np.log(ratio * UNITS[unit])))
    if name != "m" and least <= ratio * UNITS[name] <= 1.7:
        return certain(seen, f"these are {UNIT_WORDS[name]}, not metres", f"give --unit {name}")
    return certain(
        seen, f"these are not metres (a factor of {ratio:.3g})", "divide the positions by it, or give --unit m if not"
    )


def _unit_of_path(data: Positions) -> Seen:
    """The path of a posed body tells the unit of its translation: how fast it moves, and how far up the feet are."""
    pelvis = data.joint("pelvis")
    speed = _median_speed(pelvis, data.fps)
    away = _distance_of_feet(data)
    if speed <= ROOT_SPEED and away <= HIGH:
        return fine(f"the pelvis moves at {speed:.2g} m/s in the median, {away:.2g} m is the height of the feet")
    seen = f"the pelvis moves at {speed:.3g} m/s in the median and the feet are {away:.3g} m from the floor"
    scaled = {unit: _rescaled(data, UNITS[unit]) for unit in ("cm", "mm", "in", "ft")}
    unit = min(scaled, key=lambda name: _distance_of_feet(scaled[name]))
    path = scaled[unit]
    if _median_speed(path.joint("pelvis"), data.fps) <= ROOT_SPEED / 2 and _distance_of_feet(path) <= NEAR:
        return certain(seen, f"the translation is in {UNIT_WORDS[unit]}, not in metres", f"give --unit {unit}")
    return likely(
        seen,
        "the translation is not in metres, or the frame rate is wrong",
        "--unit says which unit it is; --floor-height auto puts the feet on the floor",
        asks=True,
    )


def _rescaled(data: Positions, factor: float) -> Positions:
    """The same motion with its path in another unit; the body keeps its size."""
    pelvis = data.joint("pelvis")[:, None]
    return Positions(data.points - pelvis + pelvis * factor, "joints", data.fps, posed=True)


def _distance_of_feet(data: Positions) -> float:
    """Distance [m] of the lowest joint from 0 along the axis that the body stands along, in the median over time."""
    axis, sign = _axis_of(trunk(data))
    return abs(float(np.nanmedian(_least(sign * data.points[..., axis]))))


def up(data: Positions) -> Seen | None:
    """People are upright for the most time, and those who lie do so on the floor."""
    if data.in_camera or not data.seen.any():
        return None
    direction = trunk(data) if data.kind != "cloud" else _long_axis(data)
    if direction is None:
        return None
    name = axis_name(direction)
    axis, sign = AXES[name]
    what = "from pelvis to head" if data.kind != "cloud" else "the long side of the points"
    seen = f"{what} is ({', '.join(f'{value:.2f}' for value in direction)}) in the median"
    if direction[2] >= UPRIGHT:
        return fine(seen)
    if _on_floor(data, "z"):
        lies = f"{seen}: the person lies or crawls on the floor z = 0"
        if name == "z" or not _on_floor(data, name):
            return fine(lies)
        return note(lies, f"it would also stand on a floor with {name} up", f"if it stands, give --up={name}")
    if name != "z" and sign * direction[axis] >= ALONG_AXIS:
        return likely(
            f"{seen}, and the person is not on the floor z = 0",
            f"{name} is up in this data, not z",
            f"give --up={name}, or --up=z if the person really lies",
            asks=True,
        )
    return note(seen, "the person is not upright for most of the time", "if z is not up, --up says which axis is")


def _long_axis(data: Positions) -> np.ndarray | None:
    """Direction (3,) along which a cloud is long, from the end at the floor. None if it is not long or not steady.

    Of the two ends the one that keeps to 0 is at the floor, and otherwise the one at the lower coordinates.
    """
    if _extent(data) > EXTENT[1]:
        return None  # it shows more than a person
    middle = data.points - np.nanmean(data.points, axis=1, keepdims=True)
    middle = np.nan_to_num(middle[data.seen])
    values, vectors = np.linalg.eigh(np.einsum("tka,tkb->tab", middle, middle))
    long = float(np.median(np.sqrt(values[:, 2] / np.maximum(values[:, 1], 1e-12))))
    steady, axes = np.linalg.eigh(np.einsum("ta,tb->ab", vectors[:, :, 2], vectors[:, :, 2]) / len(vectors))
    if long < LONG or steady[2] < STEADY:
        return None
    direction = axes[:, 2] * (1 if axes[np.abs(axes[:, 2]).argmax(), 2] > 0 else -1)
    return (
        -direction
        if _on_floor(data, axis_name(-direction)) and not _on_floor(data, axis_name(direction))
        else direction
    )


def _on_floor(data: Positions, name: str) -> bool:
    """Whether the lowest joint along an axis keeps to the floor at 0."""
    axis, sign = AXES[name]
    lowest = _least(sign * data.points[data.seen][..., axis])
    low, high, spread = LYING
    return bool(low <= np.nanmedian(lowest) <= high and np.nanstd(lowest) <= spread)


def floor_height(data: Positions) -> Seen | None:
    """The lowest joint or point is near z = 0 now and then."""
    if data.in_camera or not data.seen.any() or (data.kind == "joints" and not _feet_seen(data)):
        return None
    height = lowest(data)
    seen = f"the lowest {'joint' if data.kind == 'joints' else 'point'} is at z = {height:.2f} m"
    low, high = FLOOR if data.kind == "joints" else FLOOR_OF_POINTS
    if low <= height <= high:
        return fine(seen)
    meant = f"the floor is at z = {height - (TOE if data.kind == 'joints' else 0.0):.2f} m, not at 0"
    advice = "--floor-height auto moves it to 0, --floor-height 0 says that it is right"
    far = not FAR_FLOOR[0] <= height <= FAR_FLOOR[1]
    return likely(seen, meant, advice, asks=far and data.kind == "joints")


def lowest(data: Positions) -> float:
    """Height [m] of the lowest joint or point, as the 5 % quantile over time."""
    return float(np.nanquantile(_least(data.points[data.seen][..., 2]), 0.05))


def speeds(data: Positions) -> Seen | None:
    """Joints of a person do not move arbitrarily fast."""
    if data.kind == "cloud" or len(data.points) < 3:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        step = np.linalg.norm(np.diff(data.points, axis=0), axis=-1) * data.fps
    known = step[np.isfinite(step)]
    if not known.size:
        return None
    fast = float(np.quantile(known, 0.99))
    seen = f"1 % of the joints' speeds are above {fast:.3g} m/s"
    if fast <= JOINT_SPEED:
        return fine(seen)
    return likely(
        seen, "no person is so fast: the frame rate is wrong, or the motion jumps", "correct the rate in the file"
    )


def trunk(data: Positions) -> np.ndarray | None:
    """Median over time (3,) of the unit vector from pelvis to head (or neck). None if they are never seen."""
    for top, bottom in _trunks(data):
        along = top - bottom
        along = along[np.isfinite(along).all(1)]
        if len(along):
            return np.median(along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9), axis=0)
    return None


def _trunks(data: Positions) -> list[tuple[np.ndarray, np.ndarray]]:
    """Upper and lower end (T, 3) of the trunk, the best first."""
    if data.kind == "vertices":
        return [(data.points[:, list(HEAD_VERTICES)].mean(1), data.points[:, list(HIP_VERTICES)].mean(1))]
    return [(data.joint(top), data.joint("pelvis")) for top in ("head", "neck")]


def _axis_of(direction: np.ndarray | None) -> tuple[int, int]:
    """The axis that a direction lies along most, and its sign; z if there is no direction."""
    return AXES["z" if direction is None else axis_name(direction)]


def _limb_ratio(data: Positions) -> float | None:
    """Length of the limbs relative to those of an adult, in the median over limbs and time. None if none is seen."""
    ratios = [np.linalg.norm(data.joint(a) - data.joint(b), axis=1) / length for a, b, length in LIMBS]
    known = [float(np.median(r[np.isfinite(r)])) for r in ratios if np.isfinite(r).any()]
    return float(np.median(known)) if known else None


def _extent(data: Positions) -> float:
    """Diagonal [m] of the box around the points of a frame, in the median over time."""
    points = data.points[data.seen]
    return float(np.median(np.linalg.norm(np.nanmax(points, axis=1) - np.nanmin(points, axis=1), axis=1)))


def _median_speed(path: np.ndarray, fps: float) -> float:
    step = np.linalg.norm(np.diff(path, axis=0), axis=1) * fps
    return float(np.nanmedian(step)) if np.isfinite(step).any() else 0.0


def _least(heights: np.ndarray) -> np.ndarray:
    """Lowest known height of each frame; NaN where nothing is known."""
    known = np.isfinite(heights)
    return np.where(known.any(1), np.where(known, heights, np.inf).min(1), np.nan)


def _feet_seen(data: Positions) -> bool:
    feet = np.stack([data.joint(f"{side}_{part}") for side in ("left", "right") for part in ("ankle", "foot")], axis=1)
    return bool(np.isfinite(feet[..., 0]).any(1).mean() > 0.2)


CHECKS = (
    Check(
        "unit of length",
        Positions,
        unit_of_length,
        f"limbs {LIMB_RATIO[0]:g} to {LIMB_RATIO[1]:g} times those of an adult; vertices of a frame over {EXTENT[0]:g}"
        f" to {EXTENT[1]:g} m, clouds up to {ROOM:g} m; of a posed body the pelvis up to {ROOT_SPEED:g} m/s in the"
        f" median, the feet up to {HIGH:g} m from the floor: certain",
        answers=("unit", "depth_scale"),
    ),
    Check(
        "up",
        Positions,
        up,
        f"direction from pelvis to head at least {UPRIGHT:g} along z, or the lowest joint at {LYING[0]:g} to"
        f" {LYING[1]:g} m (lying); {ALONG_AXIS:g} along another axis asks for --up",
        answers=("up",),
    ),
    STEPS_CHECK,
    Check(
        "floor height",
        Positions,
        floor_height,
        f"lowest joint at {FLOOR[0]:g} to {FLOOR[1]:g} m, lowest vertex or point at {FLOOR_OF_POINTS[0]:g} to"
        f" {FLOOR_OF_POINTS[1]:g} m; beyond {FAR_FLOOR[0]:g} to {FAR_FLOOR[1]:g} m asks"
        " for --floor-height",
        answers=("floor_height",),
    ),
    Check("speeds", Positions, speeds, f"99 % of the joints' speeds up to {JOINT_SPEED:g} m/s", answers=()),
)
