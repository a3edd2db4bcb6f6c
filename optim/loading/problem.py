"""From settings to the problem and the session they describe: models, clip, observations, frame of reference.

What a user should know but need not act on (a resampled clip, fewer frames than asked for) is logged as a
warning.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import assets
from optim.batches import BatchedFit
from optim.body import BodyModel
from optim.camera import Camera
from optim.errors import InputError
from optim.frames import PriorFrame, canonical_frame
from optim.loading.amass import FPS, Motion, read_motion
from optim.loading.demo import DemoClip, find_clip, read_demo
from optim.loading.models import find_body, load_body, load_init_state_prior, load_motion_prior
from optim.loading.observe import Degradation, degrade, observed_points
from optim.observations import Observations
from optim.pose_prior import load_pose_prior
from optim.problem import Problem
from optim.rotations import axis_angle_to_matrix
from optim.session import Session
from optim.settings import Settings
from optim.splitting import Split, split_frames, sub_problem
from optim.stages import PRESETS
from optim.variables import Trajectory

SEQ_LEN = 60
"""Frames of a motion file that are fitted unless told otherwise or split, as in HuMoR's configurations."""
LEAST_FRAMES = 15
log = logging.getLogger(__name__)


def load_session(settings: Settings) -> Session:
    """Everything read and checked, the optimiser at its start; the parts of a split clip are one batch.

    Raises:
        InputError: A file, a value or a combination that cannot be used.
    """
    problem = load_problem(settings)
    if settings.rgb_seq_len is not None:
        problem = sub_problem(problem, load_split(problem, settings).intervals)
    return Session(problem, schedule=settings.schedule())


def load_batches(settings: Settings) -> BatchedFit:
    """The same for a clip that is split: batch after batch, without the way there.

    Raises:
        InputError: A file, a value or a combination that cannot be used.
    """
    problem = load_problem(settings)
    return BatchedFit(
        problem,
        load_split(problem, settings),
        schedule=settings.schedule(),
        batch_size=settings.batch_size,
        keep_iterations=False,
    )


def load_split(problem: Problem, settings: Settings) -> Split:
    """The sub-sequences that the settings ask for, by the rule of their preset; one where they ask for none."""
    length = settings.rgb_seq_len or problem.frames
    overlap = min(settings.rgb_overlap_len, length - 1)
    return split_frames(problem.frames, length=length, overlap=overlap, rule=PRESETS[settings.preset].split)


def load_problem(settings: Settings) -> Problem:
    """Read the clip and the models.

    Observations of 3D data stay in the world of the clip. Under rules whose prior works in the frame of the
    input they are brought to the canonical frame of the truth's first frame, as the public loader does.

    Raises:
        InputError: A file, a value or a combination that cannot be used.
    """
    problem = _motion_problem(settings) if settings.data_path is not None else _demo_problem(settings)
    without_camera = problem["camera"] is None
    if without_camera and PRESETS[settings.preset].prior_frame == "input":
        problem["observations"], problem["ground_truth"] = canonicalised(
            problem["observations"], problem["ground_truth"], problem["body"]
        )
    return Problem(
        **problem,
        pose_prior=load_pose_prior(settings.vposer),
        motion_prior=load_motion_prior(settings.humor),
        init_state_prior=load_init_state_prior(settings.init_motion_prior),
        joint2d_sigma=settings.joint2d_sigma,
    )


def body_file(settings: Settings) -> Path:
    """The file of the body that ``load_problem`` reads, which may depend on the clip's gender."""
    motion = read_motion(settings.data_path or find_clip(settings.data))
    return find_body(settings.smpl, gender=motion.gender)


