"""The window's connection to the worker: posts commands, receives messages, and notices when the worker has died."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from typing import Protocol

from viewer.protocol.commands import Command
from viewer.protocol.messages import Message, Record, SessionMaker

PATIENCE = 10.0  # seconds that a worker may take to end; the window is closed already


_STARTER = ThreadPoolExecutor(1, thread_name_prefix="starter")
"""The thread that starts workers. It begins with this module, before the drawing thread becomes nicer: a process
inherits the niceness of the thread that starts it, and a restarted worker would otherwise be as slow as the drawing."""
_STARTER.submit(int).result()


class Client(Protocol):
    """The interface of a worker, wherever it runs."""

    @property
    def alive(self) -> bool:
        """Whether commands are still read."""

    @property
    def obituary(self) -> str:
        """Why it is not alive."""

    @property
    def recorded(self) -> bool:
        """Whether a new worker would continue where this one stopped."""

    def post(self, command: Command) -> None:
        """Send a command; never waits."""

    def poll(self) -> list[Message]:
        """Messages published since the last call; never waits."""

    def close(self) -> None:
        """End the worker; it gets time to finish first."""


class PipedClient:
    """A worker of any kind in a spawned process of its own.

    Args:
        serve: The body of the process; it is given its end of a pipe. Must be picklable.
        recorded: Whether a new worker would continue where this one stopped.
    """

    def __init__(self, serve: Callable[[Connection], None], *, recorded: bool = True) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), name="humorscope worker", daemon=True)
        _STARTER.submit(self.process.start).result()
        theirs.close()
        self._open = True
        self.recorded = recorded

    @property
    def alive(self) -> bool:
        """Whether the connection is open; messages that a worker sent before its death are still received."""
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
        """Wait for the process to end; end it by force if it takes too long."""
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


class ProcessClient(PipedClient):
    """The optimiser in a process of its own."""

    def __init__(self, make_session: SessionMaker, *, record: Record | None = None) -> None:
        super().__init__(partial(run_worker, make_session, record), recorded=record is not None)


def run_worker(make_session: SessionMaker, record: Record | None, connection: Connection) -> None:
    """Body of the worker's process. The worker is imported there, so that torch stays out of the window's process."""
    from viewer.worker.worker import worker_main

    worker_main(make_session, connection, record)
