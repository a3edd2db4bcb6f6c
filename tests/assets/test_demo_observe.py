"""The made-up camera, noise and floor are what they claim to be."""

import numpy as np
import pytest

from assets.build.demo import observe as demo_observe
from assets.build.demo.observe import CAMERA_MATRIX, Camera, View
from optim.common.errors import InputError

VIEW = View(azimuth=0.7, distance=4.0, height=1.7, aim=0.9, roll=0.02)
MIDDLE = np.array([1.5, -0.5])
CAMERA = Camera.looking(VIEW, middle=MIDDLE)


def crowd(frames=200):
    """25 points around the middle, for each frame the same."""
    rng = np.random.default_rng(0)
    return np.tile(np.append(MIDDLE, 0.9) + rng.uniform(-0.5, 0.5, (25, 3)), (frames, 1, 1))


def test_the_point_looked_at_is_the_principal_point():
    np.testing.assert_allclose(CAMERA.project(np.append(MIDDLE, 0.9)), CAMERA_MATRIX[:2, 2], atol=1e-9)


def test_the_camera_stands_where_it_was_put():
    centre = -CAMERA.R.T @ CAMERA.t
    assert centre[2] == pytest.approx(1.7)
    assert np.linalg.norm(centre[:2] - MIDDLE) == pytest.approx(4.0)
    assert np.arctan2(*(centre[:2] - MIDDLE)[::-1]) == pytest.approx(0.7)
    np.testing.assert_allclose(CAMERA.R @ CAMERA.R.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(CAMERA.R) == pytest.approx(1.0)


def test_up_in_the_world_is_up_in_the_image():
    low, high = CAMERA.project(np.array([[*MIDDLE, 0.5], [*MIDDLE, 1.5]]))
    assert high[1] < low[1] - 100


def test_floor_holds_the_points_on_it_and_the_camera_s_height():
    floor = CAMERA.floor()
    points = np.array([[3.0, 1.0, 0.0], [-2.0, 5.0, 0.0]]) @ CAMERA.R.T + CAMERA.t
    np.testing.assert_allclose(points @ floor[:3], floor[3])
    assert floor[3] == pytest.approx(-1.7)


def test_level_camera_half_a_metre_up_sees_humor_s_default_floor():
    level = View(azimuth=0.0, distance=3.0, height=0.5, aim=0.5, roll=0.0)
    floor = Camera.looking(level, middle=np.zeros(2)).floor()
    np.testing.assert_allclose(floor, [0.0, -1.0, 0.0, -0.5], atol=1e-12)


def test_the_same_seed_sees_the_same():
    pairs = [demo_observe.keypoints(crowd(), CAMERA, np.random.default_rng(5), name="x") for _ in range(2)]
    np.testing.assert_array_equal(*pairs)


def test_missed_keypoints_are_zero_and_include_a_forearm_for_a_while():
    seen = demo_observe.keypoints(crowd(), CAMERA, np.random.default_rng(5), name="x")
    missed = seen[..., 2] == 0
    assert not seen[missed].any()
    assert (missed[:, 3] & missed[:, 4]).sum() >= 8
    assert missed[:, 10:].mean() == pytest.approx(demo_observe.MISSED, abs=0.01)


def test_someone_out_of_the_image_is_an_error_that_names_the_clip():
    with pytest.raises(InputError, match="clip waltz.*leave the image"):
        demo_observe.keypoints(crowd() + [0.0, 0.0, 3.0], CAMERA, np.random.default_rng(0), name="waltz")


def test_hiding_looks_at_the_true_height():
    joints = np.array([[[0.0, 0.0, 0.89], [0.0, 0.0, 0.91]]])
    hidden = demo_observe.hide_low(joints + [0.0, 0.0, 0.1], joints)
    np.testing.assert_array_equal(np.isinf(hidden[0]), [[True] * 3, [False] * 3])


def test_estimated_floor_is_off_by_about_a_degree_and_two_centimetres():
    floor = CAMERA.floor()
    rng = np.random.default_rng(1)
    seen = np.array([demo_observe.estimated_floor(floor, rng) for _ in range(500)])
    np.testing.assert_allclose(np.linalg.norm(seen[:, :3], axis=1), 1.0)
    tilt = np.rad2deg(np.arccos(seen[:, :3] @ floor[:3]))
    assert np.sqrt((tilt**2).mean()) == pytest.approx(np.sqrt(2), rel=0.1)
    assert (seen[:, 3] - floor[3]).std() == pytest.approx(0.02, rel=0.1)
