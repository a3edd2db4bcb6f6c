"""Looks at what was fitted before: takes the place of the worker, needs neither models nor torch.

Whatever can say how a fit looked at each of its iterations is a ``Source``. Nothing in here changes a fit.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from optim.common.errors import InputError
from optim.session import edits
from viewer.protocol import commands as c
from viewer.protocol.messages import Message, load_failed
from viewer.protocol.view_model import Analysis, Finished, Loading, Note, Scene, ViewModel

LOOK_AGAIN = 0.5  # seconds between two looks for what a run in progress has added


class Source(Protocol):
    """A fit that can be looked at, iteration by iteration."""

    @property
    def current(self) -> int:
        """Id of the snapshot that the fit stands at."""

    def refresh(self) -> bool:
        """Look whether there is more than at the last call; true if there is."""

    def view(self, snapshot: int) -> ViewModel:
        """What is to be shown of a snapshot; ``version``, ``obeyed`` and ``current`` are filled in by the client.

        Views of unchanged data hold the same ``scene`` object.

        Raises:
            InputError: No such snapshot, or it cannot be read.
        """

    def analysis(self, command: c.Analyse) -> Analysis | None:
        """The answer to a question about a snapshot; None where nobody asked while there were models."""

    def notes(self) -> list[Note]:
        """What to tell since the last call."""

    def close(self) -> None:
        """It will not be looked at again."""


class ReplayClient:
    """See ``viewer.window.client.Client``; answers from a source, in this process.

    Args:
        open_source: Called at the first ``poll``; may raise ``InputError``.
        advice: What to do for going on, told where somebody wants to.
    """

    def __init__(self, open_source: Callable[[], Source], *, advice: str = "") -> None:
        self._open_source, self._advice = open_source, advice
        self._source: Source | None = None
        self._inbox: deque[c.Command] = deque()
        self._messages: list[Message] = [Loading(text="Opening…")]
        self._shown: int | None = None  # None follows the current one
        self._scene: Scene | None = None
        self._version = self._obeyed = 0
        self._looked = -1e9
        self._failed = self._closed = False

    @property
    def alive(self) -> bool:
        """Until it is told to quit."""
        return not self._closed

    @property
    def obituary(self) -> str:
        """Nothing in here dies."""
        return "The recording is closed."

    @property
    def recorded(self) -> bool:
        """It is all there is."""
        return True

    def post(self, command: c.Command) -> None:
        """Answered at the next ``poll``."""
        self._inbox.append(command)

    def poll(self) -> list[Message]:
        """Obey what was asked, and look now and then whether the run has gone on."""
        if self._source is None:
            opening = bool(self._messages)  # told first, then done
            if not opening and not self._failed:
                self._open()
        elif not self._closed:
            self._turn(self._source)
        messages, self._messages = self._messages, []
        return messages

    def close(self) -> None:
        """Close the source."""
        if self._source is not None and not self._closed:
            self._source.close()
        self._closed = True

    def _open(self) -> None:
        try:
            source = self._open_source()
            source.refresh()
            self._looked = time.monotonic()
            self._publish(source)
        except Exception as error:
            self._failed = True
            self._messages.append(load_failed(error))
        else:
            self._source = source

    def _turn(self, source: Source) -> None:
        try:
            changed = False
            while self._inbox and not self._closed:
                self._obeyed, changed = self._obeyed + 1, True
                self._obey(source, self._inbox.popleft())
            if time.monotonic() - self._looked >= LOOK_AGAIN:
                self._looked = time.monotonic()
                changed |= source.refresh()
            if changed and not self._closed:
                self._publish(source)
        except InputError as error:
            self._shown = None
            self._messages.append(Note(level="warning", text=str(error)))

    def _obey(self, source: Source, command: c.Command) -> None:
        match command:
            case c.Quit():
                self.close()
                self._messages.append(Finished())
            case c.Inspect(None):
                self._shown = None
            case c.Inspect(int(snapshot)) | edits.Rewind(snapshot):
                source.view(snapshot)
                self._shown = snapshot
            case c.Analyse(kind, snapshot, options):
                unknown = Analysis(
                    kind=kind, options=options, snapshot=snapshot, seconds=0.0, value=None,
                    error="not worked out while this was recorded",
                )  # fmt: skip
                self._messages.append(source.analysis(command) or unknown)
            case c.Pause():
                pass
            case _:
                self._messages.append(Note(level="info", text="This is a recording.", advice=self._advice))

    def _publish(self, source: Source) -> None:
        shown = source.current if self._shown is None else self._shown
        view = source.view(shown)
        self._version += 1
        if view.scene is not self._scene:
            self._scene = view.scene
            self._messages.append(view.scene)
        view = replace(view, version=self._version, obeyed=self._obeyed, current=source.current, shown=shown)
        self._messages += [view, *source.notes()]
