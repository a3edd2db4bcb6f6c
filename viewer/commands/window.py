"""Open the window on a fit, on a recorded run or on results. Torch stays in the worker's process."""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from pathlib import Path

from optim.common.exit_status import tell_error
from optim.config.options import MODEL_FILES, flag_of
from optim.config.settings import Settings
from optim.config.sources import endings, source_of
from optim.recording.run_folder import choose_place
from optim.recording.runfile import SUFFIX
from viewer.commands.sessions import make_session, record
from viewer.replay.opening import replay_of
from viewer.window import window
from viewer.window.client import ProcessClient

PROGRAM = Path(__file__).resolve().parents[2] / "run_viewer.py"
log = logging.getLogger(__name__)


def show_fit(settings: Settings) -> int:
    """Show the fit until the window is closed; returns the exit status. Where no window can be opened, run without.

    Raises:
        InputError: The run cannot be recorded where it should be.
    """
    if settings.out:
        log.warning("--out is for runs without a window; the window writes no results on its own")
    try:
        window.require("openGL3_glfw")
        place = choose_place(settings)
        make = partial(make_session, settings, spare=1)  # the window's
        client = partial(ProcessClient, make, record=partial(record, settings, place.path))
        result = window.run_window(client, opens=(*endings(), SUFFIX), recognise=is_known)
    except window.WindowUnavailable as error:
        from viewer.commands.clips import fit_clips

        log.warning("%s: running without a window, as with --headless", str(error).partition(";")[0])
        return fit_clips(settings)
    if path := place.settle():
        print(f"recorded: {path}", flush=True)
    if result.dropped is not None:
        open_instead(settings, result.dropped)
    if result.error:
        tell_error(result.error)
    return result.exit_status


def is_known(path: str) -> bool:
    """Whether a file or folder can be fitted or shown, by its content or its ending."""
    return _is_shown(Path(path)) or source_of(Path(path)) is not None


def _is_shown(path: Path) -> bool:
    """Whether a path is a recorded run, or a folder with results and no data that could be fitted."""
    if path.suffix.lower() == SUFFIX:
        return True
    return os.path.isdir(path) and source_of(path) is None and any(path.rglob("stage*_results.npz"))


def open_instead(settings: Settings, path: str) -> None:
    """Replace this process by one that fits another file with the same models and rules, or that shows what is stored.

    A new process is needed because Polyscope can be started only once in a process.
    """
    kept = ("preset", *MODEL_FILES)
    words = [word for name in kept for word in (flag_of(name), str(getattr(settings, name)))]
    if _is_shown(Path(path)):
        words = ["--open", path, *words]
    else:
        words = ["--data-path", path, *words, *(["--no-record"] if settings.no_record else [])]
    os.execv(sys.executable, [sys.executable, str(PROGRAM), *words])


def show_replay(settings: Settings, path: Path) -> int:
    """Show a recorded run without models, or results of a fit without its priors; returns the exit status."""
    try:
        result = window.run_window(
            partial(replay_of, path, body=settings.own_body, clip=settings.clip),
            opens=(*endings(), SUFFIX),
            recognise=is_known,
        )
    except window.WindowUnavailable as error:
        tell_error(error)
        return 1
    if result.dropped is not None:
        open_instead(settings, result.dropped)
    if result.error:
        tell_error(result.error)
    return result.exit_status
