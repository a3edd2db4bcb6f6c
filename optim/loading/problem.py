"""Build the problem and the session that the settings describe: models, clip, observations and frame of reference.

Facts that the user should know but need not act on, such as a resampled clip, are logged as warnings.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import torch

from optim.checks.contradictions import Contradictions, find_doubts
from optim.checks.evidence import Evidence
from optim.checks.run import run_checks
from optim.common.errors import InputError
from optim.common.writing import file_name
from optim.config.settings import Settings
from optim.config.sources import sources
from optim.loading.clip import Clip
from optim.loading.input_frame import canonicalised
from optim.loading.models import load_init_state_prior, load_motion_prior
from optim.priors.pose_prior import load_pose_prior
from optim.problem.coverage import coverage_of
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.schedule.presets import PRESETS
from optim.session.session import Session
from optim.split.batches import BatchedFit, Batches, planned
from optim.split.splitting import Split, split_frames, sub_problem

log = logging.getLogger(__name__)


def load_session(settings: Settings) -> Session:
    """Read and check everything, and begin a session, which fits the batches of a split clip one after the other.

    Raises:
        InputError: A file, a value or a combination of options cannot be used.
    """
    problem = load_problem(settings)
    if settings.rgb_seq_len is not None:
        split = load_split(problem, settings)
        problem = replace(problem, asked_overlap=split.asked_overlap)
        if len(split) > settings.batch_size:
            batches = Batches(problem, planned(problem, split, settings.batch_size))
            return Session(batches.problem(0), schedule=settings.schedule(), batches=batches, under=settings.under)
        problem = sub_problem(problem, split.intervals)
    return Session(problem, schedule=settings.schedule(), under=settings.under)


def load_batches(settings: Settings) -> BatchedFit:
    """Read and check everything for a split clip that is fitted batch by batch. Iterations are not kept.

    Raises:
        InputError: A file, a value or a combination of options cannot be used.
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
    """Sub-sequences that the settings ask for, by the rule of the preset. Without a split there is one."""
    length = settings.rgb_seq_len or problem.frames
    overlap = min(settings.rgb_overlap_len, length - 1)
    return split_frames(problem.frames, length=length, overlap=overlap, rule=PRESETS[settings.preset].split)


def load_source(settings: Settings) -> Clip:
    """Read the clip without the priors, check how much of it was seen, and doubt keypoints that contradict each other.

    Where the clip was stored with doubts, they are kept, with those that the user has set aside.

    Raises:
        InputError: A file, a value or a combination of options cannot be used.
    """
    clip = sources()[settings.kind].read(settings)
    place = settings.data_path or clip.name
    if clip.observations.joints2d is not None:
        stored = clip.observations.doubts
        codes = find_doubts(clip.observations.joints2d[0].numpy()) if stored is None else stored[0].numpy()
        trusted = (settings.contradictions or PRESETS[settings.preset].contradictions) == "trusted"
        doubts = None if trusted or not codes.any() else torch.from_numpy(codes)[None]
        seen = replace(clip.observations, doubts=doubts)
        rows = run_checks(Contradictions(codes, trusted), place=place)
        clip = replace(clip, observations=seen, checked=clip.checked + rows)
    visible = {name: mask[0].numpy() for name, mask in clip.observations.visible.items()}
    evidence = Evidence(visible, floor_known=clip.camera is None or clip.floor_known)
    return replace(clip, checked=clip.checked + run_checks(evidence, place=place))


def load_problem(settings: Settings) -> Problem:
    """Read the clip and the models.

    3D observations stay in the world frame of the clip. If the preset's prior works in the frame of the input, they are
    transformed to the canonical frame of the true motion's first frame, as in HuMoR's public loader; the transform is
    kept in ``Problem.from_input``.

    Raises:
        InputError: A file, a value or a combination of options cannot be used.
    """
    source = load_source(settings)
    _tell_coverage(source.observations)
    seen, truth, from_input = source.observations, source.ground_truth, None
    if source.camera is None and PRESETS[settings.preset].prior_frame == "input":
        if truth is None:
            raise InputError(
                f"--preset {settings.preset}: its prior works in the frame of the first frame's ground truth, and"
                f" {source.name} has none; take --preset humorscope"
            )
        seen, truth, from_input = canonicalised(seen, truth, source.body)
    return Problem(
        observations=seen,
        body=source.body,
        body_file=source.body_file,
        pose_prior=load_pose_prior(settings.vposer),
        motion_prior=load_motion_prior(settings.humor),
        init_state_prior=load_init_state_prior(settings.init_motion_prior),
        camera=source.camera,
        floor=source.floor,
        floor_known=source.floor_known,
        footage=source.footage,
        checked=source.checked,
        ground_truth=truth,
        from_input=from_input,
        name=file_name(source.name, otherwise="clip"),
        joint2d_sigma=settings.joint2d_sigma,
        robust_loss=settings.robust_loss,
        robust_tuning_const=settings.robust_tuning_const,
        robust_least_scale=PRESETS[settings.preset].cloud_scale,
    )


def _tell_coverage(observations: Observations) -> None:
    """Warn where so little is observed that the priors decide."""
    found = coverage_of({name: mask.numpy() for name, mask in observations.visible.items()})
    if found.level != "good":
        log.warning("%s What is not observed is made up by the priors.", found.text)
