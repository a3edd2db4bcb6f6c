"""Stores states of the solver in a run file. From such a state a fit continues bit for bit.

A state is a point, its gradient and up to a hundred curvature pairs of three vectors each. It takes 2 MB in a fit of 60
frames, so not every snapshot keeps one. Vectors and pairs that several states share are in the file once. They are
deleted with the last state that needs them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from optim.recording.runfile import RunFile
from optim.recording.solver_states import modelled_at, pairs_of, read_solver, solver_text
from optim.recording.values import Known, Values
from optim.session.history import Snapshot
from optim.solver.lbfgs import Pair
from optim.solver.solver import State

Stays = Literal["whole", "bare", "no"]
"""How much of a state stays in the file after the fit has continued.

``whole``: all of it. ``bare``: all except its curvature pairs, which are those of its parent. ``no``: nothing.
"""
_VECTORS = "SELECT snapshot, pairs, stays, x, gradient, json_extract(solver, '$.made.x') FROM states"
_INSERT = "INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Bare:
    """A state as it is read from the file."""

    x: Tensor
    solver: State
    evaluation: dict[str, Any]
    whole: bool
    """Whether its curvature pairs are in the file; otherwise ``solver`` has none, and they are those of the parent."""


@dataclass
class _Row:
    stays: Stays
    vectors: tuple[int, ...]
    """Ids of point and gradient, and of the point where the solver's model was made, if it has one."""
    pairs: tuple[int, ...] | None


