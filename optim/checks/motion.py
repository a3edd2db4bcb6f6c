"""Checks of how the joints of a person move: gravity, frame rate, path, and which side is left.

Each limit was measured on motion capture (593 clips in 4123 windows of 60 frames); the value next to a limit is the
most extreme one that was found there.
"""

from __future__ import annotations

import numpy as np

from optim.body.mass import centre_of_mass
from optim.checks.check import Check, Seen, fine, likely, note
from optim.checks.subjects import AXES, JOINT, LIMBS, Positions, axis_name

GRAVITY = 9.81
"""Acceleration of free fall [m/s²]."""
SAMPLED = 30.0
"""Rate [Hz] at which accelerations are taken, whatever the rate of the data: at higher rates noise would decide."""
FLIGHT = 6
"""Number of accelerations in a row, a fifth of a second, that make a flight."""
FLIGHT_MAGNITUDE, FLIGHT_SPREAD = 1.5, 2.0
"""Largest difference [m/s²] of a flight's acceleration from gravity in the mean, and from its own mean."""
FLIGHT_DOWN = 0.9
"""Least component of a flight's acceleration along -z (measured: 0.990)."""
SLOWEST = 0.43
"""Least frequency [Hz] of a person's movements (measured: 0.444; 0.93 in a whole clip)."""
USUAL = 1.64
"""Frequency [Hz] of a person's movements (measured, in the median over the clips)."""
FASTEST_FALL = 20.0
"""Largest downward acceleration [m/s²] of the centre of mass, as a 90 % quantile (measured: 18.1, with noise)."""
NOISE_IN_FALL = 1.6
"""The same quantile of the acceleration that noise of 1 m on joints makes at 1 Hz: 1.28 deviations of a second
difference of a mean over the joints' masses, with a quarter to spare."""
DRIVEN = (12.0, 25.0)
"""Largest acceleration [m/s²] of the centre of mass, in any direction, in the median and as a 90 % quantile (measured:
9.4, which is free fall, and 23.0; labelled with 4 times their rate 78 % of the clips exceed one of the limits, with
twice their rate 18 %)."""
NOISE_IN_DRIVEN = (1.9, 3.1)
"""The same quantiles of the acceleration that noise of 1 m on joints makes at 1 Hz, with a quarter to spare."""
MOVING = 0.15
"""Least root-mean-square speed [m/s] of head, hands and feet around the pelvis of a person whose tempo is looked at."""
PATH = 2e-4
"""Largest distance [m] of the pelvis on the floor from its mean place in data without a path (measured with a path:
8e-4)."""
MOVED = 0.05
"""Least distance [m] by which a joint of a moving person leaves its mean place relative to the pelvis."""
TOES_AHEAD = -0.1
"""Least component of the feet along the front that the hips and the trunk give (measured: 0.18 in the median)."""
SWAPPED = 0.7
"""Left and right change places between two frames if, exchanged, they move less than this share of the way (measured:
never less than 1.36)."""
FAR = 0.25
"""Least distance between left and right, as a share of the trunk, at which a swap can be told."""
_SIDED = ("hip", "shoulder", "knee", "elbow", "ankle", "wrist")
_LEFT, _RIGHT = (tuple(JOINT[f"{side}_{part}"] for part in _SIDED) for side in ("left", "right"))
_ENDS = tuple(JOINT[name] for name in ("left_wrist", "right_wrist", "left_ankle", "right_ankle", "head"))


def gravity(data: Positions) -> Seen | None:
    """A body in the air falls along -z."""
    fall = _free_fall(data)
    if fall is None:
        return None
    shown = ", ".join(f"{value:.2f}" for value in fall)
    seen = f"in the air the centre of mass falls along ({shown})"
    if -fall[2] >= FLIGHT_DOWN:
        return fine(seen)
    name = axis_name(-fall)
    axis, sign = AXES[name]
    if -sign * fall[axis] < FLIGHT_DOWN:
        return note(seen, "up is not along an axis of the data", "turn the data so that z is up")
    return likely(
        seen, f"{name} is up in this data, not z", f"give --up={name}, or --up=z if z is up all the same", asks=True
    )


