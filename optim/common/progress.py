"""Show the progress of a long task and the time left: one line on a terminal, plain lines elsewhere, or log records.

Loaders do not know who shows their progress. They log it at level INFO to ``log``; ``told_to`` connects a handler.
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
log.propagate = False  # progress is shown only where a handler was connected with ``told_to``
log.addHandler(logging.NullHandler())
IN_PLACE, LOGGED, PLAIN = 0.2, 0.5, 5.0
"""Seconds between two texts: on a line rewritten in place, as log records, and as separate lines."""
COUNTED = "{n_fmt}/{total_fmt}{unit}  {percentage:4.1f} %  {rate_noinv_fmt}  {remaining} left"
TIME_LEFT = "time left {remaining}"
clock = tqdm.format_interval
"""Seconds as mm:ss or h:mm:ss."""


class Line:
    """One line that is rewritten in place on a terminal. Elsewhere, a new line every few seconds.

    Args:
        stream: Stream that the text is written to. None means standard error.
        every: Seconds between two lines if the stream is not a terminal.
    """

    def __init__(self, stream: TextIO | None = None, *, every: float = PLAIN) -> None:
        self._stream = stream or sys.stderr
        self._in_place = self._stream.isatty()
        self._write = tqdm.status_printer(self._stream) if self._in_place else None
        self._interval, self._shown = IN_PLACE if self._in_place else every, -1e9
        self._open = False  # whether the cursor stands at the end of a text that may be rewritten

    def due(self) -> bool:
        """Whether enough time has passed since the last text."""
        return time.monotonic() - self._shown >= self._interval

    def show(self, text: str, *, last: bool = False) -> None:
        """Write a text if one is due. The last text is always written."""
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
        """Keep the text that is shown and begin a new line after it."""
        if self._open:
            self._write = tqdm.status_printer(self._stream)
            self._stream.write("\n")
            self._stream.flush()
        self._open = False


class Progress:
    """Counts up to a total and shows the rate and the time left.

    Args:
        total: Number of units of the whole task. 0 if it is not known yet; ``count`` then gives it.
        done: Number of units that were done before.
        unit: Plural noun of what is counted.
        stream: Stream that the text is written to. None means standard error.
        every: Seconds between two lines if the stream is not a terminal.
    """

    def __init__(
        self, total: int = 0, *, done: int = 0, unit: str = "updates", stream: TextIO | None = None, every: float = 30.0
    ) -> None:
        self._total, self._first, self._unit = total, done, unit
        self._line, self._began = Line(stream, every=every), time.monotonic()

    def count(self, done: int, total: int) -> None:
        """Show the number of units done, for a task whose total was not known when it began.

        The time left is told by the units after those of the first call: what came before it was preparation.
        """
        if not self._total:
            self._first, self._began = done, time.monotonic()
        self._total = total
        self.show(done)

    def show(self, done: int, text: str = "") -> None:
        """Show the number of units done, followed by ``text``, if a text is due or the work is finished."""
        if done >= self._total or self._line.due():
            meter = _meter(done, self._total, self._first, self._began, layout=COUNTED, unit=f" {self._unit}")
            self._line.show(f"{meter}  {text}".rstrip(), last=done >= self._total)


class Reading:
    """Logs the progress of reading a long file or folder.

    Args:
        text: What is being read.
        total: Number of frames or files to read. 0 if it is not known.
        done: Number of those that were read before.
    """

    def __init__(self, text: str, total: int, *, done: int = 0) -> None:
        self._text, self._total, self._first = text, total, done
        self._began = self._told = time.monotonic()

    def show(self, done: int) -> None:
        """Log the number read so far if a text is due or the work is finished."""
        now = time.monotonic()
        if done != self._total and now - self._told < LOGGED:
            return
        self._told = now
        text = f"{self._text}: {done}" + (f" of {self._total}" if self._total else "")
        if self._first < done < self._total:
            text += ", " + _meter(done, self._total, self._first, self._began, layout=TIME_LEFT)
        log.info("%s", text, extra={"last": not 0 < done < self._total})


class LineHandler(logging.Handler):
    """Shows on one line the progress that loaders log."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(logging.INFO)
        self._line = Line(stream)

    def emit(self, record: logging.LogRecord) -> None:
        self._line.show(record.getMessage(), last=record.__dict__.get("last", True))


@contextmanager
def told_to(handler: logging.Handler) -> Iterator[None]:
    """Send the progress of loaders to a handler as long as the context lasts."""
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _meter(done: int, total: int, first: int, began: float, *, layout: str, unit: str = "") -> str:
    elapsed = time.monotonic() - began
    return tqdm.format_meter(done, total, elapsed, initial=first, bar_format=layout, unit=unit)
