"""Videos of recorded runs and of results, written without a window and without a new fit, through the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from optim.common.errors import InputError
from optim.config.settings import parse
from tests.optim.results.test_opened import write_part
from tests.viewer import recorded
from viewer.film.script import FAST_FPS, FAST_HEIGHT, faster, parse_script
from viewer.protocol import commands as c
from viewer.window.backends import offscreen_problem

ROOT = Path(__file__).parents[3]


def film(*words: object) -> subprocess.CompletedProcess[str]:
    if (problem := offscreen_problem()) is not None:
        pytest.skip(problem)
    return subprocess.run(
        [sys.executable, "run_viewer.py", "--headless", "--fast-video", *map(str, words)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def about(path: Path) -> tuple[int, int, float]:
    """Pictures, height [px] and pictures per second of a video."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.read()[0]:
        count += 1
    return count, int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), capture.get(cv2.CAP_PROP_FPS)


@pytest.mark.slow
def test_a_recorded_run_becomes_a_video_beside_it(tmp_path):
    run = tmp_path / "hop.humorscope"
    client = recorded.client(run)()
    for command in (c.RunStage(), c.RunStage()):
        client.post(command)
        client.poll()
        while client.worker.running:
            client.poll()
    client.close()
    (tmp_path / "hop.mp4").write_bytes(b"somebody's own")
    done = film("--open", run)
    assert (done.returncode, done.stdout) == (0, f"video: {tmp_path / 'hop-2.mp4'}\n"), done.stderr
    assert "left" in done.stderr and "pictures" in done.stderr
    seconds = 5 + 2 * 8 / 30  # the iterations, and the clip of 8 frames twice
    assert about(tmp_path / "hop-2.mp4") == (round(FAST_FPS * seconds), FAST_HEIGHT, FAST_FPS)
    assert (tmp_path / "hop.mp4").read_bytes() == b"somebody's own"


@pytest.mark.slow
@pytest.mark.exhaustive
def test_every_clip_of_a_folder_of_results_becomes_a_video(tmp_path):
    for name in ("hop", "walk"):
        write_part(tmp_path / "results_out" / name, frames=6, interval=False)
    done = film("--open", tmp_path / "results_out", "--out", tmp_path / "films")
    videos = [tmp_path / "films" / f"{name}.mp4" for name in ("hop", "walk")]
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(f"video: {video}\n" for video in videos)
    for video in videos:
        assert about(video) == (round(FAST_FPS * 2 * 6 / 30), FAST_HEIGHT, FAST_FPS)
    done = film("--open", tmp_path / "results_out", "--clip", "walk")
    assert done.stdout == f"video: {tmp_path / 'results_out' / 'walk.mp4'}\n", done.stderr


def test_what_cannot_be_filmed_is_told(tmp_path):
    with pytest.raises(InputError, match="--no-video: --headless --open writes nothing but a video"):
        parse(["--headless", "--open", "run.humorscope", "--no-video"])
    (tmp_path / "empty").mkdir()
    done = film("--open", tmp_path / "empty")
    assert done.returncode == 2 and "no stage1_results.npz" in done.stderr
    done = film("--open", tmp_path / "missing.humorscope")
    assert done.returncode == 2 and "missing.humorscope" in done.stderr
    assert not list(tmp_path.glob("*.mp4"))


def test_the_fast_look_is_smaller_and_never_larger():
    assert (faster(parse_script("0-1 play")).size, faster(parse_script("0-1 play")).fps) == ((960, 540), FAST_FPS)
    small = parse_script("size 320 200\nfps 10\n0-1 play")
    assert faster(small) == small
