"""The progress of a batch: a line for each clip, and a table that is redrawn in place on a terminal."""

from __future__ import annotations

import io

import pytest

from optim.batch import progress
from optim.batch.progress import ProgressTable, last_line
from optim.batch.records import Record
from tests.optim.batch import batches


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_says_what_came_of_a_clip_and_how_long_the_others_take(tmp_path, clock):
    jobs, stream = batches.made_up(tmp_path, 3), io.StringIO()
    table = ProgressTable(3, skipped=2, where="processes: 1", stream=stream)
    jobs[1].folder.mkdir(parents=True)
    batches.quick(jobs[1].settings)
    clock[0] = 30.0
    table.done(jobs[1], Record("finished", seconds=30.0))
    clock[0] = 40.0
    table.done(jobs[0], Record("failed", f"{jobs[0].settings.data_path}: damaged"))
    table.show(jobs[2:])
    first, second, third = stream.getvalue().splitlines()
    assert first == "clips to fit: 3; finished before, or unsuitable: 2; processes: 1"
    assert second.split() == ["1/3", "finished", "c1", "30.0", "s", "[bad]", "It", "floats.", "time", "left", "01:00"]
    assert third.split() == ["2/3", "failed", "c0", "0.0", "s", "c0.npz:", "damaged", "time", "left", "00:20"]


def test_the_table_on_a_terminal_is_redrawn_in_place_and_removed(tmp_path, clock):
    jobs, stream = batches.made_up(tmp_path, 2), Terminal()
    for job in jobs:
        job.folder.mkdir(parents=True)
        (job.folder / "fit.log").write_text(f"stage 1\nstage 2 of {job.name}\n")
    table = ProgressTable(2, skipped=0, where="processes: 2", stream=stream)
    for second in (0.5, 2.0, 2.5, 4.0):
        clock[0] = second
        table.show(jobs)
    assert stream.getvalue().count("stage 2 of c1") == 2  # every second at most
    assert stream.getvalue().count("\x1b[3F\x1b[J") == 1 and "0 of 2 done, time left not known yet" in stream.getvalue()
    table.end()
    assert stream.getvalue().endswith("\x1b[3F\x1b[J")


def test_many_clips_in_work_do_not_fill_the_terminal(tmp_path, clock):
    jobs, stream = batches.made_up(tmp_path, 15), Terminal()
    table = ProgressTable(15, skipped=0, where="", stream=stream)
    clock[0] = 2.0
    table.show(jobs)
    assert "and 3 more" in stream.getvalue() and stream.getvalue().count("\n") == 15


def test_the_last_line_of_a_long_log(tmp_path):
    path = tmp_path / "fit.log"
    assert last_line(path) == ""
    path.write_text("x" * 100_000 + "\nthe end\n")
    assert last_line(path) == "the end"
