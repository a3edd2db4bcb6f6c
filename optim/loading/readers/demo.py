"""Read a demo clip with its stored observations (3D joints or 2D keypoints) or with others made from its motion."""

from __future__ import annotations

from dataclasses import replace

import torch

from optim.body.body_model import BodyModel
from optim.config.settings import Settings
from optim.loading.clip import Clip, chosen_frames, moved, trajectory
from optim.loading.demo import DemoClip, find_clip, read_demo
from optim.loading.models import find_body, load_body
from optim.loading.readers import motion
from optim.problem.camera import Camera
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations
from optim.problem.variables import Trajectory


def read(settings: Settings) -> Clip:
    """Read the clip that ``--data`` names, with the observations that ``--observations`` names.

    Raises:
        InputError: There is no such clip, it cannot be read, or it has too few frames.
    """
    clip = read_demo(find_clip(settings.data))
    body_file = find_body(settings.smpl, gender=clip.motion.gender)
    body = load_body(body_file)
    frames = chosen_frames(len(clip.motion.trans), settings, default=len(clip.motion.trans))
    truth = trajectory(clip.motion, frames, body)
    if settings.observations == "joints2d":
        return Clip(
            clip.motion.name,
            Observations(joints2d=torch.from_numpy(clip.joints2d[frames])[None]),
            body,
            body_file,
            camera=Camera.from_matrix(torch.from_numpy(clip.camera_matrix), image_size=clip.image_size),
            floor=torch.from_numpy(clip.floor_plane)[None],
            ground_truth=in_camera(truth, clip, body),
        )
    if settings.observations in ("verts3d", "points3d"):
        return Clip(clip.motion.name, motion.observed(truth, body, settings), body, body_file, ground_truth=truth)
    joints = clip.joints3d if settings.observations == "joints3d" else clip.joints3d_partial
    seen = Observations(joints3d=torch.from_numpy(joints[frames])[None])
    return Clip(clip.motion.name, seen, body, body_file, ground_truth=truth)


def in_camera(truth: Trajectory, clip: DemoClip, body: BodyModel) -> Trajectory:
    """The motion in the frame of the clip's camera, with the true floor."""
    rotation, offset = (torch.from_numpy(a)[None] for a in (clip.R_camera_world, clip.t_camera_world))
    floor = torch.from_numpy(clip.floor_plane_true)[None]
    return replace(moved(truth, PriorFrame(rotation, offset), body), floor_plane=floor)
