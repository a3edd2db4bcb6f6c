"""Plays a script without a window and writes the video; drawn off-screen through EGL."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from optim.common.errors import InputError
from optim.common.exit_status import tell_error
from optim.common.progress import PLAIN, Progress
from optim.common.writing import file_name
from optim.config.settings import Settings
from optim.recording.runfile import SUFFIX
from viewer.film.script import Script, faster, fit_text, parse_script
from viewer.film.studio import new_file
from viewer.film.video import VideoError
from viewer.protocol.view_model import About, LoadFailed, Scene
from viewer.replay.opening import replay_of
from viewer.ui.drawing import ps
from viewer.ui.ui_state import UiState
from viewer.window.app import App
from viewer.window.client import Client
from viewer.window.window import WindowUnavailable, start_polyscope
from viewer.worker.local_client import LocalClient

if TYPE_CHECKING:
    from optim.session.session import Session

PROGRESS_SECONDS = 5.0
"""Length of the part of a fit's video that shows its iterations."""
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
        filming, told = app.studio.filming, 0
        while app.studio.filming is not None:
            if app.studio.prepare():
                ps.frame_tick()
                app.studio.take()
            else:
                app.receive()
            if report is not None and filming is not None and filming.frames > told:
                told = filming.frames
                report(told, script.frames)
        if filming is None or app.studio.error is not None:
            raise VideoError(app.studio.error or f"{path}: nothing was filmed")
        return VideoResult(path, filming.frames, filming.codec, filming.remark)
    finally:
        app.studio.stop()
        app.client.close()
        ps.clear_user_callback()
        ps.remove_all_structures()


def render_replay(
    source: Path,
    path: Path,
    *,
    body: Path | None = None,
    clip: str | None = None,
    fast: bool = False,
    report: Report | None = None,
) -> VideoResult:
    """Write a video of what is on disk: of a recorded run its iterations and its motion, of results their motion.

    Args:
        source: As ``run_viewer.py --open`` takes it.
        body: Model file or folder; None: the shipped body.
        clip: Name of the clip, for a folder of results that holds several.
        fast: A smaller video with fewer pictures (``viewer.film.script.faster``).

    Other arguments and errors are those of ``record_script``.
    """
    client, about, scene = replay_of(source, body=body, clip=clip), About(), None
    while scene is None:
        for message in client.poll():
            if isinstance(message, LoadFailed):
                raise LoadError(message.text)
            about = message if isinstance(message, About) else about
            scene = message if isinstance(message, Scene) else scene
    client.close()
    script = fit_script(
        scene.clip_frames / scene.fps,
        progress_seconds=0.0 if about.kind == "results" else PROGRESS_SECONDS,
        camera=about.kind != "results" and scene.camera is not None,
    )
    script = faster(script) if fast else script
    return record_script(lambda: replay_of(source, body=body, clip=clip), path, script, report=report)


def film_replay(settings: Settings) -> int:
    """Write a video of the run or results that are opened, one of each clip; returns the exit status.

    The videos lie in the folder that is asked for, or beside what is opened, and replace no other file.

    Raises:
        InputError: There is nothing to film, or the folder cannot be written to.
    """
    source = settings.open
    assert source is not None
    of_run = source.suffix == SUFFIX
    beside = source if source.is_dir() else source.parent
    if of_run:
        names: list[str | None] = [settings.clip]
    else:
        from optim.results.opened import names_of  # needs torch, which a recorded run does not

        names = [*names_of(source)] if settings.clip is None else [settings.clip]
    folder, worst = settings.out or beside, 0
    for name in names:
        stem = source.stem if of_run or name is None else file_name(name, otherwise="clip")
        try:
            path = new_file(folder, stem)
        except OSError as error:
            raise InputError(f"{folder}: no video can be written there ({error}); name a folder with --out") from None
        render = partial(render_replay, source, path, body=settings.own_body, clip=name, fast=settings.fast_video)
        try:
            worst = max(worst, tell_of_video(render, advice=""))
        except LoadError as error:
            raise InputError(str(error)) from None
        finally:
            if path.stat().st_size == 0:
                path.unlink()  # Nothing was filmed.
    return worst


def fit_script(
    clip_seconds: float,
    *,
    size: tuple[int, int] = (1280, 720),
    fps: float = 30.0,
    progress_seconds: float = PROGRESS_SECONDS,
    loops: int = 2,
    camera: bool = False,
) -> Script:
    """The iterations of a fit while the clip plays, then its motion a number of times, last as a camera saw it.

    Args:
        progress_seconds: Length of the first part; 0 leaves it out, and the end of the fit is shown.
    """
    end = progress_seconds + loops * clip_seconds
    last = f"{end - clip_seconds:.6f} look camera" if camera else ""
    return replace(parse_script(fit_text(progress_seconds, end) + last), size=size, fps=fps)


def render_fit_video(
    session: Session,
    path: Path,
    *,
    size: tuple[int, int] = (1280, 720),
    fps: float = 30.0,
    progress_seconds: float = PROGRESS_SECONDS,
    loops: int = 2,
    fast: bool = False,
    report: Report | None = None,
) -> VideoResult:
    """Write a video of a finished (or broken off) fit: its iterations, then its latest motion.

    Args:
        session: The iterations on the way to ``session.current`` are shown; the session is not changed.
        size: Width and height in pixels.
        progress_seconds: Length of the first part.
        loops: How often the motion is played in the second part, the last time as the camera saw it, if there is one.
        fast: A smaller video with fewer pictures (``viewer.film.script.faster``).

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
    script = faster(script) if fast else script
    return record_script(lambda: LocalClient(lambda: session), path, script, report=report)


def tell_of_video(render: Callable[..., VideoResult], *, advice: str = "; --no-video leaves it out") -> int:
    """Call a function that renders a video and takes a ``report``, showing its progress; returns the exit status.

    A video that cannot be made is one line on the error stream and status 1.

    Args:
        advice: End of that line.
    """
    try:
        video = render(report=Progress(unit="pictures", every=PLAIN).count)
    except (WindowUnavailable, VideoError) as error:
        tell_error(f"no video: {error}{advice}")
        return 1
    print(f"video: {video.path}" + (f" ({video.remark})" if video.remark else ""))
    return 0
