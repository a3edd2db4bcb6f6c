"""Read a video of one person: its 2D keypoints, found by networks or given, and its camera and floor."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from optim.checks.check import Checked
from optim.checks.focal import GuessedFocal
from optim.checks.images import Keypoints
from optim.checks.run import run_checks
from optim.common.errors import InputError
from optim.config.settings import Settings
from optim.keypoints.names import MEDIAPIPE_33, MIRRORED_BODY_25, to_body_25
from optim.keypoints.offsets import at_body_points
from optim.loading.clip import Clip, chosen_frames
from optim.loading.files.amass import FPS
from optim.loading.files.keypoints import read_checked_keypoints
from optim.loading.images.camera import CameraFile, guessed_camera, read_camera
from optim.loading.images.conversion import codec, converted
from optim.loading.images.masks import IN_MASK, hide, mask_files
from optim.loading.images.planes import ASSUMED_FLOOR, read_floor
from optim.loading.images.turning import turned_matrix, turned_points, with_axes
from optim.loading.images.video import NotDecodedError, Resampling, Video, resampling, scan_video
from optim.loading.models import find_body, load_body
from optim.loading.watching import keypoints_file, watch
from optim.loading.world import answered
from optim.problem.camera import Camera
from optim.problem.footage import Footage
from optim.problem.observations import Observations
from optim.reading.files import is_folder, require_file
from optim.schedule.presets import PRESETS

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
    video = _opened(settings)
    rate = resampling(video)
    of_set: tuple[Checked, ...] = ()
    if settings.op_keypts is None:
        points, rate = _found(video, rate, settings)
        people: tuple[np.ndarray, ...] = (points,)
    else:
        points, rate, people, of_set = _given(video, rate, settings)
    camera, rows = _camera(video, settings)
    rows += of_set + run_checks(
        Keypoints(points, video.size, turned=_turn(settings), given=settings.op_keypts is not None),
        place=settings.op_keypts or settings.data_path,
        answered=answered(settings),
    )
    if settings.rgb_intrinsics is None and settings.focal is None and settings.fov is None:
        focal = float(camera.camera.focal[0, 1])
        rows += run_checks(GuessedFocal(people, video.size, focal, video.pixel_aspect), place=settings.data_path)
    points = camera.undistorted(points, place=settings.rgb_intrinsics or "camera")  # may leave the image
    frames = chosen_frames(len(rate), settings, default=len(rate))
    if settings.rgb_seq_len is None and frames.stop - frames.start > LONG:
        log.warning("fitting %d frames at once takes long; --rgb-seq-len 60 splits them", frames.stop - frames.start)
    body_file = find_body(settings.smpl)
    planes = settings.rgb_planercnn_res
    floor = np.array(ASSUMED_FLOOR, np.float32) if planes is None else read_floor(planes)
    return Clip(
        settings.data_path.stem,
        Observations(joints2d=torch.from_numpy(points[frames])[None]),
        load_body(body_file),
        body_file,
        camera=camera.camera,
        floor=torch.from_numpy(floor)[None],
        floor_known=planes is not None,
        footage=Footage(video.path, video.size, tuple(map(int, rate.nearest[frames]))),
        checked=rows,
    )


def _opened(settings: Settings) -> Video:
    """The video, or a copy of it: turned, made of images, or decoded by FFmpeg where OpenCV has no decoder."""
    path = settings.data_path
    assert path is not None
    copies = (settings.out or Path("out") / path.stem) / "video"
    if is_folder(path):
        rate = settings.data_fps or FPS
        if settings.data_fps is None:
            log.warning("%s: images have no frame rate; %g frames/s are assumed, --data-fps gives another", path, rate)
        return scan_video(converted(path, copies, rotate=_turn(settings), fps=rate))
    if settings.data_fps is not None:
        log.warning("--data-fps has no effect here: the frame rate is read from the file")
    require_file(path, what="a video")
    if settings.rotate:
        return scan_video(converted(path, copies, rotate=_turn(settings)))
    try:
        return scan_video(path)
    except NotDecodedError:
        copy = converted(path, copies)
        log.warning("%s: %s is decoded by FFmpeg; the copy is kept in %s", path, codec(path), copy)
        return scan_video(copy)


def _turn(settings: Settings) -> int:
    """Clockwise turn [degrees] of the video."""
    return settings.rotate or 0


def _stored_size(video: Video, rotate: int) -> tuple[int, int]:
    """Size [px] of the images before they were turned."""
    return video.size if rotate % 180 == 0 else (video.size[1], video.size[0])


def _camera(video: Video, settings: Settings) -> tuple[CameraFile, tuple[Checked, ...]]:
    """The camera of the turned video, given or guessed, and what the checks of it found."""
    if settings.rgb_intrinsics is None:
        guessed = guessed_camera(
            video.size,
            focal=settings.focal,
            fov=settings.fov,
            pixel_aspect=video.pixel_aspect,
            answered=answered(settings),
        )
        return guessed, guessed.checked
    size = _stored_size(video, _turn(settings))
    given = read_camera(
        settings.rgb_intrinsics,
        image_size=size,
        made_for=settings.intrinsics_size,
        pixel_aspect=video.pixel_aspect if _turn(settings) % 180 == 0 else 1 / video.pixel_aspect,
        answered=answered(settings),
    )
    if not settings.rotate:
        return given, given.checked
    if given.distortion is not None:
        raise InputError(
            f"{settings.rgb_intrinsics}: a lens with distortion does not go with --rotate; turn and undistort the video"
        )
    (fx, fy), (cx, cy) = given.camera.focal[0].tolist(), given.camera.centre[0].tolist()
    matrix = turned_matrix(np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]), _turn(settings), size=size)
    camera = Camera.from_matrix(torch.from_numpy(matrix).float(), image_size=video.size)
    return replace(given, camera=camera), given.checked


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
    keypoints = to_body_25(points, MEDIAPIPE_33)
    if PRESETS[settings.preset].landmarks == "moved":
        keypoints = at_body_points(keypoints)
    return rate.keypoints(_masked(keypoints, video, settings)), rate


def _given(
    video: Video, rate: Resampling, settings: Settings
) -> tuple[np.ndarray, Resampling, tuple[np.ndarray, ...], tuple[Checked, ...]]:
    """Keypoints (T, 25, 3) at 30 frames/s from the user's files.

    The files hold one set for each frame of the video, or one for each frame at 30 frames/s.

    Returns:
        The keypoints of the person who is fitted, their frames, the keypoints of everybody in the files, at the rate of
        the files, and what the checks of the keypoint set found.
    """
    assert settings.op_keypts is not None
    if settings.mask_joints2d == "own":
        raise InputError("--mask-joints2d without a folder uses the network's mask; with --op-keypts give a folder")
    size, lengths = _stored_size(video, _turn(settings)), (len(video.times), len(rate))
    read = read_checked_keypoints(
        settings.op_keypts,
        person=settings.person,
        image_size=size,
        frames=lengths,
        set_name=settings.keypoints_set,
        made_for=settings.keypoints_size,
    )

    def as_shown(points: np.ndarray) -> np.ndarray:
        points = points[:, MIRRORED_BODY_25] if settings.sides == "swapped" else points
        return turned_points(with_axes(points, settings.keypoints_axes, size=size), _turn(settings), size=size)

    points, people, rows = as_shown(read.followed), tuple(map(as_shown, read.everybody)), read.checked
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
        return rate.keypoints(points), rate, people, rows
    same = min(count, at_30)
    rate = Resampling(rate.before[:same], rate.after[:same], rate.share[:same])
    hidden = settings.mask_joints2d
    if isinstance(hidden, Path):
        files = [mask_files(hidden, frames=of_file)[number] for number in rate.nearest]
        return _hidden(points[:same], files, video, settings), rate, people, rows
    return points[:same], rate, people, rows


def _masked(points: np.ndarray, video: Video, settings: Settings) -> np.ndarray:
    """Keypoints of the file's frames, hidden by the masks of ``--mask-joints2d DIR`` if it is given."""
    if not isinstance(settings.mask_joints2d, Path):
        return points
    files = mask_files(settings.mask_joints2d, frames=len(video.times))
    return _hidden(points, files[: len(points)], video, settings)


def _hidden(points: np.ndarray, files: list[Path], video: Video, settings: Settings) -> np.ndarray:
    """Keypoints hidden by masks. The masks are of the stored images, the keypoints of the turned ones."""
    size = _stored_size(video, _turn(settings))
    stored = turned_points(points, -_turn(settings), size=video.size)
    return turned_points(hide(stored, files, image_size=size), _turn(settings), size=size)
