"""Starts, follows and ends a search for weights, which runs in a process of its own (``optim.tuning.apart``)."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from optim.common.errors import InputError
from optim.session.edits import Edit
from optim.session.session import Session
from optim.tuning.apart import Search, request, search_of
from viewer.protocol.commands import StartTuning
from viewer.protocol.view_model import TunedTrial, Tuning

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 5.0  # seconds that the process may take to end


def studies_folder() -> Path:
    """The folder for studies of the window, in this user's data folder."""
    return user_data_path("humorscope", appauthor=False) / "studies"


class Tuner:
    """At most one search at a time for one worker.

    Args:
        publish: Is given the state of the search whenever it has changed.
        folder: Makes the folder of the studies.
    """

    def __init__(self, publish: Callable[[Any], None], *, folder: Callable[[], Path] = studies_folder) -> None:
        self._publish, self._folder = publish, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._lines: deque[bytes] = deque()
        self._state: Tuning | None = None
        self._search: Search | None = None

    def start(self, session: Session, asked: StartTuning) -> None:
        """Start a search over a fit, from where it stands.

        Raises:
            InputError: One is running, Optuna is not installed, or the search is impossible here.
        """
        self._require_none()
        if find_spec("optuna") is None:
            raise InputError("a search needs Optuna; pip install 'humorscope[tune]'")
        search = search_of(
            session, texts=asked.searched, objectives=asked.objectives, trials=asked.trials, folder=self._folder()
        )
        about = Tuning(
            about=search.about, objectives=search.description.objectives, wanted=asked.trials, file=str(search.path)
        )
        self._begin(search, about)

    def resume(self, trials: int) -> None:
        """Go on with the latest search until it has a number of trials, wherever the fit stands now.

        Raises:
            InputError: One is running, or there was none.
        """
        self._require_none()
        if self._search is None or self._state is None:
            raise InputError("there is no search to go on with; start one")
        search, state = replace(self._search, trials=trials), self._state
        self._begin(search, replace(state, wanted=trials, running=True, error="", seconds_left=None))

    def edit(self, session: Session, number: int) -> Edit:
        """The edit that takes over the values of a trial.

        Raises:
            InputError: The latest search has no complete trial of this number.
        """
        trials = () if self._state is None else self._state.trials
        trial = next((trial for trial in trials if trial.number == number), None)
        if trial is None or self._search is None:
            raise InputError(f"the search has no complete trial {number}")
        return self._search.edit(session, number, trial.point)

    def _require_none(self) -> None:
        if self._process is not None:
            raise InputError("a search is running; stop it first")

    def _begin(self, search: Search, state: Tuning) -> None:
        self._search = search
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "optim.tuning.apart"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._lines.clear()
        threading.Thread(target=_give, args=(process, request(search)), daemon=True).start()
        self._reader = threading.Thread(target=_read, args=(process, self._lines), daemon=True)
        self._reader.start()
        self._tell(state)

    def stop(self) -> None:
        """End the search within a few iterations; what has been found stays in its file."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def close(self) -> None:
        """End the search, and wait for it."""
        self.stop()
        if self._process is not None:
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def follow(self) -> None:
        """Publish what the process has told since the last call; never waits."""
        if self._process is None or self._state is None:
            return
        ended = self._process.poll() if self._reader is None or not self._reader.is_alive() else None
        state = self._state
        while self._lines:
            state = _taken(state, json.loads(self._lines.popleft()))
        if ended is not None:
            self._process = None
            crashed = f"the search ended with exit code {ended}" if ended and not state.error else ""
            state = replace(state, running=False, seconds_left=None, error=state.error or crashed)
        if state is not self._state:
            self._tell(state)

    def _tell(self, state: Tuning) -> None:
        self._state = state
        self._publish(state)


def _taken(state: Tuning, told: dict[str, Any]) -> Tuning:
    """The state after a line of the process."""
    if "error" in told:
        return replace(state, error=told["error"])
    trials = tuple(
        TunedTrial(
            number=row["number"],
            present=row["present"],
            point=row["point"],
            values=tuple(row["values"]),
            front=row["front"],
        )
        for row in told["trials"]
    )
    return replace(state, done=told["done"], seconds_left=told["seconds_left"], trials=trials)


def _give(process: subprocess.Popen[bytes], blob: bytes) -> None:
    """Write the fit; in a thread of its own, because the process first loads its modules."""
    assert process.stdin is not None
    with suppress(OSError, ValueError):  # it has ended, or was stopped before
        process.stdin.write(blob)
        process.stdin.flush()


def _read(process: subprocess.Popen[bytes], lines: deque[bytes]) -> None:
    assert process.stdout is not None
    for text in process.stdout:
        lines.append(text)
