"""A session on disk: every snapshot as it is made, names, and where the session stands; and a session out of it.

What comes back is bit for bit what went in, so a fit goes on as if it had never been interrupted. Knows no window.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optim.camera import Camera
from optim.editing import EditableFit
from optim.errors import InputError
from optim.frames import PriorFrame
from optim.history import Entry, History, Snapshot
from optim.lbfgs import LbfgsState, Pair, Point, Trial
from optim.objective import Evaluation, TermValue
from optim.observations import Observations, PreviousBatch
from optim.runfile import RunFile
from optim.settings import Settings
from optim.stages import Phase, Preset
from optim.values import Values
from optim.variables import Packing, Part, Trajectory

_SHARED = (Camera, Observations, Packing, Pair, Phase, Preset, PriorFrame)
_TYPES = (*_SHARED, Entry, Evaluation, LbfgsState, Part, Point, PreviousBatch, Settings, TermValue, Trajectory, Trial)
SAME_LOSS = 1e-3
"""Relative difference of the first loss up to which two problems are taken for the same: other processors round
differently."""


@dataclass(frozen=True)
class Position:
    """Where a session stands in its history."""

    current: int
    undo: tuple[int, ...] = ()
    redo: tuple[int, ...] = ()


class Recording:
    """The snapshots of one session in a run file."""

    def __init__(self, file: RunFile) -> None:
        self.file = file
        self._values = Values(file, _TYPES, shared=_SHARED, tensor=_tensor)
        (self._count,) = file.rows("SELECT count(*) FROM snapshots")[0]
        self._bookmarks: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._position = Position(0)
        self._read_log()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, snapshot_id: int) -> bool:
        return 0 <= snapshot_id < self._count

    @property
    def settings(self) -> Settings | None:
        """That the run was begun with; None: it was not begun by the command line."""
        found = self.file.logged("settings")
        return self._values.decode(found[0][1]) if found else None

    # Into the file

    def begin(self, settings: Settings | None) -> None:
        """Note what the run was asked to do."""
        if settings is not None:
            with self.file.transaction():
                self.file.log("settings", self._values.encode(settings))

    def follow(self, session: EditableFit, also: Callable[[range], None] | None = None) -> range:
        """Write what is new in a session; the ids of its new snapshots.

        Args:
            also: Called with these ids inside the same transaction: all of it is in the file afterwards, or nothing.

        Raises:
            InputError: It cannot be written: the disk is full, the file is gone or somebody else's.
        """
        history = session.history
        new = range(self._count, len(history))
        changes = self._changes(session)
        if not new and not changes:
            return new
        with self.file.transaction():
            for snapshot_id in new:
                self._insert(history.entry(snapshot_id), history[snapshot_id])
            if also is not None and new:
                also(new)
            for kind, value in changes:
                self.file.log(kind, value)
        self._count = len(history)
        self._bookmarks = dict(history.bookmarks)
        self._names = {branch.number: branch.name for branch in history.branches}
        self._position = _position(session)
        history.store.archive = self
        return new

    def _changes(self, session: EditableFit) -> list[tuple[str, Any]]:
        """What is to be logged: names given and taken, and going elsewhere in the history."""
        found: list[tuple[str, Any]] = []
        bookmarks = session.history.bookmarks
        for snapshot_id in self._bookmarks.keys() - bookmarks.keys():
            found.append(("bookmark", [snapshot_id, None]))
        for snapshot_id, name in bookmarks.items() - self._bookmarks.items():
            found.append(("bookmark", [snapshot_id, name]))
        for branch in session.history.branches:
            if self._names.get(branch.number, f"branch {branch.number + 1}") != branch.name:
                found.append(("branch", [branch.number, branch.name]))
        position = _position(session)
        went_on = replace(self._position, current=len(session.history) - 1)
        if position != went_on:
            found.append(("position", [len(session.history), position.current, position.undo, position.redo]))
        return found

    def _insert(self, entry: Entry, snapshot: Snapshot) -> None:
        per_frame = {name: term.per_frame for name, term in snapshot.evaluation.terms.items()}
        light = {f.name: getattr(snapshot, f.name) for f in fields(Snapshot) if f.name != "evaluation"}
        light["variables"] = _apart(snapshot)
        self.file.insert(
            "snapshots",
            snapshot.id,
            snapshot.parent,
            snapshot.cause,
            entry.branch,
            snapshot.phase,
            snapshot.step,
            snapshot.iteration,
            snapshot.total_iterations,
            _real(snapshot.evaluation.total),
            time.time(),
            self._values.encode(entry),
            self._values.encode((light, per_frame)),
        )

    # Out of the file

    def read(self, snapshot_id: int) -> Snapshot:
        """A snapshot, bit for bit; what it shares with others that are alive is shared again."""
        query = "SELECT entry, state FROM snapshots WHERE id = ?"
        ((entry_text, state_text),) = self.file.rows(query, snapshot_id)
        entry: Entry = self._values.decode(entry_text)
        state, per_frame = self._values.decode(state_text)
        terms = {name: replace(term, per_frame=per_frame[name]) for name, term in entry.evaluation.terms.items()}
        state["variables"] = _together(state["variables"], state["packing"], state["solver"].point.x)
        return Snapshot(**state, evaluation=replace(entry.evaluation, terms=terms))

    def restore(self, session: EditableFit) -> None:
        """Put a new session of the same problem where the recorded one was; nothing is computed again.

        Raises:
            InputError: The session's problem is another one.
        """
        entries = [self._values.decode(text) for (text,) in self.file.rows("SELECT entry FROM snapshots ORDER BY id")]
        recorded, found = entries[0].evaluation.total, session.history.entry(0).evaluation.total
        if not math.isclose(recorded, found, rel_tol=SAME_LOSS):
            raise InputError(
                f"{self.file.path}: was recorded from other data or models: its fit began with a loss of"
                f" {recorded:.6g}, this one with {found:.6g}; give the same clip, body and flags"
            )
        limit = session.history.store.limit
        names, marks = self._names, self._bookmarks
        history = History.recorded(entries, self, memory_limit=limit, branch_names=names, bookmarks=marks)
        where = self._position
        session.take_up(history, current=where.current, undo=where.undo, redo=where.redo)

    def _read_log(self) -> None:
        """Names and position as they were left."""
        for _, (snapshot_id, name) in self.file.logged("bookmark"):
            if name is None:
                self._bookmarks.pop(snapshot_id, None)
            else:
                self._bookmarks[snapshot_id] = name
        self._names = {number: name for _, (number, name) in self.file.logged("branch")}
        for _, (count, current, undo, redo) in self.file.logged("position")[-1:]:
            went_on = count < self._count
            self._position = Position(self._count - 1 if went_on else current, tuple(undo), tuple(redo))
            return
        self._position = Position(max(self._count - 1, 0))


def _position(session: EditableFit) -> Position:
    undo, redo = session.travels
    return Position(session.current.id, undo, redo)


def _apart(snapshot: Snapshot) -> dict[str, Tensor | None]:
    """The variables; None for those that are views of the solver's point."""
    moving = snapshot.solver.point.x.untyped_storage().data_ptr()
    whole = {part.name for part in snapshot.packing.parts if part.frames is None}
    return {
        name: None if name in whole and value.untyped_storage().data_ptr() == moving else value
        for name, value in snapshot.variables.items()
    }


def _together(apart: dict[str, Tensor | None], packing: Packing, x: Tensor) -> dict[str, Tensor]:
    views = {p.name: v for p, v in zip(packing.parts, packing.split(x).values(), strict=True) if p.frames is None}
    return {name: views[name] if value is None else value for name, value in apart.items()}


def _real(value: float) -> float:
    """SQLite turns NaN into NULL; the exact number stands in the entry."""
    return value if math.isfinite(value) else math.inf


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.copy())
