"""Read an .npz of observations: ``points3d``, ``joints3d``, ``verts3d``, ``joints2d``, as in ``observations.npz``.

Each array is (T, K, 3). What counts as missing is said in ``optim.loading.files.missing``. ``doubts`` (T, 25) says
which keypoints of ``joints2d`` are doubted (``problem.observations``); without it this is found. If the file holds
``floor_plane``, ``joints2d`` or a camera matrix, its frame is that of a camera (x right, y down, z forward). Otherwise
it is a world frame with z up and the floor at z = 0. The frame rate is ``fps``, or 30 if there is none.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from optim.checks.check import Checked
from optim.checks.focal import GuessedFocal
from optim.checks.images import Intrinsics, Keypoints
from optim.checks.run import run_checks
from optim.common.errors import InputError
from optim.config.settings import Settings
from optim.loading.clip import Clip, chosen_frames
from optim.loading.files.amass import FPS
from optim.loading.files.keypoints import require_pixels
from optim.loading.files.missing import known_keypoints, known_points
from optim.loading.files.rates import NOTHING, frames_at_30
from optim.loading.files.skeletons import body_joints, joints_left_out, tell_joints_left_out
from optim.loading.images.camera import camera_matrix, guessed_camera, image_size_of, read_camera
from optim.loading.images.planes import ASSUMED_FLOOR, read_floor, unit_plane
from optim.loading.models import find_body, load_body
from optim.loading.world import answered, points_in_world
from optim.problem.camera import Camera
from optim.problem.observations import Observations, stored_doubts
from optim.reading.arrays import array_names, frame_rate, read_arrays
from optim.reading.files import about
from optim.schedule.data_types import MODALITIES

WHAT = f"observations ({', '.join(MODALITIES)})"
_POINTS = {"joints3d": 22, "verts3d": 43, "points3d": None, "joints2d": 25}
_MATRICES = ("camera_matrix", "cam_mtx")
_RATES = ("fps", "mocap_framerate")
_ANY_SIZE = (1280, 720)
"""Size of an image that is never shown [px]. A point cloud in a camera's frame comes without an image."""
log = logging.getLogger(__name__)


def read(settings: Settings) -> Clip:
    """Read the observations that ``--data-path`` names.

    If there are several kinds, ``--observations`` says which of them decides the default weights.

    Raises:
        InputError: The file cannot be read, lacks these observations, or has wrong shapes or too few frames.
    """
    path = settings.data_path
    assert path is not None
    optional = (*MODALITIES, *_MATRICES, *_RATES, "doubts", "floor_plane", "image_size")
    arrays = read_arrays(path, (), optional=optional, text=_RATES, what=WHAT)
    seen = {name: _checked(arrays[name], name, path) for name in MODALITIES if name in arrays}
    if settings.observations not in seen:
        raise InputError(f"{path}: no {settings.observations} in it, only {', '.join(array_names(path)) or 'nothing'}")
    if len({len(array) for array in seen.values()}) > 1:
        raise InputError(
            f"{path}: frames differ: {', '.join(f'{k} {len(v)}' for k, v in seen.items())}; cut them alike"
        )
    rate = _rate(arrays, path, default=settings.data_fps or FPS)
    seen, rows = points_in_world(seen, settings, fps=rate, place=path)
    index = frames_at_30(len(seen[settings.observations]), fps=rate)
    frames = chosen_frames(len(index), settings, default=len(index))
    weighted = _with_weight(seen, settings)
    body_file = find_body(settings.smpl)
    camera, floor, known, found = (
        _camera_and_floor(arrays, weighted, settings) if settings.through_camera else (None, None, True, ())
    )
    chosen: dict[str, Any] = {name: _at(array, index[frames], name) for name, array in weighted.items()}
    with about(path):
        if "doubts" in arrays and "joints2d" in chosen:
            codes = stored_doubts(arrays["doubts"], len(seen["joints2d"]))
            chosen["doubts"] = _at(codes[0].numpy(), index[frames], "doubts")
        observations = Observations(**chosen)
    return Clip(
        path.parent.name if path.stem == "observations" else path.stem,
        observations,
        load_body(body_file),
        body_file,
        camera=camera,
        floor=floor,
        floor_known=known,
        checked=rows + found,
    )


