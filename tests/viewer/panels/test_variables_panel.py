"""Variables: freeze groups and parts, reset and perturb; what the rows say is what the optimiser says."""

from __future__ import annotations

import pytest
import torch

from optim.session.edits import Hold
from optim.session.movement import held, moved
from tests.viewer.conftest import Window
from viewer.panels.fit.variables import rows, state_of
from viewer.protocol.commands import RunPhase, RunStage, Step, StepOuter
from viewer.protocol.view_model import History
from viewer.ui.widgets import number

PARTS = ["trans", "root_orient", "latent_pose", "trans_vel", "joints_vel", "root_orient_vel"]


@pytest.fixture
def window(open_fit) -> Window:
    """In the tune phase of stage 3."""
    return open_fit().post(RunStage(), RunStage(), StepOuter())


def test_a_free_motion_has_its_variables_first(open_fit):
    names = [part.name for part, _ in rows(open_fit().view, opened=False)]
    assert names == ["trans", "root_orient", "latent_pose", "betas", "x_0", "latent_motion"]


def test_before_stage_3_a_held_x_0_leaves_the_free_motion_alone(open_fit):
    """The first frame begins with stage 3; before it, the variables with the same names are those of every frame."""
    window = open_fit().post(Hold("x_0"))
    window.click("trans", 0.05)
    assert window.session.current.held == {"x_0", "trans"}


def test_in_stage_3_the_parts_of_x_0_are_folded_away(window):
    names = [part.name for part, _ in rows(window.view, opened=False)]
    assert names == ["x_0", "latent_motion", "betas"]
    window.click("variables")
    window.frames(2)
    assert [part.name for part, inner in rows(window.view, opened=window.app.ui.open_x_0) if inner] == PARTS
    for name in PARTS[:4]:
        window.box(name)


def test_one_part_is_held_alone(window):
    window.app.ui.open_x_0 = True
    window.frames(2)
    window.click("root_orient", 0.05)
    assert window.session.current.held == {"root_orient"}


def test_rows_say_how_far_variables_have_moved(window):
    way = moved(window.session.fit)["latent_motion"]
    assert way.largest > 0
    assert window.shows(number(way.largest))
    assert window.view.movement["trans"].largest == pytest.approx(moved(window.session.fit)["trans"].largest)
    assert window.view.scene.variables[[p.name for p in window.view.scene.variables].index("trans")].unit == "m"


def test_rows_say_since_when_something_is_held(window):
    window.post(Hold("x_0"), StepOuter())
    (hold,) = [one for one in held(window.session.fit) if one.name == "x_0"]
    assert hold.since in {event.snapshot for event in window.view.history.events}
    assert window.shows(f"since {window.view.history.number(hold.since)}")
    part = next(part for part in window.view.scene.variables if part.name == "x_0")
    assert "moved by 0" in state_of(window.view, part, True)[2]


def test_late_in_a_long_fit_there_is_still_room_for_the_menu(window, monkeypatch):
    window.post(Hold("x_0"), StepOuter())
    monkeypatch.setattr(History, "number", lambda self, snapshot: 25810)
    window.frames(3)
    assert window.shows("since 25810")
    menu = window.widgets["x_0/…"]
    assert menu.frame == window.frame  # not clipped away
    assert menu.x1 == window.widgets["betas/…"].x1


def test_what_the_schedule_holds_is_said(window):
    window.post(RunPhase(), Step(), Step())
    assert window.view.phases[window.view.status.phase].name == "stage 3 freeze"
    window.app.ui.open_x_0 = True
    window.frames(2)
    assert window.shows("held since")
    group = next(part for part in window.view.scene.variables if part.name == "x_0")
    text, _, long = state_of(window.view, group, False)
    assert (text, long) == ("held", "All its variables are held by the schedule of stage 3 freeze")
    window.post(RunPhase(), Step())
    assert state_of(window.view, group, False)[0] == "moves"


def test_reset_and_perturb(window):
    began = window.session.fit.stage_start().variables["latent_motion"]
    window.click("latent_motion/…")
    window.frames(2)
    window.click("latent_motion/Reset")
    assert torch.equal(window.session.current.variables["latent_motion"], began)
    window.frames(3)
    window.click("latent_motion/…")
    window.frames(2)
    window.enter_number("latent_motion/noise", "0.25")
    window.click("latent_motion/Perturb")
    change = window.session.current.variables["latent_motion"] - began
    assert float(change.std()) == pytest.approx(0.25, rel=0.3)
    assert window.session.current.cause == "perturbed latent_motion by 0.25"
    window.key("Z", ctrl=True)
    assert torch.equal(window.session.current.variables["latent_motion"], began)


def test_what_is_held_is_not_reset(window):
    window.post(Hold("betas"))
    window.click("betas/…")
    window.frames(2)
    count = len(window.session.history)
    window.click("betas/Reset")
    assert len(window.session.history) == count


def test_the_floor_is_a_row_where_a_camera_sees_it(open_fit):
    window = open_fit("joints2d").post(RunStage(), RunStage(), Step())
    assert [part.name for part, _ in rows(window.view, opened=False)][-1] == "floor_plane"
    window.click("floor", 0.05)
    assert "floor_plane" in window.session.current.held


def test_a_range_of_latents_is_held_and_released(window):
    window.click("latent_motion/…")
    window.frames(2)
    window.enter_number("latent_motion/first", "1")
    window.enter_number("latent_motion/last", "2")
    window.click("latent_motion/Freeze range")
    window.frames(3)
    assert window.session.current.held == {"latent_motion[1:3]"}
    assert window.shows("1:3 held")
    before = window.session.current.variables["latent_motion"]
    window.post(Step())
    change = (window.session.current.variables["latent_motion"] - before).abs().amax(dim=(0, 2))
    assert not change[1:3].any() and change[0] > 0
    window.click("latent_motion/…")
    window.frames(2)
    window.click("latent_motion/Release 1:3")
    assert not window.session.current.held
