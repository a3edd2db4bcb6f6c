"""The time of a fit by phase and by section of the evaluation.

Time is booked to the section that spends it, not to the solver that calls it. Sections are roll-out, body model, priors
and loss terms forward; the roll-out's share of the gradient and the rest of it; the solver's own arithmetic; and the
rest (packing, snapshots, entering a stage).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from optim.common.timing import REST, Clock, clocked
from optim.problem.problem import Problem
from optim.schedule.phases import Phase
from optim.session.history import Snapshot
from optim.session.session import Interrupt, Session

PARTS = ("roll-out", "body", "priors", "terms", "roll-out backward", "backward", "solver", REST)


@dataclass(frozen=True)
class PhaseProfile:
    """One phase of a fit."""

    name: str
    stage: int
    steps: int
    """Number of steps of the phase in the schedule that was run."""
    evaluations: int
    parts: Mapping[str, float]
    """Part → seconds; every name in ``PARTS``."""

    @property
    def seconds(self) -> float:
        return sum(self.parts.values())


@dataclass(frozen=True)
class Profile:
    """Where the time of a fit went."""

    loading: float
    """Time [s] to read the models and the clip."""
    phases: tuple[PhaseProfile, ...]

    @property
    def stages(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(phase.stage for phase in self.phases))

    @property
    def seconds(self) -> float:
        return self.loading + sum(phase.seconds for phase in self.phases)

    def of_stage(self, stage: int) -> PhaseProfile:
        """The phases of a stage as one."""
        chosen = [phase for phase in self.phases if phase.stage == stage]
        return PhaseProfile(
            name=f"stage {stage}",
            stage=stage,
            steps=sum(phase.steps for phase in chosen),
            evaluations=sum(phase.evaluations for phase in chosen),
            parts={name: sum(phase.parts[name] for phase in chosen) for name in PARTS},
        )

    def share(self, stage: int) -> float:
        """Share of a stage in the whole time, loading included, from 0 to 1."""
        return self.of_stage(stage).seconds / self.seconds

    def scaled(self, schedule: Sequence[Phase]) -> Profile:
        """Estimate for a longer schedule of the same phases: every phase in proportion to its steps."""
        planned = {phase.name: phase.steps for phase in schedule}
        grown = []
        for phase in self.phases:
            factor = planned[phase.name] / phase.steps
            parts = {name: seconds * factor for name, seconds in phase.parts.items()}
            evaluations = round(phase.evaluations * factor)
            grown.append(replace(phase, steps=planned[phase.name], evaluations=evaluations, parts=parts))
        return replace(self, phases=tuple(grown))


class Recorder:
    """Books the time of a session that is stepped by it. The clock must be running (``timing.clocked``)."""

    def __init__(self, clock: Clock, *, loading: float = 0.0) -> None:
        self._clock, self._loading = clock, loading
        self._spent: dict[str, PhaseProfile] = {}

    def step(self, session: Session, interrupt: Interrupt | None = None) -> Snapshot:
        """Call ``session.step_iteration`` and book the time since the last step to the phase that is reached."""
        before = session.current
        after = session.step_iteration(interrupt)
        self.book(after, evaluations=after.evaluations_spent - before.evaluations_spent)
        return after

    def book(self, snapshot: Snapshot, *, evaluations: int) -> None:
        """Book all time since the last booking to the phase of a snapshot."""
        phase, taken = snapshot.schedule[snapshot.phase], self._clock.take()
        known = self._spent.get(phase.name)
        before = known.parts if known else dict.fromkeys(PARTS, 0.0)
        self._spent[phase.name] = PhaseProfile(
            name=phase.name,
            stage=phase.stage,
            steps=phase.steps,
            evaluations=evaluations + (known.evaluations if known else 0),
            parts={name: before[name] + taken.get(name, 0.0) for name in PARTS},
        )

    @property
    def profile(self) -> Profile:
        """The profile of all time booked so far."""
        return Profile(self._loading, tuple(self._spent.values()))


def profile_fit(
    problem: Problem,
    schedule: tuple[Phase, ...],
    *,
    loading: float = 0.0,
    now: Callable[[], float] = time.perf_counter,
) -> Profile:
    """Run a whole fit and book its time; ``now`` is the clock [s], wall time by default."""
    with clocked(now) as clock:
        recorder = Recorder(clock, loading=loading)
        session = Session(problem, schedule=schedule)
        recorder.book(session.current, evaluations=1)
        while not session.done:
            recorder.step(session)
    return recorder.profile


def shortened(schedule: Sequence[Phase], steps: int) -> tuple[Phase, ...]:
    """The same phases, each with at most ``steps`` steps."""
    return tuple(replace(phase, steps=min(phase.steps, steps)) for phase in schedule)
