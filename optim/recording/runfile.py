"""Reads and writes the file of one run: an SQLite database that can be read while it is written and after a crash.

Its tables are described in docs/runs.md. Knows rows, arrays and values, but not their meaning, and needs no torch.
Committed data survive a crash of the process. Only states of the solver are ever deleted (see ``states``); everything
else is appended.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from optim.common.errors import InputError
from optim.recording import figures
from optim.recording.packing import pack, unpack
from optim.recording.schema import FORMAT, TABLES
from optim.recording.version1 import upgrade

SUFFIX = ".humorscope"
APPLICATION = 0x484D5253
"""The ``PRAGMA application_id`` of a run file; ``PRAGMA user_version`` is the version of its tables."""
_DTYPES = {"|b1", "|i1", "|u1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8"}
_NEW_ADVICE = "give another name, or go on with that run by --resume"


@dataclass(frozen=True)
class Position:
    """The position of a session in its history. ``undo`` and ``redo`` are stacks of snapshot ids, the next one last."""

    current: int
    undo: tuple[int, ...] = ()
    redo: tuple[int, ...] = ()


@dataclass(frozen=True)
class Names:
    """Data of a run that do not belong to a snapshot."""

    bookmarks: dict[int, str]
    branches: dict[int, str]
    """Number of a branch → its name, for the branches that the user named."""
    position: Position


class RunFile:
    """The rows of one run. Several threads of this process may use the same object.

    A file of version 1 is converted when it is opened: in place if it will be written to, otherwise in a temporary
    copy, so that reading does not change the file.

    Args:
        mode: ``new`` creates the file, ``append`` adds to an existing one, ``read`` does not change the file.

    Raises:
        InputError: A new file exists already or cannot be created; an existing one is missing, damaged or of another
            program.
    """

    def __init__(self, path: Path, *, mode: Literal["new", "append", "read"]) -> None:
        self.path, self._writing = Path(path), mode != "read"
        self._lock = threading.RLock()
        if mode == "new" and self.path.exists():
            raise InputError(f"{self.path}: is there already; {_NEW_ADVICE}")
        if mode != "new":
            _require_run_file(self.path)
        try:
            self._database = _connect(self.path, mode)
        except sqlite3.Error as error:
            advice = _ADVICE[mode if isinstance(error, sqlite3.OperationalError) else "damaged"]
            raise InputError(f"{self.path}: cannot be {_DOING[mode]} ({error}); {advice}") from None
        self._database.execute("PRAGMA trusted_schema = OFF")
        with self._translated():
            self._begin()
            self._check()
            self._next_array, self._next_object = (self.next_id(table) for table in ("arrays", "objects"))
            self._columns = {name: len(self._table_info(name)) for (name,) in self.rows(_NAMES_OF_TABLES)}

    def close(self) -> None:
        """Close the file. After writing, free its unused pages and delete the journal file beside it."""
        with self._lock:
            if self._writing:
                with suppress(sqlite3.Error):  # Another process is reading the file.
                    self._database.execute("PRAGMA incremental_vacuum").fetchall()
                    self._database.execute("PRAGMA journal_mode = DELETE")
            self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Either everything that is written inside this context is in the file afterwards, or nothing.

        Raises:
            InputError: The disk is full, or another session writes into the file.
        """
        with self._lock, self._translated():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                with suppress(sqlite3.OperationalError):  # A full disk may have ended it already.
                    self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """What is read inside this context is the file's content at one moment, even if another process writes."""
        with self._lock, self._translated():
            if self._database.in_transaction:
                yield
                return
            self._database.execute("BEGIN")
            try:
                yield
            finally:
                self._database.execute("COMMIT")

    def copy_to(self, target: Path) -> None:
        """Copy the whole run into a new file, including what is still in the journal.

        Raises:
            InputError: The new file cannot be created.
        """
        with self._lock, self._translated():
            self._database.execute("PRAGMA query_only = OFF")  # It would also forbid writing to the new file.
            try:
                self._database.execute("VACUUM INTO ?", (str(target),))
            except sqlite3.OperationalError as error:
                raise InputError(f"{target}: cannot be written ({error}); give another place") from None
            finally:
                self._database.execute("PRAGMA query_only = ON")

    def rename(self, old: str, new: str) -> None:
        """Replace a path wherever the file contains it. Only for copies: an original run is never changed."""
        plain = old, new
        written = tuple(json.dumps(text, ensure_ascii=False)[1:-1] for text in plain)
        nested = tuple(json.dumps(text, ensure_ascii=False)[1:-1] for text in written)
        self._database.execute("PRAGMA secure_delete = ON")
        with self.transaction():
            for before, after in {plain, written, nested}:
                for table, column in _MAY_NAME_PATHS:
                    query = f"UPDATE {table} SET {column} = replace({column}, ?, ?) WHERE instr({column}, ?)"
                    self._database.execute(query, (before, after, before))

    # Writing; these methods are called inside a transaction.

    def insert(self, table: str, *rows: tuple[Any, ...]) -> None:
        """Append rows to a table, with values in the order of its columns; an id of None becomes the next free id."""
        marks = ", ".join("?" * self._columns[table])
        self._database.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def change(self, statement: str, *rows: tuple[Any, ...]) -> None:
        """Execute an SQL statement once for each row of values."""
        self._database.executemany(statement, rows)

    def add_array(self, array: np.ndarray, *, packed: bool = False) -> int:
        """Append an array of numbers, compressed if ``packed``; returns its id."""
        row, self._next_array = self._next_array, self._next_array + 1
        array = np.ascontiguousarray(array)
        code = array.dtype.newbyteorder("<").str
        if code not in _DTYPES:
            raise TypeError(f"arrays of {array.dtype} are not kept")
        plain = array.astype(code, copy=False)
        data = pack({"": plain}) if packed else plain.data if array.size else b""
        self.insert("arrays", (row, code, json.dumps(array.shape), data, int(packed)))
        return row

    def add_object(self, text: str) -> int:
        """Append the JSON of a value that others refer to; returns its id."""
        row, self._next_object = self._next_object, self._next_object + 1
        self.insert("objects", (row, text))
        return row

    def log(self, kind: str, value: Any) -> None:
        """Append an event to the log: its kind, a JSON value and the current time."""
        self.insert("log", (None, time.time(), kind, _json(value)))

    # Reading.

    def array(self, row: int) -> np.ndarray:
        """A stored array, read-only."""
        dtype, shape, data, packed = self.one("SELECT dtype, shape, data, packed FROM arrays WHERE id = ?", row)
        if dtype not in _DTYPES:
            raise InputError(f"{self.path}: array {row} is of type {dtype!r}; {_ADVICE['damaged']}")
        return self.unpacked(data)[""] if packed else np.frombuffer(data, dtype).reshape(json.loads(shape))

    def unpacked(self, block: bytes) -> dict[str, np.ndarray]:
        """The arrays of a block that ``packing.pack`` made."""
        try:
            return unpack(block)
        except ValueError as error:
            raise InputError(f"{self.path}: {error}; {_ADVICE['damaged']}") from None

    def object(self, row: int) -> str:
        """The JSON of a stored value."""
        return self.one("SELECT value FROM objects WHERE id = ?", row)[0]

    def rows(self, query: str, *arguments: Any) -> list[tuple]:
        """All rows that an SQL query finds."""
        with self._lock, self._translated():
            return self._database.execute(query, arguments).fetchall()

    def figures(self, first: int, last: int) -> dict[int, dict[str, Any]]:
        """Id → evaluation of the snapshots from ``first`` to ``last``, both included; see ``recording.figures``."""
        query = "SELECT first, layout, data FROM figures WHERE first <= ? AND first + count > ? ORDER BY first"
        found: dict[int, dict[str, Any]] = {}
        for begin, layout, block in self.rows(query, last, first):
            evaluations = figures.unpacked(self.object(layout), self.unpacked(block))
            found |= {begin + place: evaluation for place, evaluation in enumerate(evaluations)}
        return {snapshot: evaluation for snapshot, evaluation in found.items() if first <= snapshot <= last}

    def next_id(self, table: str) -> int:
        """The id for a new row of a table, one above the largest id."""
        return self.rows(f"SELECT coalesce(max(id), 0) + 1 FROM {table}")[0][0]

    def logged(self, kind: str, *, after: int = 0) -> list[tuple[int, Any]]:
        """Ids and values of the logged events of one kind with an id above ``after``, in order."""
        found = self.rows("SELECT id, value FROM log WHERE kind = ? AND id > ? ORDER BY id", kind, after)
        return [(row, json.loads(text)) for row, text in found]

    def names(self) -> Names:
        """The latest bookmarks, names of branches and position."""
        bookmarks: dict[int, str] = {}
        for _, (snapshot, name) in self.logged("bookmark"):
            if name is None:
                bookmarks.pop(snapshot, None)
            else:
                bookmarks[snapshot] = name
        branches = {number: name for _, (number, name) in self.logged("branch")}
        (count,) = self.rows("SELECT count(*) FROM snapshots")[0]
        position = Position(max(count - 1, 0))
        for _, (then, current, undo, redo) in self.logged("position")[-1:]:
            position = Position(current if then == count else count - 1, tuple(undo), tuple(redo))
        return Names(dict(sorted(bookmarks.items())), branches, position)

    def one(self, query: str, row: int) -> tuple:
        """The first row that an SQL query finds for the value ``row``.

        Raises:
            InputError: The query finds nothing.
        """
        found = self.rows(query, row)
        if not found:
            raise InputError(f"{self.path}: a value that is referred to is not there; {_ADVICE['damaged']}")
        return found[0]

    def _begin(self) -> None:
        """Create the tables if there are none: in a new file, or in one whose writer was killed too early."""
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables:
            return
        if not self._writing:
            raise InputError(f"{self.path}: nothing has been recorded yet; wait a moment")
        with self.transaction():
            for statement in TABLES:
                self._database.execute(statement)
            self._database.execute(f"PRAGMA application_id = {APPLICATION}")
            self._database.execute(f"PRAGMA user_version = {FORMAT}")

    def _check(self) -> None:
        (mark,) = self._database.execute("PRAGMA application_id").fetchone()
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if mark != APPLICATION:
            raise InputError(f"{self.path}: a database of another program; runs end in {SUFFIX}")
        foreign = self.rows("SELECT type, name FROM sqlite_master WHERE type NOT IN ('table', 'index')")
        if foreign:
            raise InputError(
                f"{self.path}: contains a {' '.join(foreign[0])}, but runs have only tables; do not use it"
            )
        if not 1 <= version <= FORMAT:
            raise InputError(f"{self.path}: format {version}, but {FORMAT} is the newest known here; update humorscope")
        if version < FORMAT:
            self._convert()

    def _convert(self) -> None:
        """Convert the tables from version 1, in a temporary copy if the file is only read."""
        if not self._writing:
            copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
            self._database.backup(copy)
            self._database.close()
            self._database = copy
        with self.transaction():
            try:
                upgrade(self._database)
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(f"{self.path}: cannot be converted ({error}); {_ADVICE['damaged']}") from None

    def _table_info(self, table: str) -> list[tuple]:
        return self._database.execute(f"PRAGMA table_info({table})").fetchall()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors of SQLite into ``InputError``."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise InputError(f"{self.path}: another session writes into this file; record into another one") from None
        except sqlite3.DatabaseError as error:
            full = "full" in str(error) or "I/O" in str(error)
            advice = "make room, or record elsewhere" if full else _ADVICE["damaged"]
            raise InputError(f"{self.path}: {error}; {advice}") from None


