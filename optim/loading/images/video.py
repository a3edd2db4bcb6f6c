"""Read a video frame by frame, and choose its frames so that there are 30 per second.

Frames come upright, because rotation metadata is applied. They are read one at a time, so a long video needs no more
memory than a short one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from optim.common.errors import InputError
from optim.common.progress import Reading
from optim.loading.files.amass import FPS
from optim.loading.images.conversion import complaint
from optim.reading.files import require_file

SAME_RATE = 0.01
"""Largest relative difference to a multiple of 30 Hz for which a rate, such as 29.97 Hz, counts as that multiple."""
_SNAP = 0.05
"""Smallest fraction of the time between two frames that is interpolated. Below it, the nearer frame is taken."""
SAME_ASPECT = 0.01
"""Largest difference from 1 at which the pixels of a video count as square."""
LEAST_ASPECT = 0.2
"""Smallest aspect of pixels that is believed, and the inverse of the largest one."""
_PROMISING = (b"RIFF",)
"""First bytes of containers whose stated number of frames is a promise. Elsewhere it may count frames not shown."""
log = logging.getLogger(__name__)
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # its messages name no file; ours do


class NotDecodedError(InputError):
    """A video was opened, but no frame of it could be decoded. Another decoder may be able to."""


@dataclass(frozen=True)
class Video:
    """A video file and the times of its N frames that can be read."""

    path: Path
    size: tuple[int, int]  # width, height [px], upright
    times: np.ndarray  # (N,) [s], rising
    pixel_aspect: float = 1.0
    """Width of a pixel relative to its height. Images and keypoints stay in the stored pixels."""

    @property
    def rate(self) -> float:
        """Mean frame rate [Hz]."""
        span = float(self.times[-1] - self.times[0])
        return (len(self.times) - 1) / span if span > 0 else FPS


@dataclass(frozen=True)
class Resampling:
    """T frames at 30 per second, each interpolated between two frames of the file."""

    before: np.ndarray  # (T,) numbers of the frames before
    after: np.ndarray  # (T,) numbers of the frames after
    share: np.ndarray  # (T,) weight of ``after``; 0 takes ``before`` alone

    def __len__(self) -> int:
        return len(self.before)

    @property
    def needed(self) -> np.ndarray:
        """Numbers of the file's frames that are used, rising."""
        return np.unique(np.concatenate((self.before, self.after[self.share > 0])))

    @property
    def nearest(self) -> np.ndarray:
        """Numbers (T,) of the file's frames that are nearest in time."""
        return np.where(self.share < 0.5, self.before, self.after)

    def first(self, frames: int) -> Resampling:
        """The frames that need only the first ``frames`` frames of the file."""
        kept = (self.before < frames) & ((self.share == 0) | (self.after < frames))
        return Resampling(self.before[kept], self.after[kept], self.share[kept])

    def keypoints(self, points: np.ndarray) -> np.ndarray:
        """Keypoints (T, K, 3) at 30 frames per second, interpolated linearly.

        A keypoint between two frames is seen only if both frames show it.

        Args:
            points: (N, K, 3) x, y [px] and confidence of the file's frames.
        """
        a, b, share = points[self.before], points[self.after], self.share[:, None, None]
        mixed = (1 - share) * a + share * b
        mixed[..., 2] = np.minimum(a[..., 2], b[..., 2])
        result = np.where(share > 0, mixed, a)
        result[~(result[..., 2] > 0)] = 0.0
        return result.astype(np.float32)


def open_video(path: Path) -> cv2.VideoCapture:
    """Open a video with OpenCV's FFmpeg reader.

    Raises:
        InputError: There is no such file, or FFmpeg cannot read it.
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
    """Read a video once to find its size and the times of its frames.

    If the file is damaged or cut off, a warning says how many frames are used.

    Raises:
        NotDecodedError: No frame can be decoded.
        InputError: The video cannot be read, or fewer than two of its frames can.
    """
    capture = open_video(path)
    promised = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    aspect = _pixel_aspect(capture, path)
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
    if len(times) == 1 and size != (0, 0) and promised <= 1:
        raise InputError(f"{path}: a video of one frame, which is no motion; take a longer one")
    if not times or size == (0, 0):
        raise NotDecodedError(f"{path}: none of its {promised or ''} frames can be decoded; copy it again")
    if len(times) < 0.95 * promised and (said := _cut_off(path)):
        log.warning(
            "%s: damaged or cut off; only its first %d of %d frames can be read, and these are used (%s)",
            path,
            len(times),
            promised,
            said,
        )
    if len(times) < 2:
        raise InputError(f"{path}: only {len(times)} of {promised} frames can be read; copy it again")
    return Video(path, size, _rising(np.array(times), rate), aspect)


def _pixel_aspect(capture: cv2.VideoCapture, path: Path) -> float:
    """Width of a pixel relative to its height, as the file states it. A warning says if it is not a square."""
    width, height = (float(capture.get(name)) for name in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN))
    aspect = width / height if min(width, height) > 0 else 1.0
    if abs(aspect - 1) <= SAME_ASPECT or not LEAST_ASPECT <= aspect <= 1 / LEAST_ASPECT:
        return 1.0
    log.warning(
        "%s: its pixels are %.3g times as wide as high; keypoints and camera are in stored pixels, where fx"
        " is fy divided by that",
        path,
        aspect,
    )
    return aspect


def _cut_off(path: Path) -> str | None:
    """Reason why frames are missing at the end. None if the file is whole.

    Files that were trimmed without encoding them again count frames that no player shows: an edit list hides them, or
    the first one comes late.
    """
    with path.open("rb") as file:
        promising = file.read(4) in _PROMISING
    return complaint(path) or ("frames are missing" if promising else None)


def _rising(times: np.ndarray, rate: float) -> np.ndarray:
    """Times [s] from 0. If the file's times do not rise, the frames are counted at the file's rate."""
    if (np.diff(times) > 0).all():
        return times - times[0]
    return np.arange(len(times)) / (rate if np.isfinite(rate) and rate > 0 else FPS)


def resampling(video: Video) -> Resampling:
    """Resampling of a video to 30 frames per second.

    If the frame rate is k times 30, every k-th frame is taken. Otherwise frames are interpolated.
    """
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
    """Numbers and images of some frames of a video, RGB uint8 (H, W, 3). Frames that cannot be decoded are left out.

    Args:
        wanted: Numbers of the frames, rising.
    """
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
