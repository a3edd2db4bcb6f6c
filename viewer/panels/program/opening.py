"""The dialogue that opens another file or run, or compares with one; and the question before a fit is left."""

from __future__ import annotations

from viewer.ui import theme
from viewer.ui.drawing import psim, window_flags
from viewer.ui.layout import Rect
from viewer.ui.opening import expanded
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import caption, disabled, scale, tooltip

_FLAGS = ("NoTitleBar", "NoResize", "NoMove", "NoSavedSettings")
TITLES = {"open": "Open", "compare": "Compare with another run"}
WIDTH, HEIGHT, RECENT = 520.0, 420.0, 6


def opening_windows(ui: UiState, view: Rect) -> None:
    """Draw the question or the dialogue, whichever is open, in the free part of the window."""
    if ui.opening.asked is not None:
        _begin("Leave the fit", view, height=0.0)
        _question(ui, ui.opening.asked)
        psim.End()
    elif ui.opening.asked_again is not None:
        _begin("Begin again", view, height=0.0)
        _question_again(ui, ui.opening.asked_again)
        psim.End()
    elif ui.opening.purpose is not None:
        if psim.IsKeyPressed(psim.ImGuiKey_Escape):
            ui.opening.purpose = None
            return
        _begin("Opening", view, height=HEIGHT)
        _dialogue(ui, ui.opening.purpose)
        psim.End()


def _begin(name: str, view: Rect, *, height: float) -> None:
    width = min(WIDTH * scale(), max(view.width - 12.0, 300.0 * scale()))
    tall = min(height * scale(), view.height - 12.0)
    centre = (view.x + view.width / 2, view.y + view.height / 2)
    psim.SetNextWindowPos(centre, int(psim.ImGuiCond_Always), (0.5, 0.5))
    psim.SetNextWindowSize((width, tall))
    psim.SetNextWindowFocus()
    psim.Begin(name, window_flags(*_FLAGS))


def _question(ui: UiState, path: str) -> None:
    opening = ui.opening
    caption("A fit is in progress")
    psim.TextWrapped(f"Open {path}?")
    psim.TextWrapped(opening.kept)
    if psim.Button("Open it"):
        opening.chosen, opening.asked = path, None
    tooltip("Close this fit and open the file")
    if opening.can_compare(path):
        psim.SameLine()
        if psim.Button("Compare with it"):
            ui.pins.run_to_open, opening.asked = path, None
        tooltip("Keep this fit, and draw the other run as a second body")
    psim.SameLine()
    if psim.Button("Stay here"):
        opening.asked = None
    tooltip("Keep this fit, and open nothing")


def _question_again(ui: UiState, flags: tuple[str, ...]) -> None:
    opening = ui.opening
    caption("A fit is in progress")
    psim.TextWrapped(f"Begin again with {' '.join(flags)}?")
    psim.TextWrapped(opening.kept)
    if psim.Button("Begin again"):
        opening.again, opening.asked_again = flags, None
    tooltip("Close this fit, and read and fit the same data with this flag")
    psim.SameLine()
    if psim.Button("Stay here"):
        opening.asked_again = None
    tooltip("Keep this fit as it is")


def _dialogue(ui: UiState, purpose: str) -> None:
    opening = ui.opening
    caption(TITLES[purpose])
    psim.SetNextItemWidth(-1.0)
    _, opening.text = psim.InputTextWithHint("##path", "path of a file or folder", opening.text)
    tooltip("A path; ~ is your home folder. The list below completes it")
    kind = opening.found()
    with disabled(kind is None):
        pressed = psim.Button(TITLES["open"] if purpose == "open" else "Compare")
    if kind is not None and pressed:
        _take(ui, purpose, str(expanded(opening.text)))
    psim.SameLine()
    if psim.Button("Cancel"):
        opening.purpose = None
    psim.SameLine()
    psim.TextColored(theme.rgba(theme.DIM if kind else theme.WARN), kind or "nothing that the program reads")
    if psim.BeginChild("opening list", (0.0, 0.0)):
        _recent(ui, purpose)
        _list(ui)
    psim.EndChild()


def _take(ui: UiState, purpose: str, path: str) -> None:
    if purpose == "open":
        ui.opening.ask_for(path)
    else:
        ui.pins.run_to_open, ui.opening.purpose = path, None


def _recent(ui: UiState, purpose: str) -> None:
    if ui.opening.runs:
        psim.TextDisabled("Recent runs")
    for path in ui.opening.runs[:RECENT]:
        if psim.Selectable(f"{path.stem}##recent", False):
            _take(ui, purpose, str(path))
        tooltip(str(path))


def _list(ui: UiState) -> None:
    opening = ui.opening
    folder = expanded(opening.text)
    folder = folder if opening.text.endswith("/") else folder.parent
    psim.TextDisabled(str(folder))
    if psim.Selectable("../##up", False):
        opening.text = f"{str(folder.parent).rstrip('/')}/"
    for path in opening.entries():
        if psim.Selectable(f"{path.name}{'/' if path.is_dir() else ''}##entry", False):
            opening.text = f"{path}/" if path.is_dir() else str(path)
        tooltip(str(path))
