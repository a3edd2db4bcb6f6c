"""Find a person's keypoints in a video and keep them in a file, so that they are not computed again.

The file is also a valid input: it holds keypoints of the mediapipe-33 set, one row for each frame that was searched.
"""

from __future__ import annotations

import hashlib
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import assets
from optim.common import threads
from optim.common.errors import InputError
from optim.common.progress import Reading
from optim.common.writing import replacing
from optim.keypoints.names import MEDIAPIPE_33
from optim.keypoints.network import Network
from optim.keypoints.tracking import Track, Tracker
from optim.loading.images.video import Video, read_frames
from optim.reading.arrays import read_arrays

VERSION = 1
"""Version of the method. It must be raised when the same video would give other keypoints."""
SAVE_INTERVAL = 5.0
"""Seconds between two writes of the file."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watched:
    """Keypoints of the frames that were searched so far."""

    frames: np.ndarray  # (n,) numbers of these frames in the video
    keypoints: np.ndarray  # (n, 33, 3) x, y [px], confidence; all 0 where the person was not seen
    in_mask: np.ndarray  # (n, 33) probability, by the network's mask, that the person is seen at the keypoint
    track: np.ndarray  # (9,) ``Track.to_array`` after the last frame

    @staticmethod
    def nothing() -> Watched:
        """The value before the first frame."""
        return Watched(np.zeros(0, int), np.zeros((0, 33, 3)), np.zeros((0, 33)), Track().to_array())


def keypoints_file(folder: Path, video: Path, *, person: int | None) -> Path:
    """File in which the keypoints of a video are kept.

    Its name is a hash of the video's content and of everything else that the keypoints depend on.
    """
    recorded = assets.recorded_hashes()
    networks = [recorded[p.relative_to(assets.ASSETS_FOLDER).as_posix()] for p in _networks()]
    parts = [assets.sha256(video), *networks, str(person), str(VERSION)]
    return folder / f"{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:16]}.npz"


def watch(video: Video, needed: np.ndarray, file: Path, *, person: int | None = None) -> Watched:
    """Keypoints of some frames of a video. Those in the file are read; the networks find the others.

    The file is written every few seconds and also when the search is interrupted.

    Args:
        needed: Numbers of the frames, rising.
        file: File from ``keypoints_file``.
        person: Number of the person from the left, counted from 1. None takes the largest.

    Raises:
        InputError: The networks cannot be run.
    """
    found = kept(file, needed)
    if len(found.frames) == len(needed):
        return found
    if len(found.frames):
        log.warning("keypoints of %d of %d frames were found before: %s", len(found.frames), len(needed), file)
    count = threads.asked_for() or min(threads.processors(), 4)
    detector, landmarks = (Network(path, threads=count) for path in _networks())
    tracker = Tracker(detector, landmarks, person=person, track=Track.from_array(found.track))
    told = Reading("Looking for keypoints, frame", len(needed), done=len(found.frames))
    new: list[tuple[int, np.ndarray, np.ndarray]] = []
    saved = time.monotonic()
    try:
        for number, image in read_frames(video, needed[len(found.frames) :]):
            new.append((number, *_seen(tracker, image)))
            told.show(len(found.frames) + len(new))
            if time.monotonic() - saved > SAVE_INTERVAL:
                found, new = _joined(found, new, tracker.track), []
                _keep(file, found, video)
                saved = time.monotonic()
    finally:
        found = _joined(found, new, tracker.track)
        _keep(file, found, video)
    return found


def _networks() -> tuple[Path, Path]:
    return assets.PERSON_DETECTOR_FILE, assets.LANDMARKS_FILE


def _seen(tracker: Tracker, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (33, 3) and their probabilities by the mask (33,) for one image."""
    pose = tracker(image)
    if pose is None:
        return np.zeros((33, 3)), np.zeros(33)
    height, width = image.shape[:2]
    inside = np.all((pose.pixels >= 0) & (pose.pixels < (width, height)), axis=1)
    confidence = np.where(inside, np.minimum(pose.visibility, pose.presence), 0.0)
    return np.concatenate((pose.pixels, confidence[:, None]), axis=1) * inside[:, None], pose.in_mask


def _joined(found: Watched, new: list[tuple[int, np.ndarray, np.ndarray]], track: Track) -> Watched:
    if not new:
        return found
    numbers, points, masks = (np.array(column) for column in zip(*new, strict=True))
    return Watched(
        np.concatenate((found.frames, numbers)),
        np.concatenate((found.keypoints, points)),
        np.concatenate((found.in_mask, masks)),
        track.to_array(),
    )


def _keep(file: Path, found: Watched, video: Video) -> None:
    """Replace the file. If it cannot be written, a warning says that the keypoints are not kept."""
    try:
        with replacing(file) as beside, beside.open("wb") as stream:
            np.savez(stream, names=np.array(MEDIAPIPE_33), image_size=np.array(video.size), **vars(found))
    except InputError as error:
        log.warning("%s: the keypoints are not kept and will be looked for again", str(error).partition(";")[0])


def kept(file: Path, needed: np.ndarray) -> Watched:
    """Keypoints in the file for the first of the needed frames. None of them if the file does not fit."""
    if not file.is_file():
        return Watched.nothing()
    try:
        found = Watched(**read_arrays(file, ("frames", "keypoints", "in_mask", "track"), what="keypoints of a video"))
    except InputError as error:
        log.warning("%s; the keypoints are looked for again", str(error).partition(";")[0])
        return Watched.nothing()
    shapes, long = [array.shape for array in vars(found).values()], found.frames.size
    count = min(long, len(needed))
    fits = shapes == [(long,), (long, 33, 3), (long, 33), (9,)] and np.isfinite(found.track[-1])
    if not fits or not np.isfinite(found.keypoints).all() or not np.array_equal(found.frames[:count], needed[:count]):
        log.warning("%s: not the keypoints of this video; they are looked for again", file)
        return Watched.nothing()
    return replace(found, frames=found.frames[:count], keypoints=found.keypoints[:count], in_mask=found.in_mask[:count])
