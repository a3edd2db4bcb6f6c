"""Follow one person among several: choose once, then take the nearest to the last position in every frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

REACH = 0.35
"""Largest move of a person between two frames, in sizes of the person. It grows by as much per frame out of sight."""
MOST_REACH = 1.5
"""Largest move in sizes of the person, however long the person was out of sight."""
LEAST_POINTS = 4
"""Smallest number of keypoints that two frames must share for their distance to count."""


def follow(people: Sequence[np.ndarray], *, person: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints of one person through all frames.

    Args:
        people: For each of T frames (P, K, 3): x, y [px] and confidence of all persons. P may be 0 and may differ.
        person: Number of the person from the left, counted from 1, in the first frame that shows as many persons. None
            takes the largest person in the first frame that shows anybody.

    Returns:
        Keypoints (T, K, 3), all 0 where the person is not seen, and the number of persons in each frame (T,).
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
    """Row of the chosen person among the places (P, 3), each with x, y and size [px].

    Args:
        person: Number of the person from the left, counted from 1. None takes the largest.
    """
    if person is None:
        return int(places[:, 2].argmax())
    return int(np.argsort(places[:, 0], kind="stable")[person - 1])


def within_reach(places: np.ndarray, last: np.ndarray, *, frames: int) -> int | None:
    """Row of the nearest place that a person can have reached. None if all places are too far away.

    Args:
        places: (P, 3) x, y and size [px].
        last: (3,) last place of the person.
        frames: Number of frames since then.
    """
    if not len(places):
        return None
    allowed = min(REACH * max(frames, 1), MOST_REACH) * last[2]
    apart = np.linalg.norm(places[:, :2] - last[:2], axis=1) + np.abs(places[:, 2] - last[2])
    row = int(apart.argmin())
    return row if apart[row] <= allowed else None


def nearest(last: np.ndarray, people: np.ndarray, *, frames: int) -> int | None:
    """Row of the person whose keypoints are nearest to the last ones. None if all are too far away.

    Args:
        last: (K, 3) last keypoints of the person: x, y [px] and confidence.
        people: (P, K, 3) keypoints of all persons in the frame.
        frames: Number of frames since the last keypoints.
    """
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
    """Middle and size (3,) [px] of the box around the seen keypoints of (K, 3). All 0 if none is seen."""
    seen = person[person[:, 2] > 0, :2]
    if not len(seen):
        return np.zeros(3)
    low, high = seen.min(axis=0), seen.max(axis=0)
    return np.array([*((low + high) / 2), np.linalg.norm(high - low)])
