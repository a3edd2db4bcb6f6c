"""Takes still pictures of the window's view at a multiple of its size; another process draws them meanwhile.

The window itself keeps its size. The other process draws off-screen what the window shows, panels included, with texts
and widgets as many times as large.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from optim.common.writing import file_name
from viewer.film.studio import new_file, videos_folder
from viewer.protocol.messages import Message
from viewer.protocol.view_model import Note, ViewModel
from viewer.ui.drawing import ps
from viewer.ui.opening import Opening
from viewer.ui.ui_state import FilmingState, UiState


@dataclass(frozen=True)
class Still:
    """What is drawn, from where, and where the picture goes."""

    messages: tuple[Message, ...]
    """What is shown, as a worker would publish it."""
    ui: UiState
    matrix: np.ndarray  # (4, 4) from the world to the eye
    fov_degrees: float
    projection: str
    size: tuple[int, int]  # of the picture [px]
    path: Path


def still_of(view: ViewModel, ui: UiState, path: Path) -> Still:
    """The picture that is asked for, of what the window shows now."""
    times, (width, height) = ui.filming.times, ps.get_buffer_size()
    own = replace(
        ui,
        panels=ui.panels_shown and ui.panels_while_filming,
        scale=ps.get_ui_scale() * times,
        filming=FilmingState(times=times),
        pins=replace(ui.pins, run=None, run_to_open=None, run_wanted=None, wanted=None),
        opening=Opening(),
        follow=False,
        playing=False,
        camera_request=None,
        show_help=False,
        show_hint=False,
        exact=True,
    )
    return Still(
        messages=(view.about, view.scene, *view.analyses.values(), view),
        ui=own,
        matrix=np.array(ps.get_camera_view_matrix()),
        fov_degrees=float(ps.get_vertical_fov_degrees()),
        projection=str(ps.get_view_projection_mode()),
        size=(width * times, height * times),
        path=path,
    )


class StillTaker:
    """The still pictures of one window, one at a time; ``follow`` is called once a frame."""

    def __init__(self, ui: UiState) -> None:
        self.draw: Callable[[Still, Connection], None] | None = None
        """The body of the process that draws: it sends an error as a text, or an empty one when it is done."""
        self._ui = ui
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="still")
        self._process: Any = None
        self._answer: Connection | None = None
        self._still: Still | None = None

    def follow(self, view: ViewModel | None) -> None:
        """Start a picture that was asked for, and tell of one that is ready."""
        ui = self._ui.filming
        if self._still is not None:
            self._look()
        elif ui.still_wanted and view is not None and self.draw is not None:
            self._start(view, self.draw)
        ui.still_wanted, ui.still_drawn = False, self._still is not None

    def _start(self, view: ViewModel, draw: Callable[[Still, Connection], None]) -> None:
        ui = self._ui
        name = f"{file_name(view.scene.name, otherwise='clip')}-{time.strftime('%Y%m%d-%H%M%S')}"
        try:
            path = new_file(Path(ui.filming.folder) if ui.filming.folder else videos_folder(), name, ending=".png")
        except OSError as error:
            self._tell(f"no picture: {error}")
            return
        self._still = still_of(view, ui, path)
        context = multiprocessing.get_context("spawn")
        self._answer, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=draw, args=(self._still, theirs), name="humorscope still", daemon=True)
        self._starter.submit(partial(_begin, self._process, theirs))  # it hands over tens of megabytes

    def _look(self) -> None:
        """Whether the process has answered."""
        assert self._answer is not None and self._still is not None
        if not self._answer.poll():
            return
        try:
            error = str(self._answer.recv())
        except EOFError:
            error = "the process that drew it ended"
        still, self._still = self._still, None
        self._answer.close()
        if error:
            still.path.unlink(missing_ok=True)
            self._tell(f"no picture: {error}")
            return
        self._ui.filming.last = still.path
        text = "Picture of {} × {} pixels: {}".format(*still.size, still.path)
        self._ui.note(Note(level="info", text=text))

    def _tell(self, text: str) -> None:
        self._ui.note(Note(level="error", text=text, advice="A smaller picture, or another folder, may do."))

    def close(self) -> None:
        """Wait for a picture that is being drawn."""
        self._starter.shutdown()
        if self._still is not None and self._answer is not None and self._answer.poll(PATIENCE):
            self._look()
        if self._still is not None:
            self._process.terminate()
            self._still.path.unlink(missing_ok=True)


PATIENCE = 60.0
"""Seconds that a picture may take after the window was closed."""


def _begin(process: Any, theirs: Connection) -> None:
    process.start()
    theirs.close()