def tempo(data: Positions) -> Seen | None:
    """The frame rate is right: movements have a usual frequency, and nobody falls faster than gravity pulls."""
    if data.kind != "joints" or not data.seen.all():
        return None
    points, rate = _sampled(data)
    if len(points) < FLIGHT + 2:
        return None
    ends = points[:, _ENDS] - points[:, :1]
    velocity, acceleration = np.diff(ends, axis=0) * rate, np.diff(ends, 2, axis=0) * rate**2
    speed, change = (np.sqrt((v**2).sum(-1).mean(0)) for v in (velocity, acceleration))
    if not np.isfinite(speed).all() or np.sqrt((speed**2).mean()) < MOVING:
        return None
    frequency = float(np.median(change / np.maximum(speed, 1e-6))) / (2 * np.pi)
    seen = f"head, hands and feet move at {frequency:.2g} Hz around the pelvis"
    if frequency < SLOWEST:
        by = f", by a factor of about {USUAL / frequency:.1f}" if frequency > 0 else ""
        return likely(
            seen,
            f"this is slow motion: the frame rate of the data is too low{by}",
            "correct the frame rate; the motion prior does not know such motions",
        )
    centre = _known_centre(points)
    if data.in_camera or centre is None:
        return fine(seen)
    fall = -float(np.quantile(np.diff(centre[:, 2], 2) * rate**2, 0.1))
    if fall > FASTEST_FALL + NOISE_IN_FALL * _noise(points) * rate**2:
        return likely(
            f"{seen}, and its centre of mass falls with {fall:.3g} m/s² in a tenth of the time",
            "nothing falls so fast: the frame rate of the data is too high",
            "correct the frame rate if it is wrong",
        )
    driven = np.linalg.norm(np.diff(centre, 2, axis=0), axis=1) * rate**2
    found = float(np.median(driven)), float(np.quantile(driven, 0.9))
    noise = _noise(points) * rate**2
    most = [limit + factor * noise for limit, factor in zip(DRIVEN, NOISE_IN_DRIVEN, strict=True)]
    if found[0] > most[0] or found[1] > most[1]:
        return likely(
            f"{seen}, and its centre of mass is driven with {found[0]:.3g} m/s² in half of the time and"
            f" {found[1]:.3g} m/s² in a tenth",
            "nobody is so strong: the frame rate of the data is too high, two or four times perhaps",
            "correct the frame rate, mocap_framerate or fps in the file, if it is wrong",
        )
    return fine(seen)


def path(data: Positions) -> Seen | None:
    """The pelvis of somebody who moves moves too."""
    if data.kind != "joints" or not np.isfinite(data.joint("pelvis")).all():
        return None
    pelvis = data.joint("pelvis")
    relative = data.points - pelvis[:, None]
    away = np.linalg.norm(relative - np.median(relative, axis=0), axis=-1)
    if not away[np.isfinite(away)].size or away[np.isfinite(away)].max() < MOVED:
        return None
    away = pelvis - pelvis.mean(0) if data.in_camera else (pelvis - pelvis.mean(0))[:, :2]
    most = float(np.linalg.norm(away, axis=1).max())
    seen = f"the pelvis leaves its mean place{'' if data.in_camera else ' on the floor'} by {most:.2g} m at most"
    if most > PATH:
        return fine(seen)
    return likely(
        f"{seen}, while other joints move",
        "the positions are relative to the pelvis, or the motion has no path",
        "add the path of the pelvis if it is known; feet will slide otherwise",
    )


def sides(data: Positions) -> Seen | None:
    """Toes point to the front that left and right hip give; otherwise left and right are exchanged or mirrored."""
    if data.kind != "joints" or data.posed:
        return None
    across = data.joint("left_hip") - data.joint("right_hip")
    front = _unit(np.cross(across, data.joint("neck") - data.joint("pelvis")))
    feet = [_unit(data.joint(f"{side}_foot") - data.joint(f"{side}_ankle")) for side in ("left", "right")]
    ahead = np.concatenate([(front * foot).sum(1) for foot in feet])
    ahead = ahead[np.isfinite(ahead)]
    if len(ahead) < len(data.points) / 4:
        return None
    middle = float(np.median(ahead))
    seen = f"the toes point {'forward' if middle > 0 else 'backward'} ({middle:.2f} in the median)"
    if middle >= TOES_AHEAD:
        return fine(seen)
    return likely(
        f"{seen}, by where the left and the right hip are",
        "left and right are exchanged, or the data is mirrored",
        "give --sides swapped, which exchanges left and right, or --sides kept if they are right",
        asks=True,
    )


