"""What is known about a clip of a batch on disk: whether its fit is finished, what came of it, and its figures.

Results say by their own ``run.json`` whether a fit came to its end and with which settings. ``batch.json`` beside them
adds what only the batch knows: a message about what went wrong, and the figures of the results.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from optim.batch.jobs import Job
from optim.common.errors import InputError
from optim.common.writing import write_text
from optim.config.options import OF_ONE_RUN, Settings, flag_of, of_the_fit
from optim.evaluation.protocols import Row
from optim.evaluation.results import rows_of
from optim.reading.json_file import read_json
from optim.recording.recording import Recording
from optim.recording.runfile import SUFFIX, RunFile
from optim.results.read_results import RUN, STITCHED
from optim.results.saving.run_record import plain

log = logging.getLogger(__name__)
RESULTS, KEPT = "results_out", "batch.json"
State = Literal["finished", "failed", "stopped", "waiting"]


@dataclass(frozen=True)
class Record:
    """What is known about the fit of a clip."""

    state: State
    """``stopped``: it was ended before its end. ``waiting``: it has not been begun, or is being fitted."""
    message: str = ""
    """What went wrong, for a clip that failed."""
    seconds: float = 0.0
    """Time that the fit took."""
    figures: tuple[Row, ...] = ()
    """Rows of ``optim.evaluation.results.rows_of`` of its results."""


def finished(job: Job, *, again: bool = False) -> bool:
    """Whether the fit of a job has come to its end, with the same settings.

    Args:
        again: Whether other settings are a reason to fit anew, instead of an error.

    Raises:
        InputError: It has come to its end with other settings; names the first one that differs.
    """
    run = run_of(job)
    if not run.get("done") or job.settings is None:
        return False
    recorded, asked = run.get("settings", {}), _as_json(job.settings)
    other = next((name for name in asked if recorded.get(name) != asked[name]), None)
    if other is not None and not again:
        raise InputError(
            f"{job.folder}: was fitted with {flag_of(other)} {recorded.get(other)}, not {asked[other]}; give another"
            " --out, or --again to fit it anew"
        )
    return other is None


def run_of(job: Job) -> Mapping[str, Any]:
    """The ``run.json`` that is written last in a fit: that of the stitched motion, if the clip is split.

    It is empty if there is none, or if it cannot be read.
    """
    split = job.settings is not None and job.settings.rgb_seq_len is not None
    for path in (job.folder / RESULTS).glob(f"{STITCHED if split else '*'}/{RUN}"):
        try:
            found = read_json(path, what="the record of a run")
        except InputError:
            continue
        if isinstance(found, dict):
            return found
    return {}


def forget(job: Job) -> None:
    """Remove the records of an earlier fit, before a new one writes its own."""
    for path in (*(job.folder / RESULTS).glob(f"*/{RUN}"), job.folder / KEPT):
        path.unlink(missing_ok=True)


def recording_of(job: Job) -> Path | None:
    """The recorded run of a job. None if there is none."""
    return next(iter(sorted(job.folder.glob(f"*{SUFFIX}"))), None)


def resumable(job: Job) -> Path | None:
    """The recording of an unfinished fit with the same settings, from which it can go on. None if there is none."""
    path = recording_of(job)
    if path is None or job.settings is None or job.settings.rgb_seq_len is not None:
        return None
    try:
        with closing(RunFile(path, mode="read")) as file:
            recorded = Recording(file).settings
    except InputError:
        return None
    same = recorded is not None and of_the_fit(recorded) == of_the_fit(job.settings)
    return path if same else None


def keep(job: Job, record: Record) -> None:
    """Write a record beside the results of a job."""
    text = json.dumps(asdict(record), indent=1, ensure_ascii=False) + "\n"
    write_text(job.folder / KEPT, text)


def measured(job: Job, *, seconds: float | None = None) -> Record:
    """The record of a finished fit with its figures, which are computed from the results.

    If the results cannot be read, a warning says so, and there are no figures.
    """
    taken = run_of(job).get("seconds", 0.0) if seconds is None else seconds
    try:
        figures = tuple(rows_of(job.folder / RESULTS))
    except InputError as error:
        log.warning("%s: no figures: %s", job.name, error)
        figures = ()
    return Record("finished", seconds=float(taken), figures=figures)


def known(job: Job) -> Record:
    """What is known about a job: by the results' own record, and by what the batch has kept.

    The figures are those that were kept; a finished fit without them has none.
    """
    if job.settings is None:
        return Record("failed", job.problem)
    kept = _kept(job.folder / KEPT)
    done = run_of(job).get("done")
    if done:
        return kept if kept is not None and kept.state == "finished" else Record("finished")
    if kept is not None and kept.state != "finished":
        return kept
    return Record("waiting") if done is None else Record("stopped")


def _kept(path: Path) -> Record | None:
    try:
        found = read_json(path, what="the record of a clip") if path.is_file() else {}
        return Record(found["state"], str(found["message"]), float(found["seconds"]), tuple(found["figures"]))
    except (InputError, KeyError, TypeError, ValueError):
        return None


def _as_json(settings: Settings) -> dict[str, Any]:
    """The settings of the fit in the form that ``run.json`` holds them in."""
    values = {name: value for name, value in asdict(settings).items() if name not in OF_ONE_RUN}
    found: dict[str, Any] = json.loads(json.dumps(values, default=plain))
    return found
