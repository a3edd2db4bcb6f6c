"""Writes a session into its run file as it goes: snapshots to go on from, and views to look at without the models.

Runs on the worker's side. Costs an iteration a few milliseconds; what would cost more (a motion that the optimiser has
not worked out itself, figures beside it) is written when the window shows it anyway, or while nothing else is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.protocol import compact, findings
from viewer.protocol import view_model as vm
from viewer.worker.build_prior import regressed_joints

if TYPE_CHECKING:
    from optim.recording.recording import Recording
    from optim.recording.runfile import RunFile
    from optim.recording.values import Values
    from optim.session.history import Snapshot
    from viewer.worker.build_view import ViewBuilder

_OF_THE_WINDOW = {
    "analyses", "can_redo", "can_undo", "caught", "current", "history", "obeyed", "scene", "shown", "status", "times",
    "traps", "up", "version",
}  # fmt: skip
_IN_ANOTHER_FORM = {"frozen", "motion", "phases", "raw", "regressed", "weighted", "weights"}
LATER = tuple(f.name for f in fields(vm.ViewModel) if f.name not in _OF_THE_WINDOW.union(_IN_ANOTHER_FORM))
"""Fields of a view that are written when it is shown."""
NO_EDITS = ("start", "iteration", "phase")
"""Causes of snapshots that are no edits, as in ``optim.session.history``."""
GOLDEN = 0.6180339887498949
"""Multiples of it, modulo 1, fall everywhere alike."""
LAST_MOMENT = 3.0  # seconds, of catching up when a session ends
SHARE = 0.01
"""Of the time, to spend on motions that no window has shown; the rest waits until nothing else is done."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What one iteration after the other has in common."""

    scene: vm.Scene
    phases: tuple[vm.Phase, ...]
    weights: np.ndarray  # (P, K)
    frozen: frozenset[str]
    row_of: Mapping[str, int]  # loss term → row of the weights table


SHARED = (Setup, vm.BodyMesh, vm.Drift, vm.Observed, vm.Phase, vm.Scene)


def view_values(file: RunFile) -> Values:
    """Reads and writes what views are made of."""
    from optim.recording.values import Values

    types = [*_dataclasses(vm), *_dataclasses(findings), compact.CompactMotion, Setup]
    return Values(file, types, shared=SHARED)


def _dataclasses(module: ModuleType) -> Iterator[type]:
    return (item for item in vars(module).values() if isinstance(item, type) and is_dataclass(item))


