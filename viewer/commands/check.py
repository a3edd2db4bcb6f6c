"""Prints what a run assumes about its data and what the checks found, without a fit."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from optim.checks.check import Checked, CheckError
from optim.common.errors import InputError
from optim.common.exit_status import tell_error
from optim.config.settings import Settings
from optim.loading.clips import each_clip

_MARKS = {"fine": "ok", "note": "note", "likely": "LIKELY WRONG", "certain": "WRONG"}


def print_checks(settings: Settings) -> int:
    """Read the clip, or all clips of a folder, and print a table of the checks; of a folder, only what is not fine.

    The priors are read too, because a fit would stop where one of them cannot be.

    Returns:
        0 if a fit would start, otherwise 1.

    Raises:
        InputError: There is no such clip or folder.
    """
    from optim.common.progress import LineHandler, told_to

    runs = each_clip(settings)
    several, stopped, told = len(runs) > 1, 0, 0
    with told_to(LineHandler()), _without_notes():
        for run in runs:
            rows, error = _checked(run)
            shown = [row for row in rows if row.severity != "fine"] if several else list(rows)
            if several and (shown or error):
                print(f"{run.clip}:")
            _print_rows(shown)
            if isinstance(error, CheckError):
                print("a fit would stop here")
            elif error is not None:
                tell_error(error)
            stopped += error is not None
            told += bool(shown)
    unreadable = _unreadable_prior(settings)
    if unreadable is not None:
        tell_error(unreadable)
    if several:
        print(f"{len(runs)} clips: {stopped} would not be fitted, {told} with something to tell")
    elif not stopped and unreadable is None:
        print("nothing stops a fit")
    sys.stdout.flush()
    return 1 if stopped or unreadable is not None else 0


def _checked(settings: Settings) -> tuple[tuple[Checked, ...], InputError | None]:
    from optim.loading.problem import load_source

    try:
        return load_source(settings).checked, None
    except CheckError as error:
        return error.rows, error
    except InputError as error:
        return (), error


@contextmanager
def _without_notes() -> Iterator[None]:
    """Log no notes of the checks: the table says the same."""
    log = logging.getLogger("optim.checks")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _unreadable_prior(settings: Settings) -> InputError | None:
    """The reason why one of the priors cannot be read, which would stop a fit of any clip."""
    from optim.loading.models import load_init_state_prior, load_motion_prior
    from optim.priors.pose_prior import load_pose_prior

    try:
        load_pose_prior(settings.vposer)
        load_motion_prior(settings.humor)
        load_init_state_prior(settings.init_motion_prior)
    except InputError as error:
        return error
    return None


def _print_rows(rows: list[Checked]) -> None:
    width = max((len(row.check) for row in rows), default=0)
    for row in rows:
        print(f"{_MARKS[row.severity]:12}  {row.check:{width}}  {row.told}")
