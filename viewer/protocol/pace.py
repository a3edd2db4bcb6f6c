"""Measures how fast the optimiser is and estimates how long the rest of the schedule will take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol


class Planned(Protocol):
    """The fields of a phase that are needed here; the optimiser's phases and the window's have them."""

    @property
    def stage(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def iterations(self) -> int: ...


ITERATION = "iteration"
"""The cause of a snapshot that an iteration made. Only these are timed: entering a phase takes a different time."""
STAGE_COST = {1: 1.0, 2: 1.3, 3: 5.0}
"""Cost of an iteration relative to stage 1, used for phases that have not been measured yet."""
SMOOTHING = 0.15
"""Share of the newest measurement in the running mean."""


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
    """Running means of the seconds per iteration and the iterations per outer step, for each phase."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._iterations: dict[int, float] = {}
        self._in_step: dict[int, int] = defaultdict(int)

    def record(self, phase: int, seconds: float, *, step_ended: bool) -> None:
        """Add one iteration to the means."""
        self._seconds[phase] = _smooth(self._seconds.get(phase), seconds)
        self._in_step[phase] += 1
        if step_ended:
            count = float(self._in_step.pop(phase))
            self._iterations[phase] = _smooth(self._iterations.get(phase), count)

    def rate(self, phase: int) -> float | None:
        """Iterations per second in a phase; None before its first iteration."""
        seconds = self._seconds.get(phase)
        return 1.0 / seconds if seconds else None

    def seconds_left(
        self, schedule: Sequence[Planned], phase: int, step: int, *, limit: float | None = None
    ) -> float | None:
        """Estimated seconds to the end of a schedule; None before the first iteration.

        Args:
            phase, step: Position from which the time is counted.
            limit: Largest number of iterations per second; None if there is no limit.
        """
        if not self._seconds:
            return None
        rest = [(phase, max(schedule[phase].steps - step, 0))]
        rest += [(index, schedule[index].steps) for index in range(phase + 1, len(schedule))]
        least = 1.0 / limit if limit else 0.0
        return sum(steps * self._iterations_in(schedule, i) * max(self._cost(schedule, i), least) for i, steps in rest)

    def _iterations_in(self, schedule: Sequence[Planned], phase: int) -> float:
        """Expected number of iterations in one outer step."""
        return self._iterations.get(phase, float(schedule[phase].iterations))

    def _cost(self, schedule: Sequence[Planned], phase: int) -> float:
        """Expected seconds of one iteration."""
        if phase in self._seconds:
            return self._seconds[phase]
        known = max(self._seconds)
        return self._seconds[known] * STAGE_COST[schedule[phase].stage] / STAGE_COST[schedule[known].stage]


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + SMOOTHING * (new - old)
