"""Open the window on a fit, or run the fit without one; ``--help`` lists what can be asked for."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optim.common.errors import InputError
from optim.config.kinds import VIDEO_ENDINGS
from optim.config.settings import Settings, parse
from optim.schedule.stages import PRESETS

if TYPE_CHECKING:
    from optim.recording.recording import Recording
    from optim.results.results import LossRow
    from optim.session.session import Session
    from optim.split.batches import BatchedFit
    from viewer.commands.headless import Report, VideoResult
    from viewer.worker.run_recorder import Recorder

STOPPED = 130  # exit status after Ctrl-C, as shells have it
log = logging.getLogger(__name__)


def main(arguments: list[str]) -> int:
    """Do what the command line asks; the exit status is 0, or 2 after a message about what was given."""
    _announce_notes()
    try:
        settings = parse(arguments)
        for notice in settings.notices:
            log.warning("%s", notice)
        if settings.bundle is not None:
            return run_bundle(*settings.bundle)
        if settings.list_clips:
            return list_clips(settings)
        if settings.open is not None:
            return run_replay(settings, settings.open)
        if settings.resume is not None:
            from optim.recording.resuming import resumed_settings

            settings = resumed_settings(settings)
        return run_headless(settings) if settings.headless else run_window(settings)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return STOPPED


def list_clips(settings: Settings) -> int:
    """Print what ``--clip`` can name."""
    from optim.loading.clips import clip_names

    names = clip_names(settings)
    if not names:
        raise InputError(f"--list-clips: {settings.data_path or settings.data} is one clip; give a folder of motions")
    print("\n".join(f"{number:4} {name}" for number, name in enumerate(names)))
    return 0


def make_session(settings: Settings, *, spare: int = 0) -> Session:
    """Load what the settings name, and leave so many processors to others. Called in the worker's process, hence the
    late import.
    """
    _announce_notes()
    from optim.loading.problem import load_session
    from optim.recording.resuming import load_recorded

    _choose_threads(spare=spare)
    return load_session(settings) if settings.resume is None else load_recorded(settings)


def _choose_threads(*, spare: int = 0) -> None:
    """As many as there are processors, less some; OMP_NUM_THREADS says otherwise."""
    from optim.common import threads

    threads.use(threads.asked_for() or max(1, threads.processors() - spare))


def run_window(settings: Settings) -> int:
    """Show the fit until the window is closed; where no window can be opened, run without."""
    from optim.recording.run_folder import choose_place
    from viewer.window import window
    from viewer.window.client import ProcessClient

    if settings.out:
        log.warning("--out is for runs without a window; the window writes no results on its own")
    try:
        window.require("openGL3_glfw")
        place = choose_place(settings)
        make = partial(make_session, settings, spare=1)  # the window's
        client = partial(ProcessClient, make, record=partial(record, settings, place.path))
        result = window.run_window(client, opens=(*VIDEO_ENDINGS, ".npz"))
    except window.WindowUnavailable as error:
        log.warning("%s: running without a window, as with --headless", str(error).partition(";")[0])
        return run_headless(settings)
    if path := place.settle():
        print(f"recorded: {path}", flush=True)
    if result.dropped is not None:
        open_instead(settings, result.dropped)
    if result.error:
        print(f"error: {result.error}", file=sys.stderr)
    return result.exit_status


def open_instead(settings: Settings, path: str) -> None:
    """Become a program that fits another file with the same models and rules. Polyscope starts but once a process."""
    models = {"--smpl": settings.smpl, "--vposer": settings.vposer, "--humor": settings.humor}
    models |= {"--init-motion-prior": settings.init_motion_prior}
    words = ["--preset", settings.preset, *(str(word) for pair in models.items() for word in pair)]
    words += ["--no-record"] if settings.no_record else []
    os.execv(sys.executable, [sys.executable, str(Path(__file__).resolve()), "--data-path", path, *words])


def record(settings: Settings, path: Path, session: Session) -> Recording:
    """Record a session in a file, after going on from what that holds. Called in the worker's process."""
    from optim.recording.recording import recorded_session

    return recorded_session(session, path=path, settings=settings)


