"""The guess of the time left."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import pytest

from viewer.protocol.pace import COST, Pace, TimeLeft, duration
from viewer.protocol.view_model import Phase

PHASES = [
    Phase(name="stage 1", stage=1, steps=3, iterations=4, variables=()),
    Phase(name="stage 2", stage=2, steps=5, iterations=4, variables=()),
    Phase(name="stage 3", stage=3, steps=2, iterations=4, variables=()),
]


@dataclass(frozen=True)
class Here:
    """A position in a schedule."""

    phase: int = 0
    step: int = 0
    iteration: int = 0
    stop: str | None = None
    phase_done: bool = False


def test_nothing_is_known_at_first():
    pace = Pace()
    assert pace.time_left(PHASES, Here()) is None and pace.rate(0) is None


def test_later_phases_are_guessed_from_the_present_one():
    pace = Pace()
    for i in range(1, 5):
        here = Here(iteration=i, stop="iterations" if i == 4 else None)
        pace.record(here, 0.5)
    assert pace.rate(0) == 2.0
    costs = [COST[stage, "lbfgs"] / COST[1, "lbfgs"] for stage in (1, 2, 3)]
    expected = 2 * 4 * 0.5 + 5 * 4 * 0.5 * costs[1] + 2 * 4 * 0.5 * costs[2]
    assert pace.time_left(PHASES, here).seconds == pytest.approx(expected)


def test_measured_phases_replace_guesses_and_short_steps_count():
    pace = Pace()
    pace.record(Here(0, 0, 1, "gradient"), 0.5)
    pace.record(Here(2, 0, 1), 3.0)
    pace.record(Here(2, 0, 2, "gradient"), 3.0)
    assert pace.time_left(PHASES, Here(2, 0, 2, "gradient")).seconds == pytest.approx(1 * 2 * 3.0)
    assert pace.time_left(PHASES, Here(2, 1, 2, "gradient", phase_done=True)).seconds == 0.0


def test_the_time_left_follows_an_edited_schedule():
    pace = Pace()
    pace.record(Here(iteration=1, stop="gradient"), 0.5)
    twice = [replace(phase, steps=2 * phase.steps) for phase in PHASES]
    here = Here()
    assert pace.time_left(twice, here).seconds == pytest.approx(2 * pace.time_left(PHASES, here).seconds)


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (TimeLeft(200.2), "about 3 min 20 s left"),
        (TimeLeft(45.0, at_most=True), "at most 45 s left"),
        (TimeLeft(0.2, at_most=True), "0 s left"),
    ],
)
def test_the_sentence_says_what_is_known(left, text):
    assert str(left) == text and duration(3900.0) == "1 h 05 min"


def made_up(random: Random, *, early: bool) -> list[Phase]:
    """A schedule whose phases may end early, or none of whose does."""
    solvers = {1: "levenberg-marquardt", 2: "levenberg-marquardt", 3: "lbfgs-gn"} if early else {}
    return [
        Phase(
            name=f"phase {i}",
            stage=stage,
            steps=random.randint(1, 6),
            iterations=random.randint(1, 9),
            variables=(),
            solver=solvers.get(stage, "lbfgs"),
            flat_gain=0.001 * early * random.randint(0, 1),
        )
        for i, stage in enumerate((1, 2, 3, 3))
    ]


def lengths(random: Random, phases: list[Phase], *, early: bool) -> list[int]:
    """Number of iterations of each phase: all of them, or fewer where it may end early."""
    full = [phase.steps * phase.iterations for phase in phases]
    return [random.randint(1, most) for most in full] if early else full


def walk(phases: list[Phase], ends: list[int], *, second: float) -> Iterator[tuple[Here, float, float]]:
    """Every iteration of a fit: its position, its seconds, and the seconds that are still to come after it."""
    cost = [second * COST[phase.stage, phase.solver] for phase in phases]
    left = sum(end * each for end, each in zip(ends, cost, strict=True))
    for index, (phase, end) in enumerate(zip(phases, ends, strict=True)):
        for done in range(end):
            step, iteration = divmod(done, phase.iterations)
            last, full = done == end - 1, iteration == phase.iterations - 1
            left -= cost[index]
            stop = "iterations" if full or (last and phase.solver != "lbfgs") else None
            yield Here(index, step, iteration + 1, stop, phase_done=last), cost[index], left


@pytest.mark.parametrize("seed", range(40))
def test_a_bound_is_one_and_no_estimate_is_negative(seed):
    random, pace = Random(seed), Pace()
    phases = made_up(random, early=True)
    ends = lengths(random, phases, early=True)
    before = float("inf")
    for here, seconds, truth in walk(phases, ends, second=random.uniform(0.01, 2.0)):
        pace.record(here, seconds)
        left = pace.time_left(phases, here)
        assert truth - 1e-6 <= left.seconds <= before + 1e-6, (here, left, truth)
        assert left.at_most == (here.phase < len(phases) - 1 or not here.phase_done)
        before = left.seconds
    assert left.seconds == pytest.approx(0.0)


@pytest.mark.parametrize("seed", range(20))
def test_what_takes_its_full_length_is_estimated_without_error(seed):
    random, pace = Random(seed), Pace()
    phases = made_up(random, early=False)
    for here, seconds, truth in walk(phases, lengths(random, phases, early=False), second=0.3):
        pace.record(here, seconds)
        left = pace.time_left(phases, here)
        assert not left.at_most and left.seconds == pytest.approx(truth, abs=1e-6)


@pytest.mark.parametrize("seed", range(20))
def test_a_second_batch_of_the_same_length_is_estimated_without_error(seed):
    """What was learnt from the first one replaces the bound; a batch that goes on for longer gets the bound again."""
    random, pace = Random(seed), Pace()
    phases = made_up(random, early=True)
    ends = lengths(random, phases, early=True)
    for here, seconds, _ in walk(phases, ends, second=0.3):
        pace.record(here, seconds)
    assert pace.time_left(phases, here, again=1).at_most is False
    whole = sum(end * COST[phase.stage, phase.solver] * 0.3 for end, phase in zip(ends, phases, strict=True))
    assert pace.time_left(phases, here, again=2).seconds == pytest.approx(2 * whole)
    for here, seconds, truth in walk(phases, ends, second=0.3):
        left = pace.time_left(phases, here)
        pace.record(here, seconds)
        assert not left.at_most and left.seconds == pytest.approx(truth, abs=1e-6), (here, left, truth)
    longer = [replace(phase, steps=phase.steps + ends[0]) for phase in phases]
    beyond = divmod(ends[0] + 1, longer[0].iterations)
    assert pace.time_left(longer, Here(0, *beyond)).at_most


def test_a_speed_limit_lengthens_the_rest():
    pace = Pace()
    pace.record(Here(iteration=1), 0.1)
    free, held = (pace.time_left(PHASES, Here(iteration=1), limit=limit) for limit in (None, 0.5))
    count = 3 * 4 - 1 + 5 * 4 + 2 * 4
    assert free.seconds < held.seconds == pytest.approx(2.0 * count)
