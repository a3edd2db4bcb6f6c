"""Losses, frames, line search and timeline on a real session with branches: marks, hovering, clicks that lead there."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from optim.body.joints import JOINT_NAMES
from optim.session.causes import ITERATION
from optim.session.edits import Bookmark, Rewind, SetFrames, SetSolver, SetWeight
from optim.session.rescoring import rescored_path
from optim.solver.lbfgs import SUFFICIENT_DECREASE
from tests.viewer.conftest import Window
from tests.viewer.uidriver import Box
from viewer.panels.fit.frame_bar import contacts, lane_of
from viewer.panels.fit.losses import branch_events, other_branches, phase_start
from viewer.panels.fit.timeline import lanes, positions
from viewer.panels.inspect.frames import brightness, over_clip
from viewer.protocol.commands import Inspect, RunStage, Step, StepOuter
from viewer.protocol.findings import DampedSteps, FrameTerms
from viewer.ui.layout import LANE_HEIGHT
from viewer.ui.widgets import Strip


def show(window: Window, panel: str) -> None:
    window.app.ui.tabs["losses"] = panel
    window.frames(6)
    assert not window.app.ui.broken


@pytest.fixture
def window(open_fit) -> Window:
    """Stage 3 with an edit, and a branch from before it."""
    opened = open_fit(batch=2).post(RunStage(), RunStage(), Step(), Step())
    fork = opened.session.current.id
    opened.post(SetWeight("motion_prior", 0.01, 3), StepOuter(), Rewind(fork), SetWeight("bone_length", 30.0, 3))
    return opened.post(Step(), Step())


def plot_x(window: Window, name: str, share: float) -> None:
    """Click at a share of a plot's width, half way up."""
    box = window.box(f"plot {name}")
    window.move(box.x0 + share * (box.x1 - box.x0), 0.5 * (box.y0 + box.y1))
    window.press()
    window.release()
    window.frames(2)


# Losses


def test_a_click_on_the_plot_shows_that_iteration(window):
    show(window, "losses")
    history = window.view.history
    last = max(1.02 * max(history.depth) + 1, 10.0)
    wanted = 5
    plot_x(window, "losses", wanted / last)
    assert history.number(window.view.shown) == wanted and history.row_of(window.view.shown) in history.branch
    assert window.session.current.id == window.view.current != window.view.shown


def test_zoomed_clicks_lead_to_the_phase(window):
    window.app.ui.plot_zoom = True
    show(window, "losses")
    plot_x(window, "losses", 0.02)
    history = window.view.history
    row = history.row_of(window.view.shown)
    assert history.depth[row] in (phase_start(window.view), phase_start(window.view) + 1)
    assert history.phase[row] == window.view.status.phase


def test_edits_are_marked_on_the_current_branch_only(window):
    assert [event.text for event in branch_events(window.view)] == ["weight bone_length = 30 in stage 3"]
    (rows,) = other_branches(window.view)
    history = window.view.history
    assert history.parents[rows[1]] == rows[0] and rows[0] in history.branch
    assert not np.isin(rows[1:], history.branch).any()


def test_hovering_a_mark_tells_the_edit(window, monkeypatch):
    from viewer.ui.drawing import psim

    told: list[str] = []
    monkeypatch.setattr(psim, "SetTooltip", told.append)
    show(window, "losses")
    history = window.view.history
    (event,) = branch_events(window.view)
    box, last = window.box("plot losses"), max(1.02 * max(history.depth) + 1, 10.0)
    at = history.depth[history.row_of(event.snapshot)] / last
    window.move(box.x0 + at * (box.x1 - box.x0), 0.5 * (box.y0 + box.y1))
    assert any("edit: weight bone_length = 30" in text for text in told)
    window.move(*window.place("iteration bar", float(positions(window.view, history.branch[-3:-2])[0]), 0.3))
    assert any("edit: weight bone_length = 30" in text and "branch" in text for text in told)


