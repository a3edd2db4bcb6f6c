"""Keypoints that contradict each other over time: jumps, exchanged sides, both legs on one, limbs that are too long.

Only the positions in the image are used, no body model and no fit. A limb that is seen from the side can be short but
never long, and nothing on a body leaves its place in one frame and returns in one frame.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from optim.checks.check import Check, Seen, fine, note
from optim.keypoints.names import BODY_25, MIRRORED_BODY_25

TRUSTED, JUMP, SIDES, ONE_LEG, LENGTH, EXCHANGED = range(6)
"""Codes of the reasons why a keypoint is doubted in a frame. ``SIDES`` is only in runs that were recorded when
exchanged sides were lowered like other doubts; those found now are ``EXCHANGED`` and are put back."""
REASONS = {
    JUMP: "jumps away from its place and back",
    SIDES: "left and right are exchanged",
    ONE_LEG: "both legs are on one",
    LENGTH: "too far away for the length of the limb",
    EXCHANGED: "left and right are exchanged",
}
"""Code → reason in words."""
FACTOR = 0.125
"""Factor on the confidence of a doubted keypoint, which then weighs 1/64. Exchanged sides are put back instead."""
OTHER_SIDE = MIRRORED_BODY_25
"""Keypoint → that of the other side, or itself."""
LONGEST_JUMP = 20
"""Largest number of frames between the jump of a keypoint and its return."""
LONGEST_AT_AN_END = {1: 5, 2: 12}
"""Least number of keypoints that jump together → largest number of frames at the beginning or end of a clip that their
jump parts from the rest."""
SMALLEST = 0.15
"""Least jump [m]."""
NOISE = 8.0
"""Least jump in standard deviations of the keypoint's noise."""
AT_AN_END = 1.5
"""The same at the beginning or end of a clip, where no return confirms the jump, as a multiple of it."""
SMOOTH = 0.5
"""Largest step beside a jump, as a share of the jump. Fast limbs have several large steps on end."""
EXCHANGE, EXCHANGE_NOISE = 0.2, 3.0
"""Sum of the mean changes of velocity [m per frame] that each exchange of sides must save, and how many standard
deviations of the noise are added to it."""
TOGETHER = 0.06
"""Largest distance [m] in the image between knees, and between ankles, that are on one leg."""
TOGETHER_NOISE = 3.5
"""The same in standard deviations of the noise."""
ONTO, ONTO_ONCE = 0.7, 1.2
"""Least jumps of a leg onto the other one and off it, as shares of the least jump of a keypoint, where both are seen,
and where one of them is hidden, because the legs cross or the clip ends. Several keypoints jump together."""
TOO_LONG = 1.8
"""Least length of a limb, as a multiple of its greatest length at the scale of the others, that cannot be."""
BONES = {
    ("neck", "mid_hip"): 0.52, ("left_shoulder", "right_shoulder"): 0.37, ("left_hip", "left_knee"): 0.38,
    ("right_hip", "right_knee"): 0.38, ("left_knee", "left_ankle"): 0.42, ("right_knee", "right_ankle"): 0.42,
    ("left_shoulder", "left_elbow"): 0.26, ("right_shoulder", "right_elbow"): 0.26, ("left_elbow", "left_wrist"): 0.235,
    ("right_elbow", "right_wrist"): 0.235,
}  # fmt: skip
"""Two keypoints → their distance [m] on the body of 1.70 m."""
SCALE_RANK = 3
"""Rank of the bone, from the longest for its length, that gives the scale of a frame. Two may be wrong."""
NEAR = 8
"""Number of frames to both sides whose scales count for a frame."""
MOST_OF_A_CLIP, MOST_AT_AN_END = 0.4, 0.25
"""Largest share of a clip in which one of two labellings counts as exchanged, between two exchanges and up to an end of
the clip. Nearer the half it cannot be told which of them is right."""
_SIDE_GROUPS = (("shoulder", "hip"), ("elbow", "wrist"), ("knee", "ankle", "heel", "big_toe", "small_toe"))
"""Parts of the body whose sides a detector exchanges together."""
_HEAD = ("eye", "ear")
"""Too close to each other to tell an exchange by themselves."""
_LEG = ("knee", "ankle", "heel", "big_toe", "small_toe")
_CHAINS = {"elbow": ("elbow", "wrist"), "wrist": ("wrist",), "knee": _LEG, "ankle": _LEG[1:]}
"""End of a bone → the keypoints that are wrong with it."""
MOST_TOLD = 4
"""Largest number of doubts that the check tells one by one."""
MOST_NAMED = 5
"""Largest number of keypoints that are named in a sentence."""
_GAP = 3
"""Largest number of frames without a keypoint over which its place is interpolated."""


