"""What all parts of the page have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState


def sequence_numbers(view: ViewModel) -> tuple[str, ...]:
    """The sub-sequences of the batch, as they are numbered on the screen: through all batches, from 1."""
    return tuple(f"{view.scene.number(b) + 1}" for b in range(len(view.scene.starts)))


def sequence_numbered(view: ViewModel, number: str) -> int:
    """Which sub-sequence of the batch has a number; the nearest one if the number is of another batch."""
    return min(max(int(number) - 1 - view.scene.number(0), 0), len(view.scene.starts) - 1)


class Section(Protocol):
    """A part of the page."""

    def follow(self, view: ViewModel, ui: UiState) -> Iterable[Command]:
        """Show the view and the state of the screen; returns what has to be asked for that."""
