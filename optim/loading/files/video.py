"""Read a video frame by frame, and find which of its frames make 30 per second.

Frames come upright (rotation metadata is followed) and one at a time: memory does not grow with the video.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from optim.common.errors import InputError
from optim.common.progress import Reading
from optim.loading.files.amass import FPS
from optim.reading.files import require_file

SAME_RATE = 0.01
"""A rate this close to a whole multiple of 30, as 29.97 is, is taken for it."""
_SNAP = 0.05  # of the way between two frames, below which the nearer one is taken as it is
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Video:
    """A video file and when each of its N frames that can be read is shown."""

    path: Path
    size: tuple[int, int]  # width, height [px], upright
    times: np.ndarray  # (N,) s, rising

    @property
    def rate(self) -> float:
        """Frames per second, on average."""
        span = float(self.times[-1] - self.times[0])
        return (len(self.times) - 1) / span if span > 0 else FPS


@dataclass(frozen=True)
class Resampling:
    """T frames at 30 per second, each from the two frames of the file around it."""

    before: np.ndarray  # (T,) numbers of frames
    after: np.ndarray  # (T,)
    share: np.ndarray  # (T,) of ``after``; 0 where ``before`` is meant as it is

    def __len__(self) -> int:
        return len(self.before)

    @property
    def needed(self) -> np.ndarray:
        """Numbers of the frames that are used, rising."""
        return np.unique(np.concatenate((self.before, self.after[self.share > 0])))

    @property
    def nearest(self) -> np.ndarray:
        """(T,) the frame to show."""
        return np.where(self.share < 0.5, self.before, self.after)

    def first(self, frames: int) -> Resampling:
        """What can be had of the first so many frames of the file."""
        kept = (self.before < frames) & ((self.share == 0) | (self.after < frames))
        return Resampling(self.before[kept], self.after[kept], self.share[kept])

    def keypoints(self, points: np.ndarray) -> np.ndarray:
        """Keypoints (N, K, 3) of the frames of the file → (T, K, 3), linear between two frames that both show them."""
        a, b, share = points[self.before], points[self.after], self.share[:, None, None]
        mixed = (1 - share) * a + share * b
        mixed[..., 2] = np.minimum(a[..., 2], b[..., 2])
        result = np.where(share > 0, mixed, a)
        result[~(result[..., 2] > 0)] = 0.0
        return result.astype(np.float32)


def open_video(path: Path) -> cv2.VideoCapture:
    """OpenCV's reader, by its FFmpeg.

    Raises:
        InputError: No such file, or none that FFmpeg can read.
    """
    require_file(path, what="a video")
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise InputError(
            f"{path}: not a video, or one that is damaged or cut off; copy it again, or make a new one with"
            " ffmpeg -i OLD NEW.mp4"
        )
    return capture


def scan_video(path: Path) -> Video:
    """Go through a video once for its size and the times of its frames.

    Raises:
        InputError: It cannot be read, or has fewer than two frames that can. What is cut off at the end is warned of.
    """
    capture = open_video(path)
    promised = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    told = Reading(f"Reading {path.name}", promised)
    times: list[float] = []
    size = (0, 0)
    while capture.grab():
        times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0)
        if size == (0, 0):
            fine, image = capture.retrieve()
            size = (image.shape[1], image.shape[0]) if fine else size
        told.show(len(times))
    capture.release()
    if len(times) < 2 or size == (0, 0):
        raise InputError(f"{path}: only {len(times)} of {promised or '?'} frames can be read; it is damaged or cut off")
    if len(times) < 0.95 * promised:
        log.warning(
            "%s: damaged or cut off; only its first %d of %d frames can be read, and they are taken",
            path,
            len(times),
            promised,
        )
    return Video(path, size, _rising(np.array(times), rate))


def _rising(times: np.ndarray, rate: float) -> np.ndarray:
    """The times from 0 on; counted at the file's rate where it has none that rise."""
    if (np.diff(times) > 0).all():
        return times - times[0]
    return np.arange(len(times)) / (rate if np.isfinite(rate) and rate > 0 else FPS)


def resampling(video: Video) -> Resampling:
    """The video at 30 frames per second: every k-th frame at k times that rate, between two frames elsewhere."""
    count, step = len(video.times), max(round(video.rate / FPS), 1)
    even = np.abs(video.times - np.linspace(0, video.times[-1], count)).max() < 0.5 / video.rate
    if even and abs(video.rate / (step * FPS) - 1) < SAME_RATE:
        chosen = np.arange(0, count, step)
        return Resampling(chosen, chosen, np.zeros(len(chosen)))
    wanted = np.arange(int(video.times[-1] * FPS + 1e-6) + 1) / FPS
    before = np.clip(np.searchsorted(video.times, wanted + 1e-9, side="right") - 1, 0, count - 1)
    after = np.minimum(before + 1, count - 1)
    span = np.maximum(video.times[after] - video.times[before], 1e-9)
    share = np.clip((wanted - video.times[before]) / span, 0.0, 1.0)
    before, share = np.where(share > 1 - _SNAP, after, before), np.where(share > 1 - _SNAP, 0.0, share)
    return Resampling(before, after, np.where(share < _SNAP, 0.0, share))


def read_frames(video: Video, wanted: Sequence[int] | np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Some frames of a video, by rising number, as RGB uint8 (height, width, 3); those that fail are left out."""
    capture, left = open_video(video.path), list(wanted)
    try:
        for number in range(len(video.times)):
            if not left or not capture.grab():
                return
            if number == left[0]:
                del left[0]
                fine, image = capture.retrieve()
                if fine:
                    yield number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()
