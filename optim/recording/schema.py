"""The tables of a run file, version 2. docs/runs.md describes them."""

from __future__ import annotations

FORMAT = 2
"""Version of these tables."""
TABLES = (
    # Arrays and values that several rows share.
    """CREATE TABLE arrays (
        id INTEGER PRIMARY KEY, dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL,
        packed INTEGER NOT NULL DEFAULT 0)""",
    "CREATE TABLE objects (id INTEGER PRIMARY KEY, value TEXT NOT NULL)",
    # The history: one row for every snapshot.
    """CREATE TABLE snapshots (
        id INTEGER PRIMARY KEY, parent INTEGER, cause TEXT NOT NULL, edit TEXT, branch INTEGER NOT NULL,
        phase INTEGER NOT NULL, stage INTEGER NOT NULL, step INTEGER NOT NULL, iteration INTEGER NOT NULL,
        total_iterations INTEGER NOT NULL, frames INTEGER, frozen TEXT NOT NULL, total REAL NOT NULL,
        stopped INTEGER NOT NULL, done INTEGER NOT NULL, seconds REAL NOT NULL, evaluations INTEGER NOT NULL,
        time REAL NOT NULL)""",
    # The loss terms of ``count`` successive snapshots, beginning with ``first``; ``layout`` is the id of an object.
    """CREATE TABLE figures (
        first INTEGER PRIMARY KEY, count INTEGER NOT NULL, layout INTEGER NOT NULL, data BLOB NOT NULL)""",
    # The values that are constant from the start of a fit or phase, or from an edit, until the next of these.
    "CREATE TABLE stretches (snapshot INTEGER PRIMARY KEY, value TEXT NOT NULL)",
    # The states from which a fit can continue; other snapshots are computed again from the last state before them.
    """CREATE TABLE states (
        snapshot INTEGER PRIMARY KEY, x INTEGER NOT NULL, gradient INTEGER NOT NULL, solver TEXT NOT NULL,
        evaluation TEXT NOT NULL, pairs TEXT, stays TEXT NOT NULL)""",
    """CREATE TABLE pairs (
        id INTEGER PRIMARY KEY, s INTEGER NOT NULL, before INTEGER NOT NULL, after INTEGER NOT NULL,
        rho REAL NOT NULL)""",
    # The data that the window draws.
    "CREATE TABLE setups (snapshot INTEGER PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE motions (id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    """CREATE TABLE views (
        id INTEGER PRIMARY KEY, snapshot INTEGER NOT NULL, motion INTEGER, place INTEGER,
        shown INTEGER NOT NULL, detail TEXT)""",
    "CREATE INDEX views_of ON views (snapshot)",
    "CREATE TABLE pictures (id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    # Analyses, notes, and a log of the names and positions that the user gave.
    """CREATE TABLE analyses (
        id INTEGER PRIMARY KEY, time REAL NOT NULL, snapshot INTEGER NOT NULL, kind TEXT NOT NULL,
        options TEXT NOT NULL, seconds REAL NOT NULL, error TEXT NOT NULL, value TEXT NOT NULL)""",
    "CREATE INDEX analyses_of ON analyses (snapshot, kind)",
    """CREATE TABLE notes (
        id INTEGER PRIMARY KEY, time REAL NOT NULL, level TEXT NOT NULL, text TEXT NOT NULL, advice TEXT NOT NULL)""",
    "CREATE TABLE log (id INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL)",
)
