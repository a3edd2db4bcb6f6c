"""Runs the worker in this process, for tests and for rendering without a window."""

from __future__ import annotations

from collections import deque

from viewer.protocol.commands import Command
from viewer.protocol.messages import Message, Record, SessionMaker
from viewer.worker.worker import Worker, load


class LocalClient:
    """A ``viewer.window.client.Client`` whose worker does one turn per call of ``poll``."""

    def __init__(self, make_session: SessionMaker, *, record: Record | None = None) -> None:
        self._published: list[Message] = []
        self._inbox: deque[Command] = deque()
        self.worker: Worker | None = load(make_session, self._published.append, self._inbox, record)
        self.obituary = "The optimiser ended."
        self.recorded = record is not None

    @property
    def alive(self) -> bool:
        """Whether the worker was loaded and has not been told to quit."""
        return self.worker is not None and not self.worker.quitting

    def post(self, command: Command) -> None:
        """Queue a command for the next turn."""
        self._inbox.append(command)

    def poll(self) -> list[Message]:
        """Do one turn of work and return what it published."""
        if self.worker is not None and not self.worker.quitting:
            self.worker.turn()
        messages, self._published[:] = list(self._published), []
        return messages

    def close(self) -> None:
        """Finish the recording."""
        if self.worker is not None:
            self.worker.close()
