"""How far a reading that takes long has got: logged at level INFO to ``log``, for whoever wants to show it."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)
log.propagate = False  # it is no note: shown in place, and only where somebody asked for it
log.addHandler(logging.NullHandler())
INTERVAL = 0.5  # seconds


@contextmanager
def told_to(handler: logging.Handler) -> Iterator[None]:
    """For as long as this lasts, progress is told to a handler."""
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class Progress:
    """Counts up to a total and tells how far it is and how long the rest will take; a total of 0 is not known."""

    def __init__(self, text: str, total: int, *, done: int = 0) -> None:
        self._text, self._total, self._first = text, total, done
        self._began = self._told = time.monotonic()

    def show(self, done: int) -> None:
        """Tell, if it is time to or if this is the end."""
        now = time.monotonic()
        if done != self._total and now - self._told < INTERVAL:
            return
        self._told = now
        text = f"{self._text}: {done}" + (f" of {self._total}" if self._total else "")
        if done > self._first and done < self._total:
            left = round((now - self._began) / (done - self._first) * (self._total - done))
            text += f", time left {left // 60}:{left % 60:02d}"
        log.info("%s", text)