def test_losses_per_frame_divide_by_what_was_observed(window):
    history = window.view.history
    tune = history.phase == 2
    assert (history.frames[tune] == 2 * 4).all() and (history.frames[~tune] == 2 * 8).all()
    window.post(SetFrames(6, phase=window.view.status.phase))
    frames = window.view.history.frames
    np.testing.assert_array_equal(frames, [*history.frames, 2 * 6])


@pytest.mark.parametrize("switch", ["terms", "per frame", "branches", "re-scored", "zoom"])
def test_switches_of_the_plot(window, switch):
    show(window, "losses")
    names = ("plot_terms", "plot_per_frame", "plot_branches", "plot_rescored", "plot_zoom")
    before = [getattr(window.app.ui, name) for name in names]
    window.click(switch, 0.1)
    window.frames(4)
    after = [getattr(window.app.ui, name) for name in names]
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
    assert not window.app.ui.broken


def test_rescored_curve_is_the_optimisers(window):
    window.app.ui.plot_rescored = True
    show(window, "losses")
    found = window.view.analyses["rescored"].value
    expected = rescored_path(window.session.history, window.session.current.id)
    np.testing.assert_array_equal(found.ids, [number for number, _ in expected])
    np.testing.assert_allclose(found.total, [score.total for _, score in expected])
    assert found.total[-1] == pytest.approx(window.session.current.evaluation.total, rel=1e-5)


# Frames


def test_a_click_on_a_cell_goes_to_its_frame(window):
    show(window, "frames")
    window.app.ui.playing = True
    count = window.view.scene.clip_frames
    plot_x(window, "frame terms", (3 + 0.5) / count)
    assert window.app.ui.frame == 3
    assert not window.app.ui.playing


def test_the_worst_frame_has_a_button(window):
    show(window, "frames")
    costs = over_clip(window.view, window.view.analyses["frame_terms"].value)
    window.click(f"worst: frame {int(np.nansum(costs, axis=0).argmax())}")
    assert window.app.ui.frame == int(np.nansum(costs, axis=0).argmax())


def test_frames_of_overlapping_parts_are_added_up(open_fit):
    view = open_fit(batch=2, overlap=3).view
    weighted = np.full((len(view.scene.terms), 2, 8), np.nan)
    weighted[0] = 1.0
    costs = over_clip(view, FrameTerms(weighted=weighted))
    assert costs[0].tolist() == [1.0] * 5 + [2.0] * 3 + [1.0] * 5
    assert np.isnan(costs[1]).all()


def test_brightness_keeps_the_order():
    costs = np.array([[1e-9, 1.0, 100.0], [-5.0, 0.0, 5.0]])
    together = brightness(costs, rows_alike=False)
    assert together.max() == 1.0 and together.min() == 0.0
    assert (np.diff(together, axis=1) >= 0).all() and together[0, 1] == pytest.approx(0.5)
    alone = brightness(costs, rows_alike=True)
    np.testing.assert_allclose(alone[1], [0.0, 0.5, 1.0])


# Line search


def test_the_line_search_is_that_of_the_iteration_shown(window):
    while window.session.current.cause != ITERATION:
        window.post(Step())
    show(window, "search")
    found, solver = window.view.analyses["line_search"].value, window.session.current.solver
    assert found.taken == solver.step_length and found.pairs == len(solver.pairs)
    assert list(found.lengths) == [trial.step_length for trial in solver.trials]
    parent = window.session.history[window.session.current.parent]
    assert found.start == parent.solver.point.value
    enough = found.values <= found.start + SUFFICIENT_DECREASE * found.lengths * found.slope
    np.testing.assert_array_equal(found.armijo, enough)
    assert window.shows(f"{found.pairs}/100 curvature pairs")
    assert window.shows("step goes on") or window.shows("step ended")


def test_an_edit_has_no_line_search(window):
    window.post(SetWeight("joints3d", 2.0, 3))
    show(window, "search")
    assert window.shows("Nothing has been searched here")


