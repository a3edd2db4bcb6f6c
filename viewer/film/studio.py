"""Connects filming with the window: starts and ends a film, decides when a picture is taken, and reports."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

import polyscope as ps
from platformdirs import user_videos_path

from optim.common.writing import file_name
from viewer.film.capture import CaptureError
from viewer.film.filming import Filming
from viewer.film.player import Player
from viewer.film.script import Script, ScriptError, read_script
from viewer.film.video import VideoError
from viewer.protocol.commands import Command
from viewer.protocol.view_model import Note, ViewModel
from viewer.scene.camera import Viewpoint
from viewer.ui.layout import Rect
from viewer.ui.ui_state import Shown, UiState


class Filmed(Protocol):
    """The parts of the window that filming needs."""

    ui: UiState
    view: ViewModel | None

    @property
    def viewpoint(self) -> Viewpoint:
        """The viewpoint of the scene."""

    def free(self) -> Rect:
        """The part of the window that no panel covers."""

    def post(self, commands: list[Command]) -> None:
        """Send commands to the optimiser."""


def videos_folder() -> Path:
    """The default folder for videos: the user's own, on Linux ``$XDG_VIDEOS_DIR``.

    It is the home folder if the user has named none and there is no ``~/Videos``.
    """
    folder = user_videos_path()
    return Path.home() if folder == Path.home() / "Videos" and not folder.is_dir() else folder


class Studio:
    """Films the window, one film at a time; call ``prepare`` before a frame is drawn and ``take`` after it."""

    def __init__(self, app: Filmed) -> None:
        self._app = app
        self._ready = self._told_resized = False
        self._before: Shown | None = None  # layers and settings before the script that is played
        self.filming: Filming | None = None
        self.error: str | None = None  # the error that ended the last film

    @property
    def picture_seconds(self) -> float | None:
        """Seconds by which the clip advances in this frame while filming; None while not filming."""
        if self.filming is None:
            return None
        return 1.0 / self.filming.fps if self._ready and self.filming.player is None else 0.0

    @property
    def caption(self) -> str:
        """The caption of the script that is played."""
        return self.filming.player.caption if self.filming is not None and self.filming.player is not None else ""

    def start(self, path: Path, *, script: Script | None = None, pictures: bool = False, fps: float = 30.0) -> None:
        """Start filming; a film in progress is ended first. An error becomes a message."""
        self.stop()
        self.error, self._told_resized = None, False
        player = None if script is None else Player(script, self._app.viewpoint)
        try:
            rate = fps if script is None else script.fps
            self.filming = Filming(path, size=ps.get_buffer_size(), fps=rate, player=player, pictures=pictures)
        except (VideoError, OSError) as error:
            self._failed(error)
            return
        self._before = None if script is None else self._app.ui.shown_now()
        self._app.ui.filming.active = True

    def stop(self) -> None:
        """End the recording and complete the file. Layers and settings are restored to those before the script."""
        if self.filming is None:
            return
        filming, self.filming, self._ready = self.filming, None, False
        ui = self._app.ui.filming
        ui.active = False
        if self._before is not None:
            self._app.ui.show_again(self._before)
            self._before = None
        try:
            filming.finish()
        except VideoError as error:
            self._failed(error)
            return
        ui.last = filming.path
        seconds = filming.frames / filming.fps
        text = f"Filmed {filming.frames} pictures, {seconds:.1f} s: {filming.path}"
        self._app.ui.note(Note(level="info", text=text, advice=filming.remark))

    def obey(self) -> None:
        """Carry out the request of the panel or of a key."""
        ui, view = self._app.ui.filming, self._app.view
        request, ui.request = ui.request, None
        if request is None or view is None:
            return
        if request == "stop":
            self.stop()
            return
        name = f"{file_name(view.scene.name, otherwise='clip')}-{time.strftime('%Y%m%d-%H%M%S')}.mp4"
        try:
            script = None if request == "start" else read_script(request)
        except ScriptError as error:
            self._failed(error)
            return
        folder = Path(ui.folder) if ui.folder else videos_folder()
        self.start(folder / name, script=script, pictures=ui.pictures)

    def prepare(self) -> bool:
        """Prepare the window for the next picture; returns whether it can be taken after this frame."""
        app, filming = self._app, self.filming
        self._ready = False
        if filming is None or app.view is None:
            return False
        if filming.player is None:
            self._ready = True
            return True
        if app.view.obeyed < app.ui.posted or app.view.status.state == "running":
            return False
        try:
            order = filming.next_order(app.view, app.ui, app.free())
        except Exception as error:  # an error in a script must not close the window
            self._failed(error)
            return False
        if order is not None:
            app.post([order])
        self._ready = order is None
        return self._ready

    def take(self) -> None:
        """Take the picture if it is ready, after the frame has been drawn."""
        filming = self.filming
        if filming is None or not self._ready:
            return
        self._ready = False
        try:
            filming.take()
        except (CaptureError, VideoError) as error:
            self._failed(error)
            return
        if filming.resized and not self._told_resized:
            self._told_resized = True
            text = "The window was resized: the video keeps its size of {} × {}.".format(*filming.size)
            self._app.ui.note(Note(level="info", text=text, advice="What is filmed is fitted into it."))
        ui = self._app.ui.filming
        ui.frames, ui.total = filming.frames, 0 if filming.player is None else filming.player.script.frames
        if filming.over:
            self.stop()

    def _failed(self, error: Exception) -> None:
        """End the film with a message; the pictures taken before are kept."""
        told = isinstance(error, ValueError | VideoError | CaptureError | OSError)
        self.error = str(error) if told else f"{type(error).__name__}: {error}"
        if self.filming is not None:
            self.stop()
        self._app.ui.filming.active = False
        self._app.ui.note(Note(level="error", text=f"Filming: {self.error}", advice="What was filmed before is kept."))
