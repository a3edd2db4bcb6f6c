"""Read an RGB-D recording: PROX's, or a folder of depth images or point files, with keypoints if there are any.

Points and keypoints are in the frame of the colour camera. The floor comes from PlaneRCNN or is assumed.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from optim.checks.check import Checked
from optim.checks.images import Intrinsics, Keypoints
from optim.checks.run import run_checks
from optim.common.errors import InputError
from optim.config.options import MEASURED_POINTS
from optim.config.settings import Settings
from optim.keypoints.names import MIRRORED_BODY_25
from optim.keypoints.people import follow
from optim.loading.clip import Clip, chosen_frames
from optim.loading.clips import clip_of_folder
from optim.loading.files.amass import FPS
from optim.loading.files.keypoints import people_of_openpose
from optim.loading.files.rates import NOTHING, frames_at_30
from optim.loading.images.depth import Lens, Sensor, read_image, read_lens, read_points
from optim.loading.images.masks import hide
from optim.loading.images.planes import ASSUMED_FLOOR, read_floor
from optim.loading.images.rgbd_files import RgbdFiles, plain_recording, prox_recording
from optim.loading.models import find_body, load_body
from optim.loading.world import answered, checked_cloud, metres
from optim.problem.camera import Camera
from optim.problem.observations import Observations

_PROX_SIZE = (1920, 1080)
log = logging.getLogger(__name__)


def read_prox(settings: Settings) -> Clip:
    """Read a recording of PROX with depth (``PROX-RGBD``) or with keypoints alone (``PROX-RGB``).

    Raises:
        InputError: A file is missing or cannot be read, or the body is seen in no frame.
    """
    assert settings.data_path is not None
    name = clip_of_folder(settings)
    depth = settings.kind == "PROX-RGBD"
    least = settings.amass_start_frame + (settings.amass_seq_len or 0)
    return _read(prox_recording(settings.data_path, name, depth=depth, frames=least), settings, depth=depth)


def read_folder(settings: Settings) -> Clip:
    """Read a plain folder of depth images or point files.

    Raises:
        InputError: A file is missing or cannot be read, or the body is seen in no frame.
    """
    assert settings.data_path is not None
    return _read(plain_recording(settings.data_path), settings, depth=True)


def _read(recording: RgbdFiles, settings: Settings, *, depth: bool) -> Clip:
    index = frames_at_30(len(recording.frames), fps=settings.data_fps or FPS)
    index = index[chosen_frames(len(index), settings, default=len(index))]
    files = [recording.frames[i] if i != NOTHING else None for i in index]
    colour, sensor = _cameras(recording, settings)
    if sensor is not None and settings.unit is not None:
        raise InputError(f"--unit {settings.unit}: it is for point files; --depth-scale gives the unit of depth images")
    size = _colour_size(recording)
    seen: dict[str, Any] = {}
    place = settings.data_path or recording.name
    rows: tuple[Checked, ...] = ()
    if size is not None:
        rows += run_checks(Intrinsics(colour.matrix, size), place=place, answered=answered(settings))
    if depth:
        clouds = _clouds(recording, files, sensor, colour, settings)
        rows += checked_cloud(clouds, settings, place=place, from_depth=sensor is not None)
        seen["points3d"] = torch.from_numpy(clouds)[None]
    points = _keypoints(recording, files, size, settings)
    if points is not None:
        if size is not None:
            rows += run_checks(Keypoints(points, size), place=place)
        seen["joints2d"] = torch.from_numpy(points)[None]
    elif not depth:
        raise InputError(f"{settings.data_path}: no keypoints/{recording.name} in it; give them with --op-keypts DIR")
    floor = settings.rgb_planercnn_res or recording.planes
    plane = np.array(ASSUMED_FLOOR, np.float32) if floor is None else read_floor(floor)
    body_file = find_body(settings.smpl)
    return Clip(
        recording.name,
        Observations(**seen),
        load_body(body_file),
        body_file,
        camera=Camera.from_matrix(torch.from_numpy(colour.matrix), image_size=size),
        floor=torch.from_numpy(plane)[None],
        floor_known=floor is not None,
        checked=rows,
    )


def _cameras(recording: RgbdFiles, settings: Settings) -> tuple[Lens, Sensor | None]:
    """The colour camera, and both cameras as a sensor if there are depth images."""
    folder, depth = recording.calibration, recording.frames[0].suffix.lower() == ".png"
    if settings.rgb_intrinsics is not None:
        colour = infrared = read_lens(settings.rgb_intrinsics)
    elif folder is not None:
        colour = read_lens(folder / "Color.json")
        infrared = read_lens(folder / "IR.json") if depth else colour
    else:
        single = settings.data_path / "intrinsics.json" if settings.data_path is not None else Path("intrinsics.json")
        colour = infrared = read_lens(single)
    if not depth:
        return colour, None
    height, width = read_image(recording.frames[0]).shape
    return colour, Sensor(infrared, colour, (width, height))


def _clouds(
    recording: RgbdFiles, files: list[Path | None], sensor: Sensor | None, colour: Lens, settings: Settings
) -> np.ndarray:
    """Points (T, N, 3) [m] of the body in the colour camera's frame. Unused rows of a frame are +inf."""
    count = settings.num_points or MEASURED_POINTS
    if recording.masks is None:
        log.warning("%s: no BodyIndexColor or BodyIndex; every point is taken as one of the body", recording.name)
    generator = np.random.default_rng(settings.seed)
    clouds = np.full((len(files), count, 3), np.inf, np.float32)
    unmasked, empty = [], []
    for t, file in enumerate(files):
        if file is None:
            continue
        mask = None if recording.masks is None else recording.beside(recording.masks, file, ".png")
        if recording.masks is not None and mask is None:
            unmasked.append(file.name)
            continue
        points = _cloud(recording, file, mask, sensor, colour, settings)
        chosen = generator.choice(len(points), count, replace=False) if len(points) > count else slice(None)
        clouds[t, : min(count, len(points))] = points[chosen]
        if not len(points):
            empty.append(file.name)
    if unmasked:
        log.warning("%d frames have no mask and are left out: %s, …", len(unmasked), unmasked[0])
    if empty:
        log.warning("%d frames show nothing of the body: %s, …", len(empty), empty[0])
    most = int(np.isfinite(clouds[..., 0]).sum(1).max(initial=0))
    if not most:
        raise InputError(f"{settings.data_path}: no point of the body in any of {len(files)} frames; check the masks")
    return clouds[:, :most]