def run_bundle(run: Path, target: Path) -> int:
    """Write a run as one file that depends on nothing else, and say what is in it."""
    from viewer.replay.bundle import bundle

    found = bundle(run, target)
    if found.missing is not None:
        log.warning("%s cannot be read any more: the bundle is without the pictures of the video", found.missing)
    if found.body is not None:
        log.warning("it holds the template of %s: share it as that body's licence allows", found.body)
    pictures = f", {found.pictures} pictures of the video" if found.pictures else ""
    print(f"bundle: {found.path} ({found.path.stat().st_size / 1e6:.1f} MB{pictures})")
    return 0


def run_replay(settings: Settings, path: Path) -> int:
    """Show a recorded run, without models; or results of a fit, without its priors."""
    from viewer.replay.opening import replay_of
    from viewer.window import window

    try:
        result = window.run_window(partial(replay_of, path, body=settings.own_body, clip=settings.clip))
    except window.WindowUnavailable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if result.error:
        print(f"error: {result.error}", file=sys.stderr)
    return result.exit_status


def _stop_on_signals() -> None:
    """Ctrl-C and SIGTERM end a fit with its results; SIGINT is named as background jobs inherit it ignored."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.default_int_handler)


def run_headless(settings: Settings) -> int:
    """Run without a window, telling how far a long reading is."""
    from optim.common.progress import told_to
    from optim.priors.fast.compiling import start_compiling
    from viewer.commands.progress import LoadingLine

    if start_compiling() is not None:
        log.warning("compiling the roll-out for this machine, once; the first stage 3 may wait for it")
    with told_to(LoadingLine(sys.stderr)):
        return run_clips(settings)


def run_clips(settings: Settings) -> int:
    """Fit the clip, or every clip of the folder in turn; one that cannot be used is told and left out."""
    from optim.loading.clips import each_clip

    runs = each_clip(settings)
    if len(runs) == 1:
        return run_clip(runs[0])
    assert settings.data_path is not None
    out = settings.out or Path("out") / settings.data_path.resolve().name
    failed = 0
    for number, run in enumerate(runs):
        print(f"clip {number + 1} of {len(runs)}: {run.clip}", file=sys.stderr)
        try:
            status = run_clip(replace(run, out=out))
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 2
        if status == STOPPED:
            return STOPPED
        failed += status != 0
    if failed:
        print(f"error: {failed} of {len(runs)} clips were not fitted to the end", file=sys.stderr)
    return 1 if failed else 0


def run_clip(settings: Settings) -> int:
    """Run the whole fit with a progress line; write results, then a video. Ctrl-C keeps what there is."""
    if settings.rgb_seq_len is not None:
        return run_split(settings)
    from optim.results.saving.humor_results import writable_folder

    session = make_session(settings)
    name = session.problem.name
    out = writable_folder(settings.out or Path("out") / name)
    _stop_on_signals()
    recorder = _recorder(settings, session, out / f"{name}.humorscope")
    if recorder is None:
        return _run_clip(settings, session, out, None)
    with closing(recorder):
        return _run_clip(settings, session, out, recorder)


def _run_clip(settings: Settings, session: Session, out: Path, recorder: Recorder | None) -> int:
    from optim.results.saving.humor_results import save_results
    from optim.results.saving.run_record import run_info, write_record

    losses: list[LossRow] = []
    began = time.monotonic()
    stopped = not _fit(session, losses, recorder)
    folders = save_results(session, out / "results_out", body_file=session.problem.body_file or settings.smpl)
    write_record(folders, run_info(settings, session, seconds=time.monotonic() - began), losses=losses)
    for folder in folders:
        print(f"results: {folder}", flush=True)
    _export(settings, folders, out)
    if recorder is not None:
        print(f"recorded: {recorder.path}", flush=True)
    if stopped:
        return _tell_stopped()
    return 0 if settings.no_video else _write_video(partial(_video_of_fit, session), out)


def run_split(settings: Settings) -> int:
    """The same for a clip in parts: batch after batch, then the stitched motion. There is no video of it."""
    from optim.loading.problem import load_batches
    from optim.results.saving.humor_results import save_results, save_stitched, writable_folder
    from optim.results.saving.run_record import run_info, split_info, write_record

    _choose_threads()
    fit = load_batches(settings)
    out = writable_folder(settings.out or Path("out") / fit.whole.name)
    _stop_on_signals()
    print(fit.split, flush=True)
    places: list[Path] = []
    stopped, body = False, fit.whole.body_file or settings.smpl
    for session in fit:
        print(_where(fit), file=sys.stderr)
        losses: list[LossRow] = []
        began = time.monotonic()
        stopped = not _fit(session, losses, None)
        folders = save_results(session, out / "results_out", body_file=body, numbers=fit.numbers)
        write_record(folders, run_info(settings, session, seconds=time.monotonic() - began), losses=losses)
        places += folders
        for folder in folders:
            print(f"results: {folder}", flush=True)
        stage = session.current.stage
        if stopped:
            break
    whole = fit.stitched(how=PRESETS[settings.preset].stitching)
    for seam in whole.seams:
        print(seam)
    final = save_stitched(whole, fit.whole, out / "results_out", body_file=body, stage=stage)
    write_record([final], split_info(settings, fit, whole))
    print(f"results: {final}")
    _export(settings, [*places, final], out)
    if stopped:
        return _tell_stopped()
    return 0 if settings.no_video else _write_video(partial(_video_of_results, settings, final, fit.whole.name), out)


def _where(fit: BatchedFit) -> str:
    """Which frames are in work, and how long all of it will take, by the batches that are done."""
    now = fit.progress
    text = f"batch {now.batch + 1} of {now.batches}: frames {fit.intervals[0][0]} to {fit.intervals[-1][1] - 1}"
    if now.clips == 0:
        return text
    left = round(now.seconds / now.clips * (now.clips_in_all - now.clips))
    return f"{text}, time left for all {left // 60}:{left % 60:02d}"


def _tell_stopped() -> int:
    print("stopped early: these are the results so far", file=sys.stderr)
    return STOPPED


def _video_of_fit(session: Session, out: Path, report: Report) -> VideoResult:
    from viewer.commands.headless import render_fit_video

    return render_fit_video(session, out / f"{session.problem.name}.mp4", report=report)


def _video_of_results(settings: Settings, folder: Path, name: str, out: Path, report: Report) -> VideoResult:
    """Of the stitched motion of a clip in parts."""
    from viewer.commands.headless import render_results_video

    return render_results_video(folder, out / f"{name}.mp4", body=settings.own_body, report=report)


def _write_video(render: Callable[[Path, Report], VideoResult], out: Path) -> int:
    from viewer.commands.progress import CountLine
    from viewer.film.video import VideoError
    from viewer.window.window import WindowUnavailable

    try:
        video = render(out, CountLine("pictures", sys.stderr).tell)
    except (WindowUnavailable, VideoError) as error:
        print(f"error: no video: {error}; --no-video leaves it out", file=sys.stderr)
        return 1
    print(f"video: {video.path}" + (f" ({video.remark})" if video.remark else ""))
    return 0


def _export(settings: Settings, folders: list[Path], out: Path) -> None:
    """The motions just written, in the other formats asked for."""
    if not settings.export:
        return
    from optim.results.read_results import read_result
    from optim.results.saving.exports import export

    for path in export([read_result(folder) for folder in folders], settings.export, out / "export"):
        print(f"export: {path}", flush=True)


def _recorder(settings: Settings, session: Session, usual: Path) -> Recorder | None:
    """Records a run without a window, beside its results unless told otherwise; one of an earlier run is replaced."""
    from optim.recording.run_folder import choose_place, remove_run
    from viewer.worker.build_view import ViewBuilder
    from viewer.worker.run_recorder import Recorder

    if settings.no_record:
        return None
    if settings.record is None and settings.resume is None:
        remove_run(usual)
        settings = replace(settings, record=usual)
    place = choose_place(settings)
    return Recorder(record(settings, place.path, session), ViewBuilder(session), _announce)


def _announce(message: Any) -> None:
    """Notes of the recorder that matter without a window."""
    if getattr(message, "level", "info") != "info":
        log.warning("%s", message.text)


def _fit(session: Session, losses: list[LossRow], recorder: Recorder | None) -> bool:
    """Step to the end of the schedule, telling where it is and noting the losses; False: Ctrl-C came before the end."""
    from optim.results.results import loss_row, loss_rows
    from viewer.commands.progress import ProgressLine

    progress = ProgressLine(session.schedule, sys.stderr)
    try:
        losses += loss_rows(session)
        while not session.done:
            here = session.step_iteration()
            losses.append(loss_row(here, here.schedule[here.phase]))
            if recorder is not None:
                recorder.follow()
            progress.tell(here, done=session.done)
    except KeyboardInterrupt:
        progress.break_off()
        return False
    return True


def _announce_notes() -> None:
    """What the libraries log as a warning is a note to the user."""
    logging.basicConfig(format="note: %(message)s", level=logging.WARNING)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
