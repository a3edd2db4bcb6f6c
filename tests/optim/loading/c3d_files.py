"""Writes C3D files for tests, with the writer of the package that reads them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import c3d
import numpy as np


def write_c3d(path: Path, points: Mapping[str, np.ndarray], *, rate: float = 60.0, unit: str = "mm") -> Path:
    """Named points (T, 3), NaN where not seen, as a C3D file in Vicon's manner."""
    writer = c3d.Writer(point_rate=rate, point_units=unit.ljust(4))
    for places in zip(*points.values(), strict=True):
        table = np.zeros((len(points), 5), np.float32)
        seen = np.isfinite(places).all(1)
        table[:, :3] = np.nan_to_num(np.array(places))
        table[~seen, 3:] = -1
        writer.add_frames([(table, np.zeros((0, 0)))])
    writer.set_point_labels([name.ljust(8) for name in points])
    writer.set_screen_axis()
    with path.open("wb") as file:
        writer.write(file)
    return path
