"""Read joints or markers from BVH, TRC, C3D and .npy files as observations in a world."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import torch

from optim.body.joints import JOINT_NAMES
from optim.common.errors import InputError
from optim.config.settings import Settings
from optim.loading.clip import Clip, chosen_frames
from optim.loading.files.amass import FPS
from optim.loading.files.rates import NOTHING, frames_at_30
from optim.loading.files.skeletons import HUMANML_FPS, read_recording, tell_joints_left_out
from optim.loading.models import find_body, load_body
from optim.loading.world import points_in_world
from optim.problem.observations import Observations

log = logging.getLogger(__name__)


def read(settings: Settings) -> Clip:
    """Read the file that ``--data-path`` names.

    Raises:
        InputError: The file cannot be read, has too few frames, or does not hold what ``--observations`` asks for.
    """
    path = settings.data_path
    assert path is not None
    found = read_recording(path)
    tell_joints_left_out(found.more, path)
    name = "joints3d" if found.joints else "points3d"
    if settings.observations != name:
        raise InputError(f"{path}: holds {name}; give --observations {name}")
    rate = settings.data_fps or found.fps or HUMANML_FPS
    if found.fps is None and settings.data_fps is None:
        log.warning(
            "%s: no frame rate in it; %g frames/s are assumed (HumanML3D's), --data-fps gives another", path, rate
        )
    if found.joints and (missing := int((~np.isfinite(found.points).all(axis=(0, 2))).sum())):
        log.warning("%s: joints of %d of SMPL's %d are known", path, len(JOINT_NAMES) - missing, len(JOINT_NAMES))
    known = replace(settings, unit=settings.unit or found.unit, up=settings.up or found.up)  # type: ignore[arg-type]
    seen, rows = points_in_world({name: found.points.astype(np.float32)}, known, fps=rate, place=path)
    index = frames_at_30(len(found.points), fps=rate)
    frames = chosen_frames(len(index), settings, default=len(index))
    if rate != FPS:
        log.warning("%s: %g frames/s; for every frame at 30 frames/s the nearest one is taken", path, rate)
    chosen = seen[name][np.maximum(index[frames], 0)].copy()
    chosen[index[frames] == NOTHING] = np.inf
    body = find_body(settings.smpl)
    points = torch.from_numpy(np.asarray(chosen, np.float32))[None]
    observations = Observations(joints3d=points) if found.joints else Observations(points3d=points)
    return Clip(path.stem, observations, load_body(body), body, checked=rows)
