"""The schedule as bars, numbers and presets: each changes the session's schedule, and the time left follows."""

from __future__ import annotations

import pytest

from tests.viewer.conftest import Window
from viewer.panels.fit.stages import preset_help
from viewer.protocol.commands import RunStage, Step


@pytest.fixture
def window(open_fit) -> Window:
    opened = open_fit()
    opened.app.ui.tabs["variables"] = "stages"
    opened.frames(6)
    return opened


def steps(window: Window) -> list[int]:
    return [phase.steps for phase in window.session.schedule]


def test_exact_steps(window):
    before = steps(window)
    window.enter_number("stage 2/steps", "9")
    window.frames(3)
    assert steps(window) == [before[0], 9, *before[2:]]
    assert not window.app.ui.drafts
    window.key("Z", ctrl=True)
    assert steps(window) == before


def test_dragging_a_bar_makes_its_phase_longer(window):
    before = steps(window)
    total = sum(before)
    window.drag("stage 2/bar", 0.3, 0.3 + 3 / (1.12 * total))
    assert steps(window)[1] == before[1] + 3
    window.drag("stage 2/bar", 0.6, 0.0)
    assert steps(window)[1] == 0


def test_a_click_on_a_bar_is_no_edit(window):
    count = len(window.session.history)
    window.click("stage 2/bar")
    window.frames(3)
    assert len(window.session.history) == count


def test_a_phase_under_way_keeps_the_steps_it_has_begun(window):
    window.post(RunStage(), Step())
    assert window.session.current.phase == 1
    window.drag("stage 2/bar", 0.9, 0.0)
    assert steps(window)[1] == window.session.current.step + 1


def test_phases_that_are_over_are_not_edited(window):
    window.post(RunStage(), Step())
    before = steps(window)
    window.drag("stage 1/bar", 0.1, 0.9)
    assert steps(window) == before


def test_frames_observed(window):
    window.enter_number("stage 3 tune/frames", "6")
    window.frames(3)
    assert window.session.schedule[2].frames == 6
    window.enter_number("stage 3 tune/frames", "99")
    window.frames(3)
    assert window.session.schedule[2].frames is None


def test_the_rule_for_ending_early(window):
    window.enter_number("stage 2/flat", "0.5")
    window.frames(3)
    assert window.session.schedule[1].flat_gain == pytest.approx(0.005)
    assert window.session.current.cause == "stage 2 ends early when the loss gains less than 0.5 % in 20 iterations"
    window.enter_number("stage 2/flat", "0")
    window.frames(3)
    assert window.session.schedule[1].flat_gain == 0.0 and not window.app.ui.drafts


def test_skip(window):
    window.post(Step())
    window.click("skip phase")
    assert window.session.current.phase == 1
    assert window.session.current.cause == "skipped the rest of stage 1"


@pytest.mark.parametrize("name", ["reference", "as started"])
def test_presets_set_weights_and_steps_as_one_edit(window, name):
    window.enter_number("stage 2/steps", "9")
    window.frames(3)
    count = len(window.session.history)
    window.click("preset")
    window.frames(2)
    window.click(name)
    assert len(window.session.history) == count + 1
    assert window.session.current.cause == f"preset {name}"
    tune = window.session.schedule[2]
    expected = (1e-3, 70) if name == "reference" else (3e-4, 2)
    assert (tune.weight("motion_prior"), window.session.schedule[1].steps) == expected


def test_the_solver_of_a_phase_is_chosen_from_those_of_its_stage(window):
    window.click("stage 2/solver")
    window.frames(2)
    window.click("stage 2/LM")
    window.frames(3)
    assert [phase.solver for phase in window.session.schedule][:3] == ["lbfgs", "levenberg-marquardt", "lbfgs"]
    assert window.view.phases[1].solver == "levenberg-marquardt"
    window.key("Z", ctrl=True)
    assert window.session.schedule[1].solver == "lbfgs"


def test_presets_say_what_they_leave(window):
    told = {preset.name: preset_help(preset) for preset in window.view.scene.presets}
    assert "prior frame: canonical, not input" in told["reference"]
    assert "Rules of this fit that stay" not in told["humorscope"]


def test_the_time_left_follows_an_edit(window):
    window.post(Step())
    before = window.view.status.left.seconds
    window.enter_number("stage 2/steps", "400")
    window.frames(3)
    assert window.view.status.left.seconds > 10 * before
    assert window.view.status.progress < 0.01


def test_a_longer_schedule_wakes_a_fit_that_was_done(window):
    window.post(RunStage(), RunStage(), RunStage())
    assert window.view.status.state == "done"
    last = window.session.schedule[-1].name
    window.enter_number(f"{last}/steps", "7")
    window.frames(3)
    assert window.view.status.state == "paused"
    window.post(Step())
    assert window.session.current.step == 1 if window.session.current.phase == 4 else window.session.current.phase == 4
