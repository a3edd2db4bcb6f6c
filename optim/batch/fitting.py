"""Fit one clip of a batch in this process: go on with what an earlier process has left, keep what went wrong.

Whoever starts the batch gives the function that fits, because a fit without a window records itself with the viewer.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from optim.batch.jobs import Job
from optim.batch.records import Record, finished, forget, keep, measured, resumable
from optim.common.errors import InputError
from optim.common.exit_status import STOPPED, tell_error
from optim.config.options import Settings

ATTEMPTS = 3
"""Number of processes that may die over one clip before it counts as failed."""
log = logging.getLogger(__name__)
LOG = "fit.log"
"""File in the folder of a clip with what its fit said."""
Fit = Callable[[Settings], int]
"""Runs a whole fit and writes its results; returns the exit status. It must be picklable."""


@dataclass(frozen=True)
class Work:
    """A job in the form in which it is sent to another process."""

    job: Job
    fit: Fit
    attempt: int = 1
    """From 1. Earlier ones ended with their process."""


def try_again(work: Work, how: str) -> Work | Record:
    """What follows when the process of a fit has died: another attempt, or its record as failed, which is kept.

    Args:
        how: How the process ended, for the messages.
    """
    log.warning("%s: its process ended with %s", work.job.name, how)
    if work.attempt < ATTEMPTS:
        return replace(work, attempt=work.attempt + 1)
    lost = Record("failed", f"its process ended {ATTEMPTS} times, at last with {how}; is there enough memory?")
    keep(work.job, lost)
    return lost


def fit_job(work: Work) -> Record:
    """Fit a clip, measure its results and keep the record; never raises an error of the clip.

    A fit that was interrupted goes on from its recording, if there is one with the same settings. From the third
    attempt on it begins anew, in case the recording is what ends the process.
    """
    job, began = work.job, time.monotonic()
    settings = job.settings
    assert settings is not None
    with _said_in(job.folder / LOG):
        try:
            if not finished(job, again=True):
                forget(job)
                recording = resumable(job) if work.attempt < 3 else None
                record = _fit(settings, recording, work.fit)
            else:
                record = Record("finished")
            if record.state == "finished":
                record = measured(job, seconds=time.monotonic() - began)
        except InputError as error:
            tell_error(error)
            record = Record("failed", str(error))
        except Exception as error:  # one clip must not end the others
            traceback.print_exc()
            record = Record("failed", f"{type(error).__name__}: {error} (see {job.folder / LOG})")
    record = replace(record, seconds=time.monotonic() - began)
    keep(job, record)
    return record


def _fit(settings: Settings, recording: Path | None, fit: Fit) -> Record:
    """Run the fit, from its recording if there is one; anew if that cannot be read."""
    status = None
    if recording is not None:
        try:
            status = fit(replace(settings, resume=recording))
        except InputError as error:
            tell_error(f"{error}; the fit begins anew")
    if status is None:
        status = fit(settings)
    if status == 0:
        return Record("finished")
    if status == STOPPED:
        return Record("stopped")
    return Record("failed", f"the fit ended with status {status}")


@contextmanager
def _said_in(path: Path) -> Iterator[None]:
    """Let everything that is written to the output and error streams go to a file, also by compiled code."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    streams = sys.stdout, sys.stderr
    try:
        with path.open("a", encoding="utf-8", buffering=1) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            sys.stdout = sys.stderr = file
            yield
    finally:
        sys.stdout, sys.stderr = streams
        for number, descriptor in enumerate(kept, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)
