"""``python -m viewer.worker.answering``: answers questions about a fit in a process of its own, beside the optimiser.

The worker writes questions to its standard input and ends it by closing that; ``viewer.worker.aside`` is its end. A
question brings the fit with it, apart from the one that the worker steps. Whatever arrives breaks off the question that
is being answered.
"""

from __future__ import annotations

import os
import pickle
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import IO, Any, BinaryIO

from optim.common import threads
from optim.sensitivity.curvature import BrokenOffError
from optim.session.session import Session
from viewer.protocol.findings import BROKEN_OFF
from viewer.worker.analyses import ANALYSES
from viewer.worker.build_view import ViewBuilder
from viewer.worker.display import DisplayFrame

NICENESS = 10
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Question:
    """One of the analyses at the current snapshot of a session."""

    kind: str
    """Name in ``viewer.worker.analyses.ANALYSES``."""
    options: tuple[tuple[str, Any], ...]
    session: Session
    """Apart from the one that the worker steps (``Session.apart``)."""
    frame: DisplayFrame
    """The display frame of the worker, in which the answer is given."""


@dataclass(frozen=True)
class Answer:
    """What is known, or why nothing is. Every question has one, in the order of the questions."""

    value: Any
    error: str = ""


def framed(message: Any) -> bytes:
    """A message as bytes, after their number."""
    blob = pickle.dumps(message)
    return _LENGTH.pack(len(blob)) + blob


def read(source: IO[bytes]) -> Any:
    """The next message; only between two processes of this program, never from a file.

    Raises:
        EOFError: The other process has closed its end.
    """
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    blob = source.read(length)
    if len(blob) < length:
        raise EOFError
    return pickle.loads(blob)


def serve(source: BinaryIO, tell: Callable[[Answer], None]) -> None:
    """Answer the questions of a stream until it ends. A message None only breaks off the question before it."""
    waiting: SimpleQueue[Question | EOFError | None] = SimpleQueue()
    threading.Thread(target=_receive, args=(source, waiting), daemon=True).start()
    while not isinstance(message := waiting.get(), EOFError):
        if message is not None:
            tell(_answer(message, interrupt=lambda: not waiting.empty()))


def _answer(question: Question, *, interrupt: Callable[[], bool]) -> Answer:
    try:
        builder = ViewBuilder(question.session, frame=question.frame)
        builder.interrupted = interrupt
        value = ANALYSES[question.kind](builder, question.session.current, **dict(question.options))
    except BrokenOffError:
        return Answer(None, BROKEN_OFF)
    except Exception as failure:
        traceback.print_exception(failure, file=sys.stderr)
        return Answer(None, f"{type(failure).__name__}: {failure}")
    return Answer(value)


def _receive(source: BinaryIO, waiting: SimpleQueue[Question | EOFError | None]) -> None:
    try:
        while True:
            waiting.put(read(source))
    except EOFError as end:
        waiting.put(end)


def main() -> int:
    """Body of the process; returns the exit status."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    threads.use(1)
    out = sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing else may come between the answers

    def tell(answer: Answer) -> None:
        out.write(framed(answer))
        out.flush()

    serve(sys.stdin.buffer, tell)
    return 0


if __name__ == "__main__":
    from viewer.worker import answering  # its classes are not those of __main__, which the worker would not find

    sys.exit(answering.main())