def test_a_search_without_a_point_is_said(open_fit):
    window = open_fit().post(RunStage())
    show(window, "search")
    assert window.view.analyses["line_search"].value is not None
    assert window.shows("step ended: ")


def test_the_steps_of_levenberg_marquardt_are_shown_with_damping_and_gain(open_fit):
    window = open_fit()
    window.post(SetSolver("levenberg-marquardt"), Step())
    show(window, "search")
    found, solver = window.view.analyses["line_search"].value, window.session.current.solver
    assert isinstance(found, DampedSteps) and len(found.values) == len(solver.trials)
    assert found.start == window.session.history[window.session.current.parent].solver.point.value
    assert list(found.dampings) == [trial.damping for trial in solver.trials]
    assert found.accepted[-1] and found.values[-1] == solver.point.value and found.damping == solver.damping
    assert window.shows(f"accepted with gain ratio {found.gains[-1]:.2f}")
    assert window.shows("accepted") and window.shows(f"next damping {found.damping:.1e}")


# Timeline


def test_other_branches_have_lanes_that_lead_there(window):
    (lane,) = lanes(window.view)
    assert window.view.history.branch_of[lane.rows].tolist() == [lane.branch.number] * len(lane.rows)
    share = float(lane.positions[-1])
    window.click("iteration bar", share, (20.0 + 4.0 * (lane.line + 0.5)) / 32.0)
    window.frames(2)
    assert window.view.shown in window.view.history.ids[lane.rows]
    assert window.view.shown not in window.view.history.ids[window.view.history.branch]
    before = window.view.shown
    window.key("LeftArrow", shift=True, strike=True)
    assert window.view.shown == int(window.view.history.parents[window.view.history.row_of(before)])
    window.key("Escape")
    assert window.view.shown == window.view.current


def test_positions_follow_an_edited_schedule(window):
    rows = window.view.history.branch
    before = positions(window.view, rows)
    assert (np.diff(before) >= -1e-9).all() and before[0] == 0.0 and before[-1] <= 1.0
    window.app.ui.tabs["variables"] = "stages"
    window.frames(4)
    window.enter_number("stage 3 refine/steps", "40")
    window.frames(3)
    assert positions(window.view, rows)[-1] < before[-1]


def test_bookmarks_by_key_by_click_and_by_name(window):
    window.key("B")
    marked = window.view.shown
    assert window.session.history.bookmarks == {marked: "mark 1"}
    window.post(Step())
    window.key("PageUp")
    assert window.view.shown == marked
    window.key("B")
    assert window.session.history.bookmarks == {}
    window.post(Bookmark("before", marked), Inspect(None))
    row = window.view.history.row_of(marked)
    window.click("iteration bar", float(positions(window.view, np.array([row]))[0]), 0.3)
    window.frames(2)
    assert window.view.shown == marked


def test_the_list_of_marks_names_jumps_and_removes(window):
    window.click("Marks")
    window.frames(2)
    window.click("Bookmark this iteration")
    window.frames(3)
    marked = window.view.current
    window.enter_number(f"mark {marked}/name", "best")
    window.frames(3)
    assert window.session.history.bookmarks == {marked: "best"}
    window.enter_number("branch 1/name", "heavy prior")
    window.frames(3)
    assert window.session.history.branches[1].name == "heavy prior"
    window.click("branch 1/Look")
    window.frames(2)
    assert window.view.shown == window.view.history.branches[1].last
    window.click(f"mark {marked}/Remove")
    window.frames(2)
    assert not window.session.history.bookmarks


def test_a_mark_is_removed_also_where_another_iteration_is_shown(open_fit):
    window = open_fit().post(Step(), Bookmark("first"), Step(), Bookmark("second"))
    first, second = (snapshot for snapshot, _ in window.view.history.bookmarks)
    window.click("Marks")
    window.frames(3)
    assert window.view.shown == second
    window.click(f"mark {first}/Remove")
    window.frames(2)
    assert window.session.history.bookmarks == {second: "second"}


