"""Turn keypoints and a camera matrix with their image, and notice a person who lies in every image."""

from __future__ import annotations

import numpy as np

from optim.keypoints.names import BODY_25

_HEAD, _FEET = ("neck", "left_shoulder", "right_shoulder"), ("left_ankle", "right_ankle", "left_knee", "right_knee")
MOST_UPRIGHT = 0.2
"""Largest share of frames with an upright person in a video that counts as turned."""


def turned_points(points: np.ndarray, degrees: int, *, size: tuple[int, int]) -> np.ndarray:
    """Keypoints (..., 3) in an image that is turned clockwise.

    Args:
        degrees: 0, 90, 180 or 270.
        size: Width and height [px] of the image before it is turned.
    """
    width, height = size
    result = points.copy()
    x, y = points[..., 0], points[..., 1]
    turned = {0: (x, y), 90: (height - y, x), 180: (width - x, height - y), 270: (y, width - x)}[degrees % 360]
    result[..., 0], result[..., 1] = turned
    result[~(points[..., 2] > 0)] = 0.0
    return result


def turned_matrix(matrix: np.ndarray, degrees: int, *, size: tuple[int, int]) -> np.ndarray:
    """Camera matrix (3, 3) of an image that is turned clockwise; arguments as in ``turned_points``."""
    (fx, fy), (cx, cy) = np.diag(matrix)[:2], matrix[:2, 2]
    cx, cy, _ = turned_points(np.array([cx, cy, 1.0]), degrees, size=size)
    fx, fy = (fy, fx) if degrees % 180 else (fx, fy)
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]], matrix.dtype)


def advised_turn(points: np.ndarray) -> int:
    """Clockwise turn [degrees] that makes a person upright who lies to one side in nearly every image, or 0.

    Args:
        points: (T, 25, 3) BODY_25 keypoints: x, y [px] and confidence.
    """
    seen = points[..., 2] > 0
    middles = []
    for names in (_HEAD, _FEET):
        rows = [BODY_25.index(name) for name in names]
        weight = seen[:, rows].astype(float)
        total = np.maximum(weight.sum(1), 1.0)[:, None]
        middles.append(((points[:, rows, :2] * weight[..., None]).sum(1) / total, weight.any(1)))
    (head, has_head), (feet, has_feet) = middles
    body = (feet - head)[has_head & has_feet]  # from the shoulders to the legs; (0, +) is upright
    if len(body) < max(len(points) / 2, 2):
        return 0
    quarter = np.round(np.degrees(np.arctan2(body[:, 0], body[:, 1])) / 90).astype(int) % 4 * 90
    if (quarter == 0).mean() > MOST_UPRIGHT:
        return 0
    best = max((90, 180, 270), key=lambda turn: int((quarter == turn).sum()))
    return best if (quarter == best).mean() >= 1 - MOST_UPRIGHT else 0