class States:
    """The tables ``states`` and ``pairs`` of one file, and the vectors that these refer to."""

    def __init__(self, file: RunFile, values: Values) -> None:
        self._file, self._values = file, values
        self._pairs, self._vectors = Known(), Known()
        self._rows: dict[int, _Row] = {}
        self._parts: dict[int, tuple[int, int, int]] = {}  # Id of a pair → ids of its vectors.
        self._users: Counter[tuple[str, int]] = Counter()  # Number of users of each pair and vector.
        for snapshot, pairs, stays, *vectors in file.rows(_VECTORS):
            known = tuple(vector for vector in vectors if vector is not None)
            self._rows[snapshot] = _Row(stays, known, None if pairs is None else _ids(pairs))
        for pair, *vectors in file.rows("SELECT id, s, before, after FROM pairs"):
            self._parts[pair] = tuple(vectors)
            self._count("vector", vectors)
        for row in self._rows.values():
            self._count("vector", row.vectors)
            self._count("pair", row.pairs or ())
        self._next_pair = file.next_id("pairs")

    def whole(self, snapshot_id: int) -> bool:
        """Whether the file has the state of this snapshot with its pairs."""
        return snapshot_id in self._rows and self._rows[snapshot_id].pairs is not None

    # Writing; these methods are called inside a transaction.

    def keep(self, snapshot: Snapshot, evaluation: dict[str, Any], *, stays: Stays, whole: bool = True) -> None:
        """Write the state of a snapshot.

        Args:
            evaluation: The plain evaluation at its point.
            stays: How much of the state stays later; ignored if the file has this state already.
            whole: Write its curvature pairs too; otherwise they are those of its parent.
        """
        solver = snapshot.solver
        place, gradient = self._vector(solver.point.x), self._vector(solver.point.gradient)
        modelled = modelled_at(solver)
        model = None if modelled is None else self._vector(modelled)
        vectors = (place, gradient) if model is None else (place, gradient, model)
        pairs = tuple(self._pair(pair) for pair in pairs_of(solver)) if whole else None
        self._count("vector", vectors)
        self._count("pair", pairs or ())
        old = self._rows.get(snapshot.id)
        stays = stays if old is None else old.stays
        self._rows[snapshot.id] = _Row(stays, vectors, pairs)
        text = self._values.encode(evaluation)
        numbers = solver_text(solver, model=model)
        row = (snapshot.id, place, gradient, numbers, text, None if pairs is None else _text(pairs), stays)
        self._file.change(_INSERT, row)
        if old is not None:
            self._release(old.pairs or (), old.vectors)

    def stays(self, snapshot_id: int) -> None:
        """Keep the state of this snapshot permanently, if the file has the whole state."""
        if self.whole(snapshot_id):
            self._rows[snapshot_id].stays = "whole"
            self._file.change("UPDATE states SET stays = 'whole' WHERE snapshot = ?", (snapshot_id,))

    def passed(self, snapshot_id: int) -> None:
        """Delete what does not stay of the state of this snapshot, because the fit has continued from it."""
        row = self._rows.get(snapshot_id)
        if row is None or row.stays == "whole":
            return
        if row.stays == "bare":
            self._file.change("UPDATE states SET pairs = NULL WHERE snapshot = ?", (snapshot_id,))
            pairs, row.pairs = row.pairs, None
            self._release(pairs or (), ())
        else:
            self._file.change("DELETE FROM states WHERE snapshot = ?", (snapshot_id,))
            del self._rows[snapshot_id]
            self._release(row.pairs or (), row.vectors)

    def _vector(self, tensor: Tensor) -> int:
        row = self._vectors.row(tensor)
        if row is None or not self._users["vector", row]:
            row = self._vectors.note(tensor, self._file.add_array(tensor.detach().numpy()))
        return row

    def _pair(self, pair: Pair) -> int:
        row = self._pairs.row(pair)
        if row is None or not self._users["pair", row]:
            row, self._next_pair = self._next_pair, self._next_pair + 1
            self._pairs.note(pair, row)
            vectors = self._vector(pair.s), self._vector(pair.before), self._vector(pair.after)
            self._parts[row] = vectors
            self._count("vector", vectors)
            self._file.insert("pairs", (row, *vectors, pair.rho))
        return row

    def _count(self, what: str, rows: Iterable[int]) -> None:
        for row in rows:
            self._users[what, row] += 1

    def _release(self, pairs: Sequence[int], vectors: Sequence[int]) -> None:
        gone = self._without_users("pair", pairs)
        for pair in gone:
            vectors = (*vectors, *self._parts.pop(pair))
        self._file.change("DELETE FROM pairs WHERE id = ?", *((row,) for row in gone))
        self._file.change(
            "DELETE FROM arrays WHERE id = ?", *((row,) for row in self._without_users("vector", vectors))
        )

    def _without_users(self, what: str, rows: Sequence[int]) -> list[int]:
        gone = []
        for row in rows:
            self._users[what, row] -= 1
            if not self._users[what, row]:
                del self._users[what, row]
                gone.append(row)
        return gone

    # Reading.

    def read(self, snapshot_id: int) -> Bare | None:
        """The state of a snapshot; None if the file does not have it."""
        query = "SELECT x, gradient, solver, evaluation, pairs FROM states WHERE snapshot = ?"
        found = self._file.rows(query, snapshot_id)
        if not found:
            return None
        ((x, gradient, text, evaluation, pairs),) = found
        place = self._tensor(x)
        kept = () if pairs is None else tuple(self._read_pair(row) for row in _ids(pairs))
        solver = read_solver(json.loads(text), place, self._tensor(gradient), kept, vector=self._tensor)
        return Bare(place, solver, self._values.decode(evaluation), pairs is not None)

    def _read_pair(self, row: int) -> Pair:
        return self._pairs.get(row, lambda: self._new_pair(row))

    def _new_pair(self, row: int) -> Pair:
        s, before, after, rho = self._file.one("SELECT s, before, after, rho FROM pairs WHERE id = ?", row)
        return Pair(self._tensor(s), self._tensor(before), self._tensor(after), rho)

    def _tensor(self, row: int) -> Tensor:
        return self._vectors.get(row, lambda: self._values.make_tensor(self._file.array(row)))


def _text(rows: Sequence[int]) -> str:
    """Ids as JSON, with successive ids as one range: [[3, 102]]."""
    ranges: list[list[int]] = []
    for row in rows:
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1][1] = row
        else:
            ranges.append([row, row])
    return json.dumps(ranges, separators=(",", ":"))


def _ids(text: str) -> tuple[int, ...]:
    return tuple(row for first, last in json.loads(text) for row in range(first, last + 1))