@dataclass(frozen=True)
class Doubt:
    """Keypoints that are doubted for one reason in frames ``start`` to ``end - 1``."""

    reason: int
    start: int
    end: int
    keypoints: tuple[int, ...]
    trusted: bool = False
    """Whether the user trusts them nevertheless."""

    @property
    def text(self) -> str:
        """Frames, reason and keypoints in words. Frames count from the first one of the clip or sub-sequence."""
        frames = f"frame {self.start}" if self.end == self.start + 1 else f"frames {self.start} to {self.end - 1}"
        names = ", ".join(BODY_25[keypoint].replace("_", " ") for keypoint in self.keypoints[:MOST_NAMED])
        more = len(self.keypoints) - MOST_NAMED
        return f"{frames}: {REASONS[self.reason]} ({names}{f' and {more} more' if more > 0 else ''})"


@dataclass(frozen=True)
class Contradictions:
    """What ``find_doubts`` found in the keypoints of a clip."""

    codes: np.ndarray  # (T, 25)
    trusted: bool = False
    """Whether this run trusts all keypoints nevertheless."""


@dataclass(frozen=True)
class _Track:
    """Places of the keypoints over time, with what a step is held against."""

    where: np.ndarray  # (T, 25, 2) [px], NaN where not seen and not interpolated
    scale: np.ndarray  # (T,) px per metre
    noise: np.ndarray  # (25,) standard deviation of a coordinate [px]

    def least(self, metres: float, deviations: float) -> np.ndarray:
        """The larger of a length on the body and a multiple of the noise, (T, 25) [px]."""
        return np.maximum(metres * self.scale[:, None], deviations * self.noise)


def find_doubts(points: np.ndarray) -> np.ndarray:
    """Find keypoints that contradict each other.

    Args:
        points: (T, 25, 3) BODY_25 keypoints of one person: x, y [px] and confidence, 0 where not seen.

    Returns:
        (T, 25) int8: the code of a reason, or ``TRUSTED``.
    """
    seen = points[..., 2] > 0
    codes = np.zeros(seen.shape, np.int8)
    if len(points) < 4 or not seen.any():
        return codes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # keypoints that are never seen
        where = _interpolated(np.where(seen[..., None], points[..., :2], np.nan).astype(np.float64))
        track = _Track(where, _scale(where), _noise(where))
        for find in (_sides, _one_leg, _jumps, _lengths):
            track = find(track, codes)
    codes[~seen] = TRUSTED
    return codes


def listed(codes: np.ndarray) -> tuple[Doubt, ...]:
    """The doubts of one person, with keypoints of one reason and one stretch of frames together.

    Frames between that are not doubted, because nothing was seen in them, are bridged. Both legs on one, and exchanged
    sides, are told together wherever their frames overlap.

    Args:
        codes: (T, 25) codes of reasons, with a minus where the keypoint is trusted nevertheless.
    """
    found: list[tuple[int, int, int, set[int]]] = []
    for code in map(int, np.unique(codes[codes != TRUSTED])):
        of_code = codes == code
        columns = [[k] for k in range(codes.shape[1])] if abs(code) in (JUMP, LENGTH) else [list(range(codes.shape[1]))]
        for column in columns:
            frames = np.flatnonzero(of_code[:, column].any(axis=1))
            for part in np.split(frames, np.flatnonzero(np.diff(frames) > _GAP + 1) + 1):
                if len(part):
                    start, end = int(part[0]), int(part[-1]) + 1
                    points = {k for k in column if of_code[start:end, k].any()}
                    same = next((one for one in found if one[:3] == (start, end, code)), None)
                    found.append((start, end, code, points)) if same is None else same[3].update(points)
    return tuple(
        Doubt(abs(code), start, end, tuple(sorted(points)), trusted=code < 0)
        for start, end, code, points in sorted(found, key=lambda one: one[:3])
    )


