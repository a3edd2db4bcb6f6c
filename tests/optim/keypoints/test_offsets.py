"""BlazePose's landmarks are moved along bones, by the same share whatever the size and the side."""

from __future__ import annotations

import numpy as np

from optim.keypoints.names import BODY_25, MIRRORED_BODY_25
from optim.keypoints.offsets import OFFSETS, at_body_points

RNG = np.random.default_rng(0)
POINTS = np.concatenate((RNG.uniform(100, 500, (4, 25, 2)), np.full((4, 25, 1), 0.8)), axis=-1)
ROW = {name: number for number, name in enumerate(BODY_25)}


def test_the_middle_of_the_hips_moves_up_the_trunk_and_what_has_no_offset_stays():
    moved = at_body_points(POINTS)
    trunk = POINTS[:, ROW["mid_hip"], :2] - POINTS[:, ROW["neck"], :2]
    way = moved[:, ROW["mid_hip"], :2] - POINTS[:, ROW["mid_hip"], :2]
    np.testing.assert_allclose(way, OFFSETS["mid_hip"][0][2] * trunk)
    still = [number for name, number in ROW.items() if name.partition("_")[2] not in OFFSETS and name not in OFFSETS]
    assert {BODY_25[number] for number in still} >= {"neck", "left_hip", "right_knee", "left_shoulder"}
    np.testing.assert_array_equal(moved[:, still], POINTS[:, still])
    np.testing.assert_array_equal(moved[..., 2], POINTS[..., 2])


def test_it_follows_place_and_size_and_treats_both_sides_alike():
    moved = at_body_points(POINTS)
    larger = POINTS * (3.0, 3.0, 1.0) + (7.0, -2.0, 0.0)
    np.testing.assert_allclose(at_body_points(larger), moved * (3.0, 3.0, 1.0) + (7.0, -2.0, 0.0))
    np.testing.assert_allclose(at_body_points(POINTS[:, MIRRORED_BODY_25]), moved[:, MIRRORED_BODY_25])


def test_what_was_not_seen_moves_nothing():
    hidden = POINTS.copy()
    hidden[:, ROW["left_knee"]] = 0.0
    hidden[:, ROW["right_ear"]] = 0.0
    moved = at_body_points(hidden)
    for name in ("left_knee", "left_ankle", "left_heel", "right_ear", "left_ear"):
        np.testing.assert_array_equal(moved[:, ROW[name]], hidden[:, ROW[name]])
    assert (moved[:, ROW["right_ankle"]] != hidden[:, ROW["right_ankle"]]).any()
