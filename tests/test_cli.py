"""The program as a user starts it: exit statuses, messages, results on disk, stopping."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import run_viewer
from optim.common.exit_status import STOPPED
from tests.motions import write_walk
from viewer.commands.sessions import make_session

ROOT = Path(__file__).resolve().parents[1]
SHORT = ["--lbfgs-max-iter", "2", "--num-iters", "1", "1", "1", "--amass-seq-len", "12"]


def command(*words):
    return [sys.executable, "run_viewer.py", *map(str, words)]


def without_display():
    return {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}


def files_of(folder):
    return {path.name for path in folder.iterdir()}


def test_without_a_display_the_whole_fit_runs_and_says_so(model_files, tmp_path):
    motion = write_walk(tmp_path / "my walk_poses.npz", fps=60.0, frames=61)
    words = command("--data-path", motion, "--out", tmp_path / "out", "--no-video", *SHORT, *model_files.flags())
    done = subprocess.run(words, cwd=ROOT, env=without_display(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "no display" in done.stderr and "60 frames/s, resampled to 30" in done.stderr
    assert "loss" in done.stderr and "  0 s left" in done.stderr
    place = tmp_path / "out" / "results_out" / "my walk"
    assert f"results: {place}" in done.stdout and "video" not in done.stdout
    assert {
        "stage1_results.npz",
        "stage2_results.npz",
        "stage3_init_results.npz",
        "stage3_results.npz",
    } < files_of(place)
    with np.load(place / "stage3_results.npz") as results:
        assert results["trans"].shape == (12, 3) and np.isfinite(results["pose_body"]).all()


def test_a_long_clip_is_fitted_in_parts_and_joined(model_files, tmp_path, capsys):
    motion = write_walk(tmp_path / "walk.npz")
    split = ["--rgb-seq-len", "16", "--rgb-overlap-len", "4", "--batch-size", "3"]
    words = ["--headless", "--no-video", "--data-path", str(motion), "--out", str(tmp_path / "out"), *split]
    assert run_viewer.main([*words, *SHORT[:-2], *model_files.flags()]) == 0
    output, errors = capsys.readouterr()
    assert output.startswith("40 frames as 3 sub-sequences of 16, overlapping by 4 (")
    assert output.count("seam at frame") == 2 and "batch 1 of 1" in errors
    place = tmp_path / "out" / "results_out"
    assert files_of(place) == {"walk_0000", "walk_0001", "walk_0002", "final_results"}
    with np.load(place / "final_results" / "stage3_results.npz") as results:
        assert results["trans"].shape == (40, 3) and np.isfinite(results["pose_body"]).all()


def test_a_folder_of_clips_is_fitted_in_turn(model_files, tmp_path, capsys):
    """One that cannot be used is told and left out; --clip takes one, by name or number."""
    folder = tmp_path / "my motions ü"
    for subject in ("01", "02"):
        (folder / subject).mkdir(parents=True)
        write_walk(folder / subject / "walk_poses.npz", frames=20)
    (folder / "02" / "broken_poses.npz").write_bytes(b"PK")
    words = ["--headless", "--no-video", "--data-path", str(folder), "--out", str(tmp_path / "out"), *SHORT]
    assert run_viewer.main([*words, *model_files.flags()]) == 1
    errors = capsys.readouterr().err
    assert "clip 2 of 3: 02/broken_poses" in errors and "error: 1 of 3 clips" in errors
    assert "broken_poses.npz: damaged or cut off" in errors
    place = tmp_path / "out" / "results_out"
    assert files_of(place) == {"01_walk", "02_walk"}
    assert "stage3_results.npz" in files_of(place / "02_walk")
    assert run_viewer.main(["--data-path", str(folder), "--list-clips"]) == 0
    assert capsys.readouterr().out.split() == ["0", "01/walk_poses", "1", "02/broken_poses", "2", "02/walk_poses"]
    words[words.index("--out") + 1] = str(tmp_path / "one")
    assert run_viewer.main([*words, *model_files.flags(), "--clip", "01/walk"]) == 0
    assert files_of(tmp_path / "one" / "results_out") == {"01_walk"}


def test_clips_of_a_folder_do_not_overwrite_each_other(model_files, tmp_path, capsys):
    """Neither stitched motions of split clips, nor the results of clips that have one name without their folders."""
    folder = tmp_path / "motions"
    (folder / "a").mkdir(parents=True)
    for place, frames in (("a/walk", 20), ("a_walk", 24)):
        write_walk(folder / f"{place}_poses.npz", frames=frames)
    short = ["--lbfgs-max-iter", "1", "--num-iters", "1", "0", "0", "--no-video", *model_files.flags()]
    words = ["--headless", "--data-path", str(folder), *short]
    assert run_viewer.main([*words, "--no-record", "--out", str(tmp_path / "whole")]) == 0
    found = {path: len(np.load(path)["trans"]) for path in (tmp_path / "whole").rglob("stage1_results.npz")}
    assert sorted(found.values()) == [20, 24]
    out = tmp_path / "split"
    split = ["--rgb-seq-len", "12", "--rgb-overlap-len", "4", "--batch-size", "3"]
    assert run_viewer.main([*words, *split, "--out", str(out)]) == 0
    frames = [len(np.load(path)["trans"]) for path in out.rglob("final_results/stage?_results.npz")]
    assert sorted(frames) == [20, 24]
    capsys.readouterr()
    other = ["--headless", "--data-path", str(write_walk(tmp_path / "other.npz", frames=20)), *short, *split]
    assert run_viewer.main([*other, "--out", str(out / "a_walk")]) == 2
    assert "final_results: holds the motion of a_walk, not of other" in capsys.readouterr().err
    assert run_viewer.main([*words, "--record", str(tmp_path / "one.humorscope")]) == 2
    assert "--record: it names the file of one clip" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGHUP, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_stopping_keeps_the_results_so_far(model_files, tmp_path, how):
    motion = write_walk(tmp_path / "walk.npz")
    words = command("--headless", "--data-path", motion, "--out", tmp_path / "out", *model_files.flags())
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # under nohup it is inherited as ignored
    )
    try:
        told = ""
        while "loss" not in told:
            told = process.stderr.readline()
            assert told, "the fit ended before it began"
        process.send_signal(how)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == STOPPED, errors
    assert "stopped early" in errors and "Traceback" not in errors
    assert "stage1_results.npz" in files_of(tmp_path / "out" / "results_out" / "walk")
    assert "results: " in output


@pytest.mark.parametrize("words", [["--data-path", ""], ["--humor", " "], ["--out", ""], ["--bundle", "a", ""]])
def test_an_empty_path_is_refused(words, capsys):
    """It comes from a shell's variable that is not set, and would name the working folder."""
    assert run_viewer.main(words) == 2
    assert "empty path" in capsys.readouterr().err


