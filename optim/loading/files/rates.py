"""Convert any frame rate to 30 frames/s without interpolation: choose a frame of the file for each moment."""

from __future__ import annotations

import numpy as np

from optim.loading.files.amass import FPS

NOTHING = -1
"""Index of a moment for which the file has no frame."""


def frames_at_30(count: int, *, fps: float) -> np.ndarray:
    """Index (T,) of the file's frame nearest to each moment, at 30 moments per second.

    It is ``NOTHING`` if no frame lies within a 60th of a second. Frames of a faster file are therefore dropped, and a
    slower file leaves missing frames.

    Args:
        count: Number of frames of the file.
        fps: Frame rate of the file [Hz].
    """
    length = int(np.floor((count - 1) * FPS / fps + 1e-6)) + 1
    exact = np.arange(length) * fps / FPS
    nearest = np.minimum(np.floor(exact + 0.5).astype(int), count - 1)
    away = np.abs(nearest - exact) / fps
    return np.where(away <= 0.5 / FPS + 1e-9, nearest, NOTHING)
