"""Read a motion in AMASS format and observe it as in HuMoR's 3D experiments, with noise and missing data."""

from __future__ import annotations

import logging

import torch

import assets
from optim.body.body_model import BodyModel
from optim.config.options import MOTION_FRAMES, SAMPLED_POINTS
from optim.config.settings import Settings
from optim.loading.clip import Clip, chosen_frames, trajectory
from optim.loading.clips import clip_file, clip_name
from optim.loading.files.amass import FPS, read_motion
from optim.loading.kinds import require_data
from optim.loading.models import find_body, load_body
from optim.loading.observe import Degradation, observe
from optim.loading.world import cut, in_world
from optim.problem.observations import Observations
from optim.problem.variables import Trajectory

log = logging.getLogger(__name__)


def read(settings: Settings) -> Clip:
    """Read the motion file that ``--data-path`` names, or one of its folder.

    Raises:
        InputError: The file cannot be read or has too few frames.
    """
    path = clip_file(settings)
    require_data(path)
    motion = read_motion(
        path, person=settings.person, fps=settings.data_fps, degrees=settings.degrees, euler=settings.euler
    )
    if motion.resampled:
        log.warning("%s: %g frames/s, resampled to %g", path, motion.source_fps, FPS)
    body_file = find_body(settings.smpl, gender=motion.gender)
    body = load_body(body_file)
    if settings.smpl == assets.BODY_FOLDER and motion.betas.any():
        log.warning("%s: its betas are used with the shipped body; --smpl gives another body", path)
    default = MOTION_FRAMES if settings.rgb_seq_len is None else len(motion.trans)
    whole, rows = in_world(trajectory(motion, slice(None), body), body, settings, place=path)
    truth = cut(whole, chosen_frames(len(motion.trans), settings, default=default))
    return Clip(
        clip_name(path, settings),
        observed(truth, body, settings),
        body,
        body_file,
        ground_truth=truth,
        checked=motion.checked + rows,
    )


def observed(truth: Trajectory, body: BodyModel, settings: Settings) -> Observations:
    """Observations of a motion, degraded as the settings say."""
    how = Degradation(
        noise_std=settings.amass_noise_std,
        hide_below=settings.amass_partial_height if settings.amass_make_partial else None,
        drop_middle=settings.amass_drop_middle,
        root_only=settings.amass_root_joint_only and settings.observations == "joints3d",
    )
    generator = torch.Generator().manual_seed(settings.seed)
    return observe(
        truth, body, settings.observations, how, count=settings.num_points or SAMPLED_POINTS, generator=generator
    )
