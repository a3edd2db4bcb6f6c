"""``python -m optim.commands.bench.reach``: how soon a preset is where a short fit with the public rules ends.

The clips are those of ``humorscope evaluate`` (protocol ``noisy``). Each is fitted with ``reference`` and few steps,
which is what the public code computes. Then it is fitted with another preset under the same weights of stage 3, until
the loss is as low. That loss is the public one: the terms and weights of ``reference``, evaluated after each iteration
with the clock stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import assets
from optim.commands.bench.measure import load
from optim.common import threads
from optim.common.errors import InputError
from optim.common.exit_status import with_exit_status
from optim.evaluation.protocols import Models, choose_extracts, problem_of
from optim.loading.models import load_body, load_init_state_prior, load_motion_prior
from optim.objective.objective import Objective
from optim.priors.pose_prior import load_pose_prior
from optim.problem.problem import Problem
from optim.schedule.presets import DEFAULT, PRESETS
from optim.schedule.stages import schedule
from optim.session.session import Session

PUBLIC_STEPS = (2, 6, 8)
"""Outer steps of the public run whose time is known: 275 s of the public code on a processor."""


@dataclass(frozen=True)
class Reached:
    """When a fit was as low as another one."""

    evaluations: int
    seconds: float
    """Of processor time, from the first iteration of stage 1 on."""
    wall: float
    loss: float
    """The public loss there."""


def public_end(problem: Problem, *, steps: Sequence[int] = PUBLIC_STEPS) -> Session:
    """A fit with the public rules, at its end."""
    session = Session(problem, schedule=schedule("reference", "3d", num_iters=tuple(steps)), keep_iterations=False)
    session.run()
    return session


def public_loss(session: Session, weights: Mapping[str, float]) -> float:
    """The loss of stage 3 at the current snapshot under other weights, without rules that the public code lacks."""
    here = session.current
    problem, phase = replace(session.problem, novelty=None), replace(here.schedule[here.phase], weights=weights)
    objective = Objective(problem, phase, here.prior_frame)
    with torch.no_grad():
        return float(objective.total(objective.residuals(objective.predict(here.variables))))


def reached(
    problem: Problem,
    preset: str,
    weights: Mapping[str, float],
    target: float,
    *,
    steps: Sequence[int] | None = None,
) -> Reached | None:
    """When a fit with a preset is as low as ``target``; None: its phases end before.

    Args:
        steps: Outer steps of the three stages; None: those of the preset.
    """
    phases = schedule(preset, "3d", num_iters=steps)
    phases = tuple(replace(p, weights={**weights, **p.joining}) if p.stage == 3 else p for p in phases)
    session = Session(problem, schedule=phases, keep_iterations=False)
    seconds = wall = 0.0
    while not session.done:
        began = time.process_time(), time.perf_counter()
        session.step_iteration()
        seconds, wall = seconds + time.process_time() - began[0], wall + time.perf_counter() - began[1]
        here = session.current
        if here.stage == 3 and here.schedule[here.phase].frames is None:
            loss = public_loss(session, weights)
            if loss <= target:
                return Reached(here.evaluations_spent, seconds, wall, loss)
    return None


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m optim.commands.bench.reach",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path, metavar="MOCAP", help="folder of AMASS-format .npz clips")
    parser.add_argument("--match", nargs="+", default=("06_01_poses",), metavar="WORD", help="only such clips")
    parser.add_argument("--clips", type=int, default=1)
    parser.add_argument("--presets", nargs="+", choices=sorted(PRESETS), default=(DEFAULT, "direct"))
    options = parser.parse_args(arguments)
    threads.use(1)
    body = load_body(assets.BODY_FOLDER)
    models = Models(
        body,
        load_pose_prior(assets.POSE_PRIOR_FOLDER),
        load_motion_prior(assets.MOTION_PRIOR_FILE),
        load_init_state_prior(assets.INIT_STATE_PRIOR_FILE),
    )
    if options.clips < 1:
        raise InputError(f"--clips {options.clips}: at least 1 is needed")
    extracts = choose_extracts(options.data, body, count=options.clips, frames=60, split=None, match=options.match)
    print(
        "| clip | public loss | preset | evaluations | seconds | on the wall |\n|---|---|---|---|---|---|", flush=True
    )
    for extract in extracts:
        problem = problem_of(extract, models, protocol="noisy", seed=0)
        end = public_end(problem)
        target, weights = float(end.current.evaluation.total), end.current.weights
        for preset in options.presets:
            found = reached(problem, preset, weights, target)
            cells = (
                "not reached | |" if found is None else f"{found.evaluations} | {found.seconds:.2f} | {found.wall:.2f}"
            )
            print(f"| {extract.name} | {target:.4f} | {preset} | {cells} |", flush=True)
    print(load())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
