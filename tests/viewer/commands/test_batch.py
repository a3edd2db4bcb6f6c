"""The batch command with real fits: the same results as one by one, going on after a kill, shards, a Ray cluster."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import run_viewer
from tests.motions import write_walk

ROOT = Path(__file__).resolve().parents[3]
SHORT = ["--lbfgs-max-iter", "2", "--num-iters", "1", "1", "1", "--amass-seq-len", "12"]
pytestmark = pytest.mark.slow


@pytest.fixture
def clips(tmp_path):
    """Three motions, one of which is damaged."""
    folder = tmp_path / "clips"
    folder.mkdir()
    write_walk(folder / "a.npz", frames=20)
    write_walk(folder / "b.npz", frames=20, yaw=0.2)
    (folder / "damaged_poses.npz").write_bytes(b"PK")
    return folder


def batch(folder, out, *words):
    return run_viewer.main(["batch", str(folder), "--out", str(out), "--workers", "1", *map(str, words)])


def motion(place):
    with np.load(place / "stage3_results.npz") as arrays:
        return dict(arrays)


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name])


def states(out):
    with (out / "summary.csv").open(encoding="utf-8", newline="") as file:
        return {row["clip"]: row["state"] for row in csv.DictReader(file)}


def written(out):
    return {path: path.stat().st_mtime_ns for path in out.rglob("*_results.npz")}


def test_a_batch_is_the_same_as_one_fit_after_the_other_and_goes_on_where_it_was(clips, tmp_path, model_files, capfd):
    out, flags = tmp_path / "out", [*SHORT, *model_files.flags()]
    assert batch(clips, out, "--clips", "a", "damaged*", *flags) == 1
    told = capfd.readouterr()
    assert "damaged or cut off" in told.err and "1 of 2 clips failed" in told.err and "time left" in told.err
    assert states(out) == {"a": "finished", "damaged_poses": "failed"}
    first = written(out)
    assert run_viewer.main(["fit", str(clips / "a.npz"), "--no-video", "--out", str(tmp_path / "one"), *flags]) == 0
    assert_same(motion(out / "a/results_out/a"), motion(tmp_path / "one/results_out/a"))
    assert batch(clips, out, *flags) == 1
    assert states(out) == {"a": "finished", "b": "finished", "damaged_poses": "failed"}
    assert first.items() <= written(out).items()
    assert "clips to fit: 2; finished before, or unsuitable: 1; processes: 1" in capfd.readouterr().err
    assert batch(clips, out, "--clips", "a", *flags[:-2], "--preset", "direct") == 2
    assert "give another --out, or --again" in capfd.readouterr().err


def test_the_folder_is_given_first(capsys):
    assert run_viewer.main(["batch", "--out", "out", "clips"]) == 2
    assert "give the folder of clips first" in capsys.readouterr().err
    assert run_viewer.main(["batch", "clips", "--help"]) == 0
    assert "--shard I/N" in capsys.readouterr().out


def test_shards_together_fit_every_clip(clips, tmp_path, model_files):
    (clips / "damaged_poses.npz").unlink()
    out, flags = tmp_path / "out", [*SHORT, *model_files.flags(), "--no-record"]
    assert batch(clips, out, "--shard", "1/2", *flags) == 0
    assert states(out) == {"a": "finished", "b": "waiting"}
    assert batch(clips, out, "--shard", "2/2", *flags) == 0
    assert states(out) == {"a": "finished", "b": "finished"}


LONG = ["--lbfgs-max-iter", "4", "--num-iters", "3", "12", "8", "--amass-seq-len", "20", "--clips", "a"]


def started(clips, out, flags):
    words = [sys.executable, "run_viewer.py", "-v", "batch", clips, "--out", out, "--workers", "1", *LONG, *flags]
    return subprocess.Popen([str(word) for word in words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for(text, log):
    end = time.monotonic() + 240
    while not (log.is_file() and text in log.read_text()):
        assert time.monotonic() < end
        time.sleep(0.05)


def children(process):
    listed = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(child) for child in listed]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the worker in /proc")
@pytest.mark.parametrize("how", ["worker", "all"])
def test_a_killed_fit_goes_on_with_the_same_bits(clips, tmp_path, model_files, how):
    out, flags = tmp_path / "out", model_files.flags()
    program = started(clips, out, flags)
    try:
        wait_for("stage 2 begins", out / "a" / "fit.log")
        workers = children(program.pid)
        if how == "all":
            program.kill()
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        errors = program.communicate(timeout=240)[1].decode()
    finally:
        program.kill()
    if how == "worker":
        assert program.returncode == 0 and "a: its process ended with signal 9" in errors
    else:
        assert not (out / "summary.csv").exists()
        assert batch(clips, out, *LONG, *flags) == 0
    assert states(out) == {"a": "finished"}
    assert (out / "a" / "fit.log").read_text().count("results: ") == 1
    assert batch(clips, tmp_path / "straight", *LONG, *flags) == 0
    assert_same(motion(out / "a/results_out/a"), motion(tmp_path / "straight/a/results_out/a"))


def test_ctrl_c_writes_the_results_so_far_and_a_summary(clips, tmp_path, model_files):
    out, flags = tmp_path / "out", model_files.flags()
    program = started(clips, out, flags)
    try:
        wait_for("stage 2 begins", out / "a" / "fit.log")
        program.send_signal(signal.SIGINT)
        errors = program.communicate(timeout=240)[1].decode()
    finally:
        program.kill()
    assert program.returncode == 130, errors
    assert "stopping" in errors and "Traceback" not in errors
    assert states(out) == {"a": "stopped"}
    assert (out / "a/results_out/a/stage1_results.npz").is_file()


@pytest.fixture
def cluster(tmp_path_factory):
    """The address of a Ray cluster on the loopback."""
    pytest.importorskip("ray")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    words = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", "--node-ip-address", "127.0.0.1"]
    words += ["--port", address.partition(":")[2], "--num-cpus", "2", "--include-dashboard", "false"]
    words += ["--disable-usage-stats", "--object-store-memory", "100000000"]
    words += ["--temp-dir", str(tmp_path_factory.mktemp("ray", numbered=True))]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in process.stdout:
            if "--block" in line:  # it says that it stays, and then it is ready
                break
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_a_ray_cluster_gives_the_same(clips, tmp_path, model_files, cluster):
    """The current folder has an ``optim`` of the user, which Ray's processes would find first."""
    (tmp_path / "optim").mkdir()
    (tmp_path / "optim" / "__init__.py").write_text("raise RuntimeError('a module of the user')\n")
    flags = [*SHORT, *model_files.flags()]
    words = [sys.executable, "-P", ROOT / "run_viewer.py", "batch", clips, "--out", "there", "--ray", cluster, *flags]
    done = subprocess.run([str(word) for word in words], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert f"clips to fit: 3; finished before, or unsuitable: 0; cluster: {cluster}" in done.stderr
    assert states(tmp_path / "there") == {"a": "finished", "b": "finished", "damaged_poses": "failed"}
    assert batch(clips, tmp_path / "here", *flags) == 1
    for name in ("a", "b"):
        assert_same(*(motion(tmp_path / place / name / "results_out" / name) for place in ("here", "there")))


def test_a_cluster_that_is_not_there_is_told(clips, tmp_path, capfd):
    pytest.importorskip("ray")
    done = subprocess.run(
        [sys.executable, "run_viewer.py", "batch", clips, "--out", tmp_path / "out", "--ray", "nonsense", *SHORT],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 2 and "error: --ray nonsense: not reached" in done.stderr
