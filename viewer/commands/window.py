"""Open the window on a fit, on a recorded run or on results. Torch stays in the worker's process."""

from __future__ import annotations

import logging
import os
import shlex
import sys
from collections.abc import Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from optim.common.exit_status import tell_error
from optim.common.versions import started_as
from optim.config.options import MODEL_FILES, flag_of
from optim.config.settings import Settings, words_of_fit
from optim.config.sources import endings, source_of
from optim.recording.run_folder import Place, choose_place, recent_runs
from optim.recording.runfile import SUFFIX
from optim.schedule.data_types import DATA_TYPES
from optim.schedule.presets import usual_preset
from viewer.commands.sessions import about_fit, fit_client, other_run
from viewer.replay.opening import replay_of
from viewer.ui.opening import Opening
from viewer.window import window
from viewer.window.still_drawing import draw_still

PROGRAM = Path(__file__).resolve().parents[2] / "run_viewer.py"
CONFIGURATION = ".cfg"
"""Ending of files with flags."""
LEVELS, MOST_LOOKED_AT = 3, 3000
"""How far below a folder results are looked for, and among how many entries."""
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
        result = window.run_window(
            fit_client(settings, place),
            opening=opening(_what_is_kept(place), can_begin_again=settings.resume is None),
            about=about_fit(settings),
            other=partial(other_run, settings),
            compare=None if settings.compare is None else str(settings.compare),
            still=draw_still,
            run=str(place.path.resolve()) if place.kept else None,
            kept=how_to_go_on(place),
        )
    except window.WindowUnavailable as error:
        from viewer.commands.clips import fit_clips

        why, instead = str(error).partition(";")[0], f"{started_as()} serve --fit"
        log.warning("%s: running without a window, as with --headless; to steer it in a browser: %s", why, instead)
        return fit_clips(settings)
    if path := place.settle():
        print(f"recorded: {path}", flush=True)
    if result.again is not None:
        begin_again(settings, result.again)
    if result.dropped is not None:
        open_instead(settings, result.dropped)
    if result.error:
        tell_error(result.error)
    return result.exit_status


def opening(kept: str = "", *, can_begin_again: bool = False) -> Opening:
    """What can be opened from a window.

    Args:
        kept: What becomes of the fit in progress if something else is opened; empty if there is none.
        can_begin_again: Whether the data of the fit can be read again with other flags.
    """
    return Opening(
        kind_of=kind_of_path,
        listed=_is_listed,
        can_compare=is_shown,
        recent=recent_runs,
        kept=kept,
        can_begin_again=can_begin_again,
    )


def kind_of_path(path: str) -> str | None:
    """What a file or folder holds, in a few words; None if the program does not read it."""
    place = Path(path)
    if place.suffix.lower() == SUFFIX:
        return "recorded run"
    if place.suffix.lower() == CONFIGURATION:
        return "configuration"
    if is_shown(path):
        return "results"
    source = source_of(place)
    return None if source is None else f"data to fit ({source.name})"


def _is_listed(path: str) -> bool:
    return path.lower().endswith((*endings(), SUFFIX, CONFIGURATION))


def _what_is_kept(place: Place) -> str:
    if not place.kept:
        return "This fit is not recorded, and it will be lost."
    return f"This fit is kept in {place.path.name}; {started_as()} --resume goes on with it."


def how_to_go_on(place: Place) -> str:
    """What is told of a fit whose window has lost its display. Its file stays, even if it was not to be kept."""
    again = f"{started_as()} --resume {shlex.quote(str(place.path))}"
    return f"The fit is kept: {again} goes on with it; with --headless no display is needed."


def is_shown(path: str) -> bool:
    """Whether a path is a recorded run, or a file or folder of results and no data that could be fitted."""
    place = Path(path)
    if place.suffix.lower() == SUFFIX:
        return True
    if place.name.endswith("_results.npz"):
        return True
    return os.path.isdir(place) and source_of(place) is None and _holds_results(place)


def _holds_results(folder: Path) -> bool:
    """Whether a folder or one up to three levels below it holds results; looks at a limited number of entries."""
    level, looked = [folder], 0
    for _ in range(LEVELS + 1):
        below: list[Path] = []
        for place in level:
            try:
                entries = sorted(os.scandir(place), key=lambda entry: entry.name)
            except OSError:
                continue
            looked += len(entries)
            if any(fnmatch(entry.name, "stage*_results.npz") for entry in entries):
                return True
            below += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
            if looked > MOST_LOOKED_AT:
                return False
        level = below
    return False


def open_instead(settings: Settings, path: str) -> None:
    """Replace this process by one that fits another file with the same models and rules, or that shows what is stored.

    A new process is needed because Polyscope can be started only once in a process.
    """
    chosen = settings.preset not in map(usual_preset, DATA_TYPES)  # otherwise it follows from the kind of data
    kept = (*(("preset",) if chosen else ()), *MODEL_FILES)
    words = [word for name in kept for word in (flag_of(name), str(getattr(settings, name)))]
    if path.lower().endswith(CONFIGURATION):
        words = [f"@{path}"]
    elif is_shown(path):
        words = ["--open", path, *words]
    else:
        words = ["--data-path", path, *words, *(["--no-record"] if settings.no_record else [])]
    _become(words)


def begin_again(settings: Settings, flags: Sequence[str]) -> None:
    """Replace this process by one that reads and fits the same data with further flags."""
    _become([*words_of_fit(settings), *flags, *(["--no-record"] if settings.no_record else [])])


def _become(words: Sequence[str]) -> None:
    # Where the program is installed, its folder holds other packages too; -P keeps it from coming first.
    os.execv(sys.executable, [sys.executable, "-P", str(PROGRAM), *words])


def show_replay(settings: Settings, path: Path) -> int:
    """Show a recorded run without models, or results of a fit without its priors; returns the exit status."""
    try:
        result = window.run_window(
            partial(replay_of, path, body=settings.own_body, clip=settings.clip),
            opening=opening(),
            other=partial(other_run, settings),
            compare=None if settings.compare is None else str(settings.compare),
            still=draw_still,
            run=str(path.resolve()),
        )
    except window.WindowUnavailable as error:
        tell_error(f"{error}; to see it in a browser: {started_as()} serve {shlex.quote(str(path))}")
        return 1
    if result.dropped is not None:
        open_instead(settings, result.dropped)
    if result.error:
        tell_error(result.error)
    return result.exit_status
