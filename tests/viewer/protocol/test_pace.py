"""The guess of the time left."""

from __future__ import annotations

from dataclasses import replace

import pytest

from viewer.protocol.pace import STAGE_COST, Pace
from viewer.protocol.view_model import Phase

PHASES = [
    Phase(name="stage 1", stage=1, steps=3, iterations=4, variables=()),
    Phase(name="stage 2", stage=2, steps=5, iterations=4, variables=()),
    Phase(name="stage 3", stage=3, steps=2, iterations=4, variables=()),
]


def test_nothing_is_known_at_first():
    pace = Pace()
    assert pace.seconds_left(PHASES, 0, 0) is None and pace.rate(0) is None


def test_later_phases_are_guessed_from_the_present_one():
    pace = Pace()
    for i in range(4):
        pace.record(0, 0.5, step_ended=i == 3)
    assert pace.rate(0) == 2.0
    stage = STAGE_COST[1]
    expected = 2 * 4 * 0.5 + 5 * 4 * 0.5 * STAGE_COST[2] / stage + 2 * 4 * 0.5 * STAGE_COST[3] / stage
    assert pace.seconds_left(PHASES, 0, 1) == pytest.approx(expected)


def test_measured_phases_replace_guesses_and_short_steps_count():
    pace = Pace()
    pace.record(0, 0.5, step_ended=True)
    pace.record(2, 3.0, step_ended=False)
    pace.record(2, 3.0, step_ended=True)
    assert pace.seconds_left(PHASES, 2, 1) == pytest.approx(1 * 2 * 3.0)
    assert pace.seconds_left(PHASES, 2, 2) == 0.0


def test_the_time_left_follows_an_edited_schedule():
    pace = Pace()
    pace.record(0, 0.5, step_ended=False)
    twice = [replace(phase, steps=2 * phase.steps) for phase in PHASES]
    assert pace.seconds_left(twice, 0, 0) == pytest.approx(2 * pace.seconds_left(PHASES, 0, 0))
