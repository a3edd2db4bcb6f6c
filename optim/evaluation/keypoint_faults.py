"""Faults of keypoint detectors in made-up pictures: how many are found, and what they do to a fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from optim.body.body_model import BodyModel
from optim.checks.contradictions import TRUSTED, find_doubts
from optim.diagnostics.metrics import joint_errors
from optim.evaluation.images import LEVEL, TILTED, picture
from optim.evaluation.protocols import Extract, Models, pictured
from optim.keypoints.names import BODY_25, MIRRORED_BODY_25
from optim.loading.clip import trajectory
from optim.loading.files.amass import read_motion
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.schedule.stages import schedule
from optim.session.session import Session
from optim.train.data import find_clips

LEG = ("knee", "ankle", "heel", "big_toe", "small_toe")
ARM = ("elbow", "wrist")
WRONG = 0.1
"""Error of a keypoint, as a share of the person's height in the image, above which a fault counts as harm."""
LENGTHS = (3, 15)
"""Least and largest number of frames of a fault, except of jumps."""
JUMPS = (1, 6)
"""Least and largest number of frames of a jump."""
STAGES = (2, 3)
"""Stages whose errors are measured."""
APART = (0.15, 0.5)
"""Least and largest way of a jump, as a share of the person's height in the image."""


def rows(names: tuple[str, ...], side: str) -> list[int]:
    """Numbers of keypoints of one side."""
    return [BODY_25.index(f"{side}_{name}") for name in names]


def height(points: np.ndarray) -> float:
    """Median diagonal [px] of the box around the person in (T, 25, 3)."""
    where = np.where(points[..., 2:] > 0, points[..., :2], np.nan)
    return float(np.median(np.linalg.norm(np.nanmax(where, 1) - np.nanmin(where, 1), axis=-1)))


def jump(points: np.ndarray, frames: slice, rng: np.random.Generator) -> None:
    """One keypoint is elsewhere."""
    _moved(points, frames, [int(rng.choice([3, 4, 6, 7, 10, 11, 13, 14]))], rng)


def limb_away(points: np.ndarray, frames: slice, rng: np.random.Generator) -> None:
    """An arm or a leg is elsewhere, as if it were that of another person."""
    _moved(points, frames, rows(LEG if rng.random() < 0.5 else ARM, str(rng.choice(["left", "right"]))), rng)


def one_leg(points: np.ndarray, frames: slice, rng: np.random.Generator) -> None:
    """Both legs are on one: the keypoints of one leg are those of the other, up to the noise of a detector."""
    sides = ["left", "right"] if rng.random() < 0.5 else ["right", "left"]
    here, there = rows(LEG, sides[0]), rows(LEG, sides[1])
    noise = 0.005 * height(points) * rng.standard_normal((*points[frames, here].shape[:2], 2))
    points[frames, here] = points[frames, there]
    points[frames, here, :2] += noise


def legs_exchanged(points: np.ndarray, frames: slice, rng: np.random.Generator) -> None:
    """Left and right legs are exchanged."""
    left, right = rows(LEG, "left"), rows(LEG, "right")
    points[frames, left + right] = points[frames, right + left]


def all_exchanged(points: np.ndarray, frames: slice, rng: np.random.Generator) -> None:
    """All left and right keypoints are exchanged."""
    points[frames] = points[frames][:, MIRRORED_BODY_25]


def _moved(points: np.ndarray, frames: slice, which: list[int], rng: np.random.Generator) -> None:
    angle, way = rng.uniform(0, 2 * np.pi), rng.uniform(*APART) * height(points)
    points[frames, which, :2] += way * np.array([np.cos(angle), np.sin(angle)])


Fault = Callable[[np.ndarray, slice, np.random.Generator], None]
FAULTS: Mapping[str, Fault] = {
    "jump": jump, "limb away": limb_away, "one leg": one_leg, "legs exchanged": legs_exchanged,
    "all exchanged": all_exchanged,
}  # fmt: skip
"""Name → function that puts the fault into some frames of keypoints (T, 25, 3)."""


def with_fault(points: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
    """A copy of keypoints (T, 25, 3) with a fault in a stretch of frames that is drawn by chance."""
    least, most = JUMPS if name == "jump" else LENGTHS
    length = int(rng.integers(least, most + 1))
    start = int(rng.integers(0, len(points) - length + 1))
    changed = points.copy()
    FAULTS[name](changed, slice(start, start + length), rng)
    return changed


@dataclass(frozen=True)
class Found:
    """Counts of keypoints in single frames."""

    wrong: int
    found: int
    """Wrong ones that are doubted."""
    left: int
    """Those that are wrong and have their full weight after exchanged sides were put back."""
    right: int
    doubted: int
    """Right ones that are doubted."""

    def __add__(self, other: Found) -> Found:
        return Found(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))


