"""The program whose window ``tests.viewer.real_window`` drives: ``python -m tests.viewer.real_program STATE SESSION``.

After every frame it writes to the file STATE what the window shows and where. A file with the ending ``.wish`` beside
it, in JSON, names panels to bring to the front; the program then adds what is cut or covered in them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import polyscope as ps

from tests.viewer.uidriver import UiDriver
from viewer.panels.table import SLOTS
from viewer.window import app, window
from viewer.window.client import ProcessClient

SETTLE_FRAMES = 4
"""Frames that are drawn before something is measured, since some places are known only from the frame before."""


def make_session(name: str) -> object:
    """A session by its name here or in ``tests.viewer.fakes``; in the worker, as the window's process has no torch."""
    from tests.viewer import conftest, fakes

    ours: dict[str, Callable[[], object]] = {
        "a real session": conftest.fit,
        "a split clip": partial(conftest.fit, "joints2d", batch=2, overlap=3),
    }
    return (ours.get(name) or getattr(fakes, name))()


class Watched:
    """The window's ``App.frame`` with its state told afterwards."""

    def __init__(self, path: Path) -> None:
        self.driver = UiDriver()
        self.driver.install()
        self.path, self.wish = path, path.with_suffix(".wish")
        self.measured: dict[str, Any] = {}
        self._wished = ""
        self._due = 0  # frame in which to measure

    def frame(self, window: app.App) -> None:
        """Draw a frame as the program does, then tell."""
        self.driver.begin()
        _draw(window)
        self._measure(window)
        told = self.path.with_suffix(".new")
        told.write_text(json.dumps(self._state(window)))
        os.replace(told, self.path)

    def _measure(self, window: app.App) -> None:
        wish = self.wish.read_text() if self.wish.exists() else ""
        if wish != self._wished:
            self._wished, self._due = wish, self.driver.frame + SETTLE_FRAMES
            window.ui.tabs |= json.loads(wish)["tabs"]
        elif wish and self.driver.frame == self._due:
            found = self.driver.misdrawn()
            found += [
                f"{slot}: goes on {self.driver.overflow[slot]}" for slot in SLOTS if any(self.driver.overflow[slot])
            ]
            self.measured = {"wish": json.loads(wish), "found": found, "broken": window.ui.broken}

    def _state(self, window: app.App) -> dict[str, Any]:
        ui, view, driver = window.ui, window.view, self.driver
        state: dict[str, Any] = {
            "frames": driver.frame,
            "widgets": {name: box[:4] for name, box in driver.widgets.items() if box.frame >= driver.frame},
            "size": ps.get_window_size(),
            "scale": ps.get_ui_scale(),
            "measured": self.measured,
        }
        if view is not None:
            state |= {
                "state": view.status.state,
                "iterations": view.status.total_iterations,
                "clip": ui.frame,
                "held": sorted(view.held),
                "weight": float(view.weights[view.status.phase, 0]),
                "stage": view.phases[view.status.phase].stage,
                "drift": view.drift is not None,
                "branches": len(view.history.branches),
                "current": view.current,
                "shown": view.shown,
                "recording": ui.filming.active,
                "pictures": ui.filming.frames,
                "notes": [note.text for note in ui.notes],
                "focus": ui.focus,
                "layers": sorted(name for name, on in ui.layers.items() if on),
                "tabs": ui.tabs,
                "pins": [pin.label for pin in ui.pins.kept],
                "largest_cm": None if view.compared is None else float(view.compared.values["between_joints_cm"].max()),
                "last_frame": view.scene.clip_frames - 1,
                "found": _found(view),
            }
        return state


def _found(view: Any) -> list[tuple[str, int | None]]:
    """Rule and frame of the faults that Why? names."""
    answer = view.analyses.get("diagnosis")
    if answer is None or answer.value is None:
        return []
    return [(verdict.rule, verdict.frame) for verdict in answer.value.verdicts if verdict.level != "good"]


_draw = app.App.frame

if __name__ == "__main__":
    watched = Watched(Path(sys.argv[1]))
    app.App.frame = lambda window: watched.frame(window)  # type: ignore[method-assign]
    result = window.run_window(partial(ProcessClient, partial(make_session, sys.argv[2])))
    assert "torch" not in sys.modules
    print(result.error)
    sys.exit(result.exit_status)
