"""Whom to follow where several persons are seen: chosen once, then the nearest to where that one was last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

REACH = 0.35
"""How far a person may move between two frames, in sizes of the person; and so much more per frame out of sight."""
MOST_REACH = 1.5
LEAST_POINTS = 4


def follow(people: Sequence[np.ndarray], *, person: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """One person's keypoints through all frames.

    Args:
        people: For each of T frames (P, K, 3): x, y [px] and confidence of everybody seen; P may be 0 and may differ.
        person: The so-manieth from the left, counted from 1, in the first frame with so many; None: the largest in
            the first frame with anybody.

    Returns:
        Keypoints (T, K, 3), all 0 where the person is not seen; and how many people were seen in each frame (T,).
    """
    counts = np.array([len(frame) for frame in people])
    count = next((frame.shape[1] for frame in people if len(frame)), 0)
    found = np.zeros((len(people), count, 3), np.float32)
    first = next((t for t, number in enumerate(counts) if number >= (person or 1)), None)
    if first is None:
        return found, counts
    row = choose(np.stack([_place(one) for one in people[first]]), person=person)
    start = people[first][row]
    for order in (range(first, len(people)), range(first, -1, -1)):
        last, last_seen = start, first
        for t in order:
            row_here = nearest(last, people[t], frames=abs(t - last_seen))
            if row_here is not None:
                found[t] = people[t][row_here]
                last, last_seen = found[t], t
    return found, counts


def choose(places: np.ndarray, *, person: int | None) -> int:
    """Which of several places (P, 3), x, y and size [px]: the so-manieth from the left, or the largest."""
    if person is None:
        return int(places[:, 2].argmax())
    return int(np.argsort(places[:, 0], kind="stable")[person - 1])


def within_reach(places: np.ndarray, last: np.ndarray, *, frames: int) -> int | None:
    """The place (of P, 3) that somebody last seen at ``last`` (3,) so many frames ago can have got to; the nearest."""
    if not len(places):
        return None
    allowed = min(REACH * max(frames, 1), MOST_REACH) * last[2]
    apart = np.linalg.norm(places[:, :2] - last[:2], axis=1) + np.abs(places[:, 2] - last[2])
    row = int(apart.argmin())
    return row if apart[row] <= allowed else None


def nearest(last: np.ndarray, people: np.ndarray, *, frames: int) -> int | None:
    """Which of the people (P, K, 3) is the one whose keypoints (K, 3) were last seen so many frames ago."""
    if not len(people):
        return None
    size = max(float(_place(last)[2]), 1.0)
    apart = np.full(len(people), np.inf)
    for row, one in enumerate(people):
        both = (one[:, 2] > 0) & (last[:, 2] > 0)
        if both.sum() >= LEAST_POINTS:
            apart[row] = np.linalg.norm(one[both, :2] - last[both, :2], axis=1).mean()
    best = int(apart.argmin())
    return best if apart[best] <= min(REACH * max(frames, 1), MOST_REACH) * size else None


def _place(person: np.ndarray) -> np.ndarray:
    """Middle and size (3,) [px] of the keypoints (K, 3) that are seen; 0 where there are none."""
    seen = person[person[:, 2] > 0, :2]
    if not len(seen):
        return np.zeros(3)
    low, high = seen.min(axis=0), seen.max(axis=0)
    return np.array([*((low + high) / 2), np.linalg.norm(high - low)])
