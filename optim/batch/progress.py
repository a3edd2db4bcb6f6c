"""Show a batch as it goes: a line for each clip that is done, and on a terminal a table of those in work."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from optim.batch.fitting import LOG
from optim.batch.jobs import Job
from optim.batch.records import Record, run_of
from optim.common.progress import clock

INTERVAL = 1.0
"""Seconds between two tables on a terminal."""
TAIL = 4096
"""Number of bytes at the end of a log in which its last line is looked for."""
WIDTH = 100
MOST_ROWS = 12
"""Largest number of clips in the table."""


class ProgressTable:
    """Progress of the clips of a batch.

    Args:
        total: Number of clips to fit.
        skipped: Number of clips that were finished before.
        where: Words that say what fits them.
        stream: Stream that is written to. None means standard error.
    """

    def __init__(self, total: int, *, skipped: int, where: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._total, self._done = total, 0
        self._began = self._shown = time.monotonic()
        self._rows = 0  # number of lines of the table that stands on the terminal
        self._line(f"clips to fit: {total}; finished before, or unsuitable: {skipped}; {where}")

    def done(self, job: Job, record: Record) -> None:
        """Write a line about a clip that is done."""
        self._done += 1
        said = record.message or _cause(job) or "nothing wrong that the rules know of"
        if job.settings is not None and job.settings.data_path is not None:  # a long path would hide the reason
            said = said.replace(str(job.settings.data_path), job.settings.data_path.name)
        told = said if record.state != "stopped" else "stopped before its end"
        count = f"{self._done:{len(str(self._total))}}/{self._total}"
        self._line(
            f"{count}  {record.state:8}  {job.name:24}  {record.seconds:6.1f} s  {_cut(told, 70)}  {self._left()}"
        )

    def show(self, running: Sequence[Job]) -> None:
        """Draw the table of the clips that are being fitted, on a terminal and if it is due."""
        now = time.monotonic()
        if not self._stream.isatty() or now - self._shown < INTERVAL:
            return
        self._shown = now
        self._clear()
        rows = [f"  {job.name:24}  {last_line(job.folder / LOG)}" for job in running[:MOST_ROWS]]
        if len(running) > MOST_ROWS:
            rows.append(f"  and {len(running) - MOST_ROWS} more")
        rows.append(f"  {self._done} of {self._total} done, {self._left()}")
        self._stream.write("".join(f"{_cut(row, WIDTH)}\n" for row in rows))
        self._stream.flush()
        self._rows = len(rows)

    def end(self) -> None:
        """Remove the table."""
        self._clear()
        self._stream.flush()

    def _left(self) -> str:
        """Time left, if the remaining clips take as long as those that are done."""
        if self._done == 0:
            return "time left not known yet"
        seconds = (time.monotonic() - self._began) / self._done * (self._total - self._done)
        return f"time left {clock(round(seconds))}"

    def _line(self, text: str) -> None:
        self._clear()
        self._stream.write(text + "\n")
        self._stream.flush()

    def _clear(self) -> None:
        if self._rows:
            self._stream.write(f"\x1b[{self._rows}F\x1b[J")  # up to the table's first line, and clear what follows
        self._rows = 0


def last_line(path: Path) -> str:
    """The last line of a log; empty if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""


def _cause(job: Job) -> str:
    """The likeliest cause that the rules have found, if a clip is not in order."""
    faults = [cause for cause in run_of(job).get("why", ()) if cause.get("level") in ("bad", "warn")]
    return f"[{faults[0]['level']}] {faults[0]['text']}" if faults else ""


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
