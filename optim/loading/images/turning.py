"""Turn keypoints and a camera matrix with their image."""

from __future__ import annotations

import numpy as np


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


def with_axes(points: np.ndarray, axes: str | None, *, size: tuple[int, int]) -> np.ndarray:
    """Keypoints (..., 3) with x from the left and y from the upper edge of the image.

    Args:
        axes: How they were given: a value of ``--keypoints-axes``.
        size: Width and height [px] of the image.
    """
    width, height = size
    x, y = points[..., 0], points[..., 1]
    result = points.copy()
    others = {"y-up": (x, height - y), "x-left": (width - x, y), "exchanged": (y, x)}
    result[..., 0], result[..., 1] = others.get(axes or "kept", (x, y))
    result[~(points[..., 2] > 0)] = 0.0
    return result
