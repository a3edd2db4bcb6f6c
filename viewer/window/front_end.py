"""What every front end does, whatever it draws with: it keeps the newest view of a client and posts commands.

It waits for nothing and knows no optimiser. The window is one front end, a browser another.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from viewer.panels.table import PANELS
from viewer.protocol.commands import Command
from viewer.protocol.view_model import (
    About,
    Analysis,
    Finished,
    LoadFailed,
    Loading,
    Note,
    Scene,
    Status,
    Tuning,
    ViewModel,
)
from viewer.scene.comparing import Comparing
from viewer.ui.ui_state import UiState
from viewer.window.client import Client
from viewer.window.other_run import OtherRun
from viewer.window.pinning import pin_wanted

NICENESS = 10  # of a front end that needs the processor, so that the optimiser goes first


def become_nicer() -> None:
    """Let the optimiser go first.

    On Linux only the calling thread becomes nicer, and so do processes and threads that it starts. The optimiser is
    therefore started by a thread of its own (see ``ProcessClient``).
    """
    if hasattr(os, "nice"):
        os.nice(NICENESS)


class FrontEnd:
    """One screen over one client; a subclass draws ``view`` and posts what the user does."""

    how_to_restart = "Restart it in the middle of the window."

    def __init__(self, make_client: Callable[[], Client], ui: UiState | None = None) -> None:
        self.ui = ui or UiState()
        self.ui.slots = {name: panel.slot for name, panel in PANELS.items()}
        self.view: ViewModel | None = None
        self.loading = "Starting…"
        self.failed: LoadFailed | None = None
        self.lost = False  # the worker died
        self._make_client = make_client
        self.client = make_client()
        self.about = About()
        self.other_run = OtherRun(self.ui)
        self._comparing = Comparing()
        self._scene: Scene | None = None
        self._analyses: dict[str, Analysis] = {}
        self._tuning: Tuning | None = None

    def compare(self) -> list[Command]:
        """Bring the second motion up to date; returns what has to be asked for it. Called once a frame."""
        self.other_run.follow()
        if self.view is None:
            return []
        commands = pin_wanted(self.view, self.ui.pins)
        self.view = self._comparing(self.view, self.ui.pins)
        return commands

    def post(self, commands: list[Command]) -> None:
        """Send commands to the worker, and remember that they were sent."""
        for command in commands:
            self.client.post(command)
        self.ui.count_posted(len(commands))

    def receive(self) -> None:
        """Take in what the worker has published."""
        for message in self.client.poll():
            if isinstance(message, About):
                self.about = message
            elif isinstance(message, Scene):
                self._take_scene(message)
            elif isinstance(message, ViewModel):
                assert self._scene is not None
                first = self.view is None
                self.view = replace(
                    message,
                    scene=self._scene,
                    analyses=dict(self._analyses),
                    about=self.about,
                    tuning=self._tuning,
                )
                if first:
                    self.ui.camera_request = self.ui.camera_request or "home"
            elif isinstance(message, Status):
                if self.view is not None:
                    self.view = replace(self.view, status=message)
            elif isinstance(message, Analysis):
                self._analyses[message.kind] = message
                if self.view is not None:
                    self.view = replace(self.view, analyses=dict(self._analyses))
            elif isinstance(message, Tuning):
                self._tuning = message
                if self.view is not None:
                    self.view = replace(self.view, tuning=message)
            elif isinstance(message, Note):
                self.ui.note(message)
            elif isinstance(message, Loading):
                self.loading = message.text
            elif isinstance(message, LoadFailed):
                self.failed = message
                self.ui.quit = message.input_error
                self.ui.note(Note(level="error", text=message.text))
            elif isinstance(message, Finished):
                self.ui.quit = True
        if not self.lost and not self.client.alive and not self.ui.quit and self.failed is None:
            self.lost = True
            self.ui.note(Note(level="error", text=self.client.obituary, advice=self.how_to_restart))

    def _take_scene(self, scene: Scene) -> None:
        """Answers about another batch of sub-sequences do not fit its scene; the frames of the batch are looked at."""
        if self._scene is None or self._scene.batch != scene.batch:
            self._analyses.clear()
            self.ui.asked.clear()
            first, last = scene.batch_frames
            if not first <= self.ui.frame <= last:
                self.ui.go_to(first, scene.clip_frames)
        self._scene = scene

    def restart(self) -> None:
        """Replace a dead client; the new one goes on from the last iteration that was recorded."""
        self.client.close()
        self.client, self.lost = self._make_client(), False
        self.view, self._tuning = None, None  # its iterations may be others by the same numbers
        self._analyses.clear()
        self.ui.posted, self.ui.scrubbing = 0, None
        self.ui.drafts.clear()
        self.ui.asked.clear()
        self.ui.note(Note(level="info", text="The optimiser was restarted."))
