"""Data that contradicts itself is told: bones, the path under the feet, frames that are there twice."""

from __future__ import annotations

import numpy as np
import pytest

from optim.checks import consistency
from optim.checks.body_file import BodyOfFile
from optim.checks.check import CheckError
from optim.checks.images import Keypoints
from optim.checks.rotations import Rotations
from optim.checks.run import run_checks
from optim.checks.subjects import UNITS, Positions
from tests.optim.checks.test_world import rows, source, stored, walked


def joints(points: np.ndarray) -> Positions:
    return Positions(np.asarray(points, float), "joints", 30.0)


def other_path(matrix) -> np.ndarray:
    """The walk with another path of the pelvis on the floor."""
    points = walked().astype(float)
    pelvis = points[:, :1].copy()
    moved = pelvis.copy()
    moved[..., :2] = pelvis[..., :2] @ np.asarray(matrix, float).T
    return points - pelvis + moved


def test_a_walk_is_fine():
    for look in (consistency.skeleton, consistency.steps, consistency.repeated_frames):
        assert look(joints(walked())).severity == "fine"


def test_joints_in_another_order_stop_the_run(tmp_path):
    shuffled = walked()[:, np.random.default_rng(0).permutation(22)]
    with pytest.raises(CheckError, match="skeleton: .* another order"):
        source(stored(tmp_path, shuffled))
    noisy = walked() + np.random.default_rng(0).normal(0, 0.1, (len(walked()), 22, 3))
    assert consistency.skeleton(joints(noisy)).severity == "fine"
    unseen = walked().astype(float)
    unseen[:, [4, 7, 18]] = np.nan
    assert consistency.skeleton(joints(unseen)).severity == "fine"


@pytest.mark.parametrize("name", consistency.PATHS)
def test_a_path_in_another_frame_than_the_body_is_told(name):
    wrong = np.linalg.inv(consistency.PATHS[name])
    found = consistency.steps(joints(other_path(wrong)))
    assert found.severity == "likely" and not found.asks and "different frames" in found.meant


def test_a_path_in_feet_asks_for_its_unit():
    found = consistency.steps(joints(other_path(np.eye(2) / UNITS["ft"])))
    assert found.asks and "--unit ft" in found.advice


@pytest.mark.parametrize("times", [2, 4, 1.25])
def test_frames_that_are_there_more_than_once_are_told(times):
    points = walked()
    held = points[(np.arange(int(len(points) * times)) / times).astype(int)]
    found = consistency.repeated_frames(joints(held))
    assert found.severity == "likely"
    assert consistency.beat_of(held.reshape(len(held), -1))[0] == pytest.approx(times, rel=0.05)
    flat = np.concatenate((held[:, :, :2] + 5, np.ones((*held.shape[:2], 1))), axis=-1)
    assert consistency.repeated_frames(Keypoints(flat, (100, 100))).severity == "likely"


def test_a_pause_is_no_repetition():
    paused = np.concatenate((walked(), np.tile(walked()[-1:], (20, 1, 1))))
    assert consistency.repeated_frames(joints(paused)).severity == "fine"


def test_a_path_on_the_spot_is_told(tmp_path):
    on_the_spot = walked() - walked()[:, :1] * np.array([1, 1, 0], np.float32)
    assert rows(source(stored(tmp_path, on_the_spot)))["path"] == "likely"


def test_rotations_of_whole_numbers_stop_the_run():
    with pytest.raises(CheckError, match="whole numbers"):
        run_checks(Rotations(np.ones((5, 66))), place="a file")


@pytest.mark.parametrize(("given", "usual"), [("F", "female"), ("Male", "male"), ("m", "male"), ("other", "other")])
def test_genders_are_known_in_usual_spellings(given, usual):
    assert BodyOfFile("smplh", 156, 0, given).usual_gender == usual
