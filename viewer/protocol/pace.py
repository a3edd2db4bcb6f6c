"""How fast the optimiser goes and how long the rest of the schedule will take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol


class Planned(Protocol):
    """What is asked of a phase, the optimiser's or the window's."""

    @property
    def stage(self) -> int: ...
    @property
    def steps(self) -> int: ...
    @property
    def iterations(self) -> int: ...


ITERATION = "iteration"
"""Cause of a snapshot that is one; entering a phase costs something else."""
STAGE_COST = {1: 1.0, 2: 1.3, 3: 5.0}
"""Cost of an iteration against stage 1's, to guess at phases that have not begun yet."""
SMOOTHING = 0.15


def progress(phases: Sequence[Planned], phase: int, *, step: int, iteration: int, stopped: bool, done: bool) -> float:
    """Share of the schedule's outer steps that is done, 0 to 1.

    Args:
        phase, step, iteration: Where the fit stands.
        stopped: The step ends there.
        done: The schedule ends there.
    """
    if done:
        return 1.0
    steps = [planned.steps for planned in phases]
    part = 1.0 if stopped else min(iteration / max(phases[phase].iterations, 1), 1.0)
    return min((sum(steps[:phase]) + step + part) / sum(steps), 1.0)


class Pace:
    """Learns seconds per iteration and iterations per outer step, phase by phase."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._iterations: dict[int, float] = {}
        self._in_step: dict[int, int] = defaultdict(int)

    def record(self, phase: int, seconds: float, *, step_ended: bool) -> None:
        """Take note of one iteration."""
        self._seconds[phase] = _smooth(self._seconds.get(phase), seconds)
        self._in_step[phase] += 1
        if step_ended:
            count = float(self._in_step.pop(phase))
            self._iterations[phase] = _smooth(self._iterations.get(phase), count)

    def rate(self, phase: int) -> float | None:
        """Iterations per second in a phase; None before the first."""
        seconds = self._seconds.get(phase)
        return 1.0 / seconds if seconds else None

    def seconds_left(
        self, schedule: Sequence[Planned], phase: int, step: int, *, limit: float | None = None
    ) -> float | None:
        """Seconds to the end of a schedule, as it is now, from an outer step of a phase; None before the first one.

        Args:
            limit: No more than so many iterations are done in a second.
        """
        if not self._seconds:
            return None
        rest = [(phase, max(schedule[phase].steps - step, 0))]
        rest += [(index, schedule[index].steps) for index in range(phase + 1, len(schedule))]
        least = 1.0 / limit if limit else 0.0
        return sum(steps * self._iterations_in(schedule, i) * max(self._cost(schedule, i), least) for i, steps in rest)

    def _iterations_in(self, schedule: Sequence[Planned], phase: int) -> float:
        """Of one outer step."""
        return self._iterations.get(phase, float(schedule[phase].iterations))

    def _cost(self, schedule: Sequence[Planned], phase: int) -> float:
        """Of one iteration, in seconds."""
        if phase in self._seconds:
            return self._seconds[phase]
        known = max(self._seconds)
        return self._seconds[known] * STAGE_COST[schedule[phase].stage] / STAGE_COST[schedule[known].stage]


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + SMOOTHING * (new - old)
