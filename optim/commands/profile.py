"""``python -m optim.profile``: where the time of a fit goes, by stage and by part of the closure.

Time is booked to what spends it, not to the solver that calls it: roll-out, body model, priors and loss terms forward;
the roll-out's share of the gradient and the rest of it; the solver's own arithmetic; and what is left (packing,
snapshots, entering a stage). All flags of ``run_viewer.py`` that say what to fit are understood.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from optim.common import threads
from optim.common.errors import InputError
from optim.common.timing import REST, Clock, clocked
from optim.config.settings import parse
from optim.loading.problem import load_problem
from optim.problem.problem import Problem
from optim.schedule.stages import Phase
from optim.session.history import Snapshot
from optim.session.session import Interrupt, Session

PARTS = ("roll-out", "body", "priors", "terms", "roll-out backward", "backward", "solver", REST)
PUBLIC_SHARE = {1: 0.01, 2: 0.04, 3: 0.89}
"""Stage → share of the public code's run time, as its users have measured it (video, GPU)."""


@dataclass(frozen=True)
class PhaseProfile:
    """One phase of a fit."""

    name: str
    stage: int
    steps: int
    """Steps of the schedule that was run."""
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
    """Seconds to read the models and the clip."""
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
        """Of all the time, loading included, from 0 to 1."""
        return self.of_stage(stage).seconds / self.seconds

    def scaled(self, schedule: Sequence[Phase]) -> Profile:
        """What a longer schedule of the same phases would take at this pace: every phase in proportion to its steps."""
        planned = {phase.name: phase.steps for phase in schedule}
        grown = []
        for phase in self.phases:
            factor = planned[phase.name] / phase.steps
            parts = {name: seconds * factor for name, seconds in phase.parts.items()}
            evaluations = round(phase.evaluations * factor)
            grown.append(replace(phase, steps=planned[phase.name], evaluations=evaluations, parts=parts))
        return replace(self, phases=tuple(grown))


class Recorder:
    """Books the time of a session that is stepped through it; its clock must be running (``timing.clocked``)."""

    def __init__(self, clock: Clock, *, loading: float = 0.0) -> None:
        self._clock, self._loading = clock, loading
        self._spent: dict[str, PhaseProfile] = {}

    def step(self, session: Session, interrupt: Interrupt | None = None) -> Snapshot:
        """``session.step_iteration``; time since the last step counts to the phase that is reached."""
        before = session.current
        after = session.step_iteration(interrupt)
        self.book(after, evaluations=after.evaluations_spent - before.evaluations_spent)
        return after

    def book(self, snapshot: Snapshot, *, evaluations: int) -> None:
        """Put all time since the last booking down to a snapshot's phase."""
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
        """Up to here."""
        return Profile(self._loading, tuple(self._spent.values()))


def profile_fit(
    problem: Problem,
    schedule: tuple[Phase, ...],
    *,
    loading: float = 0.0,
    now: Callable[[], float] = time.perf_counter,
) -> Profile:
    """Run a whole fit and book its time, wall time unless ``now`` says otherwise."""
    with clocked(now) as clock:
        recorder = Recorder(clock, loading=loading)
        session = Session(problem, schedule=schedule)
        recorder.book(session.current, evaluations=1)
        while not session.done:
            recorder.step(session)
    return recorder.profile


def shortened(schedule: Sequence[Phase], steps: int) -> tuple[Phase, ...]:
    """The same phases, each with at most so many steps."""
    return tuple(replace(phase, steps=min(phase.steps, steps)) for phase in schedule)


def stage_table(profile: Profile, full: Profile) -> str:
    """A row per stage: what was run, its pace, and its share of a full run beside the public code's."""
    lines = ["            steps  evaluations  seconds  ms/evaluation   full run [s]   share   public code"]
    lines.append(_row("loading", "", "", profile.loading, "", full.loading, full.loading / full.seconds, ""))
    for stage in profile.stages:
        ran = profile.of_stage(stage)
        pace = f"{1000 * ran.seconds / ran.evaluations:.1f}"
        whole = full.of_stage(stage).seconds
        public = f"{PUBLIC_SHARE[stage]:.0%}"
        lines.append(
            _row(ran.name, str(ran.steps), str(ran.evaluations), ran.seconds, pace, whole, full.share(stage), public)
        )
    return "\n".join(lines)


def _row(
    name: str, steps: str, evaluations: str, seconds: float, pace: str, whole: float, share: float, public: str
) -> str:
    return f"{name:10}{steps:>7}{evaluations:>13}{seconds:9.1f}{pace:>15}{whole:15.1f}{share:8.1%}{public:>14}"


def part_table(profile: Profile) -> str:
    """A row per part: its share of each stage, and milliseconds per evaluation there."""
    stages = [profile.of_stage(stage) for stage in profile.stages]
    lines = [" " * 20 + "".join(f"{stage.name:>22}" for stage in stages)]
    for name in PARTS:
        cells = [
            f"{stage.parts[name] / stage.seconds:8.1%}{1000 * stage.parts[name] / stage.evaluations:10.2f} ms"
            for stage in stages
        ]
        lines.append(f"{name:20}" + "".join(f"{cell:>22}" for cell in cells))
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m optim.profile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="further flags: those of run_viewer.py, for example --observations joints2d --preset reference",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--steps", type=int, default=1, help="outer steps to run in each phase (default 1); 0: the whole schedule"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--processor-time", action="store_true", help="not wall time; steadier on a machine that is busy otherwise"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Profile a fit and print the tables; returns the exit status."""
    options, flags = _parser().parse_known_args(arguments)
    try:
        if options.steps < 0 or options.threads < 1:
            raise InputError(f"--steps {options.steps} --threads {options.threads}: at least 0 and 1 are needed")
        threads.use(options.threads)
        settings = parse(flags)
        now = time.process_time if options.processor_time else time.perf_counter
        began = now()
        problem = load_problem(settings)
        loading = now() - began
        planned = settings.schedule()
        run = shortened(planned, options.steps) if options.steps else planned
        profile = profile_fit(problem, run, loading=loading, now=now)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    how = f"{problem.batch} x {problem.frames} frames, {settings.preset}, {options.threads} thread(s)"
    print(f"{problem.name}: {how}\n\n{stage_table(profile, profile.scaled(planned))}\n\n{part_table(profile)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
