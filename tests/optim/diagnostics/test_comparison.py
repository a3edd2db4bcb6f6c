"""Differences of two motions have the values that were put in, whatever frames the two have and share."""

import numpy as np
import pytest

from optim.diagnostics.comparison import (
    BETWEEN,
    Track,
    begins_at,
    compare,
    joined,
    plan_texts,
    set_apart,
    settings_texts,
    terms_apart,
    upright,
)


def track(frames=20, start=0, seed=0):
    rng = np.random.RandomState(seed)
    joints = rng.randn(frames, 22, 3)
    angles = np.linspace(0.0, 6.0, frames)
    return Track(joints, turn_z(angles), start)


def turn_z(angles):
    zero, one = np.zeros_like(angles), np.ones_like(angles)
    c, s = np.cos(angles), np.sin(angles)
    return np.stack([np.stack(row, -1) for row in ((c, -s, zero), (s, c, zero), (zero, zero, one))], -2)


def test_a_motion_does_not_differ_from_itself():
    found = compare(track(), track())
    assert set(found.values) == set(BETWEEN)
    for values in found.values.values():
        np.testing.assert_allclose(values, 0.0, atol=1e-9)
    assert found.about == "frames 0 to 19, which both have"


def test_what_was_moved_and_turned_is_what_differs():
    first = track()
    joints, root = first.joints.copy(), first.root.copy()
    joints[7, 0] += (0.03, 0.0, 0.04)  # the root alone, by 5 cm
    joints[11, [7, 8, 10, 11]] += (0.0, 0.0, 0.02)  # the feet, by 2 cm
    root[3] = turn_z(np.radians(25.0)) @ root[3]
    found = compare(first, Track(joints, root))
    assert found.largest("between_root_cm") == (7, pytest.approx(5.0))
    assert found.largest("between_joints_cm") == (11, pytest.approx(4 * 2.0 / 22))
    assert found.largest("between_feet_cm") == (11, pytest.approx(2.0))
    assert found.largest("between_heading_deg") == (3, pytest.approx(25.0))
    assert compare(Track(joints, root), first).largest("between_heading_deg") == (3, pytest.approx(-25.0))


def test_only_frames_that_both_have_are_compared():
    first = track(20)
    found = compare(first, Track(first.joints[5:] + (0.01, 0, 0), first.root[5:], 5))
    np.testing.assert_array_equal(found.frames, np.arange(5, 20))
    np.testing.assert_allclose(found.values["between_joints_cm"], 1.0)
    assert found.about == "frames 5 to 19, which both have (A: 0 to 19, B: 5 to 19)"
    apart = compare(first, track(4, start=30))
    assert not len(apart.frames) and apart.largest("between_root_cm") is None
    assert "no frame is in both" in apart.about and "no frame is in both" in apart.text("between_root_cm")


def test_sub_sequences_are_joined_where_they_are_farthest_from_their_ends():
    joints = np.stack([np.full((10, 22, 3), 1.0), np.full((10, 22, 3), 2.0)])
    root = np.broadcast_to(np.eye(3), (2, 10, 3, 3))
    found = joined(joints, root, (0, 6))
    assert found.start == 0 and len(found.joints) == 16
    np.testing.assert_array_equal(found.joints[:, 0, 0], [1.0] * 8 + [2.0] * 8)
    unrelated = joined(joints, root, (0, 15))
    assert np.isnan(unrelated.joints[10:15]).all() and len(compare(unrelated, unrelated).frames) == 20


def test_the_direction_that_is_up_decides_what_heading_is():
    first, up = track(), np.array([0.0, -1.0, 0.0])
    second = Track(first.joints, turn_z(np.full(20, np.radians(10.0))) @ first.root)
    lay = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # z up to -y up
    laid = [Track(of.joints @ lay.T, lay @ of.root) for of in (first, second)]
    found = compare(*(upright(of, up) for of in laid))
    np.testing.assert_allclose(found.values["between_heading_deg"], 10.0)


def test_terms_and_settings_that_only_one_fit_has_are_shown():
    rows = terms_apart({"total": 5.0, "joints3d": 2.0, "old": 1.0}, {"total": 9.0, "joints3d": 2.5, "new": np.nan})
    assert [row.name for row in rows] == ["old", "total", "joints3d"]
    assert rows[1].difference == 4.0 and np.isnan(rows[0].second)
    texts = [settings_texts({"preset": name, "smpl": "/here/m.npz", "num_iters": (1, 2, 3)}) for name in "ab"]
    plans = [plan_texts([("stage 1", 3, {"joints3d": weight, "off": 0.0})]) for weight in (1.0, 2.5)]
    apart = set_apart(texts[0] | plans[0], texts[1] | plans[1])
    assert [tuple(row) for row in apart] == [("preset", "a", "b"), ("stage 1: weight of joints3d", "1", "2.5")]
    assert set_apart(texts[0], texts[0]) == []


def test_runs_of_the_same_data_are_laid_frame_on_frame():
    first = settings_texts({"data": "walk", "amass_start_frame": 10})
    assert begins_at(first, settings_texts({"data": "walk", "amass_start_frame": 25})) == 15
    assert begins_at(first, settings_texts({"data": "run", "amass_start_frame": 25})) == 0
