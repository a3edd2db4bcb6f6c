"""The paper's protocols on motion capture: degrade clips, fit them in batches, measure every stage against the truth.

The protocol ``noisy`` adds noise of 4 cm to every joint. The protocol ``occluded`` hides joints below 0.9 m. One L-BFGS
fits all clips of a batch, as in HuMoR's public evaluation. The other protocols are ours: ``occluded-noisy`` does both,
and for ``images`` and ``images-tilted`` a made-up camera sees each clip, and nothing but keypoints and intrinsics is
given to the fit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.common.errors import InputError
from optim.common.writing import file_name
from optim.diagnostics.agreement import angle_deg
from optim.diagnostics.metrics import FEET, all_metrics, plausibility
from optim.evaluation.images import LEVEL, TILTED, Picture, Views, beside, picture
from optim.loading.clip import moved, trajectory
from optim.loading.files.amass import read_motion
from optim.loading.images.planes import ASSUMED_FLOOR
from optim.loading.observe import Degradation, degrade
from optim.priors.init_state_prior import InitStatePrior
from optim.priors.motion_prior import MotionPrior
from optim.priors.pose_prior import PosePrior
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory
from optim.schedule.presets import usual_preset
from optim.schedule.stages import schedule
from optim.session.session import Session
from optim.split.batches import joined
from optim.train.data import find_clips

PAPER = {"noisy": Degradation(noise_std=0.04), "occluded": Degradation(hide_below=0.9)}
DEGRADED = {**PAPER, "occluded-noisy": Degradation(noise_std=0.04, hide_below=0.9)}
PICTURED = {"images": LEVEL, "images-tilted": TILTED}
PROTOCOLS = (*DEGRADED, *PICTURED)
STAGES = (1, 2, 3)
Row = dict[str, float | str]


@dataclass(frozen=True)
class Models:
    """Models of a fit, named as in ``Problem``."""

    body: BodyModel
    pose_prior: PosePrior
    motion_prior: MotionPrior
    init_state_prior: InitStatePrior


@dataclass(frozen=True)
class Extract:
    """Some frames of a clip that are fitted."""

    name: str
    truth: Trajectory  # batch of one


def choose_extracts(
    folder: Path, body: BodyModel, *, count: int, frames: int, split: str | None, match: Sequence[str] = ()
) -> list[Extract]:
    """Choose the middle frames of several clips, evenly among the sorted clips that are long enough.

    Args:
        folder: Folder of clips in AMASS format.
        count: Number of clips.
        frames: Number of frames of each clip, at 30 frames/s.
        split: Name of a split in the folder's index, or None for all clips.
        match: Words of which the path of a clip has at least one. None are needed if it is empty.

    Raises:
        InputError: No clip is long enough, or none has one of the words.
    """
    paths = [p for p in find_clips(folder, split=split) if not match or any(w in p.as_posix() for w in match)]
    if not paths:
        raise InputError(f"{folder}: no path of a clip has {' or '.join(match)} in it; give other words with --match")
    motions = [(p, read_motion(p)) for p in paths]
    long_enough = [(p, m) for p, m in motions if len(m.trans) >= frames]
    if not long_enough:
        raise InputError(f"{folder}: no clip of {frames} frames or more at 30 frames/s")
    step = max(1.0, len(long_enough) / count)
    chosen = [long_enough[int(i * step)] for i in range(min(count, len(long_enough)))]
    extracts = []
    for path, motion in chosen:
        start = (len(motion.trans) - frames) // 2
        truth = trajectory(motion, slice(start, start + frames), body)
        extracts.append(Extract(f"{path.relative_to(folder).as_posix()}:{start}", truth))
    return extracts


def fit_batch(
    extracts: Sequence[Extract],
    models: Models,
    *,
    protocol: str,
    preset: str,
    seed: int,
    num_iters: Sequence[int] | None,
    solvers: Sequence[str] | None = None,
) -> list[Row]:
    """Fit a batch to the end of its schedule.

    Args:
        extracts: Clips of the batch, of equal length.
        models: Models of the fit.
        protocol: Name in ``PROTOCOLS``.
        preset: Name of the preset.
        seed: Seed of the noise.
        num_iters: Number of steps of each stage. None takes the default.
        solvers: Names of the solvers of stages 1, 2, 3. None takes those of the preset.

    Returns:
        One row of metrics for each clip and stage.
    """
    rules: dict[str, Any] = {"preset": preset, "num_iters": num_iters, "solvers": solvers}
    if protocol in PICTURED:
        return _fit_pictures(extracts, models, PICTURED[protocol], seed, rules)
    problem = _degraded(extracts, models, protocol, torch.Generator().manual_seed(seed))
    session = Session(problem, schedule=schedule(data_type="3d", **rules), keep_iterations=False)
    truth, visible = problem.ground_truth, problem.observations.visible["joints3d"]
    assert truth is not None
    return _rows(session, extracts, lambda: all_metrics(session.fit.trajectory(), truth, visible, problem.body))


def preset_of(protocol: str) -> str:
    """Name of the preset of a fit under a protocol that names none."""
    return usual_preset("rgb" if protocol in PICTURED else "3d")


def problem_of(extract: Extract, models: Models, *, protocol: str, seed: int) -> Problem:
    """The problem of one clip under a protocol. Its noise depends on the seed and the name of the clip.

    Args:
        protocol: Name in ``PROTOCOLS``.
    """
    if protocol in PICTURED:
        return pictured([extract], models, PICTURED[protocol], [seed_of(extract, seed)])[0]
    return _degraded([extract], models, protocol, torch.Generator().manual_seed(seed_of(extract, seed)))


def seed_of(extract: Extract, seed: int) -> int:
    """Seed of the noise of one clip."""
    return sum(extract.name.encode()) + seed


def _degraded(extracts: Sequence[Extract], models: Models, protocol: str, generator: torch.Generator) -> Problem:
    """The problem of a batch of clips of which noisy or hidden joints are seen."""
    truth = joined([e.truth for e in extracts])
    seen = degrade(truth.joints, DEGRADED[protocol], generator=generator)
    return Problem(observations=Observations(joints3d=seen), ground_truth=truth, name=protocol, **vars(models))


def _rows(session: Session, extracts: Sequence[Extract], measure: Callable[[], dict[str, Tensor]]) -> list[Row]:
    """Finish stage after stage, and measure each. What it cost is that of the batch since its beginning."""
    rows: list[Row] = []
    began, began_processor = time.monotonic(), time.process_time()
    for stage in STAGES:
        if not any(phase.stage == stage for phase in session.schedule):
            continue
        session.finish_stage()
        cost: Row = {
            "seconds_of_batch": time.monotonic() - began,
            "processor_s": time.process_time() - began_processor,
            "evaluations": session.current.evaluations_spent,
            "loss": session.current.evaluation.total,
        }
        with torch.no_grad():
            figures = measure()
        for index, extract in enumerate(extracts):
            values = {name: float(values[index]) for name, values in figures.items()}
            rows.append({"clip": extract.name, "stage": f"stage{stage}", **cost, **values})
    return rows


def pictured(
    extracts: Sequence[Extract], models: Models, views: Views, seeds: Sequence[int]
) -> tuple[Problem, Picture]:
    """The problem of the keypoints that a made-up camera sees of each clip, and what they see.

    Args:
        seeds: One for each clip; they say how the cameras stand and what noise the keypoints have.
    """
    taken = []
    for extract, seed in zip(extracts, seeds, strict=True):
        generator = torch.Generator().manual_seed(seed)
        taken.append(picture(extract.truth, models.body, views, generator=generator))
    seen = beside(taken)
    name = extracts[0].name if len(extracts) == 1 else "made-up cameras"
    problem = Problem(
        observations=Observations(joints2d=seen.keypoints),
        camera=seen.camera,
        floor=torch.tensor([ASSUMED_FLOOR]).expand(len(extracts), 4),
        floor_known=False,
        ground_truth=moved(joined([extract.truth for extract in extracts]), seen.from_world, models.body),
        name=file_name(name, otherwise="clip"),
        **vars(models),
    )
    return problem, seen


def _fit_pictures(
    extracts: Sequence[Extract], models: Models, views: Views, seed: int, rules: Mapping[str, Any]
) -> list[Row]:
    """Fit the keypoints that made-up cameras see of some clips, and measure every stage."""
    problem, seen = pictured(extracts, models, views, [seed_of(extract, seed) for extract in extracts])
    session = Session(problem, schedule=schedule(data_type="rgb", **rules), keep_iterations=False)
    truth = joined([extract.truth for extract in extracts])
    visible = torch.ones(truth.joints.shape[:3], dtype=torch.bool)

    def measure() -> dict[str, Tensor]:
        fitted = session.fit.trajectory()
        in_world = moved(fitted, seen.to_world, models.body)
        figures = all_metrics(in_world, truth, visible, models.body)
        on_own_floor = plausibility(session.fit.prior_trajectory(), models.body)
        return figures | on_own_floor | _floor_errors(fitted, seen, problem.ground_truth)

    return _rows(session, extracts, measure)


def _floor_errors(fitted: Trajectory, seen: Picture, truth: Trajectory | None) -> dict[str, Tensor]:
    """Angle [deg] between the fitted and the true floor, and their distance [cm] under the true feet, (B,) each."""
    assert fitted.floor_plane is not None and truth is not None
    feet = truth.joints[:, :, list(FEET)].mean((1, 2))
    heights = [(plane[:, :3] * feet).sum(1) - plane[:, 3] for plane in (fitted.floor_plane, seen.floor)]
    angle = angle_deg(fitted.floor_plane[:, :3], seen.floor[:, :3])
    return {"floor_tilt_deg": angle, "floor_height_cm": 100.0 * (heights[0] - heights[1]).abs()}
