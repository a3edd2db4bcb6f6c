"""Views from the top, the side and the front, orthographic ones, and a followed body that stays in sight."""

from __future__ import annotations

import numpy as np
import polyscope as ps
import pytest

from viewer.scene.camera import LEFT_HIP, RIGHT_HIP, body_position, on_screen

SIDES = pytest.mark.parametrize(
    ("label", "key", "side"), [("Top", "T", "top"), ("Side", "S", "side"), ("Front", "V", "front")]
)


@pytest.fixture(autouse=True)
def perspective():
    yield
    ps.set_view_projection_mode("perspective")


def towards_viewpoint() -> np.ndarray:
    return np.array(ps.get_camera_view_matrix())[2, :3]


def wanted(view, side: str, frame: int) -> np.ndarray:
    """Up, to the left of the hips, or at right angles to both."""
    left = view.motion.joints[0, frame, LEFT_HIP] - view.motion.joints[0, frame, RIGHT_HIP]
    left = np.array([left[0], left[1], 0.0]) / np.hypot(left[0], left[1])
    return {"top": np.array([0.0, 0, 1]), "side": left, "front": np.array([left[1], -left[0], 0.0])}[side]


@SIDES
def test_a_button_and_a_key_look_from_one_side(window, label, key, side):
    window.app.ui.frame = 7
    for act in (lambda: window.click(label), lambda: window.key(key)):
        window.key("H")
        act()
        np.testing.assert_allclose(towards_viewpoint(), wanted(window.view, side, 7), atol=1e-4)
        (place,), front = on_screen(body_position(window.view, 7)[None], ps.get_window_size())
        free = window.app.free()
        assert front[0]
        assert abs(place[0] - free.x - free.width / 2) < 0.25 * free.width
        assert abs(place[1] - free.y - free.height / 2) < 0.25 * free.height


def test_orthographic_keeps_the_size_and_knows_no_distance(window):
    window.key("V")
    joints = window.view.motion.joints[0, 0]
    before, _ = on_screen(joints, ps.get_window_size())
    window.click("Ortho")
    assert ps.get_view_projection_mode() == "orthographic"
    after, _ = on_screen(joints, ps.get_window_size())
    assert np.ptp(after[:, 1]) == pytest.approx(np.ptp(before[:, 1]), rel=0.1)
    back = towards_viewpoint()
    moved, _ = on_screen(joints + 0.5 * back, ps.get_window_size())
    np.testing.assert_allclose(moved, after, atol=1e-2)
    window.key("U")
    assert ps.get_view_projection_mode() == "perspective"
    again, _ = on_screen(joints, ps.get_window_size())
    np.testing.assert_allclose(again, before, atol=0.5)


def test_a_joint_is_clicked_in_an_orthographic_picture(window):
    window.key("V")
    window.key("U")
    (place,), _ = on_screen(window.view.motion.joints[0, window.app.ui.frame, 15][None], ps.get_window_size())
    window.move(*place)
    window.press()
    window.release()
    assert window.app.ui.selection is not None and window.app.ui.selection.joint == 15


@pytest.mark.parametrize("orthographic", [False, True])
@pytest.mark.parametrize("key", ["E", "W", "Tab"])
def test_a_followed_body_stays_where_no_panel_is(window, key, orthographic):
    ui = window.app.ui
    ui.follow, ui.orthographic = True, orthographic
    window.key("H")
    for _ in range(2):  # enlarge, and back
        window.key(key)
        window.frames(2)
        (place,), _ = on_screen(body_position(window.view, ui.frame)[None], ps.get_window_size())
        free = window.app.free()
        assert free.x < place[0] < free.x + free.width
        assert free.y < place[1] < free.y + free.height


def test_a_viewpoint_that_does_not_follow_is_left_alone(window):
    window.app.ui.follow = False
    window.frames(2)
    before = np.array(ps.get_camera_view_matrix())
    window.key("E")
    window.frames(2)
    np.testing.assert_array_equal(before, ps.get_camera_view_matrix())
