"""A guessed focal length is held against the people in the picture; other ones are offered with what they mean."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from optim.checks.focal import APART, GuessedFocal, guessed_focal
from optim.checks.run import run_checks
from tests.optim.keypoints.test_focal_length import SIZE, person, walks


@pytest.fixture(scope="module")
def crowd() -> GuessedFocal:
    people = [person(path, focal=1000.0, pitch=-25.0, height=4.0) for path in walks(5)]
    return GuessedFocal(people, SIZE, 1000.0)


def alone() -> GuessedFocal:
    stands = person(np.tile([[0.3, 5.0]], (40, 1)), focal=1060.0, pitch=0.0, height=1.5)
    return GuessedFocal([stands], SIZE, 1060.0)


def test_a_guess_that_fits_is_fine_and_one_far_off_is_not(crowd):
    assert guessed_focal(crowd).severity == "fine"
    off = guessed_focal(replace(crowd, focal=3000.0))
    assert off.severity == "likely" and not off.asks


def test_where_nothing_is_told_that_is_said_and_no_alarm_is_given():
    seen = guessed_focal(alone())
    assert seen.severity == "note" and "hardly tells it" in seen.meant


def test_nobody_upright_is_said_and_offers_nothing():
    seen = guessed_focal(replace(alone(), people=[np.zeros((5, 25, 3))]))
    assert seen.severity == "note" and not seen.choices


def test_what_is_offered_differs_from_the_guess_and_from_each_other():
    data = alone()
    choices = guessed_focal(data).choices
    flags = [choice.flags for choice in choices]
    assert len(choices) >= 2 and all(name == "--focal" for name, _ in flags)
    logs = sorted(math.log(value) for value in (data.focal, *(float(value) for _, value in flags)))
    assert np.diff(logs).min() >= APART


def test_a_choice_tells_the_camera_that_it_means():
    choice = guessed_focal(alone()).choices[0]
    focal = float(choice.flags[1])
    angle = 2 * math.degrees(math.atan(SIZE[0] / (2 * focal)))
    assert choice.help.startswith(f"{angle:.0f}° of view, person ")
    away = float(choice.help.split("person ")[1].split(" m")[0])
    assert away / focal == pytest.approx(5.0 / 1060.0, rel=0.25)


def test_pixels_that_are_not_square_are_counted_by_their_height(crowd):
    narrow = [points / [2.0, 1.0, 1.0] for points in crowd.people]
    squeezed = GuessedFocal(narrow, (SIZE[0] // 2, SIZE[1]), 3000.0, pixel_aspect=2.0)
    assert guessed_focal(squeezed) == guessed_focal(replace(crowd, focal=3000.0))


def test_the_row_for_the_window_has_the_choices():
    (row,) = run_checks(alone(), place="clip.mp4")
    assert row.choices == guessed_focal(alone()).choices and not row.stops
