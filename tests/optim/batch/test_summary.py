"""The summary of a batch: the worst clips first, a row for every stage, CSV and Parquet alike, and the page."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest

from optim.batch.page import batch_page
from optim.batch.records import Record, keep
from optim.batch.summary import LEADING, lines_of, rows_of, write_csv, write_parquet
from optim.config.settings import parse
from tests.optim.batch import batches


@pytest.fixture
def jobs(tmp_path):
    """c0 is in order, c1 has one fault, c2 two, c3 has failed, c4 was not begun."""
    found = batches.made_up(tmp_path, 5)
    for number, job in enumerate(found[:4]):
        job.folder.mkdir(parents=True)
        if number < 3:
            batches.quick(job.settings)
            figures = [
                {"clip": f"c{number}", "stage": s, "acceleration": v} for s, v in (("stage2", 2.0), ("stage3", 1.0))
            ]
            keep(job, Record("finished", seconds=4.0, figures=tuple(figures)))
    keep(found[3], Record("failed", "c3.npz: <NaN> & more"))
    return found


def test_the_worst_clip_comes_first(jobs):
    assert [line.job.name for line in lines_of(jobs)] == ["c3", "c4", "c2", "c1", "c0"]


def test_every_clip_has_a_row_and_every_stage_one(jobs):
    rows = rows_of(lines_of(jobs))
    assert [(row["clip"], row["stage"]) for row in rows] == [
        ("c3", ""), ("c4", ""), *((name, stage) for name in ("c2", "c1", "c0") for stage in ("stage2", "stage3"))
    ]  # fmt: skip
    assert {tuple(row) for row in rows} == {(*LEADING, "acceleration")}
    assert rows[2]["cause"] == "floor" and rows[2]["causes"] == 2 and rows[2]["acceleration"] == 2.0
    assert rows[0]["message"] == "c3.npz: <NaN> & more" and rows[0]["acceleration"] is None


def test_both_files_hold_the_rows(jobs, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = rows_of(lines_of(jobs))
    with write_csv(rows, tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert read == [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    assert parquet.read_table(write_parquet(rows, tmp_path / "a.parquet")).to_pylist() == rows


def test_the_page_ranks_the_clips_and_gives_the_command_of_each(jobs):
    lines = lines_of(jobs)
    page = batch_page(lines, title="Batch <1>")
    for order in (re.findall(r'<a href="#clip-\d">(c\d)</a>', page), re.findall(r"<h3>(c\d)<", page)):
        assert order == ["c3", "c4", "c2", "c1", "c0"]
    assert '<section id="clip-1">\n<h3>c3<' in page
    assert "Batch &lt;1&gt;" in page and "c3.npz: &lt;NaN&gt; &amp; more" in page and "Check the floor." in page
    commands = {line.job.name: shlex.split(line.command) for line in lines}
    assert commands["c3"] == commands["c4"] == []
    assert f"<pre>{shlex.join(commands['c2'])}</pre>" in page
    assert parse(["--open", commands["c2"][-1]]).open == jobs[2].folder / "results_out"


def test_a_cause_counts_once_for_a_clip(jobs):
    page = batch_page(lines_of(jobs), title="Batch")
    counts = dict(re.findall(r"<tr><td>(\w+)</td><td>(\d+)</td>", page))
    for rule, count in counts.items():
        clips = [line for line in lines_of(jobs) if any(cause["rule"] == rule for cause in line.faults)]
        assert int(count) == len(clips)
    assert counts


def test_the_command_of_a_clip_works_in_any_folder(jobs, tmp_path, monkeypatch):
    """It is copied from the page into a shell whose folder and path are other ones."""
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.chdir(tmp_path)
    command = next(line.command for line in lines_of(jobs) if line.command)
    words = [word for word in shlex.split(command) if word not in ("open", "-P")]
    assert all(Path(word).is_absolute() and Path(word).exists() for word in words)


def test_a_recording_is_opened_rather_than_the_results(jobs):
    (jobs[0].folder / "c0.humorscope").touch()
    (line,) = lines_of(jobs[:1])
    assert line.command.endswith("c0.humorscope")