def agree(data: Contradictions) -> Seen:
    """Keypoints do not contradict each other over time."""
    everything = listed(data.codes)
    if not everything:
        return fine("no keypoint jumps, sides keep their names and legs are two")
    found = [doubt for doubt in everything if not doubt.trusted]
    if not found:
        return note(f"keypoints contradict each other ({len(everything)} doubts)", "you have trusted all of them again")
    longest = sorted(found, key=lambda doubt: (doubt.start - doubt.end) * len(doubt.keypoints))
    told = "; ".join(doubt.text for doubt in longest[:MOST_TOLD])
    more = f"; and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    lowered = (
        "exchanged sides are put back, and the confidence of the others is lowered; the Data tab lists them and can"
        " trust them again, and --contradictions trusted leaves all as they are"
    )
    kept = "they count as they are in this fit; --contradictions doubted puts sides back and lowers confidences"
    return note(told + more, "the detector has taken something else for them", kept if data.trusted else lowered)


def _rows(names: Sequence[str], side: str) -> list[int]:
    return [BODY_25.index(f"{side}_{name}") for name in names]


def _runs_of_equals(values: np.ndarray) -> list[tuple[int, int]]:
    """First frame and frame after the last of all stretches of equal values (T,)."""
    edges = np.flatnonzero(np.diff(values.astype(np.int16))) + 1
    return list(pairwise([0, *map(int, edges), len(values)]))


def _interpolated(where: np.ndarray) -> np.ndarray:
    """Places (T, K, 2) with short gaps between two places bridged by straight lines."""
    filled = where.copy()
    for keypoint in range(where.shape[1]):
        gone = np.isnan(where[:, keypoint, 0])
        for start, end in _runs_of_equals(gone):
            if gone[start] and start and end < len(where) and end - start <= _GAP:
                share = (np.arange(start, end) - start + 1)[:, None] / (end - start + 1)
                before, after = where[start - 1, keypoint], where[end, keypoint]
                filled[start:end, keypoint] = before + share * (after - before)
    return filled


def _scale(where: np.ndarray) -> np.ndarray:
    """Pixels per metre (T,) at the body, from the bones that are least foreshortened."""
    ratios = [
        np.linalg.norm(where[:, BODY_25.index(a)] - where[:, BODY_25.index(b)], axis=-1) / length
        for (a, b), length in BONES.items()
    ]
    ranked = np.sort(np.nan_to_num(np.stack(ratios, axis=1)), axis=1)[:, -SCALE_RANK]
    known = ranked[ranked > 0]
    if not len(known):
        return np.ones(len(where))
    ranked[ranked <= 0] = np.median(known)
    padded = np.pad(ranked, NEAR, mode="edge")
    return np.quantile(np.lib.stride_tricks.sliding_window_view(padded, 2 * NEAR + 1), 0.8, axis=1)


def _noise(where: np.ndarray) -> np.ndarray:
    """Standard deviation (K,) [px] of the coordinates, from third differences, in which motion is small."""
    third = np.linalg.norm(np.diff(where, n=3, axis=0), axis=-1)
    return np.nan_to_num(np.nanmedian(third, axis=0)) / (np.sqrt(2 * np.log(2)) * np.sqrt(20))


