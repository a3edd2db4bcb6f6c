"""``python -m optim.split_timing``: fit a clip once as a whole and once split into sub-sequences.

It prints times, evaluations, final errors where a ground truth is known, reprojection errors where there are keypoints,
foot skate, and the seams. Other flags are those of ``run_viewer.py``: a video is given by ``--data-path``.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from optim.common import threads
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.common.progress import Progress
from optim.config.settings import Settings, parse
from optim.diagnostics.metrics import feet_near_floor
from optim.loading.problem import load_problem, load_split
from optim.problem.frames import canonical_frame, floor_frame
from optim.problem.problem import Problem
from optim.schedule.presets import PRESETS
from optim.split.batches import BatchedFit
from optim.split.splitting import Split, split_frames
from optim.split.stitching import Stitched


@dataclass(frozen=True)
class Timed:
    """One way of fitting a clip, and its results."""

    name: str
    split: Split
    seconds: float
    evaluations: int
    frames_evaluated: int
    """Sum of evaluations times frames of the batch: the work, independent of the batches."""
    error_cm: float | None
    """Mean distance of the 22 joints from the ground truth."""
    root_relative_cm: float | None
    """Mean distance of the 22 joints with the root joints on each other."""
    reprojection_px: float | None
    """Median reprojection error of the keypoints that weigh and are not doubted."""
    skate_mm: float
    """Mean horizontal move [mm/frame] of feet near the floor."""
    motion: Stitched


def fit_timed(name: str, problem: Problem, split: Split, settings: Settings) -> Timed:
    """Fit to the end of the schedule and measure the wall time, without loading."""
    fit = BatchedFit(
        problem, split, schedule=settings.schedule(), batch_size=settings.batch_size, keep_iterations=False
    )
    work = 0
    began = time.perf_counter()
    for session in fit:
        told = Progress(sum(phase.steps for phase in session.schedule), unit="steps")
        while not session.done:
            session.step_outer()
            done = sum(phase.steps for phase in session.schedule[: session.current.phase]) + session.current.step + 1
            told.show(done, f"{name}, batch {fit.progress.batch + 1} of {fit.progress.batches}")
        work += session.current.evaluations_spent * session.problem.batch * session.problem.frames
    motion = fit.stitched(how=PRESETS[settings.preset].stitching)
    seconds = time.perf_counter() - began
    errors = *_errors(motion, problem), reprojection_px(motion, problem), skate_mm(motion, problem)
    return Timed(name, split, seconds, fit.progress.evaluations, work, *errors, motion)


def _errors(motion: Stitched, problem: Problem) -> tuple[float | None, float | None]:
    if problem.ground_truth is None:
        return None, None
    truth, found = problem.ground_truth.joints[0], motion.joints
    relative = (found - found[:, :1]) - (truth - truth[:, :1])
    apart, relatively = (100.0 * gap.norm(dim=-1).mean().item() for gap in (found - truth, relative))
    return apart, relatively


def reprojection_px(motion: Stitched, problem: Problem) -> float | None:
    """Median reprojection error [px] of the keypoints that count; None where there are none."""
    seen, body = problem.observations, problem.body
    if seen.joints2d is None or problem.camera is None:
        return None
    ids = torch.tensor(body.openpose_vertices)
    pose = motion.trans[:, None], motion.root_orient[:, None], motion.pose_body[:, None], motion.betas
    with torch.no_grad():
        points = body.keypoints25(*body.joints_and_vertices(*pose, ids))[:, 0]
        apart = (problem.camera.project(points[None]) - seen.keypoints).norm(dim=-1)
    return float(apart[seen.counted_keypoints].median())


def skate_mm(motion: Stitched, problem: Problem) -> float:
    """Mean horizontal move [mm/frame] of feet near the floor; 0 where none is."""
    pelvis = problem.body.rest_joints(motion.betas[:1])[:, 0]
    first = motion.trans[:1], motion.root_orient[:1], pelvis
    plane = motion.floor_plane
    frame = canonical_frame(*first) if plane is None else floor_frame((plane[:3] * plane[3])[None], *first)
    speed, near = feet_near_floor(frame.points(motion.joints[None]))
    return 1000.0 * float((speed * near).sum() / near.sum().clamp_min(1))


def compare(settings: Settings) -> tuple[Timed, Timed]:
    """Fit the clip as a whole, then split into sub-sequences.

    Raises:
        InputError: The settings or files are invalid, or the clip is not longer than one sub-sequence.
    """
    problem = load_problem(settings)
    parts = load_split(problem, settings)
    if len(parts) == 1:
        raise InputError(f"{parts}; there is nothing to compare: lower --seq-len or take a longer clip")
    whole = split_frames(problem.frames, length=problem.frames, overlap=0)
    return (
        fit_timed("in one piece", problem, whole, settings),
        fit_timed("split", problem, parts, settings),
    )


def report(results: Sequence[Timed]) -> str:
    """The table and the seams as text."""
    rows = ["", "seconds", "evaluations", "frames evaluated", "joint error [cm]", "root-relative [cm]"]
    rows += ["reprojection [px]", "foot skate [mm]"]
    table = [f"{row:20s}" for row in rows]
    for result in results:
        cells = [result.name, f"{result.seconds:.1f}", str(result.evaluations), str(result.frames_evaluated)]
        errors = (result.error_cm, result.root_relative_cm, result.reprojection_px, result.skate_mm)
        cells += ["–" if e is None else f"{e:.2f}" for e in errors]
        table = [line + f"{cell:>16s}" for line, cell in zip(table, cells, strict=True)]
    parts = results[-1]
    share = parts.seconds / results[0].seconds
    return "\n".join(
        [str(parts.split), *table, f"split takes {share:.2f} times as long", *map(str, parts.motion.seams)]
    )


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and print the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m optim.split_timing", description=__doc__, allow_abbrev=False)
    parser.add_argument("--seq-len", default="60", metavar="N", help="largest number of frames of a sub-sequence (60)")
    parser.add_argument("--overlap", default="10", metavar="N", help="number of frames that neighbours share (10)")
    parser.add_argument("--threads", type=int, default=1, metavar="N")
    options, rest = parser.parse_known_args(arguments)
    threads.use(options.threads)
    split = ["--rgb-seq-len", options.seq_len, "--rgb-overlap-len", options.overlap]
    settings = parse([*split, *rest])
    print(report(compare(_as_motion(settings))))
    return 0


def _as_motion(settings: Settings) -> Settings:
    """The settings, where ``--data FILE.npz`` may name a motion without observations: its joints are observed then."""
    path = Path(settings.data)
    if settings.data_path is not None or not path.is_file():
        return settings
    try:
        with np.load(path) as arrays:
            names = arrays.files
    except (OSError, ValueError):
        return settings
    return settings if "joints3d" in names else replace(settings, data_path=path, kind="AMASS")


if __name__ == "__main__":
    sys.exit(main())
