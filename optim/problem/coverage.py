"""How much of a motion was observed: by kind of observation, by frame and by part of the body. Needs numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

NAMES = {"joints3d": "3D joints", "verts3d": "key vertices", "points3d": "points", "joints2d": "2D keypoints"}
"""Kind of observation → its name in sentences."""
PARTS: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "joints3d": {"legs": (4, 5, 7, 8, 10, 11), "arms": (18, 19, 20, 21)},
    "joints2d": {"legs": (10, 11, 13, 14), "arms": (3, 4, 6, 7)},
}
"""Kind of observation → part of the body → its joints or keypoints: knees and feet, elbows and wrists."""
SHARE = {"warn": 0.7, "bad": 0.35}
"""Observed share of all points below which a fit rests on the priors in part, or mostly. The demo clips have 100 %
(joints3d), 82 % (walk) and 8 % (getup) of ``joints3d_partial``."""
NOTHING = {"warn": 0.05, "bad": 0.2}
"""Share of frames in which nothing is observed. Gaps of a few frames are bridged well; those of a second are not."""
UNSEEN_PART = 0.1
"""A part of the body that is observed in a smaller share of the frames counts as not observed."""


@dataclass(frozen=True)
class Coverage:
    """Observed shares of B sub-sequences of T frames."""

    share: Mapping[str, float]
    """Kind of observation → observed share of its points."""
    nothing: np.ndarray
    """(B, T) bool: frames in which no point of any kind is observed."""
    parts: Mapping[str, float]
    """Part of the body → share in which it is observed; only for joints and keypoints."""

    @property
    def level(self) -> str:
        """``good``, ``warn`` or ``bad``."""
        best, empty = max(self.share.values()), float(self.nothing.mean())
        if best < SHARE["bad"] or empty > NOTHING["bad"] or "legs" in self.unseen:
            return "bad"
        return "warn" if best < SHARE["warn"] or empty > NOTHING["warn"] or self.unseen else "good"

    @property
    def unseen(self) -> tuple[str, ...]:
        """Parts of the body that are hardly ever observed."""
        return tuple(part for part, share in self.parts.items() if share < UNSEEN_PART)

    @property
    def longest_gap(self) -> tuple[int, int, int]:
        """Sub-sequence, first frame and length of the longest run of frames in which nothing is observed."""
        return longest_run(self.nothing)

    @property
    def text(self) -> str:
        """One sentence that says how much is observed."""
        shares = ", ".join(f"{100 * share:.0f} % of the {NAMES[kind]}" for kind, share in self.share.items())
        words = f"Observed are {shares}"
        if self.nothing.any():
            words += f"; in {int(self.nothing.sum())} of {self.nothing.size} frames nothing is"
        if self.unseen and not self.nothing.all():
            words += f"; {' and '.join(self.unseen)} are hardly ever seen"
        return f"{words}."


def coverage_of(seen: Mapping[str, np.ndarray]) -> Coverage:
    """Coverage from masks.

    Args:
        seen: Kind of observation → (B, T, K) bool, whether a point was observed; at least one kind.
    """
    nothing = np.asarray(np.stack([~np.asarray(mask).any(-1) for mask in seen.values()]).all(0))
    parts: dict[str, float] = {}
    for kind, groups in PARTS.items():
        if kind in seen:
            for part, points in groups.items():
                share = float(np.asarray(seen[kind])[..., list(points)].mean())
                parts[part] = max(share, parts.get(part, 0.0))
    if set(seen) - set(PARTS):
        parts = {}  # vertices and points may show the parts that joints and keypoints do not
    return Coverage({kind: float(np.asarray(mask).mean()) for kind, mask in seen.items()}, nothing, parts)


def longest_run(mask: np.ndarray) -> tuple[int, int, int]:
    """Sub-sequence, first frame and length of the longest run of true values in (B, T); length 0 if there is none."""
    best = (0, 0, 0)
    for b, row in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            if end - start > best[2]:
                best = (b, int(start), int(end - start))
    return best
