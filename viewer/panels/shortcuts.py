"""Keyboard shortcuts; they act only while no text field has the focus."""

from __future__ import annotations

from collections.abc import Iterator

from optim.session.edits import Bookmark, Hold, Redo, Release, RemoveBookmark, Rewind, Undo
from viewer.panels.fit.timeline import default_name
from viewer.panels.fit.transport import next_speed
from viewer.protocol.commands import (
    Analyse,
    Command,
    Inspect,
    Pause,
    Run,
    RunPhase,
    RunStage,
    SetSpeed,
    Step,
    StepOuter,
)
from viewer.protocol.view_model import ViewModel
from viewer.ui.drawing import psim
from viewer.ui.focus import FOCUSES, absent, focus_on
from viewer.ui.ui_state import LAYERS, UiState

SHEET = (
    ("Space", "run or pause the optimiser"),
    ("N", "one iteration"),
    ("O", "one outer step"),
    ("P", "to the end of the phase"),
    ("G", "to the end of the stage"),
    ("[  ]", "slower, faster"),
    ("X", "freeze or release x_0"),
    ("Ctrl+Z  Ctrl+Y", "undo, redo an edit (also Ctrl+Shift+Z)"),
    ("Shift+← →", "look at the iteration before, after"),
    ("R  Esc", "rewind to it, back to the latest"),
    ("B  PgUp PgDn", "bookmark it or not, go from one to the next"),
    ("← →  Home End", "frame by frame, first, last"),
    ("K", "play the clip"),
    (",  .", "in and out point: play from here, to here"),
    ("T  S  V", "see it from the top, the side, the front"),
    ("U", "orthographic or in perspective"),
    ("F2 … F6", "views: fit, drift, overlaps, floor, image"),
    ("1 … 9", "layers"),
    ("Click", "the numbers of a joint or a place on the body"),
    ("D  E", "diagnose, larger plots"),
    ("W", "larger table of weights"),
    ("F  H", "follow the body, home viewpoint"),
    ("Tab  F9", "hide the panels, film a video"),
    ("F8", "a still picture, up to 4 times the window's size"),
    ("?  F1", "this sheet"),
    ("Ctrl+O  Ctrl+Q", "open a file or run, quit"),
)
_STEPS = (("N", Step), ("O", StepOuter), ("P", RunPhase), ("G", RunStage))


def shortcuts(view: ViewModel | None, ui: UiState) -> Iterator[Command]:
    """Read this frame's keys."""
    ctrl, shift = _held("Ctrl"), _held("Shift")
    if ctrl and _pressed("Q"):
        ui.quit = True
    if psim.GetIO().WantTextInput:
        return
    if _pressed("F1") or (_pressed("Slash") and shift):
        ui.show_help, ui.show_hint = not ui.show_help, False
    if ctrl and _pressed("O"):
        ui.opening.show("open")
    if view is None:
        return
    if ctrl:
        redo = _pressed("Y") or (shift and _pressed("Z"))
        if redo and view.can_redo:
            yield Redo()
        elif _pressed("Z") and not shift and view.can_undo:
            yield Undo()
        return
    _screen_keys(view, ui, shift=shift)
    yield from _history_keys(view, ui, shift=shift)
    yield from _optimiser_keys(view, ui)


def _digit_keys(digit: int) -> list[str]:
    """Names of the keys of a digit: in the upper row and on the keypad.

    ImGui names a key by what it writes without Shift. French keyboards have ' and - on the keys of 4 and 6.
    """
    return [str(digit), f"Keypad{digit}", *{4: ["Apostrophe"], 6: ["Minus"]}.get(digit, [])]


def _pressed(key: str, *, repeat: bool = False) -> bool:
    return bool(psim.IsKeyPressed(getattr(psim, f"ImGuiKey_{key}"), repeat))


def _held(modifier: str) -> bool:
    """Whether Ctrl or Shift belongs to a key that was pressed in this frame.

    Frames are long where the processor draws. Who strikes Shift and an arrow shortly lets go of Shift in the frame in
    which the arrow arrives, and ImGui then says that Shift is up. So a modifier counts in that frame, too.
    """
    key = getattr(psim, f"ImGuiMod_{modifier}")
    return bool(psim.IsKeyDown(key) or psim.IsKeyReleased(key))


