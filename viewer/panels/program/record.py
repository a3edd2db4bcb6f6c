"""Record: a video of the window as it is used, or of a script that comes with the program or lies in a file."""

from __future__ import annotations

from collections.abc import Iterator

from viewer.film.script import FAST_FPS, READY_MADE
from viewer.protocol.commands import Command
from viewer.protocol.pace import duration
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.drawing import ps, psim
from viewer.ui.ui_state import STILL_TIMES, FilmingState, UiState
from viewer.ui.widgets import disabled, font, icon_button, scale, tooltip

_HELP = {
    "fit": "The iterations of the fit, then its motion",
    "turntable": "Once around the body while it moves",
    "before-after": "The start of the fit beside the iteration that is shown",
}


def record_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Draw the buttons to start and stop filming, the ready-made scripts, and fields for a script and the folder."""
    film = ui.filming
    width = psim.GetContentRegionAvail()[0]
    if film.active:
        red = theme.mix(theme.BAD, theme.PANEL, 0.35)
        if icon_button("Stop filming", "pause", (width, 28.0 * scale()), fill=red):
            film.request = "stop"
        tooltip("Ends the film and completes the file (F9)")
        _progress(ui)
    elif icon_button("Film the window", "play", (width, 28.0 * scale())):
        film.request = "start"
    rate = FAST_FPS if film.fast else 30.0
    tooltip(f"{rate:g} pictures of video a second, however long the machine takes for each (F9)")
    _still(ui)
    with disabled(film.active):
        _, ui.panels_while_filming = psim.Checkbox("with panels", ui.panels_while_filming)
        tooltip("Otherwise panels are hidden while filming and in still pictures; the keys still work")
        psim.SameLine()
        _, film.pictures = psim.Checkbox("PNG too", film.pictures)
        tooltip("Also writes every picture as a file")
        psim.SameLine()
        _, film.fast = psim.Checkbox(f"{FAST_FPS:g} a second", film.fast)
        tooltip("Half as many pictures: a film of a long clip takes half the time")
        for index, (name, text) in enumerate(_HELP.items()):
            if index:
                psim.SameLine()
            if psim.SmallButton(name):
                film.request = name
            tooltip(text)
        _script(ui)
        _folder(ui)
    if film.last is not None:
        with font(theme.SMALL_FONT):
            psim.PushTextWrapPos(0.0)
            psim.TextColored(theme.rgba(theme.GOOD), f"written: {film.last}")
            psim.PopTextWrapPos()
    yield from ()


def _progress(ui: UiState) -> None:
    film = ui.filming
    if film.total:
        psim.ProgressBar(film.frames / film.total, (-1.0, 0.0), _told(film))
    else:
        psim.TextColored(theme.rgba(theme.DIM), f"{film.frames} pictures, {duration(film.frames / film.fps)}")


def _told(film: FilmingState) -> str:
    left = "" if film.left is None else f" · {film.left}"
    return f"{film.frames} of {film.total} pictures{left}"


def _still(ui: UiState) -> None:
    film, size = ui.filming, ps.get_buffer_size()
    with disabled(film.still_drawn):
        if psim.Button("Drawing…##still" if film.still_drawn else "Still picture##still"):
            film.still_wanted = True
    pixels = " × ".join(str(length * film.times) for length in size)
    tooltip(f"Writes what the window shows as a PNG of {pixels} pixels, drawn anew at that size (F8)")
    psim.SameLine()
    psim.SetNextItemWidth(64.0 * scale())
    if psim.BeginCombo("##times", f"{film.times} ×"):
        for times in STILL_TIMES:
            if psim.Selectable(f"{times} ×", times == film.times):
                film.times = times
        psim.EndCombo()
    tooltip(f"Size of the picture against the window: {pixels} pixels")


def _script(ui: UiState) -> None:
    film = ui.filming
    psim.SetNextItemWidth(-64.0 * scale())
    _, film.script = psim.InputTextWithHint("##script", "a script: its file", film.script)
    tooltip(f"Plays and films it; a text file, see docs/recording.md. Ready-made: {', '.join(READY_MADE)}")
    psim.SameLine()
    with disabled(not film.script):
        if psim.Button("Play"):
            film.request = film.script


def _folder(ui: UiState) -> None:
    psim.SetNextItemWidth(-1.0)
    _, ui.filming.folder = psim.InputTextWithHint("##folder", "where to: the folder for videos", ui.filming.folder)
    tooltip("Folder that videos are written to; empty: ~/Videos, or the home folder")
