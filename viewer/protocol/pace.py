"""Measures how fast the optimiser is and estimates how long the rest of the schedule will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Planned(Protocol):
    """The fields of a phase that are needed here; the optimiser's phases and the window's have them."""

    @property
    def stage(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def iterations(self) -> int: ...
    @property
    def solver(self) -> str: ...
    @property
    def flat_gain(self) -> float: ...


class Reached(Protocol):
    """The fields of a snapshot that are needed here."""

    @property
    def phase(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def iteration(self) -> int: ...
    @property
    def stop(self) -> str | None: ...
    @property
    def phase_done(self) -> bool: ...


ITERATION = "iteration"
"""The cause of a snapshot that an iteration made. Only these are timed: entering a phase takes a different time."""
FULL_LENGTH = "lbfgs"
"""The solver that uses all its steps; the others end a phase as soon as they have converged."""
COST = {
    (1, "lbfgs"): 1.0,
    (2, "lbfgs"): 1.3,
    (3, "lbfgs"): 5.0,
    (1, "levenberg-marquardt"): 2.3,
    (2, "levenberg-marquardt"): 8.5,
    (3, "lbfgs-gn"): 11.4,
}
"""Cost of an iteration by stage and solver relative to the first, used for phases that have not been measured yet;
measured on the default clip, one thread."""
SMOOTHING = 0.15
"""Share of the newest measurement in the running mean."""


@dataclass(frozen=True)
class TimeLeft:
    """How long something still takes."""

    seconds: float
    at_most: bool = False
    """Whether it may end earlier: phases end when they have converged, and when that will be is not known."""

    def __str__(self) -> str:
        about = "" if round(self.seconds) == 0 else "at most " if self.at_most else "about "
        return f"{about}{duration(self.seconds)} left"


def duration(seconds: float) -> str:
    """Seconds as ``45 s``, ``3 min 20 s`` or ``1 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def progress(phases: Sequence[Planned], phase: int, *, step: int, iteration: int, stopped: bool, done: bool) -> float:
    """Share of the schedule's outer steps that are done, from 0 to 1.

    Args:
        phase, step, iteration: Position of the fit in the schedule.
        stopped: Whether the outer step ended with this iteration.
        done: Whether the whole schedule ended with it.
    """
    if done:
        return 1.0
    steps = [planned.steps for planned in phases]
    part = 1.0 if stopped else min(iteration / max(phases[phase].iterations, 1), 1.0)
    return min((sum(steps[:phase]) + step + part) / sum(steps), 1.0)


class Pace:
    """Learns for each phase the seconds per iteration, the iterations per outer step, and the iterations in all.

    The last is known once the phase has ended, in an earlier batch of the clip or on an earlier branch.
    """

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._in_step: dict[int, float] = {}
        self._last_step: dict[int, float] = {}
        self._in_phase: dict[int, float] = {}

    def record(self, here: Reached, seconds: float) -> None:
        """Add the iteration that a snapshot came from, and how long it took."""
        phase = here.phase
        self._seconds[phase] = _smooth(self._seconds.get(phase), seconds)
        if here.stop is not None and not here.phase_done:  # the last step of a phase may be cut short
            self._in_step[phase] = _smooth(self._in_step.get(phase), float(here.iteration))
        if here.phase_done:
            self._last_step[phase] = float(here.iteration)
            self._in_phase[phase] = here.step * self._in_step.get(phase, 0.0) + here.iteration

    def rate(self, phase: int) -> float | None:
        """Iterations per second in a phase; None before its first iteration."""
        seconds = self._seconds.get(phase)
        return 1.0 / seconds if seconds else None

    def time_left(
        self, schedule: Sequence[Planned], here: Reached, *, limit: float | None = None, again: int = 0
    ) -> TimeLeft | None:
        """Estimated time to the end of a schedule; None before the first iteration.

        A phase that may end early counts with the iterations that it took before; if it has never ended, or goes on for
        longer than it did, it counts in full, and the whole is what the fit takes at most at the pace so far.

        Args:
            here: Position from which the time is counted.
            limit: Largest number of iterations per second; None if there is no limit.
            again: Number of times that the whole schedule is gone through after this.
        """
        if not self._seconds:
            return None
        indices = range(len(schedule))
        whole = [self._rest(schedule[i], i, 0, 0) for i in indices]
        rest = [self._rest_here(schedule[i], here) if i == here.phase else whole[i] for i in indices if i >= here.phase]
        parts = [*zip(range(here.phase, len(schedule)), rest, strict=True), *list(enumerate(whole)) * again]
        at_most = any(part.expected is None for _, part in parts)
        least, total = 1.0 / limit if limit else 0.0, 0.0
        for index, part in parts:
            count = part.most if at_most or part.expected is None else part.expected
            total += count * max(self._cost(schedule, index), least)
        return TimeLeft(total, at_most)

    def _rest_here(self, phase: Planned, here: Reached) -> _Rest:
        if here.phase_done:
            return _Rest(0.0, 0.0)
        if here.stop is not None:
            return self._rest(phase, here.phase, here.step + 1, 0)
        return self._rest(phase, here.phase, here.step, here.iteration)

    def _rest(self, phase: Planned, index: int, step: int, iteration: int) -> _Rest:
        """Iterations from a position in a phase to its end."""
        full, steps = float(phase.iterations), max(phase.steps - step, 0)
        usual = min(self._in_step.get(index, full), full)
        most = max(steps * full - iteration, 0.0)
        if not _may_end_early(phase):
            usual = min(self._in_step.get(index, self._last_step.get(index, full)), full)
            return _Rest(most, min(max(usual - iteration, 0.0) + max(steps - 1, 0) * usual, most))
        learnt = self._in_phase.get(index, 0.0) - step * usual - iteration
        if learnt > 0 or not most:
            return _Rest(most, min(learnt, most) if most else 0.0)
        return _Rest(most, None)

    def _cost(self, schedule: Sequence[Planned], phase: int) -> float:
        """Expected seconds of one iteration."""
        if phase in self._seconds:
            return self._seconds[phase]
        known = max(index for index in self._seconds if index < len(schedule))
        return self._seconds[known] * _relative_cost(schedule[phase]) / _relative_cost(schedule[known])


@dataclass(frozen=True)
class _Rest:
    """Number of iterations to the end of a phase."""

    most: float
    expected: float | None
    """None where only ``most`` is known."""


def _may_end_early(phase: Planned) -> bool:
    return phase.flat_gain > 0 or phase.solver != FULL_LENGTH


def _relative_cost(phase: Planned) -> float:
    return COST.get((phase.stage, phase.solver), COST[phase.stage, FULL_LENGTH])


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + SMOOTHING * (new - old)
