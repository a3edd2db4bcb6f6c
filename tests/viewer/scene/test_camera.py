"""Viewpoints: projection against hand-made cases, framing in the free part, the video camera's own view."""

from __future__ import annotations

import numpy as np
import polyscope as ps
import pytest

from tests.viewer import fakes
from viewer.layers.camera import image_points, unproject
from viewer.layers.observations import crop
from viewer.scene.camera import FOV_DEGREES, camera_fov_degrees, camera_view_matrix, frame_points, look, project
from viewer.ui.layout import layout
from viewer.worker.build_view import ViewBuilder

SIZE = (1280, 720)


def test_the_target_is_in_the_middle_and_right_is_right():
    matrix = look(np.array([0.0, -5.0, 1.0]), np.array([0.0, 0.0, 1.0]), up=np.array([0.0, 0.0, 1.0]))
    points = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 1.0], [0.0, 0.0, 2.0], [0.0, -9.0, 1.0]])
    pixels, front = project(points, view_matrix=matrix, fov_degrees=90.0, size=SIZE)
    np.testing.assert_allclose(pixels[0], (640, 360))
    np.testing.assert_allclose(pixels[1], (640 + 360 / 5, 360))
    np.testing.assert_allclose(pixels[2], (640, 360 - 360 / 5))
    assert front.tolist() == [True, True, True, False]


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (1000, 900)])
def test_a_clip_is_framed_between_the_panels(size):
    free = layout(*size)["view"]
    rng = np.random.default_rng(0)
    points = rng.uniform((-1, 0, 0), (1, 2, 1.8), (200, 3))
    matrix = frame_points(points, view=free, size=size)
    pixels, front = project(points, view_matrix=matrix, fov_degrees=FOV_DEGREES, size=size)
    assert front.all()
    inside = (pixels > (free.x, free.y)).all(1) & (pixels < (free.x + free.width, free.y + free.height)).all(1)
    assert inside.mean() > 0.97
    middle = (free.x + free.width / 2, free.y + free.height / 2)
    assert np.abs(pixels.mean(0) - middle).max() < 0.1 * size[1]


def test_from_the_camera_points_are_where_it_saw_them():
    builder = ViewBuilder(fakes.PacedSession(fakes.make_problem(camera=True)))
    camera, truth = builder.scene.camera, builder.scene.ground_truth
    joints = truth.joints[0, 5]
    seen = image_points(camera, joints)
    pixels, front = project(
        joints,
        view_matrix=camera_view_matrix(camera),
        fov_degrees=camera_fov_degrees(camera),
        size=camera.size,
    )
    assert front.all()
    np.testing.assert_allclose(pixels, seen, atol=1e-3)
    np.testing.assert_allclose(image_points(camera, unproject(camera, seen, 2.5)), seen, atol=1e-4)


def test_crop_holds_the_keypoints_and_keeps_the_proportions():
    keypoints = np.full((1, 4, 25, 3), np.nan)
    keypoints[0, 1, :5, :2] = [(600, 200), (620, 500), (640, 300), (660, 350), (580, 400)]
    low, high = crop(keypoints, (1280, 720))
    assert (low <= (580, 200)).all() and (high >= (660, 500)).all()
    assert (high - low)[0] / (high - low)[1] == pytest.approx(1280 / 720)
    one = crop(np.ones((1, 1, 25, 3)), (640, 480))
    assert (one[0] >= 0).all() and (one[1] - one[0] > 10).all()
    whole = crop(np.full((1, 1, 25, 3), np.nan), (640, 480))
    np.testing.assert_allclose(whole, [(0, 0), (640, 480)])


def test_the_viewpoint_follows_the_body(window):
    window.key("G")
    window.settle()
    window.key("Home")
    window.key("H")
    before = np.array(ps.get_camera_view_matrix())
    window.key("End")
    after = np.array(ps.get_camera_view_matrix())
    joints = window.view.motion.joints[0]
    start = before[:3, :3] @ joints[0, 0] + before[:3, 3]
    end = after[:3, :3] @ joints[-1, 0] + after[:3, 3]
    np.testing.assert_allclose(start, end, atol=1e-3)
    window.key("F")
    window.key("Home")
    np.testing.assert_allclose(np.array(ps.get_camera_view_matrix()), after, atol=1e-6)


def test_mouse_turns_the_view(window):
    before = np.array(ps.get_camera_view_matrix())
    window.move(500, 300)
    window.press()
    window.move(560, 320)
    window.release()
    assert not np.allclose(before, np.array(ps.get_camera_view_matrix()))


def test_from_camera_button(open_window):
    window = open_window(lambda: fakes.PacedSession(fakes.make_problem(camera=True)))
    window.click("From camera")
    window.frames(2)
    expected = camera_view_matrix(window.view.scene.camera)
    np.testing.assert_allclose(np.array(ps.get_camera_view_matrix()), expected, atol=1e-5)
    window.click("Home")
    window.frames(2)
    assert not np.allclose(np.array(ps.get_camera_view_matrix()), expected)
