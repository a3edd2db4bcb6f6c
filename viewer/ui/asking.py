"""Asks the worker each question once per snapshot, for the panels that show the answers."""

from __future__ import annotations

from collections.abc import Iterator

from viewer.protocol.commands import Analyse, Command
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState


def ask(view: ViewModel, ui: UiState, kind: str, *, live: bool = False, **options: object) -> Iterator[Command]:
    """Have ``view.analyses[kind]`` brought up to date with the iteration that is shown.

    Args:
        live: Ask even while the optimiser runs or the iteration bar is dragged, which slows them down. Otherwise the
            question waits until neither is the case.
        options: Options of the question; with other values it is another question.
    """
    wanted = (view.shown, tuple(options.items()))
    busy = view.status.state == "running" or ui.scrubbing is not None
    if ui.asked.get(kind) == wanted or (busy and not live):
        return
    ui.asked[kind] = wanted
    yield Analyse(kind, *wanted)


def is_current(view: ViewModel, kind: str) -> bool:
    """Whether the answer is about the iteration that is shown."""
    found = view.analyses.get(kind)
    return found is not None and found.snapshot == view.shown
