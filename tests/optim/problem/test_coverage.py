"""What was observed is counted by kind, by frame and by part of the body."""

import logging

import numpy as np
import pytest

from optim.config.settings import parse
from optim.loading.problem import load_problem
from optim.problem.coverage import coverage_of, longest_run


def seen(frames=20):
    return np.ones((1, frames, 22), bool)


def test_everything_observed_is_in_order():
    found = coverage_of({"joints3d": seen()})
    assert found.level == "good" and found.share == {"joints3d": 1.0} and found.unseen == ()


@pytest.mark.parametrize(("empty", "level"), [(1, "good"), (2, "warn"), (5, "bad")])
def test_frames_with_nothing_are_counted(empty, level):
    mask = seen()
    mask[0, 3 : 3 + empty] = False
    found = coverage_of({"joints3d": mask})
    assert found.level == level and int(found.nothing.sum()) == empty
    assert found.longest_gap == (0, 3, empty) and f"in {empty} of 20 frames nothing is" in found.text


def test_a_frame_that_another_kind_shows_is_no_gap():
    mask = np.zeros((1, 20, 22), bool)
    found = coverage_of({"joints3d": mask, "points3d": np.ones((1, 20, 50), bool)})
    assert not found.nothing.any() and found.level == "good"


def test_legs_that_are_never_seen_are_wrong_and_arms_doubtful():
    for joints, level in (((4, 5, 7, 8, 10, 11), "bad"), ((18, 19, 20, 21), "warn")):
        mask = seen()
        mask[:, :, list(joints)] = False
        assert coverage_of({"joints3d": mask}).level == level


def test_the_longest_run_is_found_in_any_row():
    mask = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 1, 0]], bool)
    assert longest_run(mask) == (1, 1, 3)
    assert longest_run(np.zeros((2, 4), bool)) == (0, 0, 0)


def test_the_demo_of_which_little_is_seen_says_so_when_it_is_loaded(caplog):
    with caplog.at_level(logging.WARNING):
        load_problem(parse(["--data", "getup", "--observations", "joints3d_partial"]))
    assert "8 % of the 3D joints; in 78 of 113 frames nothing is" in caplog.text
    caplog.clear()
    load_problem(parse([]))
    assert "Observed are" not in caplog.text
