"""The evaluation command: protocols, table, going on after a stop, messages."""

import numpy as np
import pytest
import torch

from optim.evaluate import append_rows, main, read_rows, table
from tests.optim.train.test_motion import write_clip

FAST = ["--num-iters", "1", "1", "1", "--frames", "8", "--batch", "1"]


@pytest.fixture
def folder(tmp_path):
    for number in range(2):
        write_clip(tmp_path / "data" / f"{number}_poses.npz", seed=number, frames=20)
    return tmp_path / "data"


def test_table_shows_means_and_the_ratio():
    rows = [
        {"clip": c, "stage": s, "seconds_of_batch": 1.0, "joints_all": v}
        for c, s, v in (("a", 2, 4.0), ("b", 2, 2.0), ("a", 3, 2.0), ("b", 3, 1.0))
    ]
    line = next(x for x in table(rows).splitlines() if x.startswith("joints_all"))
    assert [float(x) for x in line.split()[1:]] == [3.0, 1.5, 0.5]


def test_missing_figures_do_not_spoil_the_mean():
    rows = [
        {"clip": c, "stage": 2, "seconds_of_batch": 1.0, "joints_occluded": v} for c, v in (("a", np.nan), ("b", 2.0))
    ]
    assert "2.000" in table(rows)


@pytest.mark.slow
def test_command_fits_and_goes_on_where_it_stopped(folder, tmp_path, capsys):
    csv = tmp_path / "figures.csv"
    command = ["--data", str(folder), "--split", "all", "--csv", str(csv), *FAST]
    assert main([*command, "--clips", "1"]) == 0
    first = read_rows(csv)
    assert {row["stage"] for row in first} == {"1", "2", "3"}
    assert main([*command, "--clips", "2"]) == 0
    rows = read_rows(csv)
    assert rows[:3] == first and len(rows) == 6
    assert all(torch.isfinite(torch.tensor(float(row["joints_all"]))) for row in rows)
    assert "2 clips" in capsys.readouterr().out


def test_rows_survive_the_file(tmp_path):
    rows = [{"clip": "a", "stage": 1, "joints_all": 1.5}]
    append_rows(tmp_path / "x" / "f.csv", rows)
    append_rows(tmp_path / "x" / "f.csv", rows)
    assert [r["joints_all"] for r in read_rows(tmp_path / "x" / "f.csv")] == ["1.5", "1.5"]


def test_an_empty_folder_is_a_message(tmp_path, capsys):
    assert main(["--data", str(tmp_path), "--csv", str(tmp_path / "f.csv")]) == 2
    assert str(tmp_path) in capsys.readouterr().err
