"""Renders a fit to a video without a window: its progress, then the fitted motion, the viewpoint following.

Draws off-screen through EGL with the layers of the window and a small overlay in place of its panels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polyscope as ps
import polyscope.imgui as psim

from viewer import theme
from viewer.app import LAYER_TYPES, WINDOW_SIZE, draw_overlays, start_polyscope
from viewer.build_view import ViewBuilder
from viewer.camera import Viewpoint
from viewer.layout import Rect
from viewer.panels.losses import plot_losses
from viewer.panels.timeline import draw_schedule
from viewer.ui_state import UiState
from viewer.video import VideoWriter
from viewer.view_model import Status, ViewModel
from viewer.widgets import font, number

if TYPE_CHECKING:
    from optim.history import Snapshot
    from optim.session import Session

MARGIN = 16.0
PLOT_WIDTH = 300.0
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class VideoResult:
    """What was written."""

    path: Path
    frames: int
    codec: str
    remark: str = ""  # why it is not H.264, where it is not


def render_fit_video(
    session: Session,
    path: Path,
    *,
    size: tuple[int, int] = WINDOW_SIZE,
    fps: float = 30.0,
    progress_seconds: float = 5.0,
    loops: int = 2,
    report: Report | None = None,
) -> VideoResult:
    """Write a video of a finished (or broken off) fit: its iterations, then its latest motion.

    Args:
        session: The iterations on the way to ``session.current`` are shown; the session is not changed.
        path: The .mp4 to write.
        size: Width and height in pixels.
        progress_seconds: Length of the first part.
        loops: How often the motion is played in the second part.
        report: Called with frames done and frames in all.

    Raises:
        WindowUnavailable: No off-screen drawing is possible here; says what to install.
        viewer.video.VideoError: The file cannot be written.
    """
    start_polyscope("openGL3_egl", size=size)
    recorder = _Recorder(session, size)
    plan = shots(session, clip=recorder.clip_frames, progress_frames=round(progress_seconds * fps), loops=loops)
    try:
        with VideoWriter(path, size=size, fps=fps) as video:
            for index, (snapshot, frame) in enumerate(plan):
                video.write(recorder.shoot(snapshot, frame))
                if report is not None:
                    report(index + 1, len(plan))
        return VideoResult(Path(path), video.frames, video.codec, video.remark)
    finally:
        ps.clear_user_callback()
        ps.remove_all_structures()


def shots(session: Session, *, clip: int, progress_frames: int, loops: int) -> list[tuple[Snapshot, int]]:
    """Which iteration and which frame of the clip every frame of the video shows."""
    branch = session.history.branch(session.current.id)
    rows = np.linspace(0, len(branch) - 1, max(progress_frames, 1)).round().astype(int)
    plan = [(branch[row], index % clip) for index, row in enumerate(rows)]
    return plan + [(session.current, frame) for _ in range(loops) for frame in range(clip)]


class _Recorder:
    """Draws one snapshot at one frame into an image."""

    def __init__(self, session: Session, size: tuple[int, int]) -> None:
        self._session, self._size = session, size
        self._builder = ViewBuilder(session)
        self.clip_frames = self._builder.scene.clip_frames
        self._ui = UiState()
        self._ui.layers |= {"rollout": False}
        self._layers = [layer() for layer in LAYER_TYPES]
        self._viewpoint = Viewpoint()
        self._view: ViewModel | None = None
        self._error: Exception | None = None
        ps.set_user_callback(self._callback)

    def shoot(self, snapshot: Snapshot, frame: int) -> np.ndarray:
        """RGB uint8 (height, width, 3)."""
        first = self._view is None
        if self._view is None or self._view.shown != snapshot.id:
            self._view = self._builder.view(snapshot, self._status(snapshot))
        self._ui.frame = frame
        if first:
            self._viewpoint.home(self._view, Rect(0.0, 0.0, *map(float, self._size)), frame, following=True)
        for layer in self._layers:
            layer.draw(self._view, self._ui)
        self._viewpoint.follow(self._view, frame, active=True)
        image = ps.screenshot_to_buffer(transparent_bg=False, include_UI=True)
        if self._error is not None:
            raise self._error
        return np.ascontiguousarray(image[:, :, :3])

    def _status(self, snapshot: Snapshot) -> Status:
        return Status(
            state="done" if snapshot.done else "running",
            phase=snapshot.phase,
            step=snapshot.step,
            iteration=snapshot.iteration,
            total_iterations=snapshot.total_iterations,
            progress=self._builder.progress(snapshot),
            loss=float(snapshot.evaluation.total),
        )

    def _free(self) -> Rect:
        """What the overlay leaves uncovered."""
        width, height = self._size
        return Rect(2 * MARGIN + PLOT_WIDTH, 0.0, width - 2 * MARGIN - PLOT_WIDTH, height - 3.5 * MARGIN)

    def _callback(self) -> None:
        try:
            if self._view is not None:
                draw_overlays(self._layers, self._view, self._ui, self._free(), self._size)
                _overlay(self._view, self._size)
        except Exception as error:  # must not cross Polyscope
            self._error = error


def _overlay(view: ViewModel, size: tuple[int, int]) -> None:
    """Caption, loss curve and schedule, without panels."""
    width, height = size
    phase = view.phases[view.status.phase]
    flags = int(psim.ImGuiWindowFlags_NoDecoration) | int(psim.ImGuiWindowFlags_NoSavedSettings)
    psim.SetNextWindowPos((MARGIN, MARGIN))
    psim.SetNextWindowSize((PLOT_WIDTH, 58.0))
    psim.Begin("caption", flags)
    with font(theme.LARGE_FONT):
        psim.TextUnformatted(phase.name.capitalize())
    text = f"step {view.status.step + 1}/{phase.steps} · loss {number(view.status.loss)}"
    psim.TextColored(theme.rgba(theme.DIM), text)
    psim.End()
    psim.SetNextWindowPos((MARGIN, height - 224.0))
    psim.SetNextWindowSize((PLOT_WIDTH, 168.0))
    psim.Begin("loss", flags)
    plot_losses(view, each_term=True)
    psim.End()
    psim.SetNextWindowPos((MARGIN, height - 48.0))
    psim.SetNextWindowSize((width - 2 * MARGIN, 36.0))
    psim.Begin("schedule", flags)
    x, y = psim.GetCursorScreenPos()
    draw_schedule(view, x, y - 1, psim.GetContentRegionAvail()[0], 22.0, done=view.status.progress)
    psim.End()
