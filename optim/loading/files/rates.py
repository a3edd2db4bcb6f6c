"""From any frame rate to 30 frames/s without inventing data: which frame of the file stands at which moment."""

from __future__ import annotations

import numpy as np

from optim.loading.files.amass import FPS

NOTHING = -1


def frames_at_30(count: int, *, fps: float) -> np.ndarray:
    """Index (T,) of the file's frame nearest to each 30th of a second; ``NOTHING`` where none is within half a one.

    A faster file loses frames; a slower one leaves frames in which nothing is seen.
    """
    length = int(np.floor((count - 1) * FPS / fps + 1e-6)) + 1
    exact = np.arange(length) * fps / FPS
    nearest = np.minimum(np.floor(exact + 0.5).astype(int), count - 1)
    away = np.abs(nearest - exact) / fps
    return np.where(away <= 0.5 / FPS + 1e-9, nearest, NOTHING)
