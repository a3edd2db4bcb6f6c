"""Plays a script without a window and writes the video; drawn off-screen through EGL."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polyscope as ps

from optim.common.exit_status import tell_error
from optim.common.progress import PLAIN, Progress
from viewer.film.script import Script, fit_text, parse_script
from viewer.film.video import VideoError
from viewer.protocol.view_model import LoadFailed, Scene
from viewer.replay.opening import replay_of
from viewer.ui.ui_state import UiState
from viewer.window.app import App
from viewer.window.client import Client
from viewer.window.window import WindowUnavailable, start_polyscope
from viewer.worker.local_client import LocalClient

if TYPE_CHECKING:
    from optim.session.session import Session

WARM_FRAMES = 3  # until ImGui has found the sizes of its windows
Report = Callable[[int, int], None]


class LoadError(RuntimeError):
    """The fit could not be loaded, so there is nothing to film; the message says why."""


@dataclass(frozen=True)
class VideoResult:
    """What was written."""

    path: Path
    frames: int
    codec: str
    remark: str = ""  # why it is not H.264, where it is not


def record_script(
    make_client: Callable[[], Client],
    path: Path,
    script: Script,
    *,
    pictures: bool = False,
    report: Report | None = None,
) -> VideoResult:
    """Play a script on what a client shows.

    Args:
        make_client: Starts a client whose worker is in this process.
        path: The .mp4 to write.
        pictures: Write every picture as PNG too, into a folder of the same name.
        report: Called with pictures done and pictures in all.

    Raises:
        WindowUnavailable: No off-screen drawing is possible here; says what to install.
        LoadError: The client has nothing to show.
        viewer.film.video.VideoError: The file cannot be written, or the script names what is not there.
    """
    start_polyscope("openGL3_egl", size=script.size)
    ui = UiState(panels=bool(script.panels), exact=True)
    app = App(make_client, ui)
    ps.set_user_callback(app.frame)
    try:
        while app.view is None:
            app.receive()
            if app.failed is not None:
                raise LoadError(app.failed.text)
        for _ in range(WARM_FRAMES):
            ps.frame_tick()
        app.studio.start(path, script=script, pictures=pictures)
        filming = app.studio.filming
        while app.studio.filming is not None:
            while not app.studio.prepare() and app.studio.filming is not None:
                app.receive()
            ps.frame_tick()
            app.studio.take()
            if report is not None and filming is not None:
                report(filming.frames, script.frames)
        if filming is None or app.studio.error is not None:
            raise VideoError(app.studio.error or f"{path}: nothing was filmed")
        return VideoResult(path, filming.frames, filming.codec, filming.remark)
    finally:
        app.studio.stop()
        app.client.close()
        ps.clear_user_callback()
        ps.remove_all_structures()


def render_results_video(
    folder: Path, path: Path, *, body: Path | None = None, loops: int = 2, report: Report | None = None
) -> VideoResult:
    """Write a video of results that were saved: their motion, a number of times.

    Args:
        folder: As ``run_viewer.py --open`` takes it.
        body: Model file or folder; None: the shipped body.

    Other arguments and errors are those of ``record_script``.
    """
    client, scene = replay_of(folder, body=body), None
    while scene is None:
        for message in client.poll():
            if isinstance(message, LoadFailed):
                raise LoadError(message.text)
            scene = message if isinstance(message, Scene) else scene
    client.close()
    seconds = loops * scene.clip_frames / scene.fps
    script = parse_script(f"0 look home\n0 iteration end\n0-{seconds:.6f} play\n")
    return record_script(lambda: replay_of(folder, body=body), path, script, report=report)


def fit_script(
    clip_seconds: float,
    *,
    size: tuple[int, int],
    fps: float,
    progress_seconds: float,
    loops: int,
    camera: bool = False,
) -> Script:
    """The iterations of a fit while the clip plays, then its motion a number of times, last as a camera saw it."""
    end = progress_seconds + loops * clip_seconds
    last = f"{end - clip_seconds:.6f} look camera" if camera else ""
    return replace(parse_script(fit_text(progress_seconds, end) + last), size=size, fps=fps)


def render_fit_video(
    session: Session,
    path: Path,
    *,
    size: tuple[int, int] = (1280, 720),
    fps: float = 30.0,
    progress_seconds: float = 5.0,
    loops: int = 2,
    report: Report | None = None,
) -> VideoResult:
    """Write a video of a finished (or broken off) fit: its iterations, then its latest motion.

    Args:
        session: The iterations on the way to ``session.current`` are shown; the session is not changed.
        size: Width and height in pixels.
        progress_seconds: Length of the first part.
        loops: How often the motion is played in the second part, the last time as the camera saw it, if there is one.

    Other arguments and errors are those of ``record_script``.
    """
    problem = session.problem
    clip_seconds = math.ceil(problem.frames * fps / problem.fps) / fps
    script = fit_script(
        clip_seconds,
        size=size,
        fps=fps,
        progress_seconds=progress_seconds,
        loops=loops,
        camera=problem.camera is not None,
    )
    return record_script(lambda: LocalClient(lambda: session), path, script, report=report)


def tell_of_video(render: Callable[..., VideoResult]) -> int:
    """Call a function that renders a video and takes a ``report``, showing its progress; returns the exit status.

    A video that cannot be made is one line on the error stream and status 1.
    """
    try:
        video = render(report=Progress(unit="pictures", every=PLAIN).count)
    except (WindowUnavailable, VideoError) as error:
        tell_error(f"no video: {error}; --no-video leaves it out")
        return 1
    print(f"video: {video.path}" + (f" ({video.remark})" if video.remark else ""))
    return 0
