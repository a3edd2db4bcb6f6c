"""A session on disk: every snapshot as it is made, names, and where the session stands; and a session out of it.

What comes back is bit for bit what went in, so a fit goes on as if it had never been interrupted. Knows no window.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.config.options import OF_ONE_RUN
from optim.config.settings import Settings
from optim.objective.objective import Evaluation, TermValue
from optim.problem.camera import Camera
from optim.problem.footage import Footage
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations, PreviousBatch
from optim.problem.problem import Problem
from optim.problem.variables import Packing, Part, Trajectory
from optim.recording.runfile import Names, Position, RunFile
from optim.recording.values import Values
from optim.schedule.phases import Phase
from optim.schedule.presets import Preset
from optim.session.edits import from_record, to_record
from optim.session.history import Entry, History, Snapshot
from optim.session.session import Session
from optim.solver.lbfgs import LbfgsState, Pair, Point, Trial

_SHARED = (Camera, Footage, Observations, Packing, Pair, Phase, Preset, PriorFrame)
_TYPES = (*_SHARED, LbfgsState, Part, Point, PreviousBatch, Trajectory, Trial)
_MODELS = ("body", "pose_prior", "motion_prior", "init_state_prior")
SAME_LOSS = 1e-3
"""Relative difference of the first loss up to which two problems are taken for the same: other processors round
differently."""


class Recording:
    """The snapshots of one session in a run file."""

    def __init__(self, file: RunFile) -> None:
        self.file = file
        self._values = Values(file, _TYPES, shared=_SHARED, tensor=_tensor)
        (self._count,) = file.rows("SELECT count(*) FROM snapshots")[0]
        self._names = file.names()

    def __len__(self) -> int:
        return self._count

    def __contains__(self, snapshot_id: int) -> bool:
        return 0 <= snapshot_id < self._count

    @property
    def settings(self) -> Settings | None:
        """What was fitted, and how; None: it was not begun by the command line."""
        found = self.file.logged("settings")
        given = self._values.decode(found[0][1]) if found else {}
        unknown = given.keys() - {f.name for f in fields(Settings)}
        if unknown:
            names = ", ".join(sorted(unknown))
            raise InputError(f"{self.file.path}: settings {names} of another version of humorscope; take that one")
        return Settings(**given) if found else None

    @property
    def data(self) -> dict[str, Any]:
        """The fields of the problem that are no models, by name; empty where they were not recorded."""
        found = self.file.logged("problem")
        return self._values.decode(found[0][1]) if found else {}

    # Into the file

    def begin(self, problem: Problem, settings: Settings | None) -> None:
        """Note what is fitted, and how: what differs from the defaults, paths in full."""
        data = {f.name: getattr(problem, f.name) for f in fields(Problem) if f.name not in _MODELS}
        if problem.body_file is not None:
            data["body_file"] = problem.body_file.absolute()
        if problem.footage is not None:
            data["footage"] = replace(problem.footage, path=problem.footage.path.absolute())
        with self.file.transaction():
            self.file.log("problem", self._values.encode(data))
            if settings is not None:
                self.file.log("settings", self._values.encode(_of_the_fit(settings)))

    def follow(self, session: Session, also: Callable[[range], None] | None = None, *, always: bool = False) -> range:
        """Write what is new in a session; the ids of its new snapshots.

        Args:
            also: Called with these ids inside the same transaction: all of it is in the file afterwards, or nothing.
            always: Call it where nothing is new, too.

        Raises:
            InputError: It cannot be written: the disk is full, the file is gone or somebody else's.
        """
        history = session.history
        new = range(self._count, len(history))
        changes = self._changes(session)
        if not (new or changes or always):
            return new
        with self.file.transaction():
            for snapshot_id in new:
                self._insert(history.entry(snapshot_id), history[snapshot_id])
            if also is not None and (new or always):
                also(new)
            for kind, value in changes:
                self.file.log(kind, value)
        self._count, self._names = len(history), _names(session)
        history.store.archive = self
        return new

    def _changes(self, session: Session) -> list[tuple[str, Any]]:
        """What is to be logged: names given and taken, and going elsewhere in the history."""
        then, now = self._names, _names(session)
        taken = then.bookmarks.keys() - now.bookmarks.keys()
        found: list[tuple[str, Any]] = [("bookmark", [snapshot_id, None]) for snapshot_id in sorted(taken)]
        found += [("bookmark", list(given)) for given in sorted(now.bookmarks.items() - then.bookmarks.items())]
        for number, name in now.branches.items():
            if name != then.branches.get(number, f"branch {number + 1}"):
                found.append(("branch", [number, name]))
        last = len(session.history) - 1
        if now.position != replace(then.position, current=last):
            position = now.position
            found.append(("position", [last + 1, position.current, position.undo, position.redo]))
        return found

    def _insert(self, entry: Entry, snapshot: Snapshot) -> None:
        known = {_stored(f.name): getattr(entry, f.name) for f in fields(Entry) if f.name != "evaluation"}
        state = {_stored(f.name): getattr(snapshot, f.name) for f in fields(Snapshot) if f.name != "evaluation"}
        state["variables"] = _apart(snapshot)
        state["edit"] = None if snapshot.edit is None else to_record(snapshot.edit)
        encode = self._values.encode
        self.file.insert(
            "snapshots",
            snapshot.id,
            snapshot.parent,
            snapshot.cause,
            entry.branch,
            snapshot.phase,
            snapshot.step,
            snapshot.iteration,
            _real(snapshot.evaluation.total),
            time.time(),
            encode(known),
            encode(plain_evaluation(snapshot.evaluation)),
            encode(state),
        )

    # Out of the file

    def read(self, snapshot_id: int) -> Snapshot:
        """A snapshot, bit for bit; what it shares with others that are alive is shared again."""
        query = "SELECT evaluation, state FROM snapshots WHERE id = ?"
        ((evaluation, state),) = self.file.rows(query, snapshot_id)
        parts = self._values.decode(state)
        parts["variables"] = _together(parts["variables"], parts["packing"], parts["solver"].point.x)
        edit = parts.pop("edit", None)  # files of earlier versions have none
        parts["edit"] = None if edit is None else from_record(edit)
        return Snapshot(**_read(parts), evaluation=_evaluation(self._values.decode(evaluation)))

    def entries(self) -> list[Entry]:
        """What is known of all snapshots."""
        decode, found = self._values.decode, []
        for known, evaluation in self.file.rows("SELECT entry, evaluation FROM snapshots ORDER BY id"):
            found.append(Entry(**_read(decode(known)), evaluation=_evaluation(decode(evaluation), per_frame=False)))
        return found

    def restore(self, session: Session) -> None:
        """Put a new session of the same problem where the recorded one was; nothing is computed again.

        Raises:
            InputError: The session's problem is another one, or nothing has been recorded.
        """
        entries = self.entries()
        if not entries:
            raise InputError(f"{self.file.path}: no iteration has been recorded; begin anew")
        recorded, found = entries[0].evaluation.total, session.history.entry(0).evaluation.total
        if not math.isclose(recorded, found, rel_tol=SAME_LOSS):
            raise InputError(
                f"{self.file.path}: was recorded from other data or models: its fit began with a loss of"
                f" {recorded:.6g}, this one with {found:.6g}; give the same clip, body and flags"
            )
        limit, names, where = session.history.store.limit, self._names, self._names.position
        history = History.recorded(
            entries, self, memory_limit=limit, branch_names=names.branches, bookmarks=names.bookmarks
        )
        session.take_up(history, current=where.current, undo=where.undo, redo=where.redo)


def recorded_session(session: Session, *, path: Path, settings: Settings | None = None) -> Recording:
    """Begin to record a session; where the file is there already, first put the session where that one was.

    Raises:
        InputError: The file cannot be written, is no run, or one of other data.
    """
    recording = Recording(RunFile(path, mode="append" if path.exists() else "new"))
    if len(recording):
        recording.restore(session)
    else:
        recording.begin(session.problem, settings)
    return recording


def _stored(name: str) -> str:
    """The name in the file of a field of ``Snapshot`` or ``Entry``."""
    return "frozen" if name == "held" else name


def _read(stored: dict[str, Any]) -> dict[str, Any]:
    """Fields of ``Snapshot`` or ``Entry`` by name, as the file names them."""
    return {"held" if name == "frozen" else name: value for name, value in stored.items()}


def _of_the_fit(settings: Settings) -> dict[str, Any]:
    """What differs from the defaults and concerns the fit itself."""
    given = {name: value for name, value in settings.given.items() if name not in OF_ONE_RUN}
    return {name: value.absolute() if isinstance(value, Path) else value for name, value in given.items()}


def _names(session: Session) -> Names:
    branches = {branch.number: branch.name for branch in session.history.branches}
    return Names(dict(session.history.bookmarks), branches, Position(session.current.id, *session.travels))


def plain_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """Its numbers as arrays under the terms' names, so that a reader needs no type of ours."""
    terms = evaluation.terms.values()
    framed = [(row, term.per_frame) for row, term in enumerate(terms) if term.per_frame is not None]
    groups: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
    for row, figures in framed:
        groups.setdefault(figures.shape, []).append((row, figures))
    return {
        "total": evaluation.total,
        "names": tuple(evaluation.terms),
        "numbers": np.array([(term.raw, term.weighted, term.scale) for term in terms], np.float64).reshape(-1, 3),
        "per_frame": [([row for row, _ in group], np.stack([f for _, f in group])) for group in groups.values()],
        "norms": dict(evaluation.gradient_norm),
    }


def _evaluation(plain: dict[str, Any], *, per_frame: bool = True) -> Evaluation:
    """What ``plain_evaluation`` was given; without the figures per frame where they are not wanted."""
    figures: dict[int, np.ndarray] = {}
    for rows, stack in plain["per_frame"] if per_frame else ():
        figures |= dict(zip(rows, stack, strict=True))
    numbers = enumerate(zip(plain["names"], plain["numbers"].tolist(), strict=True))
    terms = {name: TermValue(raw, weighted, figures.get(row), scale) for row, (name, (raw, weighted, scale)) in numbers}
    return Evaluation(plain["total"], terms, plain["norms"])


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
