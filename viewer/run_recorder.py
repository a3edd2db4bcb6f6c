"""Writes a session into its run file as it goes: snapshots to go on from, and views to look at without the models.

Runs on the worker's side. Costs an iteration a few milliseconds; what would cost more (a motion that the optimiser has
not worked out itself, figures beside it) is written when the window shows it anyway, or while nothing else is done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer import compact, findings
from viewer import view_model as vm
from viewer.build_prior import regressed_joints

if TYPE_CHECKING:
    from optim.recording import Recording
    from optim.runfile import RunFile
    from optim.values import Values
    from viewer.build_view import ViewBuilder

SHARED = (vm.BodyMesh, vm.Drift, vm.Observed, vm.Phase, vm.Scene)
AT_ONCE = ("floors", "frozen", "phases", "raw", "weighted", "weights")
"""Fields of a view that every iteration has from the beginning, besides its motion where that is known."""
_OF_THE_WINDOW = {
    "analyses", "can_redo", "can_undo", "caught", "current", "history", "motion", "obeyed", "regressed", "scene",
    "shown", "status", "times", "traps", "up", "version",
}  # fmt: skip
"""Fields that are no property of an iteration, or are kept in another form."""
LATER = tuple(field.name for field in fields(vm.ViewModel) if field.name not in _OF_THE_WINDOW.union(AT_ONCE))


def view_values(file: RunFile) -> Values:
    """Reads and writes what views are made of."""
    from optim.values import Values

    types = [*_dataclasses(vm), *_dataclasses(findings), compact.CompactMotion]
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
        known = {row for (row,) in recording.file.rows("SELECT DISTINCT snapshot FROM views WHERE brief = ''")}
        self._unseen = {row: None for row in range(len(recording)) if row not in known}  # in order
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
        if isinstance(message, vm.ViewModel | vm.Analysis | vm.Note):
            self._waiting.append(message)

    def follow(self) -> None:
        """Write what is new. Where that cannot be done, say so once and record no more."""
        from optim.errors import InputError

        if self._broken:
            return
        waiting, self._waiting = self._waiting, []
        try:
            self._recording.follow(self._builder.session, self._write_at_once)
            if waiting:
                with self._recording.file.transaction():
                    for message in waiting:
                        self._write_message(message)
        except InputError as error:
            self._stop(str(error))
        except TypeError as error:  # a value that the file has no form for
            self._stop(f"{self.path}: {error}")

    def catch_up(self) -> bool:
        """Write the view of one iteration that no window has shown, the newest first; whether there was one."""
        if self._broken or not self._unseen:
            return False
        snapshot = next(reversed(self._unseen))
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
        """Leave one whole file behind."""
        self.follow()
        self._recording.file.close()
        self._broken = True

    def _stop(self, text: str) -> None:
        self._broken = True
        advice = "The fit goes on, but is recorded no further than this."
        self._pass_on(vm.Note(level="warning", text=text, advice=advice))

    # --- what is written

    def _write_at_once(self, new: range) -> None:
        """Little of every iteration; all of a snapshot that is something else, since there are few of those."""
        builder = self._builder
        for index in new:
            snapshot = builder.session.history[index]
            parts = builder.parts(snapshot, motion=builder.session.predicted(snapshot))
            motion = parts.pop("motion")
            if motion is None:
                del parts["floors"]
            else:
                parts |= _moving(motion, regressed_joints(builder, snapshot))
            parts["scene"] = self._slim(builder.scene)
            parts["status"] = _status(builder, index)
            parts["frame_terms"] = builder.members.per_frame(snapshot).astype(np.float16)
            brief = builder.history_row(index) | {"motion": motion is not None}
            self._insert(index, json.dumps(brief), parts)
            self._unseen[index] = None
            if brief["event"] is not None or snapshot.iteration == 0:
                self._write_later(builder.view(snapshot, parts["status"]))

    def _write_message(self, message: Any) -> None:
        file = self._recording.file
        if isinstance(message, vm.ViewModel):
            self._write_later(message)
        elif isinstance(message, vm.Analysis):
            file.log("analysis", [message.snapshot, message.kind, self._values.encode(message)])
        else:
            file.log("note", [message.level, message.text, message.advice])

    def _write_later(self, view: vm.ViewModel) -> None:
        if view.shown not in self._unseen:
            return
        del self._unseen[view.shown]
        parts = {name: getattr(view, name) for name in ("floors", *LATER)}
        self._insert(view.shown, "", parts | _moving(view.motion, view.regressed))

    def _insert(self, snapshot: int, brief: str, parts: dict[str, Any]) -> None:
        self._recording.file.insert("views", None, snapshot, brief, self._values.encode(parts))

    def _slim(self, scene: vm.Scene) -> vm.Scene:
        """The same object for the same scene, so that it is written once; its body too."""
        if self._scene is None:
            self._scene = scene, compact.slim(scene)
        elif self._scene[0] is not scene:
            self._scene = scene, replace(scene, body=self._scene[1].body)
        return self._scene[1]


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
