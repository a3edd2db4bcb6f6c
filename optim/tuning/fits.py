"""One clip of a search, as a fit that trials begin from where the searched parameters have not acted yet.

If only weights of stage 3 are searched, the fit is brought to its end once, and every trial goes on from there under
its own weights for some iterations (``WarmFit``). Otherwise a trial begins where the first stage begins in which a
parameter acts, and runs to the end of its schedule (``StageFit``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from optim.problem.problem import Problem
from optim.schedule.phases import Phase
from optim.session.edits import Plan, RestartSolver, SetWeights
from optim.session.session import Session
from optim.tuning.figures import figures_of
from optim.tuning.space import PRESET, Parameter, Point, applied

WARM_ITERATIONS = 20
"""Default number of iterations of a trial that goes on from the end of a fit."""
BETWEEN = 5
"""Number of iterations after which a trial in progress tells its figures."""
MOST_RESTARTS = 2
"""Number of times that the solver of a warm fit begins again without its memory where it has stalled."""
Schedules = Callable[[str | None], tuple[Phase, ...]]
"""From the name of a preset, or None for the one that the user has given, to the schedule of a fit."""


class Clip(Protocol):
    """What a search needs to know of a clip."""

    @property
    def name(self) -> str:
        """Name of the clip."""
        ...

    def figures(self, point: Point) -> Iterator[dict[str, float]]:
        """Fit under a point; yields the figures so far every few iterations, and last those of the end."""
        ...


def is_warm(searched: Sequence[Parameter]) -> bool:
    """Whether trials can go on from the end of a fit: only weights of stage 3 are searched."""
    return all(one.is_weight and one.stage == 3 for one in searched)


class WarmFit:
    """A clip whose trials go on from the end of a fit under the present weights.

    Args:
        session: What is fitted. If it has reached stage 3, trials go on from where it stands; otherwise it is first
            run to its end.
        iterations: Largest number of iterations of a trial.
    """

    def __init__(
        self, name: str, session: Session, searched: Sequence[Parameter], *, iterations: int = WARM_ITERATIONS
    ) -> None:
        self.name = name
        self._session, self._searched, self._iterations = session, tuple(searched), iterations

    def figures(self, point: Point) -> Iterator[dict[str, float]]:
        """See ``Clip``."""
        start = self._session
        if start.current.stage < 3:
            start.run()
        other, encoded, restarts = start.apart(), start.fit.stage2_trajectory, 0
        before, here = other.current.evaluations_spent, other.current.phase
        changes = tuple((here, one.of, float(point[one.name])) for one in self._searched)
        other.apply(SetWeights(changes, "weights of a trial"))
        for done in range(self._iterations):
            if done and done % BETWEEN == 0:
                yield figures_of(other.fit, encoded=encoded, spent=other.current.evaluations_spent - before)
            if other.current.solver.stalled:
                restarts += 1
                if restarts > MOST_RESTARTS:
                    break
                other.apply(RestartSolver())
            other.step_on()
        yield figures_of(other.fit, encoded=encoded, spent=other.current.evaluations_spent - before)


class StageFit:
    """A clip whose trials begin where a stage begins.

    Args:
        problem: What is fitted.
        schedules: Makes the schedule of a preset.
        iterations: Largest number of iterations of a trial. None: all that the schedule has.
    """

    def __init__(
        self,
        name: str,
        problem: Problem,
        schedules: Schedules,
        searched: Sequence[Parameter],
        *,
        iterations: int | None = None,
    ) -> None:
        self.name = name
        self._problem, self._schedules, self._searched = problem, schedules, tuple(searched)
        self._first, self._iterations = min(one.stage for one in searched), iterations
        self._start: Session | None = None

    def figures(self, point: Point) -> Iterator[dict[str, float]]:
        """See ``Clip``."""
        other = self._begun(point)
        before, first, told = other.current.evaluations_spent, other.current.total_iterations, 0
        while not other.done:
            other.step_iteration()
            done = other.current.total_iterations - first
            if self._iterations is not None and done >= self._iterations:
                break
            if done - told >= BETWEEN and other.current.stage == 3:
                told = done
                yield self._measured(other, before)
        yield self._measured(other, before)

    def _begun(self, point: Point) -> Session:
        """A session at the beginning of a trial. The stages before it are fitted once."""
        preset = next((str(point[one.name]) for one in self._searched if one.of == PRESET), None)
        schedule = applied(self._schedules(preset), self._searched, point)
        if self._first == 1:
            return Session(self._problem, schedule=schedule, keep_iterations=False)
        if self._start is None:
            self._start = Session(self._problem, schedule=self._schedules(None), keep_iterations=False)
            for _ in {phase.stage for phase in self._start.schedule if phase.stage < self._first}:
                self._start.finish_stage()
        other = self._start.apart()
        other.apply(Plan(tuple(phase for phase in schedule if phase.stage >= self._first)))
        return other

    @staticmethod
    def _measured(other: Session, before: int) -> dict[str, float]:
        fit = other.fit
        return figures_of(fit, encoded=fit.stage2_trajectory, spent=other.current.evaluations_spent - before)