def test_the_next_mark_is_the_nearest(open_fit):
    marks = [command for name in "abc" for command in (Step(), Bookmark(name))]
    window = open_fit().post(*marks, Step(), Inspect(0))
    for key, names in (("PageDown", "abc"), ("PageUp", "ba")):
        for name in names:
            window.key(key)
            assert dict(window.view.history.bookmarks)[window.view.shown] == name


def test_contacts_and_seams_of_the_clip(open_fit):
    window = open_fit(batch=3, overlap=3).post(RunStage(), RunStage(), Step())
    touching = contacts(window.view)
    assert set(touching) == {"left", "right"}
    assert all(((p >= 0) & (p <= 1)).all() and len(p) == window.view.scene.clip_frames for p in touching.values())
    scene = window.view.scene
    assert scene.split and scene.overlaps == {0: (5, 7), 1: (10, 12)}
    assert scene.clip_frames == 18


def test_a_foot_touches_where_its_ankle_or_toes_do(open_fit):
    view = open_fit().view
    touching = np.zeros(view.motion.joints.shape[:3])
    for frame, joint in ((2, "left_ankle"), (3, "left_foot"), (5, "right_foot")):
        touching[0, frame, JOINT_NAMES.index(joint)] = 0.9
    found = contacts(replace(view, motion=replace(view.motion, contacts=touching)))
    assert [np.flatnonzero(found[side]).tolist() for side in ("left", "right")] == [[2, 3], [5]]


def test_every_sub_sequence_has_a_lane_on_the_bar(open_fit):
    window = open_fit(batch=3, overlap=3)
    bar, scene = window.box("frame bar"), window.view.scene
    place = Strip(bar.x0, bar.y0, bar.x1 - bar.x0, bar.y1 - bar.y0, None, False, 0.0, 0.0)
    lanes = [lane_of(window.view, place, b) for b in range(3)]
    assert not any(a.overlaps(b) for a, b in combinations(lanes, 2))
    for b, lane in enumerate(lanes):
        assert Box(lane.x, lane.y, lane.x + lane.width, lane.y + lane.height).inside(bar)
        shares = (lane.x - bar.x0) / place.width, (lane.x + lane.width - bar.x0) / place.width
        first, last = scene.starts[b], scene.starts[b] + scene.num_frames - 1
        assert shares == pytest.approx((first / (scene.clip_frames - 1), last / (scene.clip_frames - 1)))
    window.click("frame bar", shares[0], (lanes[2].y + 1 - bar.y0) / place.height)
    assert window.app.ui.frame == scene.starts[2]
    assert bar.y1 - bar.y0 > 3 * LANE_HEIGHT + 25 and bar.inside(window.windows["timeline"])


# Transport


def test_speed_limit(open_fit):
    window = open_fit().post(Step())
    window.click("speed")
    window.frames(2)
    window.click("≤ 2 it/s")
    window.frames(2)
    assert window.view.status.speed_limit == 2.0
    window.key("RightBracket")
    assert window.view.status.speed_limit == 5.0
    window.key("LeftBracket")
    window.key("LeftBracket")
    assert window.view.status.speed_limit == 1.0


def test_an_iteration_has_the_same_number_everywhere_also_on_another_branch(window):
    current, history = window.view.current, window.view.history
    number = history.number(current)
    assert number == window.view.status.total_iterations == window.session.current.total_iterations
    assert number < len(history.branch) - 1 < current  # an edit and the start of a phase are no iterations
    assert window.shows(f"{number} / {number}")
    window.app.ui.panels = False
    window.frames(2)
    assert window.shows(f"iteration {number} ·")


def test_an_edit_is_no_iteration(window):
    before = window.view.history.number(window.view.current)
    window.app.client.post(SetWeight("bone_length", 20.0, 3))
    window.settle()
    history = window.view.history
    assert history.number(window.view.current) == before
    assert history.parents[history.row_of(window.view.current)] >= 0 and window.shows(f"{before} / {before}")