def _sides(track: _Track, codes: np.ndarray) -> _Track:
    """Mark exchanged sides; returns the track with the sides as they should be.

    In frames in which two parts of the body are exchanged, all are.
    """
    where, found = track.where.copy(), {}
    for names in _SIDE_GROUPS:
        left, right = _rows(names, "left"), _rows(names, "right")
        limit = EXCHANGE * track.scale + EXCHANGE_NOISE * track.noise[left + right].mean()
        swapped = _labelling(where[:, left + right], where[:, right + left], limit)
        for start, end in _runs_of_equals(swapped):
            most = MOST_OF_A_CLIP if start and end < len(where) else MOST_AT_AN_END
            swapped[start:end] &= end - start <= most * len(where)
        found[names] = swapped
    all_of_them = np.sum(list(found.values()), axis=0) >= 2
    for names in (*_SIDE_GROUPS, _HEAD):
        swapped = found.get(names, all_of_them) | all_of_them
        both = [*_rows(names, "left"), *_rows(names, "right")]
        codes[np.ix_(swapped, both)] = EXCHANGED
        where[np.ix_(swapped, both)] = where[np.ix_(swapped, [OTHER_SIDE[keypoint] for keypoint in both])]
    return _Track(where, track.scale, track.noise)


def _labelling(one: np.ndarray, other: np.ndarray, limit: np.ndarray) -> np.ndarray:
    """Frames (T,) bool in which the points ``other`` (T, P, 2) continue the points ``one`` of the remaining frames.

    Of all labellings it is the one with the least sum of changes of velocity (mean of the points, in pixels) and of
    ``limit`` (T,) for each exchange, by dynamic programming.
    """

    def change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        size = np.linalg.norm(after[2:] - 2 * one[1:-1] + before[:-2], axis=-1)
        return np.nan_to_num(np.nanmean(np.minimum(size, 3 * limit[2:, None]), axis=1))

    costs = np.array([[change(one, one), change(one, other)], [change(other, one), change(other, other)]])
    costs[:, 1] += limit[2:]
    best, came = np.array([0.0, limit[1]]), []
    for now in np.moveaxis(costs, 2, 0):  # [exchanged before, exchanged now]
        sums = best[:, None] + now
        came.append(sums.argmin(axis=0))
        best = sums.min(axis=0)
    exchange = [int(best.argmin())]
    for before in reversed(came):
        exchange.append(int(before[exchange[-1]]))
    swapped = np.cumsum([0, *reversed(exchange)]) % 2 == 1
    return ~swapped if swapped.mean() > 0.5 else swapped


def _one_leg(track: _Track, codes: np.ndarray) -> _Track:
    """Mark the leg that jumps onto the other one; returns the track without it."""
    where = track.where.copy()
    legs = [_rows(_LEG, side) for side in ("left", "right")]
    limit = track.least(TOGETHER, TOGETHER_NOISE)[:, legs[0]]
    near = (np.linalg.norm(where[:, legs[0][:2]] - where[:, legs[1][:2]], axis=-1) < limit[:, :2]).all(axis=1)
    step = np.diff(where, axis=0)
    around = np.stack((np.vstack((step[1:2], step[:-1])), np.vstack((step[1:], step[-2:-1]))))
    edges = np.linalg.norm(step - np.nanmean(around, axis=0), axis=-1)
    least = track.least(SMALLEST, NOISE)
    for start, end in _runs_of_equals(near):
        if not near[start]:
            continue
        at = [t - 1 for t in (start, end) if 0 < t < len(where)]
        if not at or end - start > len(where) / 2:
            continue
        jumps = np.array([[np.nanmean(edges[t, leg]) / np.mean(least[t, leg]) for t in at] for leg in legs])
        worst = int(np.nanmean(jumps, axis=1).argmax())
        moved, stayed = jumps[worst], jumps[1 - worst]
        if (moved.min() > ONTO or moved.max() > ONTO_ONCE) and stayed.max() < SMOOTH * moved.max():
            codes[start:end, legs[worst]] = ONE_LEG
            where[start:end, legs[worst]] = np.nan
    return _Track(where, track.scale, track.noise)


def _jumps(track: _Track, codes: np.ndarray) -> _Track:
    """Mark keypoints that leave their place in one frame and return in one; returns the track without them."""
    where, least = track.where.copy(), track.least(SMALLEST, NOISE)
    for _ in range(3):
        found = [*_there_and_back(where, least), *_at_the_ends(where, least)]
        if not found:
            break
        for _, keypoint, start, end in sorted(found, reverse=True):
            if not np.isnan(where[start:end, keypoint]).any():
                codes[start:end, keypoint] = JUMP
                where[start:end, keypoint] = np.nan
        where = _interpolated(where)
    return _Track(where, track.scale, track.noise)


