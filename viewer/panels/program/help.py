"""Help windows over the 3D view: the sheet of shortcuts, and the hint at the first start."""

from __future__ import annotations

from collections.abc import Iterator

from viewer.panels.shortcuts import SHEET
from viewer.protocol.commands import Command
from viewer.ui import theme
from viewer.ui.drawing import psim, window_flags
from viewer.ui.layout import Rect
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import caption

_FLAGS = ("NoTitleBar", "NoResize", "NoMove", "NoSavedSettings", "AlwaysAutoResize")
HINT = (
    "Press N to do one iteration of the optimiser, space to run it.",
    "Drag the lower bar to move through the clip, the upper one to look back.",
    "You may change weights, and hold or release variables, at any time.",
)


def help_windows(ui: UiState, view: Rect) -> Iterator[Command]:
    """Draw whichever is open, inside the free part of the window."""
    if ui.show_help:
        _open("Keyboard", view, centred=True)
        _sheet(ui)
        psim.End()
    elif ui.show_hint:
        _open("Hint", view, centred=False)
        _hint(ui)
        psim.End()
    yield from ()


def _open(name: str, view: Rect, *, centred: bool) -> None:
    """In the middle of the scene, or at its lower edge, since the legend is at the upper one."""
    x = view.x + view.width / 2
    y, pivot = (view.y + view.height / 2, 0.5) if centred else (view.y + view.height - 12.0, 1.0)
    psim.SetNextWindowPos((x, y), int(psim.ImGuiCond_Always), (0.5, pivot))
    psim.Begin(name, window_flags(*_FLAGS))
    if psim.IsWindowAppearing():  # Taking the focus in every frame would let no other window's button be clicked.
        psim.SetWindowFocus()


def _sheet(ui: UiState) -> None:
    caption("Keyboard")
    if psim.BeginTable("keys", 2):
        for keys, what in SHEET:
            psim.TableNextRow()
            psim.TableNextColumn()
            psim.TextColored(theme.rgba(theme.ACCENT), keys)
            psim.TableNextColumn()
            psim.TextUnformatted(what)
        psim.EndTable()
    psim.Spacing()
    psim.TextDisabled("Mouse: drag to turn, Shift+drag to move, wheel to zoom.")
    if psim.Button("Close help"):
        ui.show_help = False


def _hint(ui: UiState) -> None:
    for line in HINT:
        psim.TextUnformatted(line)
    if psim.Button("Got it"):
        ui.show_hint = False
    psim.SameLine()
    if psim.Button("All shortcuts"):
        ui.show_hint, ui.show_help = False, True
