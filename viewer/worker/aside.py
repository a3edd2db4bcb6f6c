"""Has long questions about a fit answered in a process of its own (``viewer.worker.answering``), so the fit goes on.

The process starts when it is first needed, which takes some seconds, and then waits for the next question. The newest
one wins; a question that is broken off is answered with ``BROKEN_OFF``.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from optim.common import threads
from optim.session.session import Session
from viewer.protocol.commands import Analyse
from viewer.protocol.findings import UNDER_WAY
from viewer.protocol.view_model import Analysis
from viewer.worker.answering import Answer, Question, framed, read
from viewer.worker.display import DisplayFrame

ASIDE = ("weight_probe", "weight_trial")
"""Kinds of analyses that take seconds and need nothing of the history but the snapshot."""
BEFORE = "weight_effects"
"""Kind of the analysis that is usually asked for before those; the process starts then, so that it need not later."""
ROOT = Path(__file__).resolve().parents[2]


def has_room() -> bool:
    """Whether there is a processor for a second process; with one alone, the fit would only wait for it."""
    return threads.processors() > 1


@dataclass(frozen=True)
class _Asked:
    command: Analyse
    began: float

    def answer(self, value: Any, error: str) -> Analysis:
        command, seconds = self.command, time.monotonic() - self.began
        return Analysis(
            kind=command.kind,
            options=command.options,
            snapshot=command.snapshot,
            seconds=seconds,
            value=value,
            error=error,
        )


class _Process:
    """The other process, with a thread that writes to it and one that reads from it, so that nobody waits."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "viewer.worker.answering"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._given: SimpleQueue[bytes | None] = SimpleQueue()
        self.answers: deque[Answer] = deque()
        threading.Thread(target=self._write, daemon=True).start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def ended(self) -> int | None:
        """Its exit code once it has ended and all its answers have been read."""
        return None if self._reader.is_alive() else self._process.poll()

    def give(self, message: Question | None) -> None:
        """Write a message, as it is now."""
        self._given.put(framed(message))

    def close(self) -> None:
        """End it by force, since it has nothing to lose, and wait for that."""
        self._process.kill()
        self._process.wait()
        self._given.put(None)

    def _write(self) -> None:
        stream = self._process.stdin
        assert stream is not None
        with suppress(OSError), stream:  # it has ended
            while (blob := self._given.get()) is not None:
                stream.write(blob)
                stream.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        with suppress(EOFError), stream:
            while True:
                self.answers.append(read(stream))


class Aside:
    """At most one question at a time for one worker."""

    def __init__(self) -> None:
        self._process: _Process | None = None
        self._asked: deque[_Asked] = deque()

    def start(self) -> None:
        """Start the process, if there is none."""
        if self._process is None:
            self._process = _Process()

    def ask(self, session: Session, command: Analyse, frame: DisplayFrame) -> Analysis:
        """Have a question answered, and break off the one before; returns the news that it is under way.

        Args:
            frame: The display frame of the views of this session.

        Raises:
            InputError: There is no such snapshot.
        """
        asked = _Asked(command, time.monotonic())
        there = session.apart(session.history[command.snapshot])
        self.start()
        assert self._process is not None
        self._process.give(Question(command.kind, command.options, there, frame))
        self._asked.append(asked)
        return asked.answer(None, UNDER_WAY)

    def break_off(self) -> None:
        """Break off the question that is being answered."""
        if self._process is not None and self._asked:
            self._process.give(None)

    def follow(self, publish: Callable[[Analysis], None]) -> None:
        """Publish the answers that have arrived since the last call; never waits."""
        process = self._process
        if process is None:
            return
        ended = process.ended
        while process.answers:
            answer, asked = process.answers.popleft(), self._asked.popleft()
            if not any(later.command.kind == asked.command.kind for later in self._asked):
                publish(asked.answer(answer.value, answer.error))
        if ended is not None:
            self._process = None
            while self._asked:
                publish(self._asked.popleft().answer(None, f"its process ended with exit code {ended}; ask again"))

    def close(self) -> None:
        """End the process, and wait for it."""
        if self._process is not None:
            self._process.close()
