"""What counts as missing in the points of a file, alike for every reader. Knows no format."""

from __future__ import annotations

import numpy as np

MARKS = (0.0, -1.0)
"""Values that stand for "missing" where all coordinates of a point have them."""
LARGE_MARK = 900.0
"""Numbers at least so large in all coordinates alike, such as -9999, stand for "missing" too."""
MOST_PIXELS = 1e6
"""Largest coordinate that is accepted [px]."""


def known_points(points: np.ndarray, *, origin: int | None = None) -> np.ndarray:
    """Points (T, K, 3) in space with inf in all three coordinates where they are missing.

    A point is missing if a coordinate is NaN or infinite, or if all three are the same mark: 0, -1, or a number beyond
    ``LARGE_MARK``.

    Args:
        origin: Row of a point that may lie at 0 on purpose, as the pelvis does in joints relative to it. If it is 0 in
            every frame and others are seen, it is not missing.
    """
    points = np.asarray(points, np.float64)
    alike = (points[..., 0] == points[..., 1]) & (points[..., 1] == points[..., 2])
    first = points[..., 0]
    known = np.isfinite(points).all(-1) & ~(alike & (np.isin(first, MARKS) | (np.abs(first) >= LARGE_MARK)))
    if origin is not None and points.shape[1] > origin and known.any() and not points[:, origin].any():
        known[:, origin] = True
    return np.where(known[..., None], points, np.inf)


def known_keypoints(points: np.ndarray) -> np.ndarray:
    """Keypoints (..., 3) with all three numbers set to 0 where nothing was seen, in whatever way that is written.

    It is written as NaN, infinity, 0 or the same negative number for both coordinates, or a confidence that is not
    positive.
    """
    known = (np.isfinite(points) & (np.abs(points) < MOST_PIXELS)).all(axis=-1, keepdims=True)
    x, y = points[..., :1], points[..., 1:2]
    known &= ~((x == y) & ((x <= -1.0) | (x == 0.0)))
    return np.where(known & (points[..., 2:] > 0), points, 0.0).astype(np.float32)
