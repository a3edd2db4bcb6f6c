"""Which keypoint set an array without names holds follows from where its points are."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from optim.config.options import KeypointSet
from optim.keypoints.names import BODY_25, NAMED_SETS, standard_name
from optim.keypoints.sets import find_set

PLACES = {
    "nose": (0, -75), "neck": (0, -55), "head": (0, -85), "head_top": (0, -95), "mid_hip": (0, 0), "spine": (0, -28),
    "upper_spine": (0, -50), "eye": (4, -78), "ear": (8, -76), "eye_inner": (2, -78), "eye_outer": (6, -78),
    "mouth": (3, -70), "shoulder": (18, -54), "elbow": (24, -28), "wrist": (26, -4), "hand": (27, 3),
    "hand_tip": (27, 8), "thumb": (24, 3), "pinky": (28, 4), "index": (27, 6), "hip": (11, 0), "knee": (12, 42),
    "ankle": (12, 84), "heel": (11, 88), "foot_index": (14, 93), "big_toe": (13, 93), "small_toe": (17, 92),
}  # fmt: skip
"""Where the points of a standing person are; those of the right side are mirrored."""


def place(name: str) -> tuple[float, float]:
    """Where a point of a standing person is."""
    words = standard_name(name).split("_")
    sign = next((sign for side, sign in (("left", 1), ("right", -1)) if side in words), 1)
    x, y = PLACES["_".join(word for word in words if word not in ("left", "right"))]
    return sign * x, y


def person(names: tuple[str, ...], *, frames: int = 8) -> np.ndarray:
    """(frames, K, 3) px: a walker with a little noise; points of hands and face near wrists and nose."""
    rng = np.random.default_rng(0)
    points = np.ones((frames, len(names), 3))
    for index, name in enumerate(standard_name(name) for name in names):
        side, _, part = name.partition("_")
        sign = {"left": 1, "right": -1}.get(side, 0)
        key = part if sign else name
        x, y = PLACES.get(key, PLACES["wrist"] if "hand" in name else PLACES["nose"])
        swing = 12 * sign * np.sin(np.arange(frames) / 3) * (key in ("knee", "ankle", "heel", "big_toe", "foot_index"))
        points[:, index, 0] = 640 + 3 * ((sign or 1) * x + swing)
        points[:, index, 1] = 360 + 3 * y
    points[..., :2] += rng.normal(0, 2, (frames, len(names), 2))
    return points


@pytest.mark.parametrize("name", NAMED_SETS)
def test_every_known_set_is_recognised(name):
    found = find_set(person(NAMED_SETS[name]))
    assert found is not None and found.plausible
    assert found.name == name


def test_a_shuffled_set_is_no_body():
    points = person(BODY_25)
    found = find_set(points[:, np.random.default_rng(1).permutation(25)])
    assert found is not None and not found.plausible


def test_other_numbers_of_points_are_no_set():
    assert find_set(np.ones((3, 19, 3))) is None


OTHERS = ("Human3.6M-17", "BODY_25B", "Kinect-25")
"""Sets that are not the usual ones of so many points."""
UPPER = ("nose", "eye", "ear", "shoulder", "neck")


@pytest.mark.parametrize("name", [name for name in NAMED_SETS if name not in OTHERS])
def test_a_close_up_keeps_the_usual_set(name):
    """Where little but the head is seen, other sets fit by chance."""
    names = [standard_name(one) for one in NAMED_SETS[name]]
    points = person(NAMED_SETS[name])
    points[:, [not any(part in one.split("_") for part in UPPER) for one in names]] = 0
    found = find_set(points)
    assert found is not None and found.plausible and found.usual


def test_the_flag_names_all_sets():
    assert get_args(KeypointSet) == tuple(NAMED_SETS)
