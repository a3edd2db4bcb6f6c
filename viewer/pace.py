"""How fast the optimiser goes and how long the rest of the schedule will take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from viewer.view_model import Phase

STAGE_COST = {1: 1.0, 2: 1.3, 3: 5.0}
"""Cost of an iteration against stage 1's, to guess at phases that have not begun yet."""
SMOOTHING = 0.15


class Pace:
    """Learns seconds per iteration and iterations per outer step, phase by phase."""

    def __init__(self, phases: Sequence[Phase]) -> None:
        self._phases = phases
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

    def seconds_left(self, phase: int, step: int) -> float | None:
        """Seconds to the end of the schedule from an outer step of a phase; None before anything is known."""
        if not self._seconds:
            return None
        rest = [(phase, max(self._phases[phase].steps - step, 0))]
        rest += [(index, self._phases[index].steps) for index in range(phase + 1, len(self._phases))]
        return sum(steps * self._step_seconds(index) for index, steps in rest)

    def _step_seconds(self, phase: int) -> float:
        count = self._iterations.get(phase, float(self._phases[phase].iterations))
        if phase in self._seconds:
            return count * self._seconds[phase]
        known = max(self._seconds)
        ratio = STAGE_COST[self._phases[phase].stage] / STAGE_COST[self._phases[known].stage]
        return count * self._seconds[known] * ratio


def _smooth(old: float | None, new: float) -> float:
    return new if old is None else old + SMOOTHING * (new - old)
