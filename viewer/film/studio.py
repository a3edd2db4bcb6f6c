"""Connects filming with the window: starts and ends a film, decides when a picture is taken, and reports."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from platformdirs import user_videos_path

from optim.common.writing import file_name
from viewer.film.capture import CaptureError
from viewer.film.filming import Filming, Side
from viewer.film.player import Player
from viewer.film.script import FAST_FPS, Script, ScriptError, faster, read_script
from viewer.film.sign import HOW_TO_STOP, NO_SIGN, Sign
from viewer.film.video import VideoError
from viewer.protocol.commands import Command, Inspect
from viewer.protocol.pace import TimeLeft
from viewer.protocol.view_model import Note, ViewModel
from viewer.scene.camera import Viewpoint
from viewer.ui.drawing import ps
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


def length(seconds: float) -> str:
    """Length of a film as minutes and whole seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def new_file(folder: Path, name: str, *, ending: str = ".mp4") -> Path:
    """Make an empty file with this name, or with a number behind it where there is one of that name.

    Raises:
        OSError: No file can be made there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = folder / (f"{name}{ending}" if number == 1 else f"{name}-{number}{ending}")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path


@dataclass(frozen=True)
class Before:
    """What a script may change in a window, as it was."""

    shown: Shown
    snapshot: int | None  # None: the current one
    matrix: np.ndarray
    fov_degrees: float
    projection: str


class Studio:
    """Films the window, one film at a time; call ``prepare`` before a frame is drawn and ``take`` after it."""

    def __init__(self, app: Filmed) -> None:
        self._app = app
        self._ready = self._told_resized = self._told_no_sign = False
        self._before: Before | None = None  # the window before the script that is played
        self._began = 0.0
        self._sign = Sign()
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

    @property
    def side(self) -> Side | None:
        """The part of a picture that the next frame is for; None where pictures are taken whole."""
        return None if self.filming is None else self.filming.side

    def start(self, path: Path, *, script: Script | None = None, pictures: bool = False, fps: float = 30.0) -> None:
        """Start filming; a film in progress is ended first. An error becomes a message."""
        self.stop()
        self.error, self._told_resized, self._told_no_sign = None, False, False
        player = None if script is None else Player(script, self._app.viewpoint)
        try:
            rate = fps if script is None else script.fps
            size, alone = ps.get_buffer_size(), self._app.ui.exact
            self.filming = Filming(path, size=size, fps=rate, player=player, pictures=pictures, untouched=alone)
        except (VideoError, OSError) as error:
            self._failed(error)
            return
        ui = self._app.ui.filming
        ui.active, ui.frames, ui.total, ui.left, ui.fps = True, 0, 0, None, rate
        if script is not None:
            self._before = self._remember()
            ui.panels = script.panels
        self._began = time.monotonic()
        ps.set_window_resizable(False)

    def _remember(self) -> Before:
        view = self._app.view
        snapshot = None if view is None or view.shown == view.current else view.shown
        matrix = np.array(ps.get_camera_view_matrix())
        return Before(
            self._app.ui.shown_now(), snapshot, matrix, ps.get_vertical_fov_degrees(), ps.get_view_projection_mode()
        )

    def _restore(self, before: Before) -> None:
        self._app.ui.show_again(before.shown)
        self._app.viewpoint.back_to(before.matrix, before.fov_degrees, before.projection)
        self._app.post([Inspect(before.snapshot)])

    def stop(self) -> None:
        """End the recording and complete the file. The window is as it was before the script."""
        if self.filming is None:
            return
        filming, self.filming, self._ready = self.filming, None, False
        self._sign.hide()
        ui = self._app.ui.filming
        ui.active, ui.panels = False, None
        if ps.is_initialized():
            ps.set_window_resizable(True)
        before, self._before = self._before, None
        if before is not None:
            self._restore(before)
        try:
            filming.finish()
        except VideoError as error:
            self._failed(error)
            return
        ui.last = filming.path
        seconds = filming.frames / filming.fps
        text = f"Filmed {filming.frames} pictures, {seconds:.1f} s: {filming.path}"
        self._app.ui.note(Note(level="info", text=text, advice=filming.remark))

    def rescue(self) -> None:
        """Complete the file of the film under way, without using the display."""
        if self.filming is not None:
            filming, self.filming = self.filming, None
            filming.finish()

    def obey(self) -> None:
        """Carry out the request of the panel or of a key."""
        ui, view = self._app.ui.filming, self._app.view
        request, ui.request = ui.request, None
        if request is None or view is None:
            return
        if request == "stop":
            self.stop()
            return
        name = f"{file_name(view.scene.name, otherwise='clip')}-{time.strftime('%Y%m%d-%H%M%S')}"
        try:
            script = None if request == "start" else read_script(request)
            script = faster(script) if script is not None and ui.fast else script
            path = new_file(Path(ui.folder) if ui.folder else videos_folder(), name)
        except (ScriptError, OSError) as error:
            self._failed(error)
            return
        self.start(path, script=script, pictures=ui.pictures, fps=FAST_FPS if ui.fast else 30.0)

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
            order = filming.next_order(app.view, app.ui, app.free)
            if order is None and filming.repeat(app.ui):
                self._tell_progress(filming)
                return False
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
        self._tell_progress(filming)

    def _tell_progress(self, filming: Filming) -> None:
        """Count the pictures, and end a script that is over."""
        ui = self._app.ui.filming
        ui.frames, ui.total = filming.frames, 0 if filming.player is None else filming.player.script.frames
        if not (ps.is_headless() or self._told_no_sign):
            self._told_no_sign = not self._sign.show(length(ui.frames / filming.fps), scale=ps.get_ui_scale())
            if self._told_no_sign:
                self._app.ui.note(Note(level="info", text=NO_SIGN, advice=HOW_TO_STOP))
        if ui.total and ui.frames:
            ui.left = TimeLeft((ui.total / ui.frames - 1.0) * (time.monotonic() - self._began))
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
