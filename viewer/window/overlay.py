"""Draws over the scene while panels are hidden: the iteration, the loss curve, the schedule, and a caption."""

from __future__ import annotations

import math

from viewer.film.filming import Side
from viewer.panels.fit.losses import plot_losses
from viewer.panels.fit.timeline import draw_schedule, positions
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.drawing import ps, psim, window_flags
from viewer.ui.layout import Rect
from viewer.ui.widgets import font, number

MARGIN, PLOT_WIDTH, PLOT_HEIGHT, BAR_HEIGHT, CAPTION_HEIGHT = 16.0, 300.0, 168.0, 36.0, 58.0
CAPTION = 28.0 / 720.0  # height of a caption's letters against the window's, so that it can be read in a video
LEAST_HEIGHT = 400.0  # of a window that has room for the loss curve
_FLAGS = ("NoDecoration", "NoSavedSettings")


def free_of_overlay(size: tuple[int, int]) -> Rect:
    """The part of the window that stays uncovered."""
    (width, height), unit = size, ps.get_ui_scale()
    margin, left, top = MARGIN * unit, 0.0, 0.0
    if height >= LEAST_HEIGHT * unit:
        left = 2 * margin + PLOT_WIDTH * unit
    else:
        top = margin + CAPTION_HEIGHT * unit
    return Rect(left, top, max(width - left - 2 * margin, 1.0), max(height - top - BAR_HEIGHT * unit - 2 * margin, 1.0))


def draw_overlay(view: ViewModel, size: tuple[int, int]) -> None:
    """Draw phase, step and loss of the iteration that is shown, and its place on the curve and in the schedule."""
    (width, height), unit = size, ps.get_ui_scale()
    margin, bar = MARGIN * unit, BAR_HEIGHT * unit
    row = view.history.row_of(view.shown)
    phase = view.phases[int(view.history.phase[row])]
    _open("overlay caption", margin, margin, PLOT_WIDTH * unit, CAPTION_HEIGHT * unit)
    with font(theme.LARGE_FONT):
        psim.TextUnformatted(phase.name.capitalize())
    loss, text = float(view.history.total[row]), view.scene.name
    fitted = math.isfinite(loss)  # results that were saved have no losses
    if fitted:
        step, number_ = int(view.history.step[row]) + 1, view.history.number(view.shown)
        text = f"step {step}/{phase.steps} · iteration {number_} · loss {number(loss)}"
    psim.TextColored(theme.rgba(theme.DIM), text)
    psim.End()
    if fitted and height >= LEAST_HEIGHT * unit:
        plot = PLOT_HEIGHT * unit
        _open("overlay loss", margin, height - plot - bar - 20.0 * unit, PLOT_WIDTH * unit, plot)
        plot_losses(view, each_term=True)
        psim.End()
    _open("overlay schedule", margin, height - bar - 12.0 * unit, width - 2 * margin, bar)
    x, y = psim.GetCursorScreenPos()
    done = float(positions(view, view.history.path(view.shown))[-1])
    draw_schedule(view, x, y - 1, psim.GetContentRegionAvail()[0], 22.0 * unit, done=done)
    psim.End()


def draw_caption(text: str, where: Rect) -> None:
    """Draw a text at the middle of the upper edge, over everything else, in as many lines as it needs."""
    lines = wrapped(text, where.width - 4 * MARGIN)
    _draw_lines([(line, theme.TEXT) for line in lines], where.x + where.width / 2, where.y + MARGIN)


def draw_side(side: Side, view: ViewModel, size: tuple[int, int]) -> None:
    """Draw what one of several pictures side by side shows, below in its middle, and a line before the next one."""
    strip, row = side.strip(size), view.history.row_of(view.shown)
    phase, number_ = view.phases[int(view.history.phase[row])].name, view.history.number(view.shown)
    lines = [(f"iteration {number_}", theme.TEXT), (phase, theme.DIM)]
    if side.title:
        lines = [(side.title, theme.TEXT), (f"{phase}, iteration {number_}", theme.DIM)]
    top = strip.y + strip.height - len(lines) * caption_size() - MARGIN
    _draw_lines(lines, strip.x + strip.width / 2, top)
    if side.index:
        ends = (strip.x, strip.y), (strip.x, strip.y + strip.height)
        psim.GetForegroundDrawList().AddLine(*ends, theme.packed(theme.BORDER), 3.0)


def caption_size() -> float:
    """Height of a caption's lines in pixels."""
    return float(CAPTION * ps.get_window_size()[1])


def wrapped(text: str, width: float) -> list[str]:
    """Lines of whole words that are, as captions, no wider than so many pixels."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _width(line: str) -> float:
    return float(psim.CalcTextSize(line)[0]) * caption_size() / float(psim.GetFontSize())


def _draw_lines(lines: list[tuple[str, theme.Color]], middle: float, top: float) -> None:
    """Lines of a caption below each other, each in the middle, on one dark ground."""
    if not lines:
        return
    draw, size = psim.GetForegroundDrawList(), caption_size()
    half = max(_width(line) for line, _ in lines) / 2 + 12.0
    corners = (middle - half, top - 6.0), (middle + half, top + size * len(lines) + 6.0)
    draw.AddRectFilled(*corners, theme.packed(theme.BACKGROUND, 0.8), 6.0)
    for index, (line, color) in enumerate(lines):
        place = (middle - _width(line) / 2, top + index * size)
        draw.AddText(psim.GetFont(), size, place, theme.packed(color), line)


def _open(name: str, x: float, y: float, width: float, height: float) -> None:
    psim.SetNextWindowPos((x, y))
    psim.SetNextWindowSize((width, height))
    psim.Begin(name, window_flags(*_FLAGS))
