"""Reads another run beside the one of the window, to pin its motions; another process does the reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from viewer.protocol.commands import Inspect, Quit
from viewer.protocol.view_model import About, LoadFailed, Note, Scene, ViewModel
from viewer.ui.pins import pin_of
from viewer.ui.ui_state import UiState
from viewer.window.client import Client


class OtherRun:
    """The second run of one window; ``follow`` is called once a frame."""

    def __init__(self, ui: UiState) -> None:
        self.open: Callable[[str], Client] | None = None
        """Opens a run file or a folder of results."""
        self._ui = ui
        self._client: Client | None = None
        self._scene: Scene | None = None
        self._about = About()
        self._asked: int | None = None  # snapshot of the other run that was asked for

    def follow(self) -> None:
        """Open the run that was asked for, take in what it publishes, and pin what was wanted of it."""
        pins = self._ui.pins
        if pins.run_to_open is not None and self.open is not None:
            path, pins.run_to_open = pins.run_to_open, None
            self.close()
            self._client, self._scene, self._about = self.open(path), None, About()
            pins.run, pins.run_name, pins.run_path = None, Path(path).stem, path
            pins.run_wanted = None
            self._ui.note(Note(level="info", text=f"Opening {path} to compare…"))
        if self._client is None:
            return
        for message in self._client.poll():
            self._take(message)
        if self._client is None or pins.run is None or pins.run_wanted is None:
            return
        if pins.run.shown != pins.run_wanted[0]:
            if self._asked != pins.run_wanted[0]:
                self._asked = pins.run_wanted[0]
                self._client.post(Inspect(self._asked))
        else:
            pins.add(pin_of(pins.run, pins.run_wanted[1], run=pins.run_path))
            pins.run_wanted, self._asked = None, None
            self._ui.show_panel("compare")

    def close(self) -> None:
        """End the process that reads."""
        if self._client is not None:
            self._client.post(Quit())
            self._client.close()
            self._client = None

    def _take(self, message: object) -> None:
        pins = self._ui.pins
        if isinstance(message, About):
            self._about = message
        elif isinstance(message, Scene):
            self._scene = message
        elif isinstance(message, ViewModel):
            assert self._scene is not None
            first = pins.run is None
            pins.run = replace(message, scene=self._scene, about=self._about)
            if first:
                pins.run_wanted = message.current, f"{pins.run_name}, its end"
        elif isinstance(message, LoadFailed):
            self._ui.note(Note(level="error", text=f"{message.text}; nothing is compared"))
            self.close()
