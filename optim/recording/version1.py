"""Converts run files of version 1, where every row was JSON under the names of the code at that time, to version 2.

Version 1 kept the states of all snapshots. All of them stay, so nothing of such a run has to be computed again.
"""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np

from optim.recording import figures
from optim.recording.packing import pack
from optim.recording.schema import FORMAT, TABLES

_STRETCH = ("schedule", "packing", "frozen", "prior_frame", "observations", "floor", "variables")
_NO_DETAIL = ("setup", "status", "motion", "beside_joints")
_MOTIONS_IN_A_BLOCK = 16
_Moving = tuple[int, bool, str | None, dict[str, np.ndarray], list[int]]
"""Id of a snapshot, whether it was shown, its details, the arrays of its motion, and ids of the rows that held them."""


def upgrade(database: sqlite3.Connection) -> None:
    """Convert an open database inside a transaction.

    Raises:
        KeyError, TypeError, ValueError: The database is not what version 1 wrote.
    """
    _Upgrade(database).run()


class _Upgrade:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database, self._do = database, database.execute
        self._vectors: dict[str, int] = {}  # JSON of a vector inside a value → its row.

    def run(self) -> None:
        for table in ("snapshots", "views"):
            self._do(f"ALTER TABLE {table} RENAME TO {table}1")
        self._do("ALTER TABLE arrays ADD COLUMN packed INTEGER NOT NULL DEFAULT 0")
        there = {name for (name,) in self._do("SELECT name FROM sqlite_master")}
        for statement in TABLES:
            if statement.split("(")[0].split()[2] not in there:
                self._do(statement)
        self._pairs()
        self._snapshots()
        self._figures()
        self._views()
        self._log()
        for table in ("snapshots", "views"):
            self._do(f"DROP TABLE {table}1")
        self._do(f"PRAGMA user_version = {FORMAT}")

    def _pairs(self) -> None:
        for row, text in self._do("""SELECT id, value FROM objects WHERE value LIKE '{"@":"Pair"%'""").fetchall():
            pair = json.loads(text)
            vectors = [self._vector(pair[name]["tensor"]) for name in ("s", "before", "after")]
            self._do("INSERT INTO pairs VALUES (?, ?, ?, ?, ?)", (row, *vectors, pair["rho"]))
            self._do("DELETE FROM objects WHERE id = ?", (row,))

    def _snapshots(self) -> None:
        query = (
            "SELECT id, parent, cause, branch, phase, step, iteration, total, time, entry, evaluation, state"
            " FROM snapshots1 ORDER BY id"
        )
        steps: dict[int, int] = {}
        for row, parent, cause, branch, phase, step, iteration, total, time, *texts in self._do(query).fetchall():
            entry, state = _table(json.loads(texts[0])), _table(json.loads(texts[2]))
            solver = state["solver"]
            stopped, done = solver["stop"] is not None, self._done(state, steps)
            self._do(
                f"INSERT INTO snapshots VALUES ({', '.join('?' * 18)})",
                (
                    row, parent, cause, _edit(state), branch, phase, entry["stage"], step, iteration,
                    entry["total_iterations"], entry["frames"], json.dumps(sorted(entry["frozen"]["set"])), total,
                    int(stopped), int(done), state["seconds"], state["evaluations_spent"], time,
                ),
            )  # fmt: skip
            point = solver["point"]
            vectors = [self._vector(point[name]["tensor"]) for name in ("x", "gradient")]
            pairs = json.dumps([[pair, pair] for pair in _references(solver["pairs"])])
            row_of_state = (row, *vectors, _solver(solver), texts[1], pairs, "whole")
            self._do("INSERT INTO states VALUES (?, ?, ?, ?, ?, ?, ?)", row_of_state)
            if cause != "iteration":
                stretch = [[name, state[name]] for name in _STRETCH] + [["metric", solver["metric"]]]
                self._do("INSERT INTO stretches VALUES (?, ?)", (row, _json({"map": stretch})))

    def _done(self, state: dict[str, Any], known: dict[int, int]) -> bool:
        """Whether the schedule ends here: this phase has no steps left, and no later phase has any steps."""
        solver = state["solver"]
        if solver["stop"] is None:
            return False
        steps = []
        for phase in _references(state["schedule"]):
            if phase not in known:
                known[phase] = json.loads(self._object(phase))["steps"]
            steps.append(known[phase])
        here = state["phase"]
        spent = state["step"] >= steps[here] - 1 or solver["stalled"]
        return spent and not any(steps[here + 1 :])

    def _figures(self) -> None:
        found = self._do("SELECT id, evaluation FROM snapshots1 ORDER BY id").fetchall()
        evaluations = [self._evaluation(_table(json.loads(text))) for _, text in found]
        for layout, places in figures.runs(evaluations):
            known = self._do("SELECT id FROM objects WHERE value = ?", (layout,)).fetchone()
            if known is None:
                known = (self._do("INSERT INTO objects (value) VALUES (?)", (layout,)).lastrowid,)
            block = figures.packed([evaluations[place] for place in places])
            row = (found[places[0]][0], len(places), known[0], block)
            self._do("INSERT INTO figures VALUES (?, ?, ?, ?)", row)

    def _evaluation(self, stored: dict[str, Any]) -> figures.Plain:
        shares = [(rows, self._array(stack["array"])) for rows, stack in stored["per_frame"]]
        numbers = self._array(stored["numbers"]["array"])
        return {**stored, "numbers": numbers, "per_frame": shares, "norms": _table(stored["norms"])}

    def _views(self) -> None:
        last, moving = None, []
        for snapshot, text in self._do("SELECT snapshot, value FROM views1 ORDER BY id").fetchall():
            parts = _table(json.loads(text))
            if "setup" in parts and parts["setup"] != last:
                last = parts["setup"]
                self._do("INSERT INTO setups VALUES (?, ?)", (snapshot, _json(last)))
            rest = [[name, value] for name, value in parts.items() if name not in _NO_DETAIL]
            detail = _json({"map": rest}) if rest else None
            if "motion" in parts:
                moving.append((snapshot, "drift" in parts, detail, *self._motion(parts)))
            elif detail is not None:
                self._do("INSERT INTO views VALUES (NULL, ?, NULL, NULL, 0, ?)", (snapshot, detail))
        for _, group in groupby(enumerate(moving), _block_of()):
            self._motions([item for _, item in group])

    def _motion(self, parts: dict[str, Any]) -> tuple[dict[str, np.ndarray], list[int]]:
        """The arrays of a motion, and the rows that held them."""
        motion = parts["motion"]
        stored = {"trans": motion["trans"], "rows": motion["turns"], "betas": motion["betas"]}
        stored |= {} if motion["contacts"] is None else {"contacts": motion["contacts"]}
        stored |= {"beside": parts["beside_joints"]} if "beside_joints" in parts else {}
        rows = [value["array"] for value in stored.values() if isinstance(value["array"], int)]
        return {name: self._array(value["array"]) for name, value in stored.items()}, rows

    def _motions(self, moving: list[_Moving]) -> None:
        arrays = {name: np.stack([motion[name] for _, _, _, motion, _ in moving]) for name in moving[0][3]}
        block = self._do("INSERT INTO motions (data) VALUES (?)", (pack(arrays, along={"rows": (0,)}),)).lastrowid
        for place, (snapshot, shown, detail, _, rows) in enumerate(moving):
            self._do("INSERT INTO views VALUES (NULL, ?, ?, ?, ?, ?)", (snapshot, block, place, int(shown), detail))
            for row in rows:
                self._do("DELETE FROM arrays WHERE id = ?", (row,))

    def _log(self) -> None:
        for time, kind, text in self._do("SELECT time, kind, value FROM log ORDER BY id").fetchall():
            if kind == "note":
                self._do("INSERT INTO notes VALUES (NULL, ?, ?, ?, ?)", (time, *json.loads(text)))
            elif kind == "analysis":
                snapshot, asked, answer = json.loads(text)
                found = json.loads(answer)
                row = (time, snapshot, asked, _json(found["options"]), found["seconds"], found["error"])
                self._do("INSERT INTO analyses VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", (*row, _json(found["value"])))
        self._do("DELETE FROM log WHERE kind IN ('note', 'analysis')")

    # Arrays and objects that values refer to.

    def _object(self, row: int) -> str:
        return self._do("SELECT value FROM objects WHERE id = ?", (row,)).fetchone()[0]

    def _array(self, content: Any) -> np.ndarray:
        if isinstance(content, int):
            dtype, shape, data = self._do("SELECT dtype, shape, data FROM arrays WHERE id = ?", (content,)).fetchone()
            return np.frombuffer(data, np.dtype(dtype)).reshape(json.loads(shape))
        dtype, shape, text = content
        return np.frombuffer(base64.b64decode(text), np.dtype(dtype)).reshape(shape)

    def _vector(self, content: Any) -> int:
        """The row of a tensor; a tensor that was written inside a value gets a new row."""
        if isinstance(content, int):
            return content
        dtype, shape, text = content
        known = _json(content)
        if known not in self._vectors:
            row = (dtype, json.dumps(shape), base64.b64decode(text))
            added = self._do("INSERT INTO arrays (dtype, shape, data) VALUES (?, ?, ?)", row).lastrowid
            assert added is not None
            self._vectors[known] = added
        return self._vectors[known]


