"""The value that every kind of data is read into, and functions that its readers share. Knows no file format."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.checks.check import Checked
from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix
from optim.config.settings import Settings
from optim.loading.files.amass import FPS, Motion
from optim.problem.camera import Camera
from optim.problem.footage import Footage
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations
from optim.problem.variables import Trajectory

LEAST_FRAMES = 15
"""A clip with fewer frames left is refused, unless the user asked for as few."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """One clip as it was read, at 30 frames/s: everything in a ``Problem`` that comes from the user's data."""

    name: str
    observations: Observations  # batch of one, in the frame of the input
    body: BodyModel
    body_file: Path
    """File that the body was read from, for ``meta.txt``."""
    camera: Camera | None = None
    floor: Tensor | None = None  # (1, 4) unit normal and offset [m] in the camera frame; None without a camera
    floor_known: bool = True
    """Whether the floor was measured. False if it is only assumed."""
    footage: Footage | None = None
    ground_truth: Trajectory | None = None
    checked: tuple[Checked, ...] = ()
    """What the checks of the data found."""


def chosen_frames(available: int, settings: Settings, *, default: int) -> slice:
    """Frames of a clip that are fitted.

    Args:
        available: Number of frames of the clip at 30 frames/s.
        default: Number of frames to fit if the settings do not give it.

    Raises:
        InputError: The clip has too few frames after the first one that is asked for.
    """
    clip = settings.data_path or settings.data
    start, wanted = settings.amass_start_frame, settings.amass_seq_len or default
    left = available - start
    if left < min(wanted, LEAST_FRAMES):
        raise InputError(
            f"{clip}: {available} frames at {FPS:g} frames/s, but {wanted} from frame {start} on are asked"
            " for; lower --amass-start-frame or --amass-seq-len, or take a longer clip"
        )
    if left < wanted and (settings.amass_seq_len or not start):
        log.warning("%s: fitting its %d frames, not %d", clip, left, wanted)
    return slice(start, start + min(wanted, left))


def trajectory(motion: Motion, frames: slice, body: BodyModel) -> Trajectory:
    """Some frames of a motion on a body, as a batch of one in the world frame [m]."""
    turns = axis_angle_to_matrix(torch.from_numpy(motion.poses[frames]).unflatten(1, (22, 3)))[None]
    trans = torch.from_numpy(motion.trans[frames])[None]
    betas = torch.from_numpy(motion.betas)[None]
    root, pose = turns[:, :, 0], turns[:, :, 1:]
    return Trajectory(trans, root, pose, betas, joints=body.joints(trans, root, pose, betas))


def moved(motion: Trajectory, frame: PriorFrame, body: BodyModel) -> Trajectory:
    """The same motion expressed in another frame of reference."""
    return replace(
        motion,
        trans=frame.trans(motion.trans, body.rest_joints(motion.betas)[:, 0]),
        root_orient=frame.orient(motion.root_orient),
        joints=frame.points(motion.joints),
    )
