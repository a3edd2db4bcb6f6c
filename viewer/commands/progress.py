"""One line on the terminal: where a fit, or what comes before it, is and how long it will take.

Knows a session only by its fields.
"""

from __future__ import annotations

import logging
import time
from dataclasses import fields
from typing import Any, TextIO

from viewer.protocol.pace import ITERATION, Pace
from viewer.protocol.view_model import Phase


class ProgressLine:
    """Writes in place on a terminal, a line every few seconds elsewhere.

    Args:
        schedule: The phases of an ``optim.session.session.Session``.
    """

    def __init__(self, schedule: Any, stream: TextIO) -> None:
        self._phases = [Phase(**{f.name: getattr(phase, f.name) for f in fields(Phase)}) for phase in schedule]
        self._pace, self._stream = Pace(), stream
        self._in_place = stream.isatty()
        self._interval = 0.2 if self._in_place else 5.0  # seconds
        self._told = -self._interval

    def tell(self, here: Any, *, done: bool) -> None:
        """Take note of an ``optim.session.history.Snapshot``, and tell it if it is time; always if done."""
        if here.cause == ITERATION:
            self._pace.record(here.phase, here.seconds, step_ended=here.stop is not None)
        now = time.monotonic()
        if not done and now - self._told < self._interval:
            return
        self._told = now
        left = 0 if done else round(self._pace.seconds_left(self._phases, here.phase, here.step) or 0)
        phase = self._phases[here.phase]
        text = f"{phase.name}  step {here.step + 1}/{phase.steps}  loss {here.evaluation.total:.5g}"
        text += f"  time left {left // 60}:{left % 60:02d}"
        start, end = ("\r\033[K", "\n" if done else "") if self._in_place else ("", "\n")
        self._stream.write(f"{start}{text}{end}")
        self._stream.flush()

    def break_off(self) -> None:
        """Leave the line as it is and start a new one."""
        if self._in_place:
            self._stream.write("\n")


class CountLine:
    """How many of so many are done, and how long the rest will take."""

    def __init__(self, what: str, stream: TextIO) -> None:
        self._what, self._stream, self._in_place = what, stream, stream.isatty()
        self._interval = 0.2 if self._in_place else 5.0  # seconds
        self._began = self._told = time.monotonic()

    def tell(self, done: int, total: int) -> None:
        """Write, if it is time; always at the end."""
        now = time.monotonic()
        if done < total and now - self._told < self._interval:
            return
        self._told = now
        left = round((now - self._began) / max(done, 1) * (total - done))
        start, end = ("\r\033[K", "\n" if done == total else "") if self._in_place else ("", "\n")
        text = f"{done} of {total} {self._what}, time left {left // 60}:{left % 60:02d}"
        self._stream.write(f"{start}{text}{end}")
        self._stream.flush()


class LoadingLine(logging.Handler):
    """Writes what a loader says of its progress: in place on a terminal, a line every few seconds elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.INFO)
        self._stream, self._in_place = stream, stream.isatty()
        self._told = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, if it is time."""
        now = time.monotonic()
        if not self._in_place and now - self._told < 5.0:
            return
        self._told = now
        done = "time left" not in record.getMessage()
        start, end = ("\r\033[K", "\n" if done else "") if self._in_place else ("", "\n")
        self._stream.write(f"{start}{record.getMessage()}{end}")
        self._stream.flush()
