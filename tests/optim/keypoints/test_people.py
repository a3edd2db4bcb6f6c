"""Following one person: by place and size, over short absences, never to somebody far away."""

from __future__ import annotations

import numpy as np

from optim.keypoints.people import choose, follow, within_reach


def person(x, *, size=100.0):
    points = np.stack(([x, x + size, x, x + size, x], [0, 0, size, size, size / 2]), axis=1)
    return np.concatenate((points, np.ones((5, 1))), axis=1).astype(np.float32)


def test_choice_is_by_size_or_from_the_left():
    places = np.array([[500, 0, 80], [100, 0, 60], [900, 0, 120.0]])
    assert choose(places, person=None) == 2
    assert [choose(places, person=n) for n in (1, 2, 3)] == [1, 0, 2]


def test_people_who_pass_each_other_are_kept_apart():
    here = [np.stack([person(10.0 * t), person(400 - 10.0 * t, size=140)]) for t in range(40)]
    found, counts = follow(here, person=1)
    np.testing.assert_array_equal(found[:, 0, 0], 10.0 * np.arange(40))
    assert (counts == 2).all()


def test_a_person_is_found_again_after_a_few_frames_but_not_on_the_other_side():
    nobody = np.zeros((0, 5, 3), np.float32)
    back = [person(0.0)[None], nobody, nobody, person(30.0)[None], person(35.0)[None]]
    assert follow(back)[0][:, 0, 2].tolist() == [1, 0, 0, 1, 1]
    gone = [person(0.0)[None], nobody, person(600.0)[None], person(600.0)[None]]
    assert follow(gone)[0][:, 0, 2].tolist() == [1, 0, 0, 0]


def test_the_first_frame_with_enough_people_decides_also_for_those_before():
    alone, both = person(500.0)[None], np.stack([person(10.0), person(505.0)])
    found, _ = follow([alone, both, both], person=2)
    assert found[:, 0, 0].tolist() == [500, 505, 505]


def test_a_place_is_within_reach_by_the_size_of_the_person_and_the_time():
    places = np.array([[160.0, 0, 100]])
    last = np.array([100.0, 0, 100])
    assert within_reach(places, last, frames=1) is None
    assert within_reach(places, last, frames=2) == 0
    assert within_reach(np.zeros((0, 3)), last, frames=2) is None
