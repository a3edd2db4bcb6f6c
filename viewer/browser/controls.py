"""Widgets that follow a state which several browsers and the program change.

What a user does is queued by the server's thread and carried out by the thread that draws, in the order in which it
came; of several changes of one widget only the newest counts. The thread that draws then writes the state back into the
widgets, so that all browsers show the same. A change made by the program does not come back as one of the user.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import viser

from viewer.protocol.commands import Command
from viewer.protocol.view_model import ViewModel
from viewer.ui.ui_state import UiState

REST = 0.3  # seconds without a change after which a widget counts as let go; browsers do not say when it is
Act = Callable[[], Iterable[Command] | None]


class Inbox:
    """What users did and has not been carried out yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[object, Act] = {}

    def put(self, act: Act, *, instead_of: object = None) -> None:
        """Add an action; it takes the place of one that is waiting for the same widget."""
        with self._lock:
            key = object() if instead_of is None else instead_of
            self._waiting.pop(key, None)
            self._waiting[key] = act

    def carry_out(self, failed: Callable[[Exception], None]) -> list[Command]:
        """Do what is waiting; the commands that came of it. ``failed`` is told of an action that raises."""
        with self._lock:
            acts, self._waiting = list(self._waiting.values()), {}
        commands: list[Command] = []
        for act in acts:
            try:
                commands += act() or ()
            except Exception as error:  # one browser's action must not end the fit of all
                failed(error)
        return commands

    def show(self, widget: Any, value: Any) -> None:
        """Write the state into a widget, unless a user has changed it and that has not been carried out yet."""
        with self._lock:
            if id(widget) not in self._waiting:
                widget.value = value

    def clicked(self, button: Any, act: Act) -> None:
        """Have an action done for each click."""
        self.clicked_by(button, lambda client, value: act())

    def clicked_by(
        self, button: Any, act: Callable[[viser.ClientHandle | None, Any], Iterable[Command] | None]
    ) -> None:
        """The same with the browser that it was clicked in, and the button's value: its label in a group of buttons."""

        async def take(event: Any) -> None:
            client, value = event.client, button.value
            self.put(lambda: act(client, value))

        button.on_click(take)

    def changed(self, widget: Any, act: Callable[[Any], Iterable[Command] | None]) -> None:
        """Have an action done with the value that a user has given to a widget."""

        async def take(event: Any) -> None:
            if event.client_id is not None:
                value = widget.value
                self.put(lambda: act(value), instead_of=id(widget))

        widget.on_update(take)


class Posting:
    """The commands of one turn, which are posted together when it ends."""

    def __init__(self, ui: UiState) -> None:
        self._ui, self._before = ui, ui.posted
        self._last: int | None = None  # number of the last of the commands, once they are posted

    def obeyed(self, view: ViewModel) -> bool:
        """Whether the worker has dealt with all of them; also if it was started again and never will."""
        if self._last is None and self._ui.posted != self._before:
            self._last = self._ui.posted
        return self._last is not None and view.obeyed >= min(self._last, self._ui.posted)


class Asked:
    """Values that users have asked the worker for; they are shown until it has dealt with the command."""

    def __init__(self, ui: UiState) -> None:
        self._ui = ui
        self._values: dict[Hashable, tuple[Any, Posting]] = {}

    def ask(self, name: Hashable, value: Any) -> None:
        """Note a value; the command is about to be posted."""
        self._values[name] = value, Posting(self._ui)

    def value(self, name: Hashable, view: ViewModel, known: Any) -> Any:
        """The value that was asked for, or else the one that the view has."""
        if name not in self._values:
            return known
        value, posting = self._values[name]
        if posting.obeyed(view):
            del self._values[name]
            return known
        return value


class Entered:
    """Values that users are entering: each is sent once it has rested, and shown until the worker has dealt with it."""

    def __init__(self, ui: UiState, clock: Callable[[], float] = time.monotonic) -> None:
        self._asked, self._clock = Asked(ui), clock
        self._moved: dict[Hashable, tuple[Any, float]] = {}

    def enter(self, name: Hashable, value: Any) -> None:
        """Note a value that has not been sent."""
        self._moved[name] = value, self._clock()

    def value(self, name: Hashable, view: ViewModel, known: Any) -> Any:
        """The value that was entered, or else the one that the view has."""
        return self._moved[name][0] if name in self._moved else self._asked.value(name, view, known)

    def rested(self) -> list[tuple[Any, Any]]:
        """Names and values that are to be sent now."""
        ready = [name for name, (_, when) in self._moved.items() if self._clock() - when >= REST]
        found = [(name, self._moved.pop(name)[0]) for name in ready]
        for name, value in found:
            self._asked.ask(name, value)
        return found