FULL = """
import resource, sys
import run_viewer
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
sys.exit(run_viewer.main(sys.argv[1:]))
"""


def test_results_that_cannot_be_written_end_with_one_message(model_files, tmp_path):
    """A limit on the size of files stands for a full disk: what is complete stays, and nothing half-written does."""
    motion = write_walk(tmp_path / "walk.npz")
    words = ["--headless", "--no-video", "--no-record", "--num-iters", "1", "1", "1", "--data-path", str(motion)]
    words += ["--out", str(tmp_path / "out"), *model_files.flags()]
    done = subprocess.run([sys.executable, "-c", FULL, *words], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "_results.npz: cannot be written (File too large); make room there, or give another place" in done.stderr
    assert not [path for path in (tmp_path / "out").rglob("*") if "partial" in path.name]


@pytest.fixture
def small_disk(tmp_path):
    """Function that mounts a file system of so many kB; the test is skipped where nothing can be mounted."""
    place, mounted = tmp_path / "disk", []

    def mount(size: int) -> Path:
        place.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(words, capture_output=True).returncode != 0:
            pytest.skip("no file system can be mounted here")
        mounted.append(place)
        return place

    yield mount
    for one in mounted:
        subprocess.run(["umount", str(one)], check=True)


LONG = (pytest.mark.slow, pytest.mark.exhaustive)


@pytest.mark.parametrize("recorded", [pytest.param("elsewhere", marks=LONG), "there too"])
def test_a_full_disk_ends_with_one_message_and_keeps_what_is_finished(model_files, tmp_path, small_disk, recorded):
    disk = small_disk(28 if recorded == "elsewhere" else 600)
    if recorded == "there too":
        (disk / "other").write_bytes(bytes(450_000))
    motion, run = write_walk(tmp_path / "walk.npz"), tmp_path / "run.humorscope"
    words = ["--headless", "--no-video", "--num-iters", "1", "1", "1", "--data-path", str(motion), "--out"]
    words += [str(disk / "out"), *model_files.flags(), *(["--record", str(run)] if recorded == "elsewhere" else [])]
    done = subprocess.run(command(*words), cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("error: ") == 1
    assert "No space left on device" in done.stderr or "disk is full" in done.stderr
    assert not [path for path in disk.rglob("*") if "partial" in path.name]
    if recorded == "elsewhere":
        assert f"--headless --resume {run} --out DIR writes its results" in done.stderr
        assert list((disk / "out").rglob("stage1_results.npz"))  # what was finished stays
        again = command("--headless", "--no-video", "--resume", run, "--out", tmp_path / "out", *model_files.flags())
        assert subprocess.run(again, cwd=ROOT, capture_output=True, timeout=240).returncode == 0
        assert list((tmp_path / "out").rglob("stage3_results.npz"))


def test_a_wrong_flag_ends_at_once_with_one_line(tmp_path):
    done = subprocess.run(command("--amass-noise-sd", 1), cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: unknown flag --amass-noise-sd; did you mean --amass-noise-std? (--help lists all)"
    ]


def nan_motion(folder):
    path = write_walk(folder / "walk.npz")
    with np.load(path) as arrays:
        arrays = dict(arrays)
    arrays["trans"][3] = np.nan
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--data-path {tmp}/none.npz", "none.npz: no such file"),
        ("--data-path {tmp}/empty", "no motion, images or depth in it, only nothing"),
        ("--data-path {tmp} --clip run", "no such clip in {tmp}, which holds 1 (0 to 0); nearest: walk"),
        ("--data-path {tmp} --amass-custom-split KIT", "no folder KIT in it; there are empty"),
        ("--data-path {tmp}/walk.npz --clip 0", "walk.npz is one clip"),
        ("--data-path {tmp}/walk.npz --list-clips", "walk.npz is one clip; give a folder"),
        ("--data-path {tmp}/walk.npz", "trans has 3 values that are NaN"),
        ("--data nothing", "no demo clip is called nothing"),
        ("--humor {tmp}/none.pth", "none.pth: no such file"),
        ("--smpl {tmp}/none.npz", "none.npz: no such file"),
        ("--vposer {tmp}/none", "snapshots"),
        ("--init-motion-prior {tmp}", "prior_gmm.npz"),
        ("--num-iters 0 0 0", "no phase with steps"),
        ("--out {tmp}/walk.npz/out", "cannot be written"),
        ("@{tmp}/none.cfg", "none.cfg"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(model_files, tmp_path, capsys, words, told):
    nan_motion(tmp_path)
    (tmp_path / "empty").mkdir()
    given = words.format(tmp=tmp_path).split()
    status = run_viewer.main([*model_files.flags(), "--headless", *given])
    output, errors = capsys.readouterr()
    lines = [line for line in errors.splitlines() if not line.startswith("note: ")]
    assert status == 2 and output == ""
    assert len(lines) == 1 and lines[0].startswith("error: ") and told.format(tmp=tmp_path) in lines[0]


@pytest.mark.parametrize(("asked", "chosen"), [(None, 6), ("3", 3), ("2,1", 2), ("", 6)])
def test_a_thread_a_processor_less_the_windows_unless_the_user_says_otherwise(
    model_files, tmp_path, monkeypatch, asked, chosen
):
    """Torch keeps to one: on a busy 2-core machine the same fit took 47 s with one of its threads, 253 s with two."""
    import torch

    from optim.common import threads
    from optim.config.settings import parse

    if asked is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    monkeypatch.setattr(threads, "processors", lambda: 7)
    monkeypatch.setattr(threads, "_count", 1)
    motion = write_walk(tmp_path / "walk.npz")
    settings = parse(["--data-path", str(motion), *SHORT, *model_files.flags()])
    make_session(settings, spare=1)
    assert (threads.used(), torch.get_num_threads()) == (chosen, 1)