class Recorder:
    """Follows one session.

    Args:
        recording: Of this session; may hold its past.
        publish: Where messages go; what goes through ``publish`` of this object is recorded on its way there.
    """

    def __init__(self, recording: Recording, builder: ViewBuilder, publish: Callable[[Any], None]) -> None:
        self._recording, self._builder, self._pass_on = recording, builder, publish
        self._values = view_values(recording.file)
        self._scene: tuple[vm.Scene, vm.Scene] | None = None  # as given, as written
        self._setup: tuple[Any, Setup] | None = None  # what it was made of, itself
        shown = {row for (row,) in recording.file.rows("SELECT snapshot FROM views WHERE value LIKE '%\"drift\"%'")}
        self._unseen = {row: None for row in range(len(recording)) if row not in shown}  # in order
        self._began = time.perf_counter()
        self._spent = 0.0  # seconds, on motions that no window has shown
        self._caught_up = 0
        self._waiting: list[Any] = []
        self._broken = False
        publish(vm.Note(level="info", text=f"Recording to {self.path}"))
        self.follow()

    @property
    def path(self) -> Path:
        """Of the run file."""
        return self._recording.file.path

    def publish(self, message: Any) -> None:
        """Pass a message on; views, answers and notes are written at the next ``follow``."""
        self._pass_on(message)
        if not self._broken and isinstance(message, vm.ViewModel | vm.Analysis | vm.Note):
            self._waiting.append(message)

    def follow(self) -> None:
        """Write what is new. Where that cannot be done, say so once and record no more."""
        from optim.common.errors import InputError

        if self._broken:
            return
        try:
            self._recording.follow(self._builder.session, self._write, always=bool(self._waiting))
            self._waiting.clear()
        except InputError as error:
            self._stop(str(error))
        except Exception as error:  # no fit ends because it cannot be recorded
            self._stop(f"{self.path}: {type(error).__name__}: {error}")

    def catch_up(self) -> bool:
        """Write the view of one iteration that no window has shown; whether there was one.

        They are taken from all over the fit, so that what is missing at any time is missing in small gaps.
        """
        if self._broken or not self._unseen:
            return False
        self._caught_up += 1
        place = self._caught_up * GOLDEN % 1.0 * len(self._unseen)
        snapshot = next(islice(self._unseen, int(place), None))
        session = self._builder.session
        try:
            view = self._builder.view(session.history[snapshot], _status(self._builder, snapshot))
        except Exception:  # the window tells when somebody looks at it
            del self._unseen[snapshot]
        else:
            self._waiting.append(view)
            self.follow()
        return True

    def close(self) -> None:
        """Leave one whole file behind, with as many of the missing views as a moment allows."""
        try:
            self.follow()
            end = time.perf_counter() + LAST_MOMENT
            while time.perf_counter() < end and self.catch_up():
                pass
        finally:  # also where nobody is there any more to be told that it cannot be written
            self._recording.file.close()
            self._broken = True

    def _stop(self, text: str) -> None:
        self._broken = True
        self._waiting.clear()
        advice = "The fit goes on, but is recorded no further than this."
        self._pass_on(vm.Note(level="warning", text=text, advice=advice))

    # --- what is written

    def _write(self, new: range) -> None:
        """Little of every iteration, all of what is shown, and of what is no iteration, since there is little of it."""
        builder = self._builder
        views = {message.shown: message for message in self._waiting if isinstance(message, vm.ViewModel)}
        for index in new:
            snapshot, status = builder.session.history[index], _status(builder, index)
            parts: dict[str, Any] = {"setup": self._setup_at(snapshot), "status": status}
            if index not in views and snapshot.cause != "iteration":
                with suppress(Exception):  # the window tells when somebody looks at it
                    views[index] = builder.view(snapshot, status)
            began = time.perf_counter()
            in_time = index not in views and self._spent < SHARE * (began - self._began)
            if in_time and builder.session.fit.predicted(snapshot):
                parts |= self._motion(snapshot)
            self._insert(index, parts)
            self._spent += time.perf_counter() - began if "motion" in parts else 0.0
            self._unseen[index] = None
        for index, view in views.items():
            if index in self._unseen:
                del self._unseen[index]
                self._insert(index, _shown(view))
        for message in self._waiting:
            if isinstance(message, vm.Analysis):
                with suppress(TypeError):  # an answer that the file has no form for
                    answer = self._values.encode(message)
                    self._recording.file.log("analysis", [message.snapshot, message.kind, answer])
            elif isinstance(message, vm.Note):
                self._recording.file.log("note", [message.level, message.text, message.advice])

    def _motion(self, snapshot: Snapshot) -> dict[str, Any]:
        trajectory = self._builder.session.fit.trajectory(snapshot)
        parts = _moving(self._builder.motion(trajectory), regressed_joints(self._builder, snapshot))
        return parts | {"floors": self._builder.floors(trajectory)}

    def _insert(self, snapshot: int, parts: dict[str, Any]) -> None:
        self._recording.file.insert("views", None, snapshot, self._values.encode(parts))

    def _setup_at(self, snapshot: Snapshot) -> Setup:
        """The same object as long as nothing of it changes, so that it is written once."""
        builder = self._builder
        made_of = (builder.scene, snapshot.schedule, snapshot.held)
        if self._setup is None or any(a is not b for a, b in zip(self._setup[0], made_of, strict=True)):
            setup = Setup(
                scene=self._slim(builder.scene),
                phases=builder.phases(snapshot),
                weights=builder.weights(snapshot),
                frozen=snapshot.held,
                row_of=builder.members.row_of,
            )
            self._setup = made_of, setup
        return self._setup[1]

    def _slim(self, scene: vm.Scene) -> vm.Scene:
        """The same object for the same scene, so that it is written once; its body too."""
        if self._scene is None:
            self._scene = scene, compact.slim(scene)
        elif self._scene[0] is not scene:
            self._scene = scene, replace(scene, body=self._scene[1].body)
        return self._scene[1]


def _shown(view: vm.ViewModel) -> dict[str, Any]:
    return {name: getattr(view, name) for name in LATER} | _moving(view.motion, view.regressed)


def _moving(motion: vm.Motion, regressed: np.ndarray | None) -> dict[str, Any]:
    parts: dict[str, Any] = {"motion": compact.packed(motion)}
    if regressed is not None:
        parts["beside_joints"] = (regressed - motion.joints).astype(np.float16)
    return parts


def _status(builder: ViewBuilder, index: int) -> vm.Status:
    snapshot = builder.session.history[index]
    return vm.Status(
        state="done" if snapshot.done else "paused",
        phase=snapshot.phase,
        step=snapshot.step,
        iteration=snapshot.iteration,
        total_iterations=snapshot.total_iterations,
        progress=builder.progress(snapshot),
        loss=float(snapshot.evaluation.total),
    )
