"""The panel Messages: errors, warnings and notes, the newest first, with advice."""

from __future__ import annotations

from collections.abc import Iterator

from viewer.protocol.commands import Command
from viewer.protocol.view_model import Note
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import dot, font, styled

COLORS = {"info": "ACCENT", "warning": "WARN", "error": "BAD"}
"""Level of a note → name of its colour in ``theme``."""
NOTHING = "Nothing to report."


def messages_panel(ui: UiState) -> Iterator[Command]:
    """The list of notes; it needs no view, since it also tells of what happens before there is one."""
    if ui.notes:
        with styled(FramePadding=(4.0, 0.0)):
            if psim.SmallButton("Clear"):
                ui.notes.clear()
    if not ui.notes:
        psim.TextDisabled(NOTHING)
    if psim.BeginChild("notes", (0.0, 0.0)):
        for note in ui.notes:
            _note(note)
    psim.EndChild()
    yield from ()


def _note(note: Note) -> None:
    dot(getattr(theme, COLORS[note.level]))
    with font(theme.SMALL_FONT):
        psim.PushTextWrapPos(0.0)
        psim.TextUnformatted(note.text)
        if note.advice:
            with styled(ItemSpacing=(7.0, 1.0)):
                psim.TextColored(theme.rgba(theme.DIM), note.advice)
        psim.PopTextWrapPos()
