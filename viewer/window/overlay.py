"""Draws over the scene while panels are hidden: the iteration, the loss curve, the schedule, and a caption."""

from __future__ import annotations

import math

import polyscope.imgui as psim

from viewer.panels.fit.losses import plot_losses
from viewer.panels.fit.timeline import draw_schedule, positions
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.layout import Rect
from viewer.ui.widgets import font, number

MARGIN, PLOT_WIDTH, PLOT_HEIGHT, BAR_HEIGHT = 16.0, 300.0, 168.0, 36.0
LEAST_HEIGHT = 400.0  # of a window that has room for the loss curve
_FLAGS = int(psim.ImGuiWindowFlags_NoDecoration) | int(psim.ImGuiWindowFlags_NoSavedSettings)


def free_of_overlay(size: tuple[int, int]) -> Rect:
    """The part of the window that stays uncovered."""
    width, height = size
    left = 2 * MARGIN + PLOT_WIDTH if height >= LEAST_HEIGHT else 0.0
    return Rect(left, 0.0, max(width - left - 2 * MARGIN, 1.0), max(height - BAR_HEIGHT - 2 * MARGIN, 1.0))


def draw_overlay(view: ViewModel, size: tuple[int, int]) -> None:
    """Draw phase, step and loss of the iteration that is shown, and its place on the curve and in the schedule."""
    width, height = size
    row = view.history.row_of(view.shown)
    phase = view.phases[int(view.history.phase[row])]
    _open("overlay caption", MARGIN, MARGIN, PLOT_WIDTH, 58.0)
    with font(theme.LARGE_FONT):
        psim.TextUnformatted(phase.name.capitalize())
    loss, text = float(view.history.total[row]), view.scene.name
    fitted = math.isfinite(loss)  # results that were saved have no losses
    if fitted:
        step, number_ = int(view.history.step[row]) + 1, view.history.number(view.shown)
        text = f"step {step}/{phase.steps} · iteration {number_} · loss {number(loss)}"
    psim.TextColored(theme.rgba(theme.DIM), text)
    psim.End()
    if fitted and height >= LEAST_HEIGHT:
        _open("overlay loss", MARGIN, height - PLOT_HEIGHT - BAR_HEIGHT - 20.0, PLOT_WIDTH, PLOT_HEIGHT)
        plot_losses(view, each_term=True)
        psim.End()
    _open("overlay schedule", MARGIN, height - BAR_HEIGHT - 12.0, width - 2 * MARGIN, BAR_HEIGHT)
    x, y = psim.GetCursorScreenPos()
    done = float(positions(view, view.history.path(view.shown))[-1])
    draw_schedule(view, x, y - 1, psim.GetContentRegionAvail()[0], 22.0, done=done)
    psim.End()


def draw_caption(text: str, where: Rect) -> None:
    """Draw a line of text at the middle of the upper edge, over everything else."""
    with font(theme.LARGE_FONT):
        width, height = psim.CalcTextSize(text)
        x, y = where.x + (where.width - width) / 2, where.y + MARGIN
        draw = psim.GetForegroundDrawList()
        corners = (x - 12.0, y - 6.0), (x + width + 12.0, y + height + 6.0)
        draw.AddRectFilled(*corners, theme.packed(theme.BACKGROUND, 0.8), 6.0)
        draw.AddText((x, y), theme.packed(theme.TEXT), text)


def _open(name: str, x: float, y: float, width: float, height: float) -> None:
    psim.SetNextWindowPos((x, y))
    psim.SetNextWindowSize((width, height))
    psim.Begin(name, _FLAGS)
