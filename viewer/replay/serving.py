"""Shows an earlier fit from a process of its own, for a window that shows another one; torch stays in that process."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from multiprocessing.connection import Connection
from pathlib import Path

from viewer.protocol.messages import Message
from viewer.replay.opening import replay_of

WAIT = 0.02  # seconds between two looks at the inbox


def serve_replay(path: Path, body: Path | None, clip: str | None, connection: Connection) -> None:
    """Answer commands with the views of a run until the connection is closed; the body of a process.

    Args:
        path: As ``viewer.replay.opening.replay_of`` takes it, with ``body`` and ``clip``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    client = replay_of(path, body=body, clip=clip)
    try:
        while client.alive:
            while connection.poll():
                client.post(connection.recv())
            _send(connection, client.poll())
            time.sleep(WAIT)
    except (EOFError, OSError):
        pass
    finally:
        client.close()
        connection.close()


def _send(connection: Connection, messages: Iterable[Message]) -> None:
    for message in messages:
        connection.send(message)