def _cloud(
    recording: RgbdFiles, file: Path, mask: Path | None, sensor: Sensor | None, colour: Lens, settings: Settings
) -> np.ndarray:
    """Points (N, 3) [m] of the body in one frame, in the colour camera's frame."""
    hidden = None if mask is None else read_image(mask) > (0 if recording.masks_in_colour else 254)
    hidden = hidden[:, ::-1] if hidden is not None and recording.mirrored else hidden
    if sensor is None:
        points = read_points(file) * metres(settings)
    else:
        image = read_image(file) * (settings.depth_scale or recording.unit)
        if image.shape != sensor.size[::-1]:
            raise InputError(f"{file}: {image.shape[::-1]} px, but the first depth image has {sensor.size}")
        image = image[:, ::-1] if recording.mirrored else image
        if hidden is not None and not recording.masks_in_colour:
            if hidden.shape != image.shape:
                raise InputError(f"{mask}: {hidden.shape[::-1]} px, but the depth image has {image.shape[::-1]}")
            image = np.where(hidden, 0.0, image)
        points = sensor.points(image)
    if hidden is None or not recording.masks_in_colour:
        return points
    x, y = np.rint(colour.pixels(points)).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < hidden.shape[1]) & (y < hidden.shape[0])
    inside[inside] = ~hidden[y[inside], x[inside]]
    return points[inside]


def _keypoints(
    recording: RgbdFiles, files: list[Path | None], size: tuple[int, int] | None, settings: Settings
) -> np.ndarray | None:
    """Keypoints (T, 25, 3), with confidence 0 where not seen. None if the recording has no folder of keypoints."""
    folder = settings.op_keypts or recording.keypoints
    if folder is None:
        return None
    people, missing = [], []
    for file in files:
        found = None if file is None else recording.beside(folder, file, "_keypoints.json", ".json")
        frame = None if found is None else people_of_openpose(found)
        if file is not None and frame is None:
            missing.append(file.name)
        people.append(np.zeros((0, 25, 3), np.float32) if frame is None or frame.shape[1:] != (25, 3) else frame)
    if len(missing) == len(files):
        raise InputError(f"{folder}: no {files[0].stem if files[0] else 'FRAME'}_keypoints.json; names must match")
    if missing:
        log.warning("%s: %d frames without keypoints: %s, …", folder, len(missing), missing[0])
    points = follow(people, person=settings.person)[0].astype(np.float32)
    if recording.mirrored:
        points = points[:, MIRRORED_BODY_25]
        points[..., 0] = (size or _PROX_SIZE)[0] - points[..., 0]
    if settings.mask_joints2d is not None:
        points = _hidden_keypoints(points, recording, files, size, settings)
    return points


def _hidden_keypoints(
    points: np.ndarray, recording: RgbdFiles, files: list[Path | None], size: tuple[int, int] | None, settings: Settings
) -> np.ndarray:
    masks = settings.mask_joints2d if isinstance(settings.mask_joints2d, Path) else recording.masks
    if masks is None or (masks == recording.masks and not recording.masks_in_colour):
        raise InputError("--mask-joints2d: no BodyIndexColor in the recording; give a folder of masks")
    for t, file in enumerate(files):
        found = None if file is None else recording.beside(masks, file, ".png")
        if found is not None:
            mirrored = points[t : t + 1].copy()
            if recording.mirrored:  # the mask is not mirrored back, but the keypoints are
                mirrored[..., 0] = (size or _PROX_SIZE)[0] - mirrored[..., 0]
            points[t, :, 2] = hide(mirrored, [found], image_size=size or _PROX_SIZE)[0, :, 2]
    return points


def _colour_size(recording: RgbdFiles) -> tuple[int, int] | None:
    """Width and height [px] of the colour image, from a colour image or from its mask. None if they are unknown."""
    folders = [recording.frames[0].parent.parent / "Color"]
    if recording.masks is not None and recording.masks_in_colour:
        folders.append(recording.masks)
    for folder in folders:
        image = recording.beside(folder, recording.frames[0], ".png", ".jpg", ".jpeg")
        if image is not None:
            height, width = read_image(image).shape
            return width, height
    return _PROX_SIZE if recording.mirrored else None
