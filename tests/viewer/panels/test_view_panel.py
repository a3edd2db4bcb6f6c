"""The View tab and the Selection tab: each control changes what it says, and clicks into the scene select."""

from __future__ import annotations

import numpy as np
import polyscope as ps
import pytest

from tests.viewer.fakes import GAP
from viewer.layers.floor_handle import FloorHandleLayer
from viewer.protocol.planes import apart, below, lean_of, plane_of
from viewer.scene.camera import project
from viewer.ui.look import MOST_VIEWS, Sampling, Selection


@pytest.fixture
def seen_by_camera(open_fit):
    """The View tab of a fit with a camera, in stage 3."""
    window = open_fit("joints2d", "joints3d")
    for _ in range(2):
        window.click("Stage")
        window.settle()
    window.click("Iteration")
    window.settle()
    window.app.ui.tabs["layers"] = "view"
    window.frames(4)
    return window


def layer(window, kind):
    return next(layer for layer in window.app.scene_view.layers if isinstance(layer, kind))


def test_frame_of_reference(seen_by_camera):
    window, ui = seen_by_camera, seen_by_camera.app.ui
    for label, frame, up in (("Camera", "camera", "neg_y_up"), ("Prior", "prior", "z_up"), ("World", "world", "z_up")):
        window.click(label)
        window.frames(3)
        assert ui.look.frame == frame
        assert ps.get_up_dir() == up
        assert not ui.broken


def test_data_without_a_camera_has_no_camera_frame(window):
    window.app.ui.tabs["layers"] = "view"
    window.frames(3)
    window.click("Camera")
    assert window.app.ui.look.frame == "world"


def test_numbers_are_dragged(seen_by_camera):
    window, look = seen_by_camera, seen_by_camera.app.ui.look
    for label, name in (
        ("ghosts", "ghosts"),
        ("ghost spacing", "ghost_spacing"),
        ("futures", "futures"),
        ("future frames", "future_frames"),
        ("points", "point_size"),
        ("lines", "line_size"),
    ):
        before = getattr(look, name)
        window.scroll_to(label, "layers")
        window.drag(label, 0.3, 0.9)
        assert getattr(look, name) > before, label


def test_arrows_of_a_term(seen_by_camera):
    window, ui = seen_by_camera, seen_by_camera.app.ui
    window.click("arrows of")
    window.frames(2)
    window.click("joint consistency")
    window.until(lambda: "joint_pull" in window.view.analyses)
    assert ui.look.pull_term == "joint_consistency"
    assert ui.layers["pull"]
    found = window.view.analyses["joint_pull"]
    assert found.options == (("term", "joint_consistency"),)
    assert np.abs(found.value.vectors).max() > 0
    window.frames(3)
    assert not ui.broken


def test_futures_from_this_frame_and_others_again(seen_by_camera):
    window, ui = seen_by_camera, seen_by_camera.app.ui
    ui.frame = 3
    window.click("Sample")
    window.until(lambda: "futures" in window.view.analyses)
    first = window.view.analyses["futures"].value
    assert first.frame == 3
    assert ui.look.sampling == Sampling(3, ui.look.futures, ui.look.future_frames, 0)
    assert first.motions[0].joints.shape[:2] == (ui.look.futures, ui.look.future_frames)
    np.testing.assert_allclose(first.motions[0].joints[0, 0], window.view.motion.joints[0, 3], atol=1e-4)
    window.click("Sample")
    window.until(lambda: window.view.analyses["futures"].value is not first)
    again = window.view.analyses["futures"].value
    assert np.abs(again.motions[0].joints - first.motions[0].joints).max() > 1e-3
    window.frames(3)
    assert not ui.broken


def test_the_floor_is_dragged_and_applied(seen_by_camera):
    window, ui = seen_by_camera, seen_by_camera.app.ui
    window.click("Drag floor")
    window.frames(3)
    np.testing.assert_allclose(plane_of(*ui.floor_draft), window.view.floors[0], atol=1e-4)
    gizmo = layer(window, FloorHandleLayer)._gizmo
    matrix = np.array(gizmo.get_transform())
    matrix[2, 3] += 0.2
    gizmo.set_transform(matrix)  # what the hand does
    window.frames(2)
    new = plane_of(*ui.floor_draft)
    np.testing.assert_allclose(apart(np.array(new), window.view.floors[0], matrix[:3, 3])[0], 0, atol=0.05)
    assert new[3] == pytest.approx(window.view.floors[0, 3] + 0.2, abs=5e-3)
    window.click("Apply")
    window.frames(4)
    np.testing.assert_allclose(window.view.floors[0], new, atol=1e-3)
    assert not ui.look.drag_floor
    assert layer(window, FloorHandleLayer)._gizmo is None


def test_a_dragged_floor_can_be_dropped_and_entered_in_numbers(seen_by_camera):
    window, ui = seen_by_camera, seen_by_camera.app.ui
    before = window.view.floors.copy()
    window.click("Drag floor")
    window.frames(3)
    ui.floor_draft = (4.0, -3.0, 12.0)  # as the floor panel does
    window.frames(2)
    matrix = np.array(layer(window, FloorHandleLayer)._gizmo.get_transform())
    np.testing.assert_allclose(matrix[:3, 2], plane_of(4.0, -3.0, 12.0)[:3], atol=1e-5)
    window.click("Cancel")
    window.frames(3)
    np.testing.assert_array_equal(window.view.floors, before)
    assert layer(window, FloorHandleLayer)._gizmo is None