def _there_and_back(where: np.ndarray, least: np.ndarray) -> list[tuple[float, int, int, int]]:
    """Size [px], keypoint, first frame and frame after the last of all jumps with a return."""
    step = np.diff(where, axis=0)
    beside = np.pad(step, ((1, 1), (0, 0), (0, 0)), constant_values=np.nan)  # beside[i] leads to frame i
    found = []
    for length in range(1, min(LONGEST_JUMP, len(where) - 2) + 1):
        count = len(where) - length - 1  # jumps begin at frames 1 to count
        bridge = (where[length + 1 :] - where[:count]) / (length + 1)

        def off(first: int, *, count: int = count, bridge: np.ndarray = bridge) -> np.ndarray:
            return np.asarray(beside[first : first + count] - bridge)

        leave, back = off(1), off(length + 1)
        sizes = np.linalg.norm(leave, axis=-1), np.linalg.norm(back, axis=-1)
        size = np.minimum(*sizes)
        others = [np.linalg.norm(off(number), axis=-1) for number in (0, *range(2, length + 1), length + 2)]
        calm = np.nan_to_num(np.stack(others)).max(axis=0) < SMOOTH * size
        opposite = (leave * back).sum(-1) < -0.5 * sizes[0] * sizes[1]
        for first, keypoint in np.argwhere(calm & opposite & (size > least[1 : count + 1])):
            found.append((float(size[first, keypoint]), int(keypoint), int(first) + 1, int(first) + 1 + length))
    return found


def _at_the_ends(where: np.ndarray, least: np.ndarray) -> list[tuple[float, int, int, int]]:
    """The same of jumps that part the first or the last few frames from the rest."""
    found, frames = [], len(where)
    for mirrored in (False, True):
        step = np.diff(where[::-1] if mirrored else where, axis=0)
        for length in range(1, min(max(LONGEST_AT_AN_END.values()), frames // 4) + 1):
            rest = step[length : length + 3]
            normal = np.nanmedian(rest, axis=0)
            size = np.linalg.norm(step[length - 1] - normal, axis=-1)
            others = np.concatenate((step[: length - 1], rest)) - normal
            calm = np.nan_to_num(np.linalg.norm(others, axis=-1)).max(axis=0) < SMOOTH * size
            jumping = np.flatnonzero(calm & (size > AT_AN_END * least[-1 if mirrored else 0]))
            if length > LONGEST_AT_AN_END[min(len(jumping), 2) or 1]:
                continue
            for keypoint in jumping:
                start, end = (frames - length, frames) if mirrored else (0, length)
                found.append((float(size[keypoint]), int(keypoint), start, end))
    return found


def _lengths(track: _Track, codes: np.ndarray) -> _Track:
    """Mark the outer ends of limbs that are longer in the image than they can be."""
    least = track.least(SMALLEST, NOISE)
    for (a, b), length in BONES.items():
        part, side = b.partition("_")[2], b.partition("_")[0]
        if part not in _CHAINS:
            continue
        inner, outer = BODY_25.index(a), BODY_25.index(b)
        most = np.maximum(TOO_LONG * length * track.scale, length * track.scale + least[:, outer])
        wrong = np.linalg.norm(track.where[:, inner] - track.where[:, outer], axis=-1) > most
        chain = _rows(_CHAINS[part], side)
        marked = codes[:, chain]
        marked[wrong] = np.where(marked[wrong] == TRUSTED, LENGTH, marked[wrong])
        codes[:, chain] = marked
    return track


CHECKS = (
    Check(
        "contradicting keypoints",
        Contradictions,
        agree,
        f"nothing leaves its place by {100 * SMALLEST:.0f} cm in one frame and returns in one, sides and legs keep"
        f" apart, and no limb is longer than {TOO_LONG:g} times what it can be",
    ),
)