def judged(clean: np.ndarray, changed: np.ndarray) -> Found:
    """How the doubts about changed keypoints (T, 25, 3) agree with what was changed in the clean ones."""
    seen = changed[..., 2] > 0
    error = np.linalg.norm(changed[..., :2] - clean[..., :2], axis=-1)
    wrong, untouched = seen & (error > WRONG * height(clean)), seen & (error == 0)
    codes = find_doubts(changed)
    doubted = codes != TRUSTED
    treated = Observations(joints2d=torch.from_numpy(changed)[None], doubts=torch.from_numpy(codes)[None])
    after = np.linalg.norm(treated.keypoints[0].numpy() - clean[..., :2], axis=-1) > WRONG * height(clean)
    left = after & treated.counted_keypoints[0].numpy() & (clean[..., 2] > 0)
    masks = wrong, wrong & doubted, left, untouched, untouched & doubted
    return Found(*(int(mask.sum()) for mask in masks))


def count_of_doubts(points: np.ndarray) -> int:
    """Number of keypoints in single frames of (T, 25, 3) that are doubted."""
    return int((find_doubts(points) != TRUSTED).sum())


@dataclass(frozen=True)
class Errors:
    """Mean errors of the joints [cm], pelvis to pelvis, of one window."""

    fault: str
    by_stage: Mapping[int, tuple[float, float, float]]
    """Stage → without the fault, with it and all keypoints trusted, and with it and the doubts."""


def windows(folder: Path, body: BodyModel, *, split: str, frames: int) -> Iterator[Extract]:
    """All windows of motion capture, one after the other."""
    for path in find_clips(folder, split=split):
        motion = read_motion(path)
        for start in range(0, len(motion.trans) - frames + 1, frames):
            truth = trajectory(motion, slice(start, start + frames), body)
            yield Extract(f"{path.relative_to(folder).as_posix()}:{start}", truth)


def pictured_without_noise(extract: Extract, body: BodyModel, number: int) -> np.ndarray:
    """Keypoints (T, 25, 3) without noise; level and tilted cameras take turns."""
    generator = torch.Generator().manual_seed(number)
    views = TILTED if number % 2 else LEVEL
    return picture(extract.truth, body, views, generator=generator, pixel_noise=0.0).keypoints[0].double().numpy()


def noisy(points: np.ndarray, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Keypoints (T, 25, 3) with noise [px] where they are seen."""
    changed = points.copy()
    changed[..., :2] += noise * rng.standard_normal(points[..., :2].shape) * (points[..., 2:] > 0)
    return changed


def fitted(
    extract: Extract, models: Models, faults: Sequence[str], *, seed: int, num_iters: Sequence[int] | None
) -> Iterator[Errors]:
    """Fit one window without a fault, and with each fault without and with the doubts."""
    problem, _ = pictured([extract], models, LEVEL, [seed])
    keypoints = problem.observations.joints2d
    assert keypoints is not None
    clean = _errors(problem, num_iters)
    for fault in faults:
        changed = with_fault(keypoints[0].double().numpy(), fault, np.random.default_rng(seed))
        given = replace(problem.observations, joints2d=torch.from_numpy(changed).float()[None])
        codes = find_doubts(changed)
        doubted = replace(given, doubts=torch.from_numpy(codes)[None])
        trusted = _errors(replace(problem, observations=given), num_iters)
        treated = _errors(replace(problem, observations=doubted), num_iters) if codes.any() else trusted
        yield Errors(fault, {stage: (clean[stage], trusted[stage], treated[stage]) for stage in clean})


def _errors(problem: Problem, num_iters: Sequence[int] | None) -> dict[int, float]:
    """Stage → mean error of the joints [cm], pelvis to pelvis."""
    truth = problem.ground_truth
    assert truth is not None
    visible = torch.ones(truth.joints.shape[:3], dtype=torch.bool)
    session, found = Session(problem, schedule=schedule("fast", "rgb", num_iters=num_iters), keep_iterations=False), {}
    for stage in (1, *STAGES):
        if any(phase.stage == stage for phase in session.schedule):
            session.finish_stage()
            if stage in STAGES:
                errors = joint_errors(session.fit.trajectory(), truth, visible)
                found[stage] = float(errors["joints_root_aligned"].mean())
    return found
