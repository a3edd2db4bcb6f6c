"""The focal length of made-up cameras is found as well as it is stated; where it cannot be found, that is stated."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optim.keypoints.focal_length import ANKLE_HEIGHT, FOCAL_ERROR, LENGTH, estimate_focal, upright_people
from optim.keypoints.names import BODY_25

SIZE = (1280, 720)
HEIGHTS = {"ankle": 0.0, "knee": 0.33, "hip": 0.62, "shoulder": 1.0}
"""Height of a joint over the ankles, as a share of the length from ankles to shoulders."""


def camera_rays(points: np.ndarray, *, pitch: float, height: float) -> np.ndarray:
    """Points (..., 3) of a world with z up in the frame of a camera above its origin that looks along y."""
    p = math.radians(pitch)
    ahead, up = np.array([0.0, math.cos(p), math.sin(p)]), np.array([0.0, -math.sin(p), math.cos(p)])
    seen = points - np.array([0.0, 0.0, height])
    return np.stack((seen[..., 0], -(seen @ up), seen @ ahead), axis=-1)


def person(
    path: np.ndarray, *, focal: float, pitch: float, height: float, tall: float = 1.0, size: tuple[int, int] = SIZE
) -> np.ndarray:
    """Keypoints (T, 25, 3) of a straight upright person at places (T, 2) [m] on the floor."""
    found = np.zeros((len(path), 25, 3))
    for number, name in enumerate(BODY_25):
        side = -0.12 if name.startswith("left") else 0.12
        share = next((value for part, value in HEIGHTS.items() if name.endswith(part)), None)
        if share is None:
            continue
        z = np.full(len(path), ANKLE_HEIGHT + tall * LENGTH * share)
        seen = camera_rays(np.stack((path[:, 0] + side, path[:, 1], z), axis=-1), pitch=pitch, height=height)
        found[:, number, :2] = focal * seen[:, :2] / seen[:, 2:] + np.array(size) / 2
        found[:, number, 2] = 0.8
    return found


def walks(count: int, seed: int = 0) -> list[np.ndarray]:
    """Paths (40, 2) [m] across a square of 6 m, 8 m ahead."""
    random = np.random.default_rng(seed)
    ends = random.uniform((-3.0, 5.0), (3.0, 11.0), (count, 2, 2))
    return [a + np.linspace(0.0, 1.0, 40)[:, None] * (b - a) for a, b in ends]


@pytest.mark.parametrize("focal", [800.0, 1400.0])
def test_people_on_one_floor_tell_the_focal_length_to_a_camera_that_looks_down(focal):
    people = [person(path, focal=focal, pitch=-25.0, height=4.0) for path in walks(5)]
    found = estimate_focal(people, SIZE)
    assert abs(math.log(found.focal / focal)) < 2.0 * found.error
    assert found.error < 0.7 * FOCAL_ERROR
    assert found.error < estimate_focal(people[:1], SIZE).error


def test_the_camera_that_goes_with_it_is_the_true_one():
    people = [person(path, focal=1000.0, pitch=-25.0, height=4.0) for path in walks(5)]
    view = estimate_focal(people, SIZE).view(1000.0)
    assert view.pitch == pytest.approx(-25.0, abs=5.0) and view.roll == pytest.approx(0.0, abs=2.0)
    assert view.height == pytest.approx(4.0, rel=0.2)
    assert view.distance == pytest.approx(np.hypot(np.linalg.norm(walks(5)[0].mean(0)), 4.0), rel=0.2)


def test_a_person_who_stands_before_a_level_camera_hardly_tells_it():
    stands = person(np.tile([[0.3, 5.0]], (40, 1)), focal=2600.0, pitch=0.0, height=1.5)
    assert estimate_focal([stands], SIZE).error > 0.85 * FOCAL_ERROR


def test_larger_images_have_longer_focal_lengths():
    path = walks(1)[0]
    small = estimate_focal([person(path, focal=1000.0, pitch=-25.0, height=4.0)], SIZE)
    large = person(path, focal=2000.0, pitch=-25.0, height=4.0, size=(2560, 1440))
    assert estimate_focal([large], (2560, 1440)).focal == pytest.approx(2.0 * small.focal, rel=0.01)


def test_the_probabilities_are_those_of_one_length_and_quantiles_rise():
    found = estimate_focal([person(walks(1)[0], focal=1000.0, pitch=-25.0, height=4.0)], SIZE)
    assert found.probability.sum() == pytest.approx(1.0)
    quantiles = [found.quantile(share) for share in (0.05, 0.16, 0.5, 0.84, 0.95)]
    assert quantiles == sorted(quantiles) and quantiles[2] == found.focal


def test_whoever_lies_or_is_half_seen_is_no_evidence():
    lying = person(walks(1)[0], focal=1000.0, pitch=-10.0, height=1.5)
    hip, knee = BODY_25.index("left_hip"), BODY_25.index("left_knee")
    bent, hidden = lying.copy(), lying.copy()
    hidden[:, knee, 2] = 0.0
    for number in (BODY_25.index("left_shoulder"), BODY_25.index("right_shoulder")):
        bent[:, number, :2] = bent[:, hip, :2] + [[200.0, 0.0]]
    assert upright_people([bent, hidden], SIZE) is None and estimate_focal([bent, hidden], SIZE) is None
    assert estimate_focal([], SIZE) is None
