"""Tell by geometry which keypoint set an array without names holds, among the sets with as many points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optim.keypoints.names import NAMED_SETS, standard_name

LINKS = (
    ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"), ("left_hip", "left_knee"), ("left_knee", "left_ankle"), ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"), ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("nose", "left_eye"),
    ("nose", "right_eye"), ("left_eye", "left_ear"), ("right_eye", "right_ear"), ("nose", "left_shoulder"),
    ("nose", "right_shoulder"), ("left_ankle", "left_heel"), ("right_ankle", "right_heel"),
    ("left_ankle", "left_big_toe"), ("right_ankle", "right_big_toe"), ("left_shoulder", "left_hip"),
    ("right_shoulder", "right_hip"),
)  # fmt: skip
"""Points that are neighbours on a body. Under wrong names they are far from each other."""
HEAD = (("nose", "left_eye"), ("nose", "right_eye"), ("left_eye", "left_ear"), ("right_eye", "right_ear"))
"""Links within a head."""
CLEARLY = 0.75
"""A plausible set is taken if its links are shorter than this share of the usual set's."""
LONGEST = 0.3
"""Largest mean length of the links, as a share of the diagonal of the box around a person (measured: 0.24; 0.29 where
only the upper body is seen)."""
LARGEST_HEAD, LARGEST_HEAD_ALONE = 0.27, 0.36
"""Largest length of a link within a head, as a share of the same diagonal, and where little but the head is seen
(measured: 0.18 and 0.35; of Kinect's points under the names of BODY_25: at least 0.37)."""
ENOUGH = 10
"""Least number of links that are seen of somebody of whom more is seen than head and shoulders."""


@dataclass(frozen=True)
class SetFound:
    """The keypoint set that an array holds."""

    name: str
    """Name in ``NAMED_SETS``."""
    names: tuple[str, ...]
    length: float
    """Mean length of the links, as a share of the diagonal of the box around a person."""
    usual: bool
    """Whether it is the set that is usually meant by so many points."""
    plausible: bool
    """Whether the points can be a body under these names."""


def find_set(points: np.ndarray) -> SetFound | None:
    """The set of keypoints (..., K, 3) without names: the usual one of so many points, unless another fits clearly.

    Returns:
        None if no known set has so many points.
    """
    sets = {name: names for name, names in NAMED_SETS.items() if len(names) == points.shape[-2]}
    if not sets:
        return None
    flat = points.reshape(-1, *points.shape[-2:])
    links = {name: _links(flat, names, LINKS) for name, names in sets.items()}
    lengths = {name: float(np.mean(found)) if found else np.inf for name, found in links.items()}
    usual = next(iter(sets))
    close = len(links[usual]) < ENOUGH  # only head and shoulders are seen; other sets would fit by chance
    most = LARGEST_HEAD_ALONE if close else LARGEST_HEAD
    heads = {name: max(_links(flat, names, HEAD), default=0.0) for name, names in sets.items()}
    plausible = {name: heads[name] <= most and (close or lengths[name] <= LONGEST) for name in sets}
    best = min(sets, key=lambda name: (not plausible[name], lengths[name]))
    clear = plausible[best] and (not plausible[usual] or (not close and lengths[best] < CLEARLY * lengths[usual]))
    name = best if clear else usual
    return SetFound(name, sets[name], lengths[name], name == usual, plausible[name])


def _links(points: np.ndarray, names: tuple[str, ...], links: tuple[tuple[str, str], ...]) -> list[float]:
    """Median lengths of the links that are seen, relative to the person's box."""
    row = {standard_name(name): index for index, name in enumerate(names)}
    seen = points[..., 2] > 0
    where = np.where(seen[..., None], points[..., :2], np.nan)
    whole = seen.sum(1) >= 4
    if not whole.any():
        return []
    where = where[whole].astype(np.float64)
    size = np.linalg.norm(np.nanmax(where, axis=1) - np.nanmin(where, axis=1), axis=-1)
    found = []
    for a, b in links:
        if a in row and b in row:
            share = np.linalg.norm(where[:, row[a]] - where[:, row[b]], axis=-1) / np.maximum(size, 1e-6)
            if np.isfinite(share).any():
                found.append(float(np.nanmedian(share)))
    return found
