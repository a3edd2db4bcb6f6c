"""Results of a finished or interrupted fit, one value per sub-sequence. Exports, report and evaluation read them.

They are made from a session here, and from a folder of results in ``read_results``. Motions are batches of one in the
frame of the input. ``in_world`` transforms them to a world with z up and the floor at z = 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.common.errors import InputError
from optim.loading.clip import moved
from optim.loading.input_frame import motion_of_input, problem_of_input
from optim.problem.camera import Camera
from optim.problem.frames import PriorFrame, floor_frame, identity
from optim.problem.observations import Observations
from optim.problem.problem import PRIOR_FPS, Problem
from optim.problem.variables import Trajectory
from optim.schedule.phases import Phase
from optim.session.fit import Fit
from optim.session.history import Entry, Snapshot
from optim.session.session import Session
from optim.split.batches import fits_of_batches, row_of
from optim.split.stitching import Clip, Seam, Stitched, stitch

STAGES = ("stage1", "stage2", "stage3_init", "stage3")
"""Stages in the order of the fit. ``stage3_init`` is the first roll-out, before the first step of stage 3."""
LossRow = Mapping[str, float | int | str]


@dataclass(frozen=True)
class FitResult:
    """Result for one sub-sequence of T frames, or for the stitched motion of a whole video."""

    name: str
    body: BodyModel
    stages: Mapping[str, Trajectory]
    """Name in ``STAGES`` → motion as a batch of one, for the stages that were reached."""
    bridged: Trajectory | None = None
    """Motion of stage 2 that stage 3 encoded, if missing frames were interpolated for it, as a batch of one."""
    truth: Trajectory | None = None
    observations: Observations | None = None
    camera: Camera | None = None
    observed_floor: Tensor | None = None  # (4,) as given to the fit, in the frame of the input
    losses: tuple[LossRow, ...] = ()
    """One row per iteration (``loss_row``), of the whole batch that the sub-sequence was fitted in."""
    seams: tuple[Seam, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    """Settings, versions and times that the run stored about itself."""
    gender: str = "neutral"
    body_truth: BodyModel | None = None
    """Body of the ground truth if it differs from ``body``, otherwise None."""
    fps: float = PRIOR_FPS

    @property
    def last_stage(self) -> str:
        """Name of the last stage that was reached."""
        return [name for name in STAGES if name in self.stages][-1]

    def motion(self, stage: str | None = None) -> Trajectory:
        """Motion of a stage, by default of the last one.

        Raises:
            InputError: The fit has not reached the stage.
        """
        name = stage or self.last_stage
        if name not in self.stages:
            raise InputError(f"{self.name}: no motion of {name}; there are {', '.join(self.stages)}")
        return self.stages[name]

    @property
    def encoded(self) -> Trajectory | None:
        """Motion of stage 2 that the first roll-out encodes. None if stage 2 was not reached."""
        return self.stages.get("stage2") if self.bridged is None else self.bridged

    def floor(self, stage: str | None = None) -> Tensor | None:
        """Floor (4,) of a stage in the frame of the input. None if that frame is a world with the floor at z = 0."""
        fitted = self.motion(stage).floor_plane
        return self.observed_floor if fitted is None else fitted[0]

    def in_world(self, stage: str | None = None) -> tuple[Trajectory, PriorFrame]:
        """Motion of a stage in the world of its own floor, and the transform from the frame of the input to it."""
        motion = self.motion(stage)
        return in_world(motion, self.body, self.floor(stage))

    @property
    def frames(self) -> int:
        """Number of frames."""
        return next(iter(self.stages.values())).trans.shape[1]


def in_world(motion: Trajectory, body: BodyModel, floor: Tensor | None) -> tuple[Trajectory, PriorFrame]:
    """A motion in a world with z up and the floor at z = 0, and the transform to it from the frame of the input.

    Args:
        motion: Batch of one in the frame of the input.
        floor: (4,) unit normal n and offset d of n·p = d in the frame of the input. The body then begins at x = y = 0
            and faces +y, as in the prior frame. None means that the input is such a world; the motion is unchanged.
    """
    if floor is None:
        return motion, identity(1)
    pelvis = body.rest_joints(motion.betas)[:, 0]
    frame = floor_frame((floor[:3] * floor[3])[None], motion.trans[:, 0], motion.root_orient[:, 0], pelvis)
    return moved(motion, frame, body), frame


def of_session(
    fit: Fit, *, losses: Sequence[LossRow] | None = None, info: Mapping[str, Any] | None = None
) -> list[FitResult]:
    """Results of a fit's current branch, one per sub-sequence. Overlapping sub-sequences give one more, stitched.

    Args:
        losses: One row per iteration. None takes those that the history has kept.
        info: Facts about the run to store with the results.
    """
    problem = problem_of_input(fit.problem)
    rows = tuple(losses) if losses is not None else tuple(loss_rows(fit))
    stages = {name: motion_at(fit, snapshot) for name, snapshot in stage_ends(fit).items()}
    bridged = bridged_stage2(fit)
    results = []
    for index in range(problem.batch):
        results.append(
            FitResult(
                name=problem.name or "clip" if problem.batch == 1 else f"{problem.name or 'clip'}_{index:04d}",
                body=problem.body,
                stages={name: row_of(motion, index) for name, motion in stages.items()},
                bridged=None if bridged is None else row_of(bridged, index),
                truth=None if problem.ground_truth is None else row_of(problem.ground_truth, index),
                observations=_seen_by(problem, index),
                camera=_camera_of(problem, index),
                observed_floor=None if problem.floor is None else problem.floor[index],
                losses=rows,
                info=info or {},
                fps=problem.fps,
            )
        )
    intervals = problem.observations.seq_interval
    if intervals is not None and problem.batch > 1:
        found = [(int(a), int(b)) for a, b in intervals.tolist()]
        results.append(_joined(results, found, name=problem.name or "clip", how=_stitching(fit)))
    return results


def of_batches(
    fits: Sequence[Fit], numbers: Sequence[Sequence[int]], *, info: Mapping[str, Any] | None = None
) -> list[FitResult]:
    """Results of the batches of a split video, one for each sub-sequence, and their stitched motion.

    A batch that has not reached the last stage of the first one is not in the stitched motion yet.

    Args:
        fits: Of the batches, see ``optim.split.batches.fits_of_batches``.
        numbers: Of each batch's sub-sequences in the video, for their names.
        info: Facts about the run to store with the results.
    """
    name, found, intervals = fits[0].problem.name or "clip", list[FitResult](), list[tuple[int, int]]()
    for fit, own in zip(fits, numbers, strict=True):
        seen = fit.problem.observations.seq_interval
        assert seen is not None
        parts = zip(of_session(fit, info=info), own, strict=False)
        found += [replace(one, name=f"{name}_{n:04d}") for one, n in parts]
        intervals += [(int(start), int(end)) for start, end in seen.tolist()]
    done = [index for index, one in enumerate(found) if found[0].last_stage in one.stages]
    parts_done, where = [found[i] for i in done], [intervals[i] for i in done]
    return [*found, _joined(parts_done, where, name=name, how=_stitching(fits[-1]))]


def of_clip(session: Session, *, info: Mapping[str, Any] | None = None) -> list[FitResult]:
    """Results of all batches up to the one under way, or of the only one: ``of_batches`` or ``of_session``."""
    fits, batches = fits_of_batches(session.fit), session.batches
    if batches is None or len(fits) == 1:
        return of_session(session.fit, info=info)
    return of_batches(fits, [batches.numbers(fit.current.batch) for fit in fits], info=info)


def _stitching(fit: Fit) -> str:
    """The way in which the preset of a fit joins sub-sequences."""
    return fit.current.schedule[fit.current.phase].preset.stitching


def motion_at(fit: Fit, snapshot: Snapshot) -> Trajectory:
    """The whole motion at a snapshot, in the frame of the input."""
    return motion_of_input(fit.trajectory(snapshot), fit.problem_at(snapshot))


def stage_ends(fit: Fit) -> dict[str, Snapshot]:
    """Name in ``STAGES`` → snapshot at its end on the current branch, for the stages that were begun."""
    reached = {
        "stage1": fit.end_of_stage(1),
        "stage2": fit.end_of_stage(2),
        "stage3_init": fit.stage3_start,
        "stage3": fit.end_of_stage(3),
    }
    return {name: snapshot for name, snapshot in reached.items() if snapshot is not None}


def bridged_stage2(fit: Fit) -> Trajectory | None:
    """Motion of stage 2 that stage 3 encoded, in the frame of the input.

    None if it is the motion at the end of stage 2, or if stage 3 has not begun.
    """
    first, encoded = fit.stage3_start, fit.stage2_trajectory
    if first is None or first.parent is None or encoded is None:
        return None
    before = fit.history[first.parent]
    if fit.encoded_variables(before, first) is before.variables:
        return None
    return motion_of_input(encoded, fit.problem_at(before))


def loss_rows(fit: Fit) -> list[LossRow]:
    """One row for each iteration of the current branch that the history has kept."""
    return [loss_row(entry, fit.current.schedule[entry.phase]) for entry in fit.history.path(fit.current.id)]


def loss_row(at: Entry | Snapshot, phase: Phase) -> LossRow:
    """One iteration as numbers: its position in the schedule, the loss, and every term.

    ``NAME`` holds the weighted value of a term and ``NAME_raw`` the unweighted one.
    """
    evaluation = at.evaluation
    terms: dict[str, float | int | str] = {}
    for name, value in evaluation.terms.items():
        terms |= {name: value.weighted, f"{name}_raw": value.raw}
    return {
        "iteration": at.total_iterations,
        "phase": phase.name,
        "stage": at.stage,
        "step": at.step,
        "total": evaluation.total,
        **terms,
    }


def constant_shape(motion: Stitched, body: BodyModel) -> tuple[Trajectory, float]:
    """Replace the changing betas (N, 16) of a motion by their mean. The root joint stays in its place.

    Returns:
        The motion as a batch of one, and the largest distance by which a joint moves [mm].
    """
    betas = motion.betas.mean(0, keepdim=True)
    pelvis = body.rest_joints(torch.cat((betas, motion.betas)))[:, 0]
    trans = (motion.trans + pelvis[1:] - pelvis[:1])[None]
    root, pose = motion.root_orient[None], motion.pose_body[None]
    joints = body.joints(trans, root, pose, betas)
    moved_by = float((joints[0] - motion.joints).norm(dim=-1).max()) * 1000.0
    same = {"contacts": motion.contacts, "floor_plane": motion.floor_plane}
    batched = {name: None if value is None else value[None] for name, value in same.items()}
    return Trajectory(trans, root, pose, betas, joints=joints, **batched), moved_by


def _joined(parts: Iterable[FitResult], intervals: Sequence[tuple[int, int]], *, name: str, how: str) -> FitResult:
    """Stitched motion of the last stage, joined as the preset says. It has no observations and no ground truth."""
    parts = list(parts)
    stage, body = parts[0].last_stage, parts[0].body
    clips = [Clip(interval, part.motion(stage)) for interval, part in zip(intervals, parts, strict=True)]
    whole = stitch(clips, body=body, how=how)
    return replace(
        parts[0],
        name=f"{name}_stitched",
        stages={stage: constant_shape(whole, body)[0]},
        bridged=None,
        truth=None,
        observations=None,
        seams=whole.seams,
    )


def _seen_by(problem: Problem, index: int) -> Observations:
    seen = problem.observations
    names = ("joints3d", "verts3d", "points3d", "joints2d", "doubts", "seq_interval")
    cut = {name: value[index : index + 1] for name in names if (value := getattr(seen, name)) is not None}
    return Observations(**cut)


def _camera_of(problem: Problem, index: int) -> Camera | None:
    camera = problem.camera
    if camera is None:
        return None
    here = slice(0, 1) if len(camera.focal) == 1 else slice(index, index + 1)
    return replace(camera, focal=camera.focal[here], centre=camera.centre[here])
