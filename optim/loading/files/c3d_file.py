"""Read the markers of a C3D file: the format of motion capture laboratories (Vicon, Qualisys, OptiTrack).

The package ``c3d`` does it. It believes what a file says about itself, so the sizes are checked here before any frame
is read, and whatever it raises becomes an ``InputError``.
"""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optim.common.errors import InputError
from optim.loading.files.missing import known_points
from optim.reading.files import guarded, read_bytes

MOST_BYTES = 512 * 1024**2
"""Largest file that is read [bytes]."""
MOST_FRAMES = 200_000
"""Largest number of frames: 28 minutes at 120 Hz, which take ten seconds to read."""
MOST_POINTS = 1000
MOST_ANALOG = 16_000
"""Largest number of analog values in a frame. The package counts them in 16 bits and would go wrong beyond."""
NOT_PLACES = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS")
"""Parameters of Vicon that list the points which are no positions, but angles and the like in the place of points."""


@dataclass(frozen=True)
class Markers:
    """T frames of N named points."""

    names: tuple[str, ...]
    points: np.ndarray  # (T, N, 3) in the unit of the file, NaN where not seen
    rate: float  # [Hz]
    unit: str  # as the file writes it


def read_c3d(path: Path) -> Markers:
    """Read the named points of a C3D file.

    Raises:
        InputError: There is no such file, it is damaged or too large, or it holds no points.
    """
    import c3d  # few files need it

    content = read_bytes(path, what="markers in C3D", most=MOST_BYTES)
    with (
        guarded(path, problem="not C3D, or damaged", advice="export it again", also=(Exception,)),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # the package warns of what most programs leave out
        reader = c3d.Reader(io.BytesIO(content))
        _require_sizes(reader, len(content), path)
        frames = [points[:, :4] for _, points, _ in reader.read_frames()]
        rate, names = float(reader.point_rate), _names(reader)
        unit = _texts(reader, "POINT:UNITS")
        left_out = {name for group in NOT_PLACES for name in _texts(reader, f"POINT:{group}") if name}
    if len(frames) < 2:
        raise InputError(f"{path}: {len(frames)} frames can be read; a motion needs at least 2")
    table = np.stack(frames).astype(np.float64)
    points = known_points(np.where(table[..., 3:] >= 0, table[..., :3], np.nan))
    seen = np.isfinite(points[..., 0])
    points = np.where(seen[..., None], points, np.nan)
    kept = [row for row, name in enumerate(names) if name not in left_out and seen[:, row].any()]
    if not kept:
        raise InputError(f"{path}: none of its {len(names)} points is ever seen")
    return Markers(tuple(names[row] for row in kept), points[:, kept], rate, unit[0] if unit else "")


def _require_sizes(reader: Any, size: int, path: Path) -> None:
    """Refuse numbers of points and frames that the file cannot hold, before anything is read by them."""
    count, frames = int(reader.point_used), int(reader.last_frame) - int(reader.first_frame) + 1
    analog = int(reader.analog_used) * int(reader.analog_per_frame)
    if not 1 <= count <= MOST_POINTS or not 2 <= frames <= MOST_FRAMES or not 0 <= analog <= MOST_ANALOG:
        raise InputError(
            f"{path}: {count} points, {frames} frames and {analog} analog values in a frame; 1 to {MOST_POINTS:,}"
            f" points, 2 to {MOST_FRAMES:,} frames and at most {MOST_ANALOG:,} analog values are read: cut it up"
        )
    if frames * count * 8 > size:  # a point has four numbers of two bytes or more
        raise InputError(f"{path}: cut off (it announces {frames} frames of {count} points); copy it again")


def _names(reader: Any) -> list[str]:
    """A name for each point. Files with more than 255 of them have several lists."""
    listed = _texts(reader, "POINT:LABELS")
    number = 2
    while len(listed) < int(reader.point_used) and (more := _texts(reader, f"POINT:LABELS{number}")):
        listed, number = listed + more, number + 1
    count = int(reader.point_used)
    return [listed[row] if row < len(listed) and listed[row] else f"point {row}" for row in range(count)]


def _texts(reader: Any, name: str) -> list[str]:
    found = reader.get(name)
    if found is None or not len(found.dimensions):
        return []
    if math.prod(map(int, found.dimensions[1:])) > MOST_POINTS:
        raise ValueError(f"{name} has {found.dimensions} texts")
    return [str(one).strip() for one in found.string_array.ravel()]