def _motion_problem(settings: Settings) -> dict[str, Any]:
    assert settings.data_path is not None
    motion = read_motion(settings.data_path)
    if motion.resampled:
        log.warning("%s: %g frames/s, resampled to %g", settings.data_path, motion.source_fps, FPS)
    body = load_body(settings.smpl, gender=motion.gender)
    if settings.smpl == assets.BODY_FOLDER and motion.betas.any():
        log.warning("%s: its betas are taken as those of the shipped body; --smpl gives another", settings.data_path)
    default = SEQ_LEN if settings.rgb_seq_len is None else len(motion.trans)
    frames = _frames(len(motion.trans), settings, default=default)
    truth = trajectory(motion, frames, body)
    how = Degradation(
        noise_std=settings.amass_noise_std,
        hide_below=settings.amass_partial_height if settings.amass_make_partial else None,
        drop_middle=settings.amass_drop_middle,
        root_only=settings.amass_root_joint_only,
    )
    verts = settings.observations == "verts3d"
    generator = torch.Generator().manual_seed(settings.seed)
    seen = degrade(observed_points(truth, body, verts=verts), how, generator=generator)
    observations = Observations(verts3d=seen) if verts else Observations(joints3d=seen)
    return _parts(observations, body, truth, name=motion.name)


def _demo_problem(settings: Settings) -> dict[str, Any]:
    clip = read_demo(find_clip(settings.data))
    body = load_body(settings.smpl, gender=clip.motion.gender)
    frames = _frames(len(clip.motion.trans), settings, default=len(clip.motion.trans))
    truth = trajectory(clip.motion, frames, body)
    name = clip.motion.name
    if settings.observations == "joints2d":
        observations = Observations(joints2d=torch.from_numpy(clip.joints2d[frames])[None])
        camera = Camera.from_matrix(torch.from_numpy(clip.camera_matrix), image_size=clip.image_size)
        floor = torch.from_numpy(clip.floor_plane)[None]
        return _parts(observations, body, in_camera(truth, clip, body), name=name, camera=camera, floor=floor)
    joints = clip.joints3d if settings.observations == "joints3d" else clip.joints3d_partial
    return _parts(Observations(joints3d=torch.from_numpy(joints[frames])[None]), body, truth, name=name)


def _parts(
    observations: Observations,
    body: BodyModel,
    truth: Trajectory,
    *,
    name: str,
    camera: Camera | None = None,
    floor: Tensor | None = None,
) -> dict[str, Any]:
    """The fields of ``Problem`` that come from the clip."""
    return {
        "observations": observations,
        "body": body,
        "ground_truth": truth,
        "name": name,
        "camera": camera,
        "floor": floor,
    }


def _frames(available: int, settings: Settings, *, default: int) -> slice:
    """Which frames of the clip are fitted."""
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
    """Some frames of a motion on a body, as a batch of one; world frame."""
    turns = axis_angle_to_matrix(torch.from_numpy(motion.poses[frames]).unflatten(1, (22, 3)))[None]
    trans = torch.from_numpy(motion.trans[frames])[None]
    betas = torch.from_numpy(motion.betas)[None]
    root, pose = turns[:, :, 0], turns[:, :, 1:]
    return Trajectory(trans, root, pose, betas, joints=body.joints(trans, root, pose, betas))


def moved(motion: Trajectory, frame: PriorFrame, body: BodyModel) -> Trajectory:
    """The same motion after a rigid change of frame."""
    return replace(
        motion,
        trans=frame.trans(motion.trans, body.rest_joints(motion.betas)[:, 0]),
        root_orient=frame.orient(motion.root_orient),
        joints=frame.points(motion.joints),
    )


def in_camera(motion: Trajectory, clip: DemoClip, body: BodyModel) -> Trajectory:
    """The motion as the clip's camera sees it, with the true floor."""
    rotation, offset = (torch.from_numpy(a)[None] for a in (clip.R_camera_world, clip.t_camera_world))
    floor = torch.from_numpy(np.asarray(clip.floor_plane_true))[None]
    return replace(moved(motion, PriorFrame(rotation, offset), body), floor_plane=floor)


def canonicalised(observations: Observations, truth: Trajectory, body: BodyModel) -> tuple[Observations, Trajectory]:
    """3D observations and truth in the canonical frame of the truth's first frame; gaps stay gaps."""
    pelvis = body.rest_joints(truth.betas)[:, 0]
    frame = canonical_frame(truth.trans[:, 0], truth.root_orient[:, 0], pelvis)

    def move(points: Tensor | None) -> Tensor | None:
        if points is None:
            return None
        seen = torch.isfinite(points)
        return torch.where(seen, frame.points(torch.where(seen, points, 0.0)), torch.inf)

    changed = replace(observations, joints3d=move(observations.joints3d), verts3d=move(observations.verts3d))
    return changed, moved(truth, frame, body)
