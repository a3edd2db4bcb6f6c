"""``python -m optim.evaluate``: fit many clips of motion capture under one protocol and print stage 2 against stage 3.

Protocols are the paper's: ``noisy`` (4 cm noise on every joint) and ``occluded`` (joints below 0.9 m hidden). Clips are
fitted in batches, one L-BFGS over each, as the public evaluation does. Every clip's figures go to a CSV file as soon as
its batch is done; a run that is stopped and started again goes on after the last batch written.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

import assets
from optim.body import BodyModel
from optim.errors import InputError
from optim.loading.amass import read_motion
from optim.loading.models import load_body, load_init_state_prior, load_motion_prior
from optim.loading.observe import Degradation, degrade
from optim.loading.source import trajectory
from optim.metrics import all_metrics
from optim.observations import Observations
from optim.pose_prior import load_pose_prior
from optim.problem import Problem
from optim.session import Session
from optim.stages import schedule
from optim.train.data import find_clips
from optim.train.progress import clock
from optim.variables import Trajectory

PROTOCOLS = {"noisy": Degradation(noise_std=0.04), "occluded": Degradation(hide_below=0.9)}
STAGES = (1, 2, 3)
MODEL_FLAGS = {
    "--smpl": assets.BODY_FOLDER,
    "--vposer": assets.POSE_PRIOR_FOLDER,
    "--humor": assets.MOTION_PRIOR_FILE,
    "--init-motion-prior": assets.INIT_STATE_PRIOR_FILE,
}


@dataclass(frozen=True)
class Extract:
    """One stretch of a clip that is to be fitted."""

    name: str
    truth: Trajectory  # batch of one


def choose_extracts(folder: Path, body: BodyModel, *, count: int, frames: int, split: str | None) -> list[Extract]:
    """The middle ``frames`` frames of ``count`` clips, spread evenly over those long enough, in sorted order.

    Raises:
        InputError: No clip is long enough.
    """
    motions = [(p, read_motion(p)) for p in find_clips(folder, split=split)]
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
    extracts: Sequence[Extract], models: dict, *, protocol: str, preset: str, seed: int, num_iters: Sequence[int] | None
) -> list[dict[str, float | str]]:
    """Fit a batch to the end; one row of figures per clip and stage."""
    truth = joined([e.truth for e in extracts])
    generator = torch.Generator().manual_seed(seed)
    seen = degrade(truth.joints, PROTOCOLS[protocol], generator=generator)
    problem = Problem(observations=Observations(joints3d=seen), ground_truth=truth, name=protocol, **models)
    session = Session(problem, schedule=schedule(preset, "3d", num_iters=num_iters), keep_iterations=False)
    visible = torch.isfinite(seen).all(-1)
    rows: list[dict[str, float | str]] = []
    began = time.monotonic()
    for stage in STAGES:
        if not any(phase.stage == stage for phase in session.schedule):
            continue
        session.finish_stage()
        with torch.no_grad():
            figures = all_metrics(session.trajectory(), truth, visible, problem.body)
        seconds = time.monotonic() - began
        for index, extract in enumerate(extracts):
            row = {name: float(values[index]) for name, values in figures.items()}
            rows.append({"clip": extract.name, "stage": stage, "seconds_of_batch": seconds, **row})
    return rows


def joined(motions: Sequence[Trajectory]) -> Trajectory:
    """Motions of equal length as one batch."""
    names = ("trans", "root_orient", "pose_body", "betas", "joints")
    return Trajectory(**{name: torch.cat([getattr(m, name) for m in motions]) for name in names})


def table(rows: list[dict]) -> str:
    """Mean of every figure over the clips, a column per stage, and the ratio of stage 3 to stage 2."""
    stages = sorted({int(r["stage"]) for r in rows})
    figures = [k for k in rows[0] if k not in ("clip", "stage", "seconds_of_batch")]
    lines = [
        f"{len({r['clip'] for r in rows})} clips".ljust(26)
        + "".join(f"{f'stage {s}':>10}" for s in stages)
        + "     3 / 2"
    ]
    for name in figures:
        means = {}
        for stage in stages:
            values = torch.tensor([float(r[name]) for r in rows if int(r["stage"]) == stage])
            means[stage] = float(values.nanmean())
        ratio = means[3] / means[2] if {2, 3} <= set(stages) and means[2] else float("nan")
        lines.append(name.ljust(26) + "".join(f"{means[s]:10.3f}" for s in stages) + f"{ratio:10.3f}")
    return "\n".join(lines)


def read_rows(path: Path) -> list[dict]:
    """What an earlier run wrote; nothing where there was none."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def append_rows(path: Path, rows: list[dict]) -> None:
    """Add rows, with a header where the file is new."""
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        if new:
            writer.writeheader()
        writer.writerows(rows)


def run(options: argparse.Namespace) -> list[dict]:
    """Fit every batch that the CSV file does not hold yet; returns all rows."""
    body = load_body(options.smpl)
    models = {
        "body": body,
        "pose_prior": load_pose_prior(options.vposer),
        "motion_prior": load_motion_prior(options.humor),
        "init_state_prior": load_init_state_prior(options.init_motion_prior),
    }
    split = None if options.split == "all" else options.split
    extracts = choose_extracts(options.data, body, count=options.clips, frames=options.frames, split=split)
    done = {row["clip"] for row in read_rows(options.csv)}
    left = [e for e in extracts if e.name not in done]
    began = time.monotonic()
    for start in range(0, len(left), options.batch):
        batch = left[start : start + options.batch]
        rows = fit_batch(
            batch,
            models,
            protocol=options.protocol,
            preset=options.preset,
            seed=options.seed,
            num_iters=options.num_iters,
        )
        append_rows(options.csv, rows)
        finished = start + len(batch)
        remaining = (time.monotonic() - began) / finished * (len(left) - finished)
        print(f"{finished}/{len(left)} clips, {clock(remaining)} left", file=sys.stderr, flush=True)
    wanted = {e.name for e in extracts}
    return [row for row in read_rows(options.csv) if row["clip"] in wanted]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m optim.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of AMASS-format .npz clips")
    parser.add_argument("--protocol", choices=sorted(PROTOCOLS), default="noisy")
    parser.add_argument(
        "--csv", type=Path, required=True, help="figures per clip and stage; an existing file is gone on with"
    )
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--batch", type=int, default=8, help="clips fitted together")
    parser.add_argument("--split", default="val", choices=("train", "val", "all"))
    parser.add_argument("--preset", default="humorscope")
    parser.add_argument("--num-iters", type=int, nargs=3, help="outer steps of the three stages")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    for flag, default in MODEL_FLAGS.items():
        parser.add_argument(flag, type=Path, default=default)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Fit, print the table; returns the exit status."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        print(table(run(options)))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {options.csv}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
