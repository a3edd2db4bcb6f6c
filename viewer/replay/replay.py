"""Shows an earlier fit in place of the worker; needs neither models nor torch.

A ``Source`` provides the view of each iteration of the fit. Nothing here changes a fit.
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
from viewer.protocol.view_model import About, Analysis, Finished, Loading, Note, Scene, ViewModel

LOOK_AGAIN = 0.5  # seconds between two checks of what a run in progress has added


class Source(Protocol):
    """A fit that can be looked at, iteration by iteration."""

    @property
    def current(self) -> int:
        """Id of the snapshot at which the fit stands."""

    def refresh(self) -> bool:
        """Read what has been added since the last call; returns whether there was anything."""

    def view(self, snapshot: int) -> ViewModel:
        """The view of a snapshot; ``version``, ``obeyed`` and ``current`` are filled in by the client.

        Views of unchanged data hold the same ``scene`` object.

        Raises:
            InputError: No such snapshot, or it cannot be read.
        """

    def analysis(self, command: c.Analyse) -> Analysis | None:
        """The answer to a question about a snapshot; None if it was not asked while the fit was recorded."""

    def about(self) -> About:
        """What it is, and how it was set up."""

    def notes(self) -> list[Note]:
        """New messages since the last call."""

    def close(self) -> None:
        """Close the source; it is not used again."""


class ReplayClient:
    """A ``viewer.window.client.Client`` that answers from a source, in this process.

    Args:
        open_source: Opens the source; called by ``poll``, may raise ``InputError``.
        advice: What to do to continue the fit; told to a user who tries to.
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
        """Whether it has not been closed yet."""
        return not self._closed

    @property
    def obituary(self) -> str:
        """Why it is not alive: only because it was closed."""
        return "The recording is closed."

    @property
    def recorded(self) -> bool:
        """Always true: everything that can be shown is in the source."""
        return True

    def post(self, command: c.Command) -> None:
        """Queue a command for the next ``poll``."""
        self._inbox.append(command)

    def poll(self) -> list[Message]:
        """Carry out the queued commands, and check at intervals whether the recorded run has gone on."""
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
            self._messages.append(source.about())
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
                    error="Nobody asked for this while the fit was recorded.",
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
