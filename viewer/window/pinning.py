"""Pins iterations that were asked for, and the motions that were pinned in an earlier window on the same run."""

from __future__ import annotations

from pathlib import Path

from viewer.protocol.commands import Command, Inspect
from viewer.protocol.view_model import ViewModel
from viewer.ui.pins import Pins, pin_of


def pin_wanted(view: ViewModel, pins: Pins) -> list[Command]:
    """Pin the iteration that was asked for once it is shown, and go back to the one before; called once a frame."""
    if pins.wanted is None:
        return _pin_again(view, pins)
    if view.shown != pins.wanted[0]:
        return []
    pins.add(pin_of(view, pins.wanted[1]))
    pins.wanted = None
    _draw_again(pins)
    return [Inspect(pins.back)]


def _pin_again(view: ViewModel, pins: Pins) -> list[Command]:
    """Pin one motion of the earlier window, if it is still there. Of another run it is its end."""
    if not pins.again or view.status.state == "running":
        return []
    place, history = pins.again.pop(0), view.history
    if place.drawn:
        pins.drawn_again = place.label
    if place.run:
        if Path(place.run).exists() and pins.run_to_open is None and not pins.run_path:
            pins.run_to_open = place.run
    elif place.snapshot is None and view.scene.ground_truth is not None:
        pins.add(pin_of(view, place.label, motion=view.scene.ground_truth))
    elif place.snapshot is not None and place.snapshot in history.ids:
        pins.wanted = place.snapshot, place.label
        pins.back = view.shown if view.shown != view.current else None
        return [Inspect(place.snapshot)]
    _draw_again(pins)
    return []


def _draw_again(pins: Pins) -> None:
    """When all are pinned, draw the one that was drawn."""
    if pins.drawn_again is not None and not pins.again:
        pins.draw(pins.drawn_again)
        pins.drawn_again = None
