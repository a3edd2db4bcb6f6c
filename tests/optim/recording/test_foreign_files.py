"""Run files of other people: damaged or crafted, they are read or refused, and never choose where files are written."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.recording.recording import Recording, recorded_session
from optim.recording.resuming import load_recorded, resumed_settings
from optim.recording.runfile import RunFile
from tests.viewer import recorded
from viewer.replay.run_source import RunSource
from viewer.worker.build_view import ViewBuilder
from viewer.worker.run_recorder import Recorder

INPUTS, SEED = 150, 20261127


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A finished run with views, as the window records it."""
    path = tmp_path_factory.mktemp("runs") / "run.humorscope"
    session = recorded.make_session()
    recorder = Recorder(recorded_session(session, path=path, settings=parse([])), ViewBuilder(session), lambda _: None)
    while not session.done:
        session.step_iteration()
        recorder.follow()
    recorder.close()
    return path


@pytest.fixture
def copy(run, tmp_path) -> Path:
    return Path(shutil.copy(run, tmp_path / "copy.humorscope"))


def change(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement, values)


def logged(path: Path, kind: str) -> dict:
    """The value of the log's only entry of a kind, in its stored form."""
    with closing(sqlite3.connect(path)) as database:
        ((text,),) = database.execute("SELECT value FROM log WHERE kind = ?", (kind,))
    return json.loads(json.loads(text))


def replace_logged(path: Path, kind: str, value: dict) -> None:
    change(path, "UPDATE log SET value = ? WHERE kind = ?", json.dumps(json.dumps(value)), kind)


def read_all(path: Path) -> None:
    """Everything that is ever read of a run: by ``--resume``, and by ``--open``."""
    with closing(RunFile(path, mode="read")) as file:
        recording = Recording(file)
        _ = recording.settings, recording.data
        recording.restore(recorded.make_session())
    source = RunSource(path)
    try:
        source.refresh()
        source.view(0)
        source.view(source.current)
        source.notes()
    finally:
        source.close()


def test_an_undamaged_run_is_read(run):
    read_all(run)


def test_damaged_runs_are_read_or_refused(run, tmp_path):
    """Cells of other types and values, missing rows, flipped bytes and cut-off files: only ``InputError``."""
    rng = np.random.default_rng(SEED)
    refused = 0
    for number in range(INPUTS):
        path = Path(shutil.copy(run, tmp_path / f"{number}.humorscope"))
        told = damage(path, rng)
        try:
            read_all(path)
        except InputError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"input {number} ({told}): {type(error).__name__}: {error}") from error
        path.unlink()
    assert refused > INPUTS / 3


def damage(path: Path, rng: np.random.Generator) -> str:
    """Make a run file wrong in one way; says what was done."""
    kind = rng.integers(6)
    if kind == 0:
        data = bytearray(path.read_bytes())
        for place in rng.integers(100, len(data), 20):
            data[place] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(data))
        return "bits flipped"
    if kind == 1:
        path.write_bytes(path.read_bytes()[: rng.integers(1, path.stat().st_size)])
        return "cut off"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counted = {table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}
        table = str(rng.choice([name for name, count in counted.items() if count]))
        place = int(rng.integers(counted[table]))
        (row,) = database.execute(f"SELECT rowid FROM {table} LIMIT 1 OFFSET {place}").fetchone()
        if kind == 2:
            database.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
            return f"row {row} of {table} deleted"
        columns = [column[1] for column in database.execute(f"PRAGMA table_info({table})")]
        column = str(rng.choice(columns))
        (before,) = database.execute(f"SELECT {column} FROM {table} WHERE rowid = ?", (row,)).fetchone()
        value = other_value(before, rng)
        try:
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, row))
        except sqlite3.Error:
            return "nothing"
        return f"{table}.{column} of row {row}: {str(before)[:40]!r} became {str(value)[:40]!r}"


def other_value(before: object, rng: np.random.Generator) -> object:
    texts = ["", "{", "[" * 2000, "null", "[]", "{}", '{"#": 0}', '{"@": "Camera"}', '{"tensor": 1e9}', "x" * 100]
    plain = [None, -1, 0, 10**15, 1.5, float("inf"), b"", b"\xff" * 30]
    if isinstance(before, str) and len(before) > 2 and rng.random() < 0.6:
        place = int(rng.integers(len(before)))
        swap = before.replace("1", str(rng.choice(["-7", "1e400", "99999999", '"a"', "null"])), 1)
        return [before[:place], before[:place] + str(rng.choice(list('[]{}",0'))) + before[place + 1 :], swap][
            int(rng.integers(3))
        ]
    if isinstance(before, bytes) and len(before) and rng.random() < 0.6:
        data = bytearray(before)
        data[int(rng.integers(len(data)))] ^= 0xFF
        return bytes(data)
    return (texts + plain)[int(rng.integers(len(texts) + len(plain)))]


def test_a_circle_of_parents_is_refused(copy):
    change(copy, "UPDATE snapshots SET parent = 3 WHERE id = 2")
    with pytest.raises(InputError, match="snapshot 2 follows 3"):
        Recording(RunFile(copy, mode="read"))


def test_a_file_with_more_than_tables_is_refused(copy):
    """A view of the same name as a table could compute for ever."""
    change(copy, "ALTER TABLE snapshots RENAME TO others")
    change(copy, "CREATE VIEW snapshots AS SELECT * FROM others")
    with pytest.raises(InputError, match="contains a view snapshots"):
        RunFile(copy, mode="read")


def test_a_file_does_not_choose_where_files_are_written(copy, tmp_path):
    there = str(tmp_path / "chosen")
    given = logged(copy, "settings")
    given["map"] += [["out", {"path": there}], ["record", {"path": there}], ["export", ["obj"]], ["headless", True]]
    given["map"] += [["bundle", [{"path": there}, {"path": there}]], ["lbfgs_max_iter", 7]]
    replace_logged(copy, "settings", given)
    settings = resumed_settings(parse(["--resume", str(copy)]))
    assert settings.lbfgs_max_iter == 7
    assert (settings.out, settings.record, settings.export, settings.headless) == (None, None, (), False)
    assert settings.bundle is None


@pytest.mark.parametrize("name", ["../../outside", "/etc/passwd", "..", "a/b\\c"])
def test_the_name_of_the_clip_leads_into_no_other_folder(copy, name):
    given = logged(copy, "problem")
    given["map"] = [[key, name if key == "name" else value] for key, value in given["map"]]
    replace_logged(copy, "problem", given)
    found = load_recorded(resumed_settings(parse(["--resume", str(copy)]))).problem.name
    assert Path("results", found).resolve().parent == Path("results").resolve()


def test_a_record_without_a_preset_had_the_default_of_its_time(copy):
    given = logged(copy, "settings")
    assert ["preset", "fast"] in given["map"]
    given["map"].remove(["preset", "fast"])
    replace_logged(copy, "settings", given)
    assert resumed_settings(parse(["--resume", str(copy)])).preset == "humorscope"


@pytest.mark.parametrize(
    ("field", "value"), [("lbfgs_max_iter", "many"), ("num_points", 10**9), ("smpl", 5), ("weights", [1])]
)
def test_settings_of_another_type_or_range_are_refused(copy, field, value):
    given = logged(copy, "settings")
    given["map"] += [[field, value]]
    replace_logged(copy, "settings", given)
    with pytest.raises(InputError, match=field.replace("_", "[_-]")):
        resumed_settings(parse(["--resume", str(copy)]))