def test_the_handle_survives_another_theme(seen_by_camera):
    window, ui = seen_by_camera, seen_by_camera.app.ui
    window.click("Drag floor")
    window.frames(3)
    ui.theme = "light"
    window.frames(3)
    assert layer(window, FloorHandleLayer)._gizmo is not None
    ui.theme = "dark"
    window.frames(3)
    window.click("Cancel")
    window.frames(2)
    assert not ui.broken
    assert layer(window, FloorHandleLayer)._gizmo is None


def test_viewpoints_are_saved_named_recalled_and_forgotten(seen_by_camera):
    window, look = seen_by_camera, seen_by_camera.app.ui.look
    window.scroll_to("Save this one", "layers")
    window.click("Save this one")
    (saved,) = look.saved
    np.testing.assert_allclose(np.reshape(saved.matrix, (4, 4)), ps.get_camera_view_matrix(), atol=1e-6)
    window.app.ui.camera_request = "camera"
    window.frames(3)
    assert np.abs(np.reshape(saved.matrix, (4, 4)) - ps.get_camera_view_matrix()).max() > 0.1
    window.scroll_to("view 1/Go", "layers")
    window.click("view 1/Go")
    window.frames(2)
    np.testing.assert_allclose(ps.get_camera_view_matrix(), np.reshape(saved.matrix, (4, 4)), atol=1e-5)
    look.rename(saved, "from the side")
    window.frames(2)
    window.scroll_to("from the side/x", "layers")
    window.click("from the side/x")
    assert not look.saved


def test_no_more_than_nine_viewpoints(seen_by_camera):
    window, look = seen_by_camera, seen_by_camera.app.ui.look
    for _ in range(MOST_VIEWS + 2):
        window.scroll_to("Save this one", "layers")
        window.click("Save this one")
    assert [view.name for view in look.saved] == [f"view {n}" for n in range(1, MOST_VIEWS + 1)]


def click_at(window, place) -> None:
    window.move(*place)
    window.press()
    window.release()


def pixel(point) -> tuple[float, float]:
    matrix, fov = np.array(ps.get_camera_view_matrix()), ps.get_vertical_fov_degrees()
    pixels, _ = project(point[None], view_matrix=matrix, fov_degrees=fov, size=ps.get_window_size())
    return float(pixels[0, 0]), float(pixels[0, 1])


def test_a_click_on_a_joint_shows_its_numbers(window):
    ui, view = window.app.ui, window.view
    ui.frame = 9
    window.frames(3)
    head = view.motion.joints[0, 9, 15]
    click_at(window, pixel(head))
    assert ui.selection == Selection(0, 15)
    window.frames(2)
    assert window.shows("head · frame 9")
    expected = np.linalg.norm(view.scene.observed.joints3d[0, 9, 15] - head)
    assert window.shows(f"{1000 * expected:.0f} mm")
    assert window.shows("m/s")
    ui.frame = GAP.start
    ui.selection = Selection(0, 10)  # a foot that is not seen there
    window.frames(2)
    assert window.shows("not seen")


@pytest.mark.parametrize(("frame", "first", "last"), [(0, 0, 1), (6, 5, 7)])
def test_the_speed_of_a_joint_is_its_way_over_the_frames_around(window, frame, first, last):
    ui, view = window.app.ui, window.view
    ui.tabs["messages"], ui.selection, ui.frame = "selection", Selection(0, 20), frame
    window.frames(3)
    track = view.motion.joints[0, :, 20]
    speed = np.linalg.norm(track[last] - track[first]) * view.scene.fps / (last - first)
    assert speed > 0.05 and window.shows(f"{speed:.2f} m/s")


def test_a_click_beside_everything_selects_nothing_and_a_drag_leaves_the_selection(window):
    ui = window.app.ui
    ui.selection = Selection(0, 3)
    x, y = 420.0, 60.0  # nobody there
    window.move(x, y)
    window.press()
    window.move(x + 40, y)
    window.release()
    assert ui.selection == Selection(0, 3)
    window.app.ui.camera_request = "home"
    window.frames(2)
    click_at(window, (x, y))
    assert ui.selection is None


def test_pull_of_the_selected_joint(seen_by_camera):
    window, ui = seen_by_camera, seen_by_camera.app.ui
    ui.tabs["messages"] = "selection"
    ui.selection, ui.look.pull_term = Selection(0, 20), "joint_consistency"
    ui.switch("pull")
    window.until(lambda: "joint_pull" in window.view.analyses)
    window.frames(3)
    assert window.shows("joint consistency pulls")
    assert window.shows("contact")
    assert window.shows("to regressed")


@pytest.mark.parametrize("lean", [(0.0, 0.0, 0.0), (5.0, -8.0, 30.0), (-20.0, 10.0, -50.0)])
def test_planes_as_numbers(lean):
    plane = np.array(plane_of(*lean))
    np.testing.assert_allclose(lean_of(plane), lean, atol=1e-9)
    assert np.linalg.norm(plane[:3]) == pytest.approx(1)
    foot = below(np.array([0.3, -0.2, 1.0]), plane)
    assert foot @ plane[:3] == pytest.approx(plane[3])
    flat = np.array([0, 0, 1, 0.0])
    assert apart(plane, flat, np.zeros(3))[0] == pytest.approx(np.degrees(np.arccos(plane[2])))
