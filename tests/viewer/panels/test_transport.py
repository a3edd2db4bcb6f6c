"""The transport panel and its keys: each button does to the session what it says."""

from __future__ import annotations

import pytest

from optim.session.session import Session
from tests.viewer import fakes
from viewer.panels.fit.transport import rate_text


def test_iteration_button_does_one(window):
    window.click("Iteration")
    assert window.session.current.total_iterations == 1
    assert window.view.status.state == "paused"


def where(session: Session) -> tuple[int, int, bool]:
    """Phase, step, and whether that is over."""
    now = session.current
    return now.phase, now.step, now.stop is not None


@pytest.mark.parametrize(
    ("button", "reached"), [("Step", (0, 0)), ("Phase", (0, 1)), ("Stage", (0, 1)), ("Run", (4, 1))]
)
def test_buttons_run_to_their_goal(window, button, reached):
    window.click(button)
    window.settle()
    assert where(window.session) == (*reached, True)


def test_stage_runs_through_all_phases_of_the_stage(window):
    for _ in range(3):
        window.click("Stage")
        window.settle()
    assert window.session.current.phase == 4
    assert window.view.status.state == "done"


def test_pause_stops_a_run(open_window):
    window = open_window(fakes.make_slow_session)
    window.click("Run")
    window.until(lambda: window.session.current.total_iterations >= 2)
    window.click("Pause")
    window.settle()
    stopped = window.session.current.id
    window.frames(10)
    assert window.session.current.id == stopped
    assert not window.session.done


@pytest.mark.parametrize(("key", "reached"), [("O", (0, 0)), ("P", (0, 1)), ("G", (0, 1)), ("Space", (4, 1))])
def test_keys_step(window, key, reached):
    window.key("N")
    assert window.session.current.total_iterations == 1
    window.key(key)
    window.settle()
    assert where(window.session) == (*reached, True)


def test_space_pauses(open_window):
    window = open_window(fakes.make_slow_session)
    window.key("Space")
    window.until(lambda: window.view.status.state == "running")
    window.key("Space")
    window.settle()
    assert window.view.status.state == "paused"


@pytest.mark.parametrize("strike", [False, True])
def test_undo_and_redo(window, strike):
    window.click("x_0, the first frame", 0.05)
    assert window.session.current.held == {"x_0"}
    window.click("Undo")
    assert window.session.current.held == set()
    window.key("Y", ctrl=True, strike=strike)
    assert window.session.current.held == {"x_0"}
    window.key("Z", ctrl=True, strike=strike)
    assert window.session.current.held == set()
    for _ in range(2):  # it does again, and never takes back
        window.key("Z", ctrl=True, shift=True, strike=strike)
        assert window.session.current.held == {"x_0"}


def test_says_where_it_stands(window):
    window.click("Step")
    window.settle()
    assert window.shows("Stage 1")
    assert window.shows("step 1/2 · iteration 4/4")


def test_buttons_rest_at_the_end(window):
    window.key("Space")
    window.settle()
    end = window.session.current.id
    window.click("Run")
    window.click("Iteration")
    assert window.session.current.id == end


def test_a_failing_optimiser_pauses_and_can_go_on(open_window, capfd):
    window = open_window(fakes.make_failing_session)
    window.click("Run")
    window.settle()
    assert window.session.current.total_iterations == 2
    assert "the loss is not a number" in window.app.ui.notes[0].text
    assert "FloatingPointError" in capfd.readouterr().err
    window.click("Run")
    window.settle()
    assert window.session.done


@pytest.mark.parametrize(
    ("rate", "text"), [(None, "–"), (0.0833, "0.08"), (12.34, "12.3"), (847.2, "847"), (3e4, ">1k")]
)
def test_rates_are_short(rate, text):
    assert rate_text(rate) == text
