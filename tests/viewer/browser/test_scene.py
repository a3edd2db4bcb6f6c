"""The scene in browsers, without one: faces, labels, and where the buttons of the page lead."""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from viser.transforms import SO3

from viewer.browser.canvas import BrowserCanvas, triangles
from viewer.browser.controls import Inbox
from viewer.browser.scene import MOST_LABELS, BrowserScene
from viewer.browser.sections import compare, losses
from viewer.browser.sections.curves import Curves
from viewer.browser.sections.diagnosis import Why
from viewer.browser.sections.timeline import Timeline
from viewer.browser.sections.weights import Weights
from viewer.protocol.commands import Inspect
from viewer.scene.layer import Label
from viewer.ui.focus import FOCUSES
from viewer.ui.ui_state import UiState


def test_a_face_of_four_corners_becomes_two_triangles_that_look_the_same_way():
    corners = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [0, 1, 0]], float)
    found = triangles(np.array([[0, 1, 2, 3]]))
    first, second, third = (corners[found[:, k]] for k in range(3))
    across = np.cross(second - first, third - first)
    assert (across[:, 2] > 0).all() and 0.5 * across[:, 2].sum() == 2.0
    assert triangles(np.array([[2, 0, 1]])).tolist() == [[2, 0, 1]]


def test_labels_that_are_no_longer_there_are_hidden():
    server = MagicMock()
    server.scene.add_label.side_effect = lambda name, text: SimpleNamespace(name=name, text=text)
    scene = BrowserScene(server)
    for count in (3, 1, 2, MOST_LABELS + 5, 0):
        scene._write([Label(np.full(3, float(k)), f"label {k}", (1.0, 1.0, 1.0)) for k in range(count)])
        shown = [handle.text for handle in scene._labels if handle.visible]
        assert shown == [f"label {k}" for k in range(min(count, MOST_LABELS))]


def test_the_worst_frame_is_that_of_the_pair_that_is_farthest_apart():
    values = {0: [1.0, 2.0], 1: [1.0, 9.0], 2: [3.0, 0.0]}
    pairs = [
        SimpleNamespace(before=b, frames=np.array([10 * b, 10 * b + 1]), position_cm=np.array(apart))
        for b, apart in values.items()
    ]
    ui, found = UiState(), SimpleNamespace(value=SimpleNamespace(pairs=pairs))
    view = SimpleNamespace(analyses={"overlaps": found}, scene=SimpleNamespace(clip_frames=30))
    Curves._go_to_worst(SimpleNamespace(_ui=ui, _view=view))
    assert (ui.pair, ui.frame) == (1, 11)


def test_the_weights_follow_the_stage_that_runs_unless_another_one_was_chosen():
    ui = UiState()
    view = SimpleNamespace(phases=[SimpleNamespace(stage=k) for k in (1, 2, 3)], status=SimpleNamespace(phase=1))
    page = SimpleNamespace(_ui=ui, _view=view)
    for stage, kept in (("3", 3), ("2", None)):
        Weights._choose(page, stage)
        assert ui.weight_stage == kept


def test_a_finding_leads_to_its_frame_or_to_its_view():
    ui, view = UiState(slots={"drift": "losses"}), SimpleNamespace(scene=SimpleNamespace(clip_frames=9))
    jump = Why._jump_of(SimpleNamespace(_ui=ui, _view=view), SimpleNamespace(frame=3), "drift")
    before = dict(ui.layers)
    jump(None, "frame 3")
    assert ui.frame == 3 and ui.layers == before
    jump(None, FOCUSES["drift"].title)
    assert ui.layers != before


def test_the_newest_iteration_is_followed_and_an_older_one_stays():
    history = SimpleNamespace(numbered=lambda number: number)
    page = SimpleNamespace(_ui=UiState(), _view=SimpleNamespace(history=history, current=7))
    assert list(Timeline._inspect(page, 7)) == [Inspect(None)]
    assert list(Timeline._inspect(page, 3)) == [Inspect(3)] and page._ui.scrubbing == 3


def test_a_picture_lies_where_its_corners_are():
    server, corners = MagicMock(), np.array([[0, 0, 0], [0, 4, 0], [0, 4, 2], [0, 0, 2]], float)
    BrowserCanvas(server).picture("camera picture", corners, np.zeros((2, 4, 3), np.uint8))
    (_, _, width, height), placed = server.scene.add_image.call_args
    axes = SO3(placed["wxyz"]).as_matrix()
    assert (width, height) == (4.0, 2.0) and placed["position"].tolist() == [0.0, 2.0, 1.0]
    np.testing.assert_allclose(axes[:, :2].T, [[0, 1, 0], [0, 0, -1]], atol=1e-9)  # to the right, and down


@pytest.mark.parametrize(("shown", "back"), [(5, 5), (9, None)])
def test_after_a_moment_was_pinned_the_iteration_before_is_shown_again(monkeypatch, shown, back):
    monkeypatch.setattr(compare, "moments", lambda view: [(4, "end of stage 1")])
    page = SimpleNamespace(_ui=UiState(), _view=SimpleNamespace(shown=shown, current=9))
    assert list(compare.Compare._pin_moment(page, "end of stage 1")) == [Inspect(4)]
    assert page._ui.pins.wanted == (4, "end of stage 1") and page._ui.pins.back == back


def test_losses_that_are_not_positive_are_left_out_of_a_logarithmic_plot(monkeypatch):
    rows, plot = np.arange(3), MagicMock()
    monkeypatch.setattr(
        losses, "loss_curves", lambda *_, **__: [("prior", np.array([2.0, 0.0, -1.0]), (1.0, 1.0, 1.0))]
    )
    history = SimpleNamespace(ids=rows, depth=rows, branch=rows, frames=np.ones(3), total=np.array([4.0, 3.0, 2.0]))
    status, scene = SimpleNamespace(state="paused"), SimpleNamespace(batch=0)
    view = SimpleNamespace(history=history, current=2, scene=scene, status=status)
    page = SimpleNamespace(_inbox=Inbox(), switches={}, _drawn=None, _when=0.0, plot=plot)
    list(losses.Losses.follow(page, view, UiState()))
    (_, ((_, values, _, _),)), _ = plot.show.call_args
    assert values[0] == 2.0 and np.isnan(values[1:]).all()
