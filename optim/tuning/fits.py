"""One clip of a search, as a fit that trials begin from where the searched parameters have not acted yet.

If only weights of stage 3 are searched, the fit is brought to its end once, and every trial goes on from there under
its own weights for some iterations (``WarmFit``). Otherwise a trial begins where the first stage begins in which a
parameter acts, and runs to the end of its schedule (``StageFit``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Protocol

from optim.session.edits import Edit, Plan, RestartSolver, SetWeights, StartAgain
from optim.session.history import Snapshot
from optim.session.session import Session
from optim.tuning.figures import figures_of
from optim.tuning.finished import FinishedFit
from optim.tuning.space import PRESET, Parameter, Point, applied

WARM_ITERATIONS = 20
"""Default number of iterations of a trial that goes on from the end of a fit."""
BETWEEN = 5
"""Number of iterations after which a trial in progress tells its figures."""
MOST_RESTARTS = 2
"""Number of times that the solver of a warm fit begins again without its memory where it has stalled."""


class Clip(Protocol):
    """What a search needs to know of a clip."""

    @property
    def name(self) -> str:
        """Name of the clip."""
        ...

    def prepare(self) -> None:
        """Fit what all trials begin from, unless that has been done."""
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
        kept: Place of the fit to its end, for a session that has no iteration yet; None: it is not kept.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        searched: Sequence[Parameter],
        *,
        iterations: int = WARM_ITERATIONS,
        kept: FinishedFit | None = None,
    ) -> None:
        self.name = name
        self._session, self._searched, self._iterations, self._kept = session, tuple(searched), iterations, kept

    def prepare(self) -> None:
        """See ``Clip``."""
        if self._session.current.stage == 3:
            return
        if self._kept is None:
            self._session.run()
        else:
            self._kept.bring(self._session, Session.run, upto="the end")

    def figures(self, point: Point) -> Iterator[dict[str, float]]:
        """See ``Clip``."""
        self.prepare()
        start = self._session
        other, encoded, restarts = start.apart(), start.fit.stage2_trajectory, 0
        before = other.current.evaluations_spent
        other.apply(self.edit(point, other.current))
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

    def edit(self, point: Point, start: Snapshot, text: str = "weights of a trial") -> Edit:
        """The edit that takes over a point where the trials begin."""
        changes = tuple((start.phase, one.of, float(point[one.name])) for one in self._searched)
        return SetWeights(changes, text, start=start.id)


class StageFit:
    """A clip whose trials begin where the first stage begins in which a parameter acts.

    Args:
        session: What is fitted. The stages before are those that it has been through, and are finished once if it
            still has to. It makes the schedule of another preset (``Session.under``).
        iterations: Largest number of iterations of a trial. None: all that the schedule has.
        kept: Place of the fit up to that stage, for a session that has no iteration yet; None: it is not kept.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        searched: Sequence[Parameter],
        *,
        iterations: int | None = None,
        kept: FinishedFit | None = None,
    ) -> None:
        self.name = name
        self._searched, self._iterations = tuple(searched), iterations
        self._schedule = session.schedule
        start = last_before(session, first_stage(searched))
        self.start_id = start.id
        """Id of the snapshot of the session from which the trials go on."""
        self._start = session.apart(start)
        self._to_bring = None if kept is None or first_stage(searched) == 1 else (session, kept)

    def prepare(self) -> None:
        """See ``Clip``."""
        stage = first_stage(self._searched)
        if self._to_bring is not None:
            session, kept = self._to_bring
            kept.bring(session, partial(finish_before, stage=stage), upto=f"before stage {stage}")
            self._start, self._to_bring = session.apart(last_before(session, stage)), None
        finish_before(self._start, stage)

    def figures(self, point: Point) -> Iterator[dict[str, float]]:
        """See ``Clip``."""
        self.prepare()
        other = self._start.apart()
        other.apply(self.edit(point, other.current))
        before, first, told = other.current.evaluations_spent, other.current.total_iterations, 0
        while not other.current.done:
            other.step_iteration()
            done = other.current.total_iterations - first
            if self._iterations is not None and done >= self._iterations:
                break
            if done - told >= BETWEEN and other.current.stage == 3:
                told = done
                yield self._measured(other, before)
        yield self._measured(other, before)

    def edit(self, point: Point, start: Snapshot, text: str = "schedule of a trial") -> Edit:
        """The edit that takes over a point where the trials begin."""
        mine, first = self._schedule, first_stage(self._searched)
        preset = next((str(point[one.name]) for one in self._searched if one.of == PRESET), None)
        if preset not in (None, mine[-1].preset.name):
            mine = self._start.under(preset)
        phases = applied(mine, self._searched, point)
        if start.stage >= first:
            return StartAgain(phases, text)
        between = (phase for phase in start.schedule[start.phase + 1 :] if phase.stage < first)
        return Plan((*between, *(phase for phase in phases if phase.stage >= first)), text, start=start.id)

    @staticmethod
    def _measured(other: Session, before: int) -> dict[str, float]:
        fit = other.fit
        return figures_of(fit, encoded=fit.stage2_trajectory, spent=other.current.evaluations_spent - before)


def first_stage(searched: Sequence[Parameter]) -> int:
    """The first stage in which a parameter acts."""
    return min(one.stage for one in searched)


def last_before(session: Session, stage: int) -> Snapshot:
    """The last snapshot before a stage on the way to the current one of a session.

    Where there is none, it is the last one before the first iteration.
    """
    history, here = session.history, session.current.id
    earlier = next((entry for entry in history.path_back(here) if entry.stage < stage), history.begun(here))
    return history[earlier.id]


def finish_before(session: Session, stage: int) -> None:
    """Finish the stages before a stage, as far as that has not been done."""
    while session.current.stage < stage:
        here = session.current
        if here.phase_done and (here.next_phase is None or here.schedule[here.next_phase].stage >= stage):
            break
        session.finish_stage()
