"""Run files as a user meets them: a run without a window that is killed goes on, and ends as if it had not been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import run_viewer
from optim.common.errors import InputError
from optim.recording.runfile import RunFile
from tests.motions import write_walk

ROOT = Path(__file__).resolve().parents[1]
SHORT = ["--headless", "--no-video", "--lbfgs-max-iter", "3", "--num-iters", "2", "3", "4", "--amass-seq-len", "15"]


@pytest.fixture
def fit(model_files, tmp_path):
    """The words of a short fit; results go to a folder in ``tmp_path``."""
    motion = write_walk(tmp_path / "walk.npz")
    return lambda out: [*SHORT, "--data-path", str(motion), "--out", str(tmp_path / out), *model_files.flags()]


def iterations(path: Path) -> int:
    if not path.exists() or path.stat().st_size == 0:
        return 0
    try:
        file = RunFile(path, mode="read")
    except InputError as error:
        assert "nothing has been recorded yet" in str(error)
        return 0
    ((count,),) = file.rows("SELECT count(*) FROM snapshots")
    file.close()
    return count


def test_a_run_without_a_window_is_recorded_beside_its_results(fit, tmp_path, capsys):
    path = tmp_path / "out" / "walk.humorscope"
    assert run_viewer.main(fit("out")) == 0
    assert f"recorded: {path}\n" in capsys.readouterr().out
    assert sorted(file.name for file in path.parent.iterdir()) == ["results_out", "walk.humorscope"]
    count = iterations(path)
    assert count > 15
    assert run_viewer.main(fit("out")) == 0  # a second run takes the place of the first, as its results do
    assert iterations(path) == count
    assert run_viewer.main([*fit("none"), "--no-record"]) == 0
    assert not list((tmp_path / "none").glob("*.humorscope"))


@pytest.mark.slow
def test_a_killed_run_ends_as_if_it_had_not_been(fit, tmp_path):
    assert run_viewer.main(fit("whole")) == 0
    path = tmp_path / "killed" / "walk.humorscope"
    program = [sys.executable, "run_viewer.py", *fit("killed")]
    with subprocess.Popen(program, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
        end = time.monotonic() + 120
        while iterations(path) < 8:
            assert run.poll() is None and time.monotonic() < end
            time.sleep(0.002)
        os.kill(run.pid, signal.SIGKILL)
    killed_at = iterations(path)
    assert killed_at >= 8
    again = ["--resume", str(path), "--headless", "--no-video", "--out", str(tmp_path / "again")]
    assert run_viewer.main(again) == 0
    assert iterations(path) == iterations(tmp_path / "whole" / "walk.humorscope") >= killed_at
    for name in ("stage2_results", "stage3_results"):
        files = [tmp_path / out / "results_out" / "walk" / f"{name}.npz" for out in ("whole", "again")]
        first, second = (np.load(file) for file in files)
        assert set(first) == set(second)
        for array in first:
            np.testing.assert_array_equal(first[array], second[array], err_msg=f"{name} {array}")
    losses = [(tmp_path / out / "results_out" / "walk" / "losses.csv").read_text() for out in ("whole", "again")]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("flag", ["--resume", "--bundle"])
def test_files_that_are_not_there(flag, tmp_path, capsys):
    rest = [str(tmp_path / "target")] if flag == "--bundle" else []
    assert run_viewer.main([flag, str(tmp_path / "nothing.humorscope"), *rest]) == 2
    assert "no such file; give the path of a recorded run" in capsys.readouterr().err


def test_a_recording_is_not_written_over(fit, tmp_path, capsys):
    path = tmp_path / "mine.humorscope"
    RunFile(path, mode="new").close()
    assert run_viewer.main([*fit("out"), "--record", str(path)]) == 2
    assert "is there already; give --record another name" in capsys.readouterr().err
