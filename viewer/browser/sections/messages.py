"""Errors, warnings and notes, the newest first; texts in the page's own format."""

from __future__ import annotations

import html
from collections.abc import Iterable

import viser

from viewer.browser.canvas import css
from viewer.panels.program.messages import COLORS, NOTHING
from viewer.protocol.view_model import Note
from viewer.ui import theme

MOST = 20


class Messages:
    """The list of notes; it is also told before there is a view."""

    def __init__(self, gui: viser.GuiApi) -> None:
        self.html = gui.add_html("")

    def tell(self, notes: Iterable[Note]) -> None:
        """Show messages, whether or not there is a view."""
        lines = [_line(note) for note in list(notes)[:MOST]]
        self.html.content = small("".join(lines) or html.escape(NOTHING))


def small(content: str) -> str:
    """Content in the size of secondary texts."""
    return f'<div style="font-size:0.8em;line-height:1.45;padding:0 0.9em 0.4em">{content}</div>'


def dotted(color: theme.Color, text: str, *more: str) -> str:
    """A paragraph with a dot of a colour, and further lines in a paler one."""
    dim = "".join(f'<br><span style="opacity:0.7">{html.escape(line)}</span>' for line in more if line)
    return f'<p style="margin:0.35em 0"><span style="color:{css(color)}">●</span> {html.escape(text)}{dim}</p>'


def _line(note: Note) -> str:
    return dotted(getattr(theme, COLORS[note.level]), note.text, note.advice)
