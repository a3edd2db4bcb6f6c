"""Euler angles and the axis-angle vectors that they stand for. Knows no file format."""

from __future__ import annotations

import numpy as np

_LETTERS = ("xyz", "xzy", "yxz", "yzx", "zxy", "zyx")
EULER_ORDERS = tuple(
    order + stored for letters in _LETTERS for order in (letters, letters.upper()) for stored in ("", ":xyz")
)
"""Orders in which the angles are applied, as SciPy writes them: small letters turn about fixed axes, large ones about
moving axes. The three numbers stand in the order of the letters or, with ``:xyz``, are those about x, y and z."""


def euler_to_axis_angle(angles: np.ndarray, order: str) -> np.ndarray:
    """Axis-angle vectors (..., 3·J) [rad] of Euler angles (..., 3·J) [rad] of an order in ``EULER_ORDERS``."""
    from scipy.spatial.transform import Rotation  # takes 0.3 s to load, and few files need it

    letters, _, stored = order.partition(":")
    columns = ["xyz".index(letter) for letter in letters.lower()] if stored else [0, 1, 2]
    return Rotation.from_euler(letters, angles.reshape(-1, 3)[:, columns]).as_rotvec().reshape(angles.shape)
