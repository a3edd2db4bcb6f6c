"""Fit a clip without a window: results, recording, exports and video, with a line of progress."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from optim.common import threads
from optim.common.errors import InputError
from optim.common.exit_status import STOPPED
from optim.config.settings import Settings
from optim.diagnostics.causes.cause import Cause
from optim.diagnostics.causes.table import causes, merged, summary
from optim.loading.problem import load_batches
from optim.recording.run_folder import choose_place, remove_run
from optim.results.read_results import read_result
from optim.results.results import LossRow, loss_row, loss_rows
from optim.results.saving.exports import export
from optim.results.saving.humor_results import save_results, save_stitched, stitched_place, writable_folder
from optim.results.saving.run_record import run_info, split_info, write_record
from optim.schedule.presets import PRESETS
from optim.session.session import Session
from optim.split.batches import BatchedFit
from viewer.commands.progress import ProgressLine
from viewer.commands.sessions import choose_threads, make_session, record, stop_on_signals
from viewer.protocol.pace import Pace, TimeLeft
from viewer.worker.build_view import ViewBuilder
from viewer.worker.run_recorder import Recorder

log = logging.getLogger(__name__)


def fit_clip(settings: Settings) -> int:
    """Run the whole fit; write results, then a video. Returns the exit status; Ctrl-C writes the results so far.

    Raises:
        InputError: A file, a value or a combination that cannot be used.
    """
    if settings.rgb_seq_len is not None:
        return _fit_split(settings)
    session = make_session(settings)
    name = session.problem.name
    out = writable_folder(settings.out or Path("out") / name)
    stop_on_signals()
    recorder = _recorder(settings, session, out / f"{name}.humorscope")
    if recorder is None:
        return _fit_whole(settings, session, out, None)
    with closing(recorder):
        return _fit_whole(settings, session, out, recorder)


def _fit_whole(settings: Settings, session: Session, out: Path, recorder: Recorder | None) -> int:
    try:
        finished, folders, found = _fit_session(settings, session, out, recorder=recorder)
        print(summary(found), flush=True)
        _export(settings, folders, out)
    except InputError as error:  # The disk is full, most likely; what the fit has found is not lost.
        if recorder is None:
            raise
        recorder.flush()
        again = f"--headless --resume {recorder.path} --out DIR"
        raise InputError(f"{error}. The fit is in {recorder.path}; {again} writes its results") from None
    if recorder is not None:
        print(f"recorded: {recorder.path}", flush=True)
    if not finished:
        return _tell_stopped()
    if settings.no_video:
        return 0
    from viewer.commands.headless import render_fit_video, tell_of_video  # they need Polyscope

    video = out / f"{session.problem.name}.mp4"
    return tell_of_video(partial(render_fit_video, session, video, fast=settings.fast_video))


def _fit_session(
    settings: Settings,
    session: Session,
    out: Path,
    *,
    recorder: Recorder | None = None,
    numbers: Sequence[int] | None = None,
    pace: Pace | None = None,
) -> tuple[bool, list[Path], tuple[Cause, ...]]:
    """Step to the end and write the results: whether it came to the end, their folders, and what the rules say of it.

    Args:
        numbers: Of the sub-sequences of the session in the clip.
        pace: What was learnt from the batches before.
    """
    losses: list[LossRow] = []
    began, problem = time.monotonic(), session.problem
    about = problem.name, problem.frames, problem.fps, settings.preset, threads.used()
    log.info("%s: %d frames at %g Hz, preset %s, %d threads", *about)
    finished = _step_to_the_end(session, losses, recorder, pace)
    body = problem.body_file or settings.smpl
    folders = save_results(session, out / "results_out", body_file=body, numbers=numbers)
    seconds, found = time.monotonic() - began, causes(session.fit, before=0 if numbers is None else numbers[0])
    log.info("%s: fitted in %.1f s", problem.name, seconds)
    write_record(folders, run_info(settings, session, seconds=seconds, found=found), losses=losses)
    for folder in folders:
        print(f"results: {folder}", flush=True)
    return finished, folders, found


def _fit_split(settings: Settings) -> int:
    """Fit a clip in sub-sequences, batch after batch; write their results, the stitched motion and a video of it."""
    choose_threads()
    fit = load_batches(settings)
    out = writable_folder(settings.out or Path("out") / fit.whole.name)
    stitched_place(out / "results_out", fit.whole.name)
    stop_on_signals()
    print(fit.split, flush=True)
    places: list[Path] = []
    found: list[tuple[Cause, ...]] = []
    finished, body, pace = True, fit.whole.body_file or settings.smpl, Pace()
    for session in fit:
        print(_where(fit), file=sys.stderr)
        finished, folders, why = _fit_session(settings, session, out, numbers=fit.numbers, pace=pace)
        places += folders
        found.append(why)
        stage = session.current.stage
        if not finished:
            break
    whole = fit.stitched(how=PRESETS[settings.preset].stitching)
    for seam in whole.seams:
        print(seam)
    final = save_stitched(whole, fit.whole, out / "results_out", body_file=body, stage=stage)
    why = merged(found, seams=whole.seams)
    write_record([final], split_info(settings, fit, whole, found=why))
    print(f"results: {final}")
    print(summary(why))
    _export(settings, [*places, final], out)
    if not finished:
        return _tell_stopped()
    if settings.no_video:
        return 0
    from viewer.commands.headless import render_replay, tell_of_video  # they need Polyscope

    video = out / f"{fit.whole.name}.mp4"
    return tell_of_video(partial(render_replay, final, video, body=settings.own_body, fast=settings.fast_video))


def _step_to_the_end(session: Session, losses: list[LossRow], recorder: Recorder | None, pace: Pace | None) -> bool:
    """Step to the end of the schedule, with progress and a list of losses; returns False if Ctrl-C came before."""
    progress = ProgressLine(session.schedule, sys.stderr, pace=pace)
    try:
        losses += loss_rows(session.fit)
        phase = -1
        while not session.done:
            here = session.step_iteration()
            if here.phase != phase:
                phase = here.phase
                log.info("%s begins, loss %.5g", here.schedule[phase].name, here.evaluation.total)
            losses.append(loss_row(here, here.schedule[here.phase]))
            if recorder is not None:
                recorder.follow()
            progress.tell(here, done=session.done)
    except KeyboardInterrupt:
        progress.break_off()
        return False
    return True


def _recorder(settings: Settings, session: Session, usual: Path) -> Recorder | None:
    """Records a run beside its results unless told otherwise; the recording of an earlier run is replaced."""
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


def _where(fit: BatchedFit) -> str:
    """Which frames are in work, and how long all of it will take, by the batches that are done."""
    now = fit.progress
    text = f"batch {now.batch + 1} of {now.batches}: frames {fit.intervals[0][0]} to {fit.intervals[-1][1] - 1}"
    if now.clips == 0:
        return text
    return f"{text}, for all batches {TimeLeft(now.seconds / now.clips * (now.clips_in_all - now.clips))}"


def _tell_stopped() -> int:
    print("stopped early: these are the results so far", file=sys.stderr)
    return STOPPED


def _export(settings: Settings, folders: list[Path], out: Path) -> None:
    """The motions just written, in the other formats asked for."""
    if not settings.export:
        return
    results = [read_result(folder) for folder in folders]
    bones, scale = settings.export_bones, settings.export_scale
    for path in export(results, settings.export, out / "export", bones=bones, scale=scale):
        print(f"export: {path}", flush=True)
