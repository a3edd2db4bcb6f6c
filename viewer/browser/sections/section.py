"""What all parts of the page have in common."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState


class Section(Protocol):
    """A part of the page."""

    def follow(self, view: ViewModel, ui: UiState) -> Iterable[Command]:
        """Show the view and the state of the screen; returns what has to be asked for that."""