MISFITS = (
    ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""Errors that values of a wrong type, size or relation lead to, wherever they are used."""


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Turn errors that unexpected content of a run file leads to into the one message that says so.

    Raises:
        InputError: The content cannot be used.
    """
    try:
        yield
    except InputError:
        raise
    except MISFITS as error:
        raise InputError(f"{path}: {type(error).__name__}: {error}; {_ADVICE['damaged']}") from error


_NAMES_OF_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_MAY_NAME_PATHS = (
    ("objects", "value"), ("stretches", "value"), ("setups", "value"), ("log", "value"), ("analyses", "value"),
    ("notes", "text"), ("notes", "advice"),
)  # fmt: skip
_DOING = {"new": "made", "append": "written to", "read": "read"}
_ADVICE = {
    "new": "record into another folder",
    "append": "copy it to where you may write",
    "read": "copy it to where you may read it",
    "damaged": "the file is damaged or cut off: copy it again, together with the -wal file beside it if there is one",
}


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open the database. Commits do not wait for the disk: they survive a crash of the process but not a power cut."""
    if mode == "read":
        database = _connect_to_read(path)
    else:
        database = sqlite3.connect(path, isolation_level=None, timeout=5.0, check_same_thread=False)
        database.execute("PRAGMA page_size = 8192")
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        (journal,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
        if journal != "wal":  # Folders on a network have no WAL.
            database.execute("PRAGMA journal_mode = TRUNCATE")
        database.execute("PRAGMA synchronous = NORMAL")
    return database


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """Open the database for reading, with the journal of a killed run; in a read-only folder, without the journal."""
    for options in ("mode=rw", "mode=ro", "mode=ro&immutable=1"):
        address = f"{path.absolute().as_uri()}?{options}"
        database = sqlite3.connect(address, uri=True, isolation_level=None, timeout=5.0, check_same_thread=False)
        try:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            database.execute("PRAGMA query_only = ON")
            return database
        except sqlite3.OperationalError as error:
            database.close()
            failed = error
    raise failed


def _require_run_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: a folder, but a recorded run is one file (…{SUFFIX})")
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of a recorded run (…{SUFFIX})")
    with path.open("rb") as file:
        if file.read(16) not in (b"SQLite format 3\0", b""):  # An empty file: its writer was killed at once.
            raise InputError(f"{path}: not a recorded run; those end in {SUFFIX} and are written while a fit goes on")


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
