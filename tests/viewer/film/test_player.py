"""Scripts that are played: what the words of a line mean in the window."""

from __future__ import annotations

import pytest

from optim.session.edits import Rewind, SetWeight
from viewer.film.player import Player
from viewer.film.script import ScriptError, parse_script
from viewer.protocol.commands import Inspect, Step


@pytest.fixture
def edited(window):
    """Four iterations, an edit before each of the last two: the numbers on the screen are not those of snapshots."""
    window.post(Step(), Step())
    for weight in (2.0, 3.0):
        window.post(SetWeight("joints3d", weight, 1), Step())
    return window


def play(window, line: str):
    player = Player(parse_script(line), window.app.viewpoint)
    orders = list(player.prepare(lambda: window.view, window.app.ui, window.app.free))
    return player, orders


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_an_iteration_has_the_number_that_the_screen_shows(edited, number):
    _, (order,) = play(edited, f"0 iteration {number}")
    edited.post(order)
    assert edited.view.history.number(edited.view.shown) == number
    assert edited.shows(f"{number} / 4")


def test_the_end_is_the_iteration_that_the_fit_stands_at(edited):
    edited.post(Inspect(1))
    _, (order,) = play(edited, "0 iteration end")
    assert order == Inspect(None)
    _, orders = play(edited, "0 iteration 400")
    assert orders == [Inspect(None)]


def test_rewinding_goes_by_the_same_numbers(edited):
    _, (order,) = play(edited, "0 rewind 3")
    assert isinstance(order, Rewind)
    assert edited.view.history.number(order.snapshot) == 3
    edited.post(order)
    assert edited.session.current.total_iterations == 3
    with pytest.raises(ScriptError, match="rewind 4: this branch has 3 iterations"):
        play(edited, "0 rewind 4")


def test_two_iterations_side_by_side_go_by_the_same_numbers(edited):
    player, _ = play(edited, "0 compare 1 end")
    assert [edited.view.history.number(snapshot) for snapshot in player.compared] == [1, 4]