def _block_of() -> Callable[[tuple[int, _Moving]], tuple]:
    """A key for ``groupby``: successive motions with arrays of the same shapes go into one block, up to its size."""

    def key(numbered: tuple[int, _Moving]) -> tuple:
        number, (_, _, _, motion, _) = numbered
        return number // _MOTIONS_IN_A_BLOCK, tuple((name, array.shape) for name, array in motion.items())

    return key


def _table(value: dict[str, Any]) -> dict[str, Any]:
    return dict(value["map"])


def _references(value: Any) -> list[int]:
    """Ids of shared values in a sequence, however many there are."""
    return value["##"] if isinstance(value, dict) else [item["#"] for item in value]


def _solver(known: dict[str, Any]) -> str:
    """The state of the solver in the form that ``states`` writes."""
    trials = [
        [t[name] for name in ("step_length", "value", "slope", "armijo", "wolfe", "search")] for t in known["trials"]
    ]
    names = (
        "scale", "iterations", "iterations_in_step", "evaluations_in_step", "step_length", "slope", "stop", "stalled"
    )  # fmt: skip
    return _json({"value": known["point"]["value"], "trials": trials} | {name: known[name] for name in names})


def _edit(state: dict[str, Any]) -> str | None:
    """The edit of a snapshot as JSON; only the latest files of version 1 have it."""
    return None if state.get("edit") is None else _json(_plain(state["edit"]))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value["map"]}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
