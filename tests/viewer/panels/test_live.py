"""Live in the window: the switch, a slider that is dragged for real, letting go, and Esc."""

from __future__ import annotations

import numpy as np
import polyscope as ps
import pytest

from optim.session.edits import SetWeight
from tests.viewer.conftest import Window
from viewer.protocol.commands import Run


@pytest.fixture
def window(open_fit) -> Window:
    """A fit that is done, live."""
    opened = open_fit()
    opened.post(Run())
    assert opened.view.status.state == "done"
    opened.click("Live")
    opened.frames(3)
    return opened


def hold_slider(window: Window, start: float, end: float) -> None:
    """Press on the slider of a weight and move it, without letting go."""
    (x0, y), (x1, _) = (window.place("joints3d/slider", share) for share in (start, end))
    window.move(x0, y)
    window.press()
    for part in np.linspace(0.25, 1.0, 4):
        window.move(x0 + part * (x1 - x0), y)
    window.frames(8)


def weight(window: Window) -> float:
    return window.session.current.weights["joints3d"]


def test_the_switch_goes_on_and_off(window):
    assert window.view.status.live and window.shows("live")
    window.click("Live")
    window.frames(3)
    assert not window.view.status.live and window.view.status.state != "running"


def test_pause_leaves_live(window):
    window.click("Pause")
    window.frames(3)
    assert not window.view.status.live


def test_the_fit_follows_a_slider_and_letting_go_is_one_edit(window):
    before, joints = weight(window), window.view.motion.joints
    edits = sum(snapshot.edit is not None for snapshot in window.session.history.snapshots)
    hold_slider(window, 0.5, 0.75)
    assert window.view.live is not None and window.view.live.dragging
    assert np.abs(window.view.motion.joints - joints).max() > 1e-5, "the motion on screen follows"
    assert weight(window) == before, "nothing is in the history while it is dragged"
    assert window.shows("observations ") and ps.has_surface_mesh("before 0")
    window.release()
    window.frames(4)
    made = [s for s in window.session.history.snapshots if isinstance(s.edit, SetWeight)]
    assert len(made) == 1 and weight(window) == made[0].edit.value > before
    assert sum(s.edit is not None for s in window.session.history.snapshots) >= edits + 1
    assert made[0].id in window.session.history.bookmarks
    assert not window.app.ui.drafts and window.app.ui.dragged is None


def test_escape_goes_back_to_where_the_drag_began(window):
    before, marked = weight(window), dict(window.session.history.bookmarks)
    hold_slider(window, 0.5, 0.9)
    assert window.view.live.dragging
    window.key("Escape")
    window.move(*window.place("joints3d/slider", 0.2))
    assert window.view.live is None or not window.view.live.dragging
    window.release()
    window.frames(4)
    assert weight(window) == before and dict(window.session.history.bookmarks) == marked
    assert not any(isinstance(snapshot.edit, SetWeight) for snapshot in window.session.history.snapshots)


def test_a_typed_weight_is_an_edit_that_acts_at_once(window):
    window.enter_number("joints3d/exact", "4")
    window.frames(4)
    assert weight(window) == 4.0 and window.view.status.live
    assert window.view.live is not None and not window.view.live.dragging
