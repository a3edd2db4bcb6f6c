"""``python -m optim.commands.bench.effects``: holds the predictions of the panel Effect against re-fits.

A clip is fitted and goes on until it is converged or stalls twice. Re-fits of the same loss on other ways (the solver
begun anew, a weight × 1.001) say by how much a figure differs by chance: its noise floor. Then each weight is
multiplied by each factor and re-fitted apart, and the change of every figure is compared with the predicted one. Flags
other than those below are those of ``run_viewer.py``; without any, the demo is fitted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from optim.commands.bench.live import SETTLE, settled
from optim.commands.bench.measure import load
from optim.common import threads
from optim.common.exit_status import with_exit_status
from optim.config.settings import parse
from optim.diagnostics.quantities import TUNED
from optim.diagnostics.tuned import tuned_figures
from optim.loading.problem import load_session
from optim.sensitivity.figures import noise_floor
from optim.sensitivity.predict import STEP, Effects, all_effects, probe
from optim.session.edits import RestartSolver, SetWeight
from optim.session.session import Session

REFIT = 40
"""Number of iterations of a re-fit."""
NUDGE = 1.001
"""Factor on a weight that changes the way of a re-fit but not its end."""
HEAD = "| figure | weight | factor | predicted | found | |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Compared:
    """The predicted and the found change of one figure for one weight times a factor."""

    figure: str
    weight: str
    factor: float
    predicted: float
    found: float

    @property
    def right(self) -> bool:
        """Whether the predicted change has the sign of the found one."""
        return self.predicted * self.found > 0

    @property
    def close(self) -> bool:
        """Whether the found change is the predicted one within a factor of two."""
        return self.predicted != 0 and 0.5 <= self.found / self.predicted <= 2.0

    @property
    def row(self) -> str:
        """A row of a table in Markdown."""
        verdict = "" if self.close else "size" if self.right else "sign"
        return (
            f"| {self.figure} | {self.weight} | × {self.factor:g} | {self.predicted:+.3f} | {self.found:+.3f} "
            f"| {verdict} |"
        )


def refitted(
    session: Session, weight: str, factor: float, *, anew: bool = False, iterations: int | None = None
) -> dict[str, float]:
    """The figures after a re-fit apart with one weight times a factor.

    Args:
        anew: Let the solver begin without its memory.
        iterations: Number of iterations; None means ``REFIT``.
    """
    other = session.apart()
    other.apply(SetWeight(weight, factor * other.current.weights[weight]))
    if anew:
        other.apply(RestartSolver())
    for _ in range(REFIT if iterations is None else iterations):
        if other.current.solver.stalled:
            other.apply(RestartSolver())
        other.step_on()
    return tuned_figures(other.fit, encoded=other.fit.stage2_trajectory)


def noise_floors(
    session: Session, weights: Sequence[str], control: Mapping[str, float], *, iterations: int | None = None
) -> dict[str, float]:
    """By how much each figure differs between re-fits of the same loss."""
    ways = [refitted(session, weights[0], 1.0, anew=True, iterations=iterations)]
    ways += [refitted(session, weight, NUDGE, iterations=iterations) for weight in weights[:2]]
    return {name: max(abs(way[name] - value) for way in ways) for name, value in control.items()}


def compared(
    session: Session,
    predicted: Mapping[str, Effects],
    control: Mapping[str, float],
    weight: str,
    factor: float,
    *,
    iterations: int | None = None,
) -> Iterator[Compared]:
    """The effects of one weight on every figure, whether above the noise or not.

    The prediction is what the panel shows: of the overview for ``STEP``, and of a probe for another factor.
    """
    tried = refitted(session, weight, factor, iterations=iterations)
    if factor == STEP:
        changes = {figure: effect.changes.get(weight, 0.0) for figure, effect in predicted.items()}
    else:
        changes = dict(probe(session, weight, factor).changes)
    for figure in predicted:
        yield Compared(figure, weight, factor, changes.get(figure, 0.0), tried[figure] - control[figure])


def main_of(session: Session, weights: Sequence[str], factors: Sequence[float]) -> Iterator[str]:
    """The lines of the report, as they are known."""
    here = session.current
    reached = f"loss {here.evaluation.total:.5g} after {here.evaluations_spent} evaluations"
    yield f"{session.problem.name}: {reached}; {load()}"
    values = tuned_figures(session.fit, encoded=session.fit.stage2_trajectory)
    figures = [name for name in TUNED if name in values]
    predicted = {effect.figure: effect for effect in all_effects(session, figures)}
    acting = predicted[figures[0]].changes
    weights = [name for name in weights or here.weights if name in acting]
    control = refitted(session, weights[0], 1.0)
    floors = noise_floors(session, weights, control)
    known = {name: noise_floor(session.problem, name) for name in figures}
    yield "| figure | value | differs between re-fits by | noise floor |\n|---|---|---|---|"
    yield from (f"| {name} | {control[name]:.3f} | {floors[name]:.4f} | {known[name]:g} |" for name in figures)
    yield "\n" + HEAD
    rows = []
    for weight in weights:
        for factor in factors:
            above = [
                row
                for row in compared(session, predicted, control, weight, factor)
                if abs(row.found) > max(floors[row.figure], known[row.figure])
            ]
            yield from (row.row for row in above)
            rows += above
    yield ""
    for figure in figures:
        own = [row for row in rows if row.figure == figure]
        yield (
            f"{figure}: {len(own)} effects above the noise, {sum(row.right for row in own)} signs right, "
            f"{sum(row.close for row in own)} within a factor of two"
        )
    yield load()


@with_exit_status
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; returns the exit status."""
    own = argparse.ArgumentParser(
        prog="python -m optim.commands.bench.effects",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    own.add_argument("--effects-of", nargs="+", default=(), metavar="NAME", help="weights (all of the last phase)")
    own.add_argument("--factors", nargs="+", type=float, default=(STEP, 3.0), metavar="X", help="(1.3 and 3)")
    own.add_argument("--settle", type=int, default=SETTLE, metavar="N", help=f"iterations before, at most ({SETTLE})")
    options, rest = own.parse_known_args(arguments)
    threads.use(1)
    session = settled(load_session(parse(rest)), iterations=options.settle)
    for line in main_of(session, options.effects_of, options.factors):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