def sides_over_time(data: Positions) -> Seen | None:
    """Left and right joints do not change places from one frame to the next."""
    if data.kind != "joints" or data.posed:
        return None
    swaps = swapped_frames(data)
    if not len(swaps):
        return fine("left and right keep their places")
    listed = ", ".join(map(str, swaps[:6])) + (", …" if len(swaps) > 6 else "")
    return likely(
        f"left and right change places at frame {listed}",
        "the joints of a side were taken for those of the other",
        "drop these frames in the Data tab, or correct the file",
    )


def swapped_frames(data: Positions) -> np.ndarray:
    """Numbers of the frames at which most of the pairs of left and right joints, two at least, change places."""
    relative = data.points - data.joint("pelvis")[:, None]
    left, right = relative[:, _LEFT], relative[:, _RIGHT]
    same = _length(left[1:] - left[:-1]) + _length(right[1:] - right[:-1])
    exchanged = _length(left[1:] - right[:-1]) + _length(right[1:] - left[:-1])
    apart = _length(left - right)
    trunk = _length(data.joint("neck") - data.joint("pelvis"))[1:, None]
    told = np.minimum(apart[1:], apart[:-1]) > FAR * trunk  # False where something is NaN
    votes = (told & (exchanged < SWAPPED * same)).sum(1)
    return np.flatnonzero((votes >= 2) & (votes > told.sum(1) / 2)) + 1


def _sampled(data: Positions) -> tuple[np.ndarray, float]:
    """Positions at about ``SAMPLED`` Hz, and their exact rate."""
    step = max(round(data.fps / SAMPLED), 1)
    return data.points[::step], data.fps / step


def _known_centre(points: np.ndarray) -> np.ndarray | None:
    """Positions (T, 3) of the centre of mass of joints (T, 22, 3). None if it is never known."""
    centre = centre_of_mass(points)
    return centre if np.isfinite(centre).all(1).any() else None


def _noise(points: np.ndarray) -> float:
    """Standard deviation [m] of the noise on joints (T, 22, 3), by how much the lengths of the limbs change."""
    lengths = [_length(points[:, JOINT[a]] - points[:, JOINT[b]]) for a, b, _ in LIMBS]
    spreads = [float(np.nanstd(one)) for one in lengths if np.isfinite(one).any()]
    return float(np.median(spreads)) / np.sqrt(2) if spreads else np.inf


def _free_fall(data: Positions) -> np.ndarray | None:
    """Mean direction (3,) of the acceleration in all flights of the data. None if there is none."""
    if data.kind != "joints" or data.in_camera:
        return None
    points, rate = _sampled(data)
    centre = _known_centre(points) if len(points) >= FLIGHT + 2 else None
    if centre is None:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(np.diff(centre, 2, axis=0) * rate**2, FLIGHT, axis=0)
    mean = windows.mean(-1)
    magnitude, spread = _length(mean), _length((windows - mean[..., None]).transpose(0, 2, 1)).max(1)
    falls = (np.abs(magnitude - GRAVITY) < FLIGHT_MAGNITUDE) & (spread < FLIGHT_SPREAD)
    return np.mean(_unit(mean[falls]), axis=0) if falls.any() else None


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(_length(vectors)[..., None], 1e-9)


CHECKS = (
    Check(
        "gravity",
        Positions,
        gravity,
        f"whoever is in the air for {FLIGHT / SAMPLED:g} s (an even acceleration of {GRAVITY:g} ± {FLIGHT_MAGNITUDE:g}"
        f" m/s²) falls along -z within {np.degrees(np.arccos(FLIGHT_DOWN)):.0f}°; otherwise asks for --up",
        answers=("up",),
    ),
    Check(
        "tempo",
        Positions,
        tempo,
        f"movements of at least {SLOWEST:g} Hz; the centre of mass falls with at most {FASTEST_FALL:g} m/s² in 90 % of"
        f" the time, and is driven with at most {DRIVEN[0]:g} m/s² in half of it; more where bone lengths show noise",
    ),
    Check("path", Positions, path, f"the pelvis of a moving person moves by more than {1000 * PATH:g} mm"),
    Check(
        "sides",
        Positions,
        sides,
        f"the feet's component along the front of the hips at least {TOES_AHEAD:g} in the median; otherwise asks for"
        " --sides",
        answers=("sides",),
    ),
    Check(
        "sides over time",
        Positions,
        sides_over_time,
        f"exchanged, left and right joints do not come nearer than {SWAPPED:g} of the way to where they were",
    ),
)
