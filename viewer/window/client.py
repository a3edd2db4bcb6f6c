"""The window's end of the worker: posts commands, collects what it published, notices its death."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from typing import Protocol

from viewer.protocol.commands import Command
from viewer.protocol.messages import Message, Record, SessionMaker

PATIENCE = 10.0  # seconds that a worker may take to end; the window is gone by then


class Client(Protocol):
    """What the window needs of a worker, wherever it runs."""

    @property
    def alive(self) -> bool:
        """Whether commands still have a reader."""

    @property
    def obituary(self) -> str:
        """Why it is not alive."""

    @property
    def recorded(self) -> bool:
        """Whether another one would go on where this one was."""

    def post(self, command: Command) -> None:
        """Ask for something; never waits."""

    def poll(self) -> list[Message]:
        """What was published since the last call; never waits."""

    def close(self) -> None:
        """End it, politely first."""


class ProcessClient:
    """A worker in a spawned process of its own."""

    def __init__(self, make_session: SessionMaker, *, record: Record | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self.process = context.Process(
            target=run_worker, args=(make_session, theirs, record), name="humorscope worker", daemon=True
        )
        self.process.start()
        theirs.close()
        self._open = True
        self.recorded = record is not None

    @property
    def alive(self) -> bool:
        """The connection stands; what a dead worker sent before its end is still delivered."""
        return self._open

    @property
    def obituary(self) -> str:
        """The exit code, in words."""
        code = self.process.exitcode
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended (exit code {code})"
        return f"The optimiser's process {how}."

    def post(self, command: Command) -> None:
        """Send; the worker reads at once in a thread of its own, so the pipe never fills up."""
        if not self._open:
            return
        try:
            self._connection.send(command)
        except OSError:
            self._lost()

    def poll(self) -> list[Message]:
        """Receive all that has arrived."""
        messages: list[Message] = []
        try:
            while self._open and self._connection.poll():
                messages.append(self._connection.recv())
        except (EOFError, OSError):
            self._lost()
        return messages

    def close(self) -> None:
        """Wait a little, then insist."""
        self._connection.close()
        self._open = False
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def _lost(self) -> None:
        self._open = False
        self.process.join(PATIENCE)


def run_worker(make_session: SessionMaker, connection: Connection, record: Record | None) -> None:
    """Body of the worker's process. The worker is imported there, so that torch stays out of the window's process."""
    from viewer.worker.worker import worker_main

    worker_main(make_session, connection, record)