def _checked(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    points = _POINTS[name]
    shape = f"(frames, {points or 'points'}, 3)"
    if name == "joints3d":
        tell_joints_left_out(joints_left_out(array), path)
        array = body_joints(array)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape or (points is not None and array.shape[1] != points):
        raise InputError(f"{path}: {name} has shape {array.shape}; {shape} is expected")
    if name == "joints2d":
        array = known_keypoints(array.astype(np.float32))
        require_pixels(array, name=name, path=path)
        return array
    return known_points(array, origin=0 if name == "joints3d" else None).astype(np.float32)


def _rate(arrays: dict[str, np.ndarray], path: Path, *, default: float) -> float:
    found = [name for name in _RATES if name in arrays]
    rate = frame_rate(arrays[found[0]], name=found[0], place=path) if found else default
    if rate != FPS:
        log.warning("%s: %g frames/s; for every frame at 30 frames/s the nearest one is taken", path, rate)
    return rate


def _with_weight(seen: dict[str, np.ndarray], settings: Settings) -> dict[str, np.ndarray]:
    """The observations that have a weight in some phase. A warning names the others."""
    phases = settings.schedule()
    idle = [name for name in seen if not any(phase.weight(name) for phase in phases)]
    for name in idle:
        flag = name.replace("s", "", 1)
        log.warning("%s has no weight and is left out; give it one with --%s-weight 1 1 1", name, flag)
    return {name: array for name, array in seen.items() if name not in idle}


def _camera_and_floor(
    arrays: dict[str, np.ndarray], seen: dict[str, np.ndarray], settings: Settings
) -> tuple[Camera, torch.Tensor, bool, tuple[Checked, ...]]:
    """The camera, the floor (1, 4), whether the floor is known rather than assumed, and what checks found.

    Keypoints that a lens has distorted are undistorted in place.
    """
    path = settings.data_path
    assert path is not None
    matrix = next((arrays[name] for name in _MATRICES if name in arrays), None)
    beside = path.with_name("gt_results.npz")
    if matrix is None and "cam_mtx" in array_names(beside):
        matrix = read_arrays(beside, ("cam_mtx",), what="the camera of a fit")["cam_mtx"]
    size = image_size_of(arrays["image_size"], path) if "image_size" in arrays else None
    rows: tuple[Checked, ...] = ()
    if settings.rgb_intrinsics is not None:
        file = read_camera(
            settings.rgb_intrinsics, image_size=size, made_for=settings.intrinsics_size, answered=answered(settings)
        )
        camera, rows = file.camera, file.checked
        if "joints2d" in seen:
            rows += _checked_keypoints(seen, camera, path)
            seen["joints2d"] = file.undistorted(seen["joints2d"], place=settings.rgb_intrinsics)
    elif matrix is not None:
        checked = camera_matrix(np.asarray(matrix, np.float64).tolist(), path, name="camera matrix")
        camera = Camera.from_matrix(torch.from_numpy(checked).float(), image_size=size)
        if size is not None:
            rows = run_checks(Intrinsics(checked, size), place=path, answered=answered(settings))
    elif "joints2d" in seen and size is None:
        raise InputError(
            f"{path}: joints2d, but no camera_matrix or image_size in it; add one, or give --rgb-intrinsics"
        )
    else:
        guessed = guessed_camera(size or _ANY_SIZE, focal=settings.focal, fov=settings.fov, answered=answered(settings))
        camera, rows = guessed.camera, guessed.checked
        if settings.focal is None and settings.fov is None and "joints2d" in seen and size is not None:
            rows += run_checks(GuessedFocal((seen["joints2d"],), size, float(camera.focal[0, 1])), place=path)
    if settings.rgb_intrinsics is None:
        rows += _checked_keypoints(seen, camera, path)
    if settings.rgb_planercnn_res is not None:
        floor = read_floor(settings.rgb_planercnn_res)
    elif "floor_plane" in arrays:
        floor = unit_plane(arrays["floor_plane"], path=path)
    else:
        return camera, torch.tensor([ASSUMED_FLOOR]), False, rows
    return camera, torch.from_numpy(floor)[None], True, rows


def _checked_keypoints(seen: dict[str, np.ndarray], camera: Camera, path: Path) -> tuple[Checked, ...]:
    """What the checks of the keypoints find, before a lens is taken out of them: they lie in its image."""
    if "joints2d" not in seen or camera.image_size is None:
        return ()
    return run_checks(Keypoints(seen["joints2d"], camera.image_size), place=path)


def _at(array: np.ndarray, index: np.ndarray, name: str) -> torch.Tensor:
    """Observations (1, T, K, ...) at 30 frames/s, missing where ``index`` has no frame."""
    chosen = array[np.maximum(index, 0)].copy()
    chosen[index == NOTHING] = 0 if name in ("joints2d", "doubts") else np.inf
    return torch.from_numpy(chosen)[None]
