"""Gravity, frame rate, path and sides are told from how joints move, and the flags make them right."""

from __future__ import annotations

import numpy as np
import pytest

from optim.body.joints import JOINT_NAMES, MIRRORED_JOINTS
from optim.checks import motion
from optim.checks.check import CheckError, Seen
from optim.checks.motion import swapped_frames
from optim.checks.subjects import AXES, Positions
from tests.optim.checks.test_world import TO_AXES, rows, source, stored, walked

FALLING = 9.81


def positions(points: np.ndarray, fps: float = 30.0, *, in_camera: bool = False) -> Positions:
    return Positions(np.where(np.isfinite(points), points, np.nan).astype(float), "joints", fps, in_camera=in_camera)


def severity(found: Seen | None) -> str | None:
    return None if found is None else found.severity


def jumping() -> np.ndarray:
    """Joints of somebody who is in the air for half a second in the middle, without moving otherwise."""
    joints = np.tile(walked()[:1], (60, 1, 1)).astype(float)
    seconds = (np.arange(60) - 30) / 30
    joints[..., 2] += np.clip(FALLING / 2 * (0.25**2 - seconds**2), 0, None)[:, None]
    return joints


def at_rate(factor: float) -> np.ndarray:
    """A walk at ``factor`` times 30 Hz."""
    from scipy.interpolate import CubicSpline

    joints = walked().astype(float)
    times = np.arange(0, len(joints) - 1, 1 / factor)
    return CubicSpline(np.arange(len(joints)), joints)(times)


@pytest.mark.parametrize("axis", AXES)
def test_who_is_in_the_air_falls_down(axis):
    turn = np.array(TO_AXES.get(axis, np.eye(3)))
    found = motion.gravity(positions(jumping() @ turn.T))
    assert found is not None
    assert (found.severity == "fine") == (axis == "z")
    assert axis == "z" or (f"--up={axis}" in found.advice and found.asks)


def test_nothing_is_said_about_gravity_without_a_flight():
    assert motion.gravity(positions(walked())) is None
    noisy = jumping() + np.random.default_rng(0).normal(size=(60, 22, 3)) * 0.04
    assert motion.gravity(positions(noisy)) is None
    assert motion.gravity(positions(jumping(), in_camera=True)) is None


def test_the_run_stops_where_a_flight_says_that_up_is_elsewhere(tmp_path):
    """The trunk is upright along z, but the fall is along -y: somebody flies to the side."""
    joints = jumping()
    joints[..., 1] += joints[..., 2] - joints[:1, :, 2]
    joints[..., 2] = joints[:1, :, 2]
    with pytest.raises(CheckError, match="gravity: in the air .* y is up"):
        source(stored(tmp_path, joints))
    assert rows(source(stored(tmp_path, joints), "--up", "z"))["gravity"] == "likely"


def test_slow_motion_is_a_wrong_frame_rate():
    slow = at_rate(4)
    assert severity(motion.tempo(positions(slow, 120.0))) == "fine"
    found = motion.tempo(positions(slow, 30.0))
    assert severity(found) == "likely" and "too low, by a factor of about" in found.meant
    assert severity(motion.tempo(positions(walked()))) == "fine"
    assert motion.tempo(positions(np.tile(walked()[:1], (60, 1, 1)))) is None  # who does not move has no tempo


def test_a_fall_faster_than_gravity_is_a_wrong_frame_rate_and_noise_is_not():
    joints = walked().astype(float)
    joints[..., 2] += 0.1 * np.sin(2 * np.pi * 2.0 * np.arange(60) / 30)[:, None]  # hopping twice a second
    assert severity(motion.tempo(positions(joints))) == "fine"
    found = motion.tempo(positions(joints, 60.0))
    assert severity(found) == "likely" and "too high" in found.meant
    rng = np.random.default_rng(0)
    for noise in (0.01, 0.04, 0.1):
        assert severity(motion.tempo(positions(walked() + noise * rng.normal(size=(60, 22, 3))))) == "fine"


def test_positions_relative_to_the_pelvis_have_no_path():
    joints = walked()
    assert severity(motion.path(positions(joints))) == "fine"
    relative = joints - joints[:, :1] + np.array([0, 0, 0.95])
    assert severity(motion.path(positions(relative))) == "likely"
    assert motion.path(positions(np.tile(joints[:1], (60, 1, 1)))) is None


@pytest.mark.parametrize("how", ["exchanged", "mirrored"])
def test_exchanged_and_mirrored_sides_ask_and_the_flag_makes_a_person_of_them(tmp_path, how):
    joints = walked()
    wrong = joints[:, list(MIRRORED_JOINTS)] if how == "exchanged" else joints * np.array([-1.0, 1.0, 1.0], np.float32)
    with pytest.raises(CheckError, match="toes point backward .* give --sides swapped"):
        source(stored(tmp_path, wrong))
    mended = source(stored(tmp_path, wrong), "--sides", "swapped")
    assert rows(mended)["sides"] == "fine"
    if how == "exchanged":
        np.testing.assert_allclose(mended.observations.joints3d[0], joints, atol=1e-5)
    assert rows(source(stored(tmp_path, wrong), "--sides", "kept"))["sides"] == "likely"


def test_sides_that_change_over_time_are_found_where_they_do():
    joints = walked().astype(float)
    assert not len(swapped_frames(positions(joints)))
    joints[20:25] = joints[20:25][:, list(MIRRORED_JOINTS)]
    assert swapped_frames(positions(joints)).tolist() == [20, 25]
    joints[40, JOINT_NAMES.index("left_knee")] = np.inf
    assert severity(motion.sides_over_time(positions(joints))) == "likely"


def test_a_motion_labelled_with_four_times_its_rate_is_told():
    joints = walked().astype(float)
    joints[..., 1] += 0.25 * np.sin(2 * np.pi * np.arange(60) / 30)[:, None]  # swaying from side to side once a second
    assert severity(motion.tempo(positions(joints))) == "fine"
    found = motion.tempo(positions(joints[::4], 30.0))
    assert severity(found) == "likely" and "frame rate of the data is too high" in found.meant
