"""Weights, freezes, layers, timeline, messages, help: each control changes what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.viewer.fakes import FRAMES
from viewer.panels.fit.weights import slider_position, slider_weight
from viewer.panels.table import PANELS, SLOTS
from viewer.protocol.view_model import Analysis, Loading, Note
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import number


def weight(window, term: str, stage: int) -> float:
    return {phase.stage: phase for phase in window.session.current.schedule}[stage].weights.get(term, 0.0)


def test_exact_weight(window):
    window.enter_number("joints3d/exact", "2.5")
    assert weight(window, "joints3d", 1) == 2.5
    window.frames(3)
    assert not window.app.ui.drafts


def test_weight_slider_sends_once_when_let_go(window):
    before = len(window.session.history)
    window.drag("joints3d/slider", 0.5, 0.9)
    assert weight(window, "joints3d", 1) > 10
    assert len(window.session.history) == before + 1


@pytest.mark.parametrize("default", [0.0, 1.67e-4, 1.0, 2000.0])
def test_slider_positions_are_weights(default):
    for factor in (1e-3, 0.2, 1.0, 30.0, 1e3):
        weight = factor * (default or 1.0)
        assert slider_weight(slider_position(weight, default), default) == pytest.approx(weight)
    assert slider_weight(slider_position(0.0, default), default) == 0.0
    assert slider_position(default, default) == (0.0 if default else slider_position(0.0, 1.0))


def test_slider_at_its_left_end_switches_a_term_off(window):
    window.click("Stage 2")
    window.drag("joints3d_smooth/slider", 0.5, 0.0)
    assert weight(window, "joints3d_smooth", 2) == 0.0


def test_reset_weight(window):
    window.enter_number("joints3d/exact", "7")
    window.frames(2)
    window.click("joints3d/reset")
    assert weight(window, "joints3d", 1) == 1.0


def test_weight_of_another_stage(window):
    window.click("Stage 3")
    window.enter_number("contact_vel/exact", "50")
    assert weight(window, "contact_vel", 3) == 50
    assert weight(window, "contact_vel", 2) == 0


@pytest.mark.parametrize("text", ["-3", "nan", "inf"])
def test_an_impossible_weight_is_not_sent(window, text):
    window.enter_number("joints3d/exact", text)
    assert weight(window, "joints3d", 1) in (0.0, 1.0)
    assert window.view.status.state == "paused"


def test_a_weight_acts_on_the_next_iteration(window):
    window.click("Iteration")
    window.enter_number("joints3d/exact", "10")
    window.click("Iteration")
    evaluation = window.session.current.evaluation
    assert evaluation.terms["joints3d"].weighted == pytest.approx(10 * evaluation.terms["joints3d"].raw)


def test_freeze_and_release(window):
    window.click("x_0, the first frame", 0.05)
    assert "x_0" in window.session.current.held
    window.click("x_0, the first frame", 0.05)
    assert "x_0" not in window.session.current.held
    window.key("X")
    assert "x_0" in window.session.current.held
    window.key("X")
    assert "x_0" not in window.session.current.held


def test_x_0_covers_its_parts_in_stage_3(window):
    for _ in range(2):
        window.click("Stage")
        window.settle()
    window.click("Iteration")
    window.click("x_0, the first frame", 0.05)
    window.frames(2)
    window.click("variables")
    window.frames(2)
    window.click("trans", 0.05)
    assert window.session.current.held == {"x_0"}


def test_frame_bar_and_keys(window):
    window.drag("frame bar", 0.1, 0.5)
    assert window.app.ui.frame == pytest.approx(0.5 * (FRAMES - 1), abs=1)
    window.key("Home")
    assert window.app.ui.frame == 0
    window.key("RightArrow")
    assert window.app.ui.frame == 1
    window.key("End")
    assert window.app.ui.frame == FRAMES - 1


def test_playing_moves_frames(window):
    window.click("play frames")
    start = window.app.ui.frame
    window.until(lambda: window.app.ui.frame not in (start, start + 1))
    window.key("K")
    assert not window.app.ui.playing


def test_playing_ends_without_loop():
    ui = UiState(playing=True, loop=False, frame=8)
    ui.advance(1.0, fps=30.0, num_frames=10)
    assert (ui.playing, ui.frame) == (False, 9)


def test_iteration_bar_inspects_without_rewinding(window):
    window.click("Phase")
    window.settle()
    now = window.session.current.id
    window.drag("iteration bar", 0.15, 0.05)
    window.frames(2)
    assert 0 < window.view.shown < now
    assert window.session.current.id == now
    window.key("Escape")
    assert window.view.shown == now


def test_rewind_to_the_inspected_iteration(window):
    window.click("Phase")
    window.settle()
    window.key("LeftArrow", shift=True)
    window.key("LeftArrow", shift=True)
    shown = window.view.shown
    window.click("Rewind here")
    assert window.session.current.id == shown
    window.click("Iteration")
    assert window.session.current.parent == shown


def test_playback_rate(window):
    window.click("rate")
    window.frames(2)
    window.click("0.25 × speed")
    assert window.app.ui.rate == 0.25


def test_messages_are_shown_and_cleared(window):
    window.app.ui.note(Note(level="error", text="a great misfortune", advice="carry on"))
    window.frames(2)
    assert window.shows("a great misfortune")
    assert window.shows("carry on")
    window.click("Clear")
    assert not window.app.ui.notes


def test_help_sheet(window):
    window.key("Slash", shift=True)
    assert window.shows("to the end of the stage")
    window.click("Close help")
    assert not window.app.ui.show_help
    window.key("F1")
    assert window.app.ui.show_help
    window.key("Escape")
    assert not window.app.ui.show_help


def test_hint_on_first_start(open_window):
    window = open_window(ui=UiState(show_hint=True))
    assert window.shows("Press N")
    window.click("Iteration")  # Other buttons work while the hint is open.
    window.settle()
    assert window.view.status.total_iterations == 1
    window.click("Got it")
    assert not window.app.ui.show_hint


def test_a_dead_optimiser_is_restarted_while_the_hint_is_open(open_window):
    window = open_window(ui=UiState(show_hint=True))
    window.app.client.worker.quitting = True
    window.frames(3)
    window.click("Restart")
    window.frames(3)
    assert not window.app.lost and window.shows("Press N")


def test_ctrl_q_quits(window):
    window.key("Q", ctrl=True)
    assert window.app.ui.quit


def test_keys_do_nothing_while_typing(window):
    before = len(window.session.history)
    window.click("joints3d/exact")
    window.key("N")
    window.key("Space")
    assert len(window.session.history) == before


@pytest.mark.parametrize("name", [n for n, panel in PANELS.items() if panel.of_fit and panel.results is not None])
def test_an_exception_in_a_panel_is_shown_and_the_rest_goes_on(window, monkeypatch, name):
    def broken(view, ui):
        raise ZeroDivisionError("boom")
        yield

    monkeypatch.setitem(PANELS, name, replace(PANELS[name], draw=broken))
    window.app.ui.show_panel(name)
    window.frames(3)
    assert window.app.ui.notes[0].text == f"{name}: ZeroDivisionError: boom"
    monkeypatch.undo()
    window.key("N")
    assert window.session.current.total_iterations == 1
    window.click("Try again")
    window.frames(2)
    assert name not in window.app.ui.broken


def test_an_exception_in_a_layer_switches_it_off(window, monkeypatch):
    layer = next(layer for layer in window.app.scene_view.layers if layer.name == "skeleton")
    monkeypatch.setattr(layer, "draw", lambda view, ui: 1 / 0)
    window.frames(3)
    assert "layer skeleton" in window.app.ui.notes[0].text
    assert len(window.app.ui.notes) == 1
    monkeypatch.undo()
    window.scroll_to("show/Skeleton", "layers")
    window.click("show/Skeleton", 0.1)
    window.click("show/Skeleton", 0.1)
    assert not window.app.ui.broken


def test_a_dead_optimiser_is_shown_and_can_be_restarted(window):
    window.click("Step")
    window.settle()
    answer = Analysis(kind="ground", options=(), snapshot=1, seconds=0.0, value=None)
    window.app.client.worker._publish(answer)
    window.frames(1)
    assert window.view.analyses == {"ground": answer}
    window.app.client.worker.quitting = True
    window.frames(3)
    assert window.shows("The optimiser ended.")
    assert window.shows("A new one begins anew.")
    window.click("Restart")
    window.frames(3)
    assert not window.view.analyses  # they were about other iterations
    assert window.view.status.total_iterations == 0
    window.click("Iteration")
    window.settle()
    assert window.view.status.total_iterations == 1


def test_while_loading_the_panels_are_there(open_window, monkeypatch):
    window = open_window()
    window.app.view = None
    monkeypatch.setattr(window.app.client, "poll", lambda: [Loading(text="Loading models…")])
    window.frames(3)
    assert window.app.loading == "Loading models…"
    assert set(SLOTS) <= set(window.windows)
    window.key("Space")
    assert not window.app.ui.broken


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(12345.6, 4, "12346"), (-1094.2, 3, "-1094"), (0.0123456, 4, "0.01235"), (2.5e-5, 4, "2.5e-5"), (3e6, 4, "3.0e6")],
)
def test_numbers_have_an_exponent_only_where_they_are_long_without(value, digits, text):
    assert number(value, digits) == text
