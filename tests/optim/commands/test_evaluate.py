"""The evaluation command: protocols, table, going on after a stop, messages."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import assets
from optim.commands.evaluate import main
from optim.common.errors import InputError
from optim.evaluation.tables import append_rows, read_rows, table
from optim.loading.models import load_body
from optim.results.results import STAGES
from optim.results.saving.humor_results import save_results
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes
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
        for c, s, v in (("a", "stage2", 4.0), ("b", "stage2", 2.0), ("a", "stage3", 2.0), ("b", "stage3", 1.0))
    ]
    head, line = table(rows).splitlines()
    assert head.split() == ["2", "clips", "VPoser-t", "HuMoR", "3", "/", "2"]
    assert line.split() == ["joints_all", "3.000", "1.500", "0.500"]


def test_missing_figures_do_not_spoil_the_mean():
    rows = [
        {"clip": c, "stage": "stage2", "joints_occluded": v, "contact_accuracy": np.nan}
        for c, v in (("a", np.nan), ("b", 2.0), ("c", ""))
    ]
    lines = table(rows).splitlines()
    assert lines[1].split() == ["joints_occluded", "2.000"] and len(lines) == 2  # nobody has contacts


@pytest.mark.slow
def test_command_fits_and_goes_on_where_it_stopped(folder, tmp_path, capsys):
    csv = tmp_path / "figures.csv"
    command = ["--data", str(folder), "--split", "all", "--csv", str(csv), *FAST]
    assert main([*command, "--clips", "1"]) == 0
    first = read_rows(csv)
    assert {row["stage"] for row in first} == {"stage1", "stage2", "stage3"}
    assert main([*command, "--clips", "2"]) == 0
    rows = read_rows(csv)
    assert rows[:3] == first and len(rows) == 6
    assert all(torch.isfinite(torch.tensor(float(row["joints_all"]))) for row in rows)
    assert "2 clips" in capsys.readouterr().out


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two fits as folders: one whose stage 3 is the truth, and one without a truth."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("with", "without"):
        problem = replace(fakes.problem(frames=8), name=name, body=load_body(assets.BODY_FILE))
        steps = schedule("humorscope", "3d", num_iters=(1, 1, 1), lbfgs_max_iter=2)
        session = Session(problem, schedule=steps, keep_iterations=False)
        session.run()
        (place,) = save_results(session, folder, body_file=assets.BODY_FILE)
        if name == "with":
            shutil.copy(place / "stage3_results.npz", place / "gt_results.npz")
    return folder


def test_a_folder_of_results_is_evaluated(results, tmp_path, capsys):
    figures = tmp_path / "figures.csv"
    assert main([str(results), "--csv", str(figures)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("2 clips") and "VPoser-t" in out
    rows = {(row["clip"], row["stage"]): row for row in read_rows(figures)}
    assert set(rows) == {(c, s) for c in ("with", "without") for s in STAGES}
    exact = rows["with", "stage3"]
    assert float(exact["joints_all"]) == float(exact["mesh"]) == 0.0 and float(exact["contact_accuracy"]) == 1.0
    assert float(rows["with", "stage2"]["joints_all"]) > 0.1
    assert rows["without", "stage3"]["joints_all"] == "" and float(rows["without", "stage3"]["acceleration"]) > 0
    assert main([str(results), "--csv", str(figures)]) == 0
    assert len(read_rows(figures)) == 8  # written anew, not added to
    assert main(["--csv", str(figures)]) == 0 and capsys.readouterr().out == 2 * out


def test_results_that_cannot_be_read_are_left_out(results, tmp_path, capsys):
    shutil.copytree(results, tmp_path / "runs")
    (tmp_path / "runs" / "without" / "meta.txt").write_text("optim_bm /nowhere.npz\n")
    assert main([str(tmp_path / "runs")]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("1 clip ") and "nowhere" in captured.err


@pytest.mark.parametrize("words", [[], ["x", "--data", "y"], ["--data", "y"]])
def test_what_to_evaluate_must_be_said(words, capsys):
    assert main(words) == 2
    assert ("--csv" if words == ["--data", "y"] else "give a folder") in capsys.readouterr().err


def test_figures_of_another_table_are_not_mixed(tmp_path):
    append_rows(tmp_path / "f.csv", [{"clip": "a", "stage": "stage1", "old": 1.0}])
    with pytest.raises(InputError, match="columns"):
        append_rows(tmp_path / "f.csv", [{"clip": "a", "stage": "stage1", "new": 1.0}])


def test_rows_survive_the_file(tmp_path):
    rows = [{"clip": "a", "stage": 1, "joints_all": 1.5}]
    append_rows(tmp_path / "x" / "f.csv", rows)
    append_rows(tmp_path / "x" / "f.csv", rows)
    assert [r["joints_all"] for r in read_rows(tmp_path / "x" / "f.csv")] == ["1.5", "1.5"]


def test_an_empty_folder_is_a_message(tmp_path, capsys):
    assert main(["--data", str(tmp_path), "--csv", str(tmp_path / "f.csv")]) == 2
    assert str(tmp_path) in capsys.readouterr().err
