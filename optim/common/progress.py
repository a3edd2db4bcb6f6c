"""How far a long task is and how long the rest takes: one line on a terminal, plain lines elsewhere, or log records.

Loaders do not know who is watching: they log how far they are at level INFO to ``log``, and whoever shows it listens.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from tqdm import tqdm

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)
log.propagate = False  # it is no message: it is shown in place, and only where somebody asked for it
log.addHandler(logging.NullHandler())
IN_PLACE, LOGGED, PLAIN = 0.2, 0.5, 5.0
"""Seconds between two texts: rewritten on a terminal, as log records, as lines of their own."""
COUNTED = "{n_fmt}/{total_fmt}{unit}  {percentage:4.1f} %  {rate_noinv_fmt}  {remaining} left"
TIME_LEFT = "time left {remaining}"
clock = tqdm.format_interval
"""Seconds as mm:ss or h:mm:ss."""


class Line:
    """One line that is rewritten in place on a terminal; elsewhere a line of its own every few seconds.

    Args:
        stream: Where it is written; None: standard error.
        every: Seconds between two lines where there is no terminal.
    """

    def __init__(self, stream: TextIO | None = None, *, every: float = PLAIN) -> None:
        self._stream = stream or sys.stderr
        self._in_place = self._stream.isatty()
        self._write = tqdm.status_printer(self._stream) if self._in_place else None
        self._interval, self._shown = IN_PLACE if self._in_place else every, -1e9
        self._open = False  # whether the cursor stands at the end of a text

    def due(self) -> bool:
        """Whether enough time has passed since the last text."""
        return time.monotonic() - self._shown >= self._interval

    def show(self, text: str, *, last: bool = False) -> None:
        """Write a text if it is time for one, and in any case if it is the last one."""
        if not (last or self.due()):
            return
        self._shown = time.monotonic()
        if self._write is None:
            self._stream.write(text + "\n")
            self._stream.flush()
            return
        self._write(text)
        self._open = True
        if last:
            self.break_off()

    def break_off(self) -> None:
        """Leave the text as it is, and begin a new line after it."""
        if self._open:
            self._write = tqdm.status_printer(self._stream)
            self._stream.write("\n")
            self._stream.flush()
        self._open = False


class Progress:
    """Counts up to a total and shows rate and time left.

    Args:
        total: Number of units of the whole task; 0: ``count`` says it.
        done: Number of units that were done before.
        unit: Plural noun of what is counted.
        stream: Where it is shown; None: standard error.
        every: Seconds between two lines where there is no terminal.
    """

    def __init__(
        self, total: int = 0, *, done: int = 0, unit: str = "updates", stream: TextIO | None = None, every: float = 30.0
    ) -> None:
        self._total, self._first, self._unit = total, done, unit
        self._line, self._began = Line(stream, every=every), time.monotonic()

    def count(self, done: int, total: int) -> None:
        """Show the state of a task whose total is only known now."""
        self._total = total
        self.show(done)

    def show(self, done: int, text: str = "") -> None:
        """Show the state now if it is time for it, or if the work is finished."""
        if done >= self._total or self._line.due():
            meter = _meter(done, self._total, self._first, self._began, layout=COUNTED, unit=f" {self._unit}")
            self._line.show(f"{meter}  {text}".rstrip(), last=done >= self._total)


class Reading:
    """Logs how far the reading of something long has got. A total of 0 is not known."""

    def __init__(self, text: str, total: int, *, done: int = 0) -> None:
        self._text, self._total, self._first = text, total, done
        self._began = self._told = time.monotonic()

    def show(self, done: int) -> None:
        """Log the state now if it is time for it, or if the work is finished."""
        now = time.monotonic()
        if done != self._total and now - self._told < LOGGED:
            return
        self._told = now
        text = f"{self._text}: {done}" + (f" of {self._total}" if self._total else "")
        if self._first < done < self._total:
            text += ", " + _meter(done, self._total, self._first, self._began, layout=TIME_LEFT)
        log.info("%s", text, extra={"last": not 0 < done < self._total})


class LineHandler(logging.Handler):
    """Shows on a line what loaders log while ``told_to`` lasts."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(logging.INFO)
        self._line = Line(stream)

    def emit(self, record: logging.LogRecord) -> None:
        self._line.show(record.getMessage(), last=record.__dict__.get("last", True))


@contextmanager
def told_to(handler: logging.Handler) -> Iterator[None]:
    """For as long as this lasts, the progress of loaders is told to a handler."""
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _meter(done: int, total: int, first: int, began: float, *, layout: str, unit: str = "") -> str:
    elapsed = time.monotonic() - began
    return tqdm.format_meter(done, total, elapsed, initial=first, bar_format=layout, unit=unit)
