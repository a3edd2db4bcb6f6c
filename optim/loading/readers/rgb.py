"""Read a video of one person: its 2D keypoints, found by networks or given, and its camera and floor."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch

from optim.common.errors import InputError
from optim.config.settings import Settings
from optim.keypoints.names import MEDIAPIPE_33, to_body_25
from optim.loading.clip import Clip, chosen_frames
from optim.loading.files.camera import guessed_camera, read_camera
from optim.loading.files.keypoints import read_keypoints
from optim.loading.files.masks import IN_MASK, hide, mask_files
from optim.loading.files.planes import ASSUMED_FLOOR, read_floor
from optim.loading.files.video import Resampling, Video, resampling, scan_video
from optim.loading.models import find_body, load_body
from optim.loading.watching import keypoints_file, watch
from optim.problem.footage import Footage
from optim.problem.observations import Observations

CONFIDENCE = 0.8
"""Factor on BlazePose's confidences, which are nearly always 1. Those of OpenPose, for which the weights are tuned, are
about this large."""
LONG = 300
"""Number of frames above which fitting a video without a split is slow."""
SPARE = 0.1
"""Largest difference between the numbers of frames of keypoints and video, as a fraction."""
log = logging.getLogger(__name__)


def read(settings: Settings) -> Clip:
    """Read the video that ``--data-path`` names, with its keypoints from ``--op-keypts`` or from the networks.

    Raises:
        InputError: The video or its keypoints cannot be read, or nobody is seen in it.
    """
    assert settings.data_path is not None
    video = scan_video(settings.data_path)
    rate = resampling(video)
    if settings.op_keypts is None:
        points, rate = _found(video, rate, settings)
    else:
        points, rate = _given(video, rate, settings)
    frames = chosen_frames(len(rate), settings, default=len(rate))
    if settings.rgb_seq_len is None and frames.stop - frames.start > LONG:
        log.warning("fitting %d frames at once takes long; --rgb-seq-len 60 splits them", frames.stop - frames.start)
    body_file = find_body(settings.smpl)
    camera = settings.rgb_intrinsics
    planes = settings.rgb_planercnn_res
    floor = np.array(ASSUMED_FLOOR, np.float32) if planes is None else read_floor(planes)
    return Clip(
        video.path.stem,
        Observations(joints2d=torch.from_numpy(points[frames])[None]),
        load_body(body_file),
        body_file,
        camera=guessed_camera(video.size) if camera is None else read_camera(camera, image_size=video.size),
        floor=torch.from_numpy(floor)[None],
        floor_known=planes is not None,
        footage=Footage(video.path, video.size, tuple(map(int, rate.nearest[frames]))),
    )


def _found(video: Video, rate: Resampling, settings: Settings) -> tuple[np.ndarray, Resampling]:
    """Keypoints (T, 25, 3) at 30 frames/s from the networks, or from the file in which they were kept."""
    folder = (settings.out or Path("out") / video.path.stem) / "keypoints"
    file = keypoints_file(folder, video.path, person=settings.person)
    seen = watch(video, rate.needed, file, person=settings.person)
    if len(seen.frames) < len(rate.needed):
        rate = rate.first(int(seen.frames[-1]) + 1 if len(seen.frames) else 0)
    count = int(seen.keypoints[..., 2].any(axis=1).sum())
    if not count:
        who = "nobody was" if settings.person is None else f"no {settings.person} people were"
        raise InputError(
            f"{video.path}: {who} found in {len(seen.frames)} frames; take a clip that shows a whole person, or give"
            " keypoints with --op-keypts"
        )
    if count < len(seen.frames):
        log.warning("%s: the person is seen in %d of %d frames", video.path, count, len(seen.frames))
    points = np.zeros((len(video.times), 33, 3))
    points[seen.frames] = seen.keypoints
    points[..., 2] *= CONFIDENCE
    if settings.mask_joints2d == "own":
        points[seen.frames, :, 2] *= seen.in_mask >= IN_MASK
    return rate.keypoints(_masked(to_body_25(points, MEDIAPIPE_33), video, settings)), rate


def _given(video: Video, rate: Resampling, settings: Settings) -> tuple[np.ndarray, Resampling]:
    """Keypoints (T, 25, 3) at 30 frames/s from the user's files.

    The files hold one set for each frame of the video, or one for each frame at 30 frames/s.
    """
    assert settings.op_keypts is not None
    if settings.mask_joints2d == "own":
        raise InputError("--mask-joints2d without a folder uses the network's mask; with --op-keypts give a folder")
    points = read_keypoints(settings.op_keypts, person=settings.person)
    count, of_file, at_30 = len(points), len(video.times), len(rate)
    each = of_file if abs(count - of_file) <= abs(count - at_30) else at_30
    if abs(count - each) > SPARE * each:
        raise InputError(
            f"{settings.op_keypts}: keypoints of {count} frames, but {video.path} has {of_file} frames"
            f" ({at_30} at 30 frames/s); they are not of the same video"
        )
    if count != each:
        log.warning(
            "%d frames of keypoints for %d of the video: the first %d are fitted", count, each, min(count, each)
        )
    if each == of_file:
        points = _masked(points[:of_file], video, settings)
        rate = rate.first(len(points))
        return rate.keypoints(points), rate
    same = min(count, at_30)
    rate = Resampling(rate.before[:same], rate.after[:same], rate.share[:same])
    hidden = settings.mask_joints2d
    if isinstance(hidden, Path):
        files = [mask_files(hidden, frames=of_file)[number] for number in rate.nearest]
        return hide(points[:same], files, image_size=video.size), rate
    return points[:same], rate


def _masked(points: np.ndarray, video: Video, settings: Settings) -> np.ndarray:
    """Keypoints of the file's frames, hidden by the masks of ``--mask-joints2d DIR`` if it is given."""
    if not isinstance(settings.mask_joints2d, Path):
        return points
    files = mask_files(settings.mask_joints2d, frames=len(video.times))
    return hide(points, files[: len(points)], image_size=video.size)
