"""``python -m optim.commands.bench.live``: how soon a converged fit is near its new minimum after a weight was edited.

A clip is fitted and goes on until it is converged or stalls twice. Then each of some weights is multiplied by each
factor, in a session apart, as the window does while a slider is dragged. Told are the evaluations and the seconds of
processor time and of wall time, with the edit itself, until the loss is within 1 % of the lowest that a longer run
reaches. Without other flags, which are those of ``run_viewer.py``, the demo is fitted.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from optim.commands.bench.measure import load
from optim.common import threads
from optim.common.exit_status import with_exit_status
from optim.config.settings import parse
from optim.loading.problem import load_session
from optim.session.convergence import distance_from_minimum
from optim.session.edits import RestartSolver, SetWeight
from optim.session.session import Session

WEIGHTS = ("joints3d", "motion_prior", "init_motion_prior", "joint_consistency", "planted_vel", "planted_height")
FACTORS = (1.3, 3.0, 1 / 3)
NEAR = 0.01
"""Share of the size of the loss within which it counts as near its minimum."""
CONVERGED = 2e-4
"""Estimated distance from the minimum, as a share of the loss, at which the edits begin; there *Live* rests, too."""
SETTLE, LONG = 300, 40
"""Largest number of iterations before the edits, and number of iterations after each."""


@dataclass(frozen=True)
class Arrival:
    """How soon one edit was followed."""

    weight: str
    factor: float
    evaluations: int
    seconds: float
    """Of processor time."""
    wall: float
    """Seconds on the wall, which other processes of a busy machine lengthen."""
    iterations: int
    above: float
    """Loss right after the edit above the lowest one, as a share of its size."""


def settled(session: Session, *, iterations: int = SETTLE) -> Session:
    """The session at the end of its schedule, after further iterations until it is converged or stalls twice."""
    session.run()
    restarts = 0
    for _ in range(iterations):
        left = distance_from_minimum(session.current)
        if left is not None and left < CONVERGED:
            break
        if session.current.solver.stalled:
            restarts += 1
            if restarts > 1:
                break
            session.apply(RestartSolver())
        session.step_on()
    return session


def arrival(session: Session, weight: str, factor: float, *, iterations: int = LONG) -> Arrival:
    """Edit a weight in a session apart and iterate; the session given stays as it is."""
    other = session.apart()
    began, spent = (time.process_time(), time.perf_counter()), other.current.evaluations_spent
    other.apply(SetWeight(weight, factor * other.current.weights[weight]))
    rows = []
    for _ in range(iterations + 1):
        here = other.current
        seconds, wall = time.process_time() - began[0], time.perf_counter() - began[1]
        rows.append((here.evaluation.total, here.evaluations_spent - spent, seconds, wall))
        if here.solver.stalled:
            other.apply(RestartSolver())
        other.step_on()
    lowest, size = min(row[0] for row in rows), other.current.evaluation.size
    at = next(index for index, row in enumerate(rows) if row[0] - lowest <= NEAR * size)
    _, evaluations, seconds, wall = rows[at]
    return Arrival(weight, factor, evaluations, seconds, wall, at, (rows[0][0] - lowest) / size)


HEAD = (
    "| weight | factor | above the minimum at first | iterations | evaluations | seconds | on the wall |\n|---"
    + "|---" * 6
    + "|"
)


def row(found: Arrival) -> str:
    """A result as a row of a table in Markdown."""
    return (
        f"| {found.weight} | × {found.factor:.2g} | {100 * found.above:.1f} % | {found.iterations} "
        f"| {found.evaluations} | {found.seconds:.2f} | {found.wall:.2f} |"
    )


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    own = argparse.ArgumentParser(
        prog="python -m optim.commands.bench.live",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own.add_argument("--weights", nargs="+", default=WEIGHTS, metavar="NAME", help=f"default: {' '.join(WEIGHTS)}")
    options, rest = own.parse_known_args(arguments)
    threads.use(1)
    session = settled(load_session(parse(rest)))
    here = session.current
    print(
        f"{session.problem.name}: loss {here.evaluation.total:.5g} after {here.evaluations_spent} evaluations; {load()}"
    )
    known = [weight for weight in options.weights if here.weights.get(weight)]
    print(HEAD, flush=True)
    for weight in known:
        for factor in FACTORS:
            print(row(arrival(session, weight, factor)), flush=True)
    print(load())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