def _optimiser_keys(view: ViewModel, ui: UiState) -> Iterator[Command]:
    running = view.status.state == "running"
    if _pressed("Space"):
        if running:
            yield Pause()
        elif view.status.state == "paused":
            yield Run()
    if view.status.state == "paused":
        for key, command in _STEPS:
            if _pressed(key):
                yield command()
    if _pressed("D"):
        ui.show_panel("diagnosis")
        if not running:
            yield Analyse("diagnosis", view.shown)
    for key, step in (("LeftBracket", 1), ("RightBracket", -1)):
        if _pressed(key):
            yield SetSpeed(next_speed(view.status.speed_limit, step))
    if _pressed("X"):
        yield Release("x_0") if "x_0" in view.held else Hold("x_0")


def _history_keys(view: ViewModel, ui: UiState, *, shift: bool) -> Iterator[Command]:
    if _pressed("Escape"):
        if ui.show_help:
            ui.show_help = False
        elif view.shown != view.current:
            yield Inspect(None)
    if _pressed("R") and view.shown != view.current:
        yield Rewind(view.shown)
    if _pressed("B"):
        marked = any(snapshot == view.shown for snapshot, _ in view.history.bookmarks)
        yield RemoveBookmark(view.shown) if marked else Bookmark(default_name(view), view.shown)
    for key, step in (("PageUp", -1), ("PageDown", 1)):
        if _pressed(key):
            yield from _next_bookmark(view, step)
    if shift:
        for key, step in (("LeftArrow", -1), ("RightArrow", 1)):
            if _pressed(key, repeat=True):
                yield Inspect(_neighbour(view, step))


def _next_bookmark(view: ViewModel, step: int) -> Iterator[Command]:
    """To the bookmark before or after the iteration shown, in the order they were made."""
    marked = [snapshot for snapshot, _ in view.history.bookmarks if (snapshot - view.shown) * step > 0]
    if marked:
        wanted = min(marked) if step > 0 else max(marked)
        yield Inspect(None if wanted == view.current else wanted)


def _neighbour(view: ViewModel, step: int) -> int | None:
    """Id of the iteration before or after the one shown, on its own branch; None for the newest."""
    history, row = view.history, view.history.row_of(view.shown)
    line = history.branch
    if row not in line:
        line = history.path(history.branches[int(history.branch_of[row])].last)
    branch = [int(i) for i in history.ids[line]]
    at = branch.index(view.shown)
    wanted = branch[min(max(at + step, 0), len(branch) - 1)]
    return None if wanted == view.current else wanted


def _screen_keys(view: ViewModel, ui: UiState, *, shift: bool) -> None:
    count = view.scene.clip_frames
    if not shift:
        for key, step in (("LeftArrow", -1), ("RightArrow", 1), ("Home", -count), ("End", count)):
            if _pressed(key, repeat=True):
                ui.move_frame(step, count)
    if _pressed("K"):
        ui.playing = not ui.playing
    for name, row in FOCUSES.items():
        if _pressed(row.key) and absent(name, view) is None:
            focus_on(ui, name)
    if _pressed("Comma"):
        ui.mark_in()
    if _pressed("Period"):
        ui.mark_out()
    for key, side in (("T", "top"), ("S", "side"), ("V", "front")):
        if _pressed(key):
            ui.camera_request = side
    if _pressed("U"):
        ui.orthographic = not ui.orthographic
    if _pressed("Tab"):
        ui.panels = not ui.panels
    if _pressed("F8"):
        ui.filming.still_wanted = True
    if _pressed("F9"):
        ui.filming.request = "stop" if ui.filming.active else "start"
    if _pressed("E"):
        ui.wide = not ui.wide
    if _pressed("W"):
        ui.wide_weights = not ui.wide_weights
    if _pressed("F"):
        ui.follow = not ui.follow
    if _pressed("H"):
        ui.camera_request = "home"
    for index, name in enumerate(list(LAYERS)[:9]):
        if any(_pressed(key) for key in _digit_keys(index + 1)):
            ui.switch(name)
