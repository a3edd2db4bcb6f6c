"""The video of a fit, really rendered: its length, that it moves, that it ends on the fitted motion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from viewer.commands.headless import fit_script
from viewer.window.backends import offscreen_problem

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from pathlib import Path
from tests.viewer import fakes
from viewer.commands.headless import render_fit_video
session = fakes.make_session()
while not session.done:
    session.step_iteration()
told = []
result = render_fit_video(session, Path(sys.argv[1]), size=(640, 360), progress_seconds=0.4, loops=1,
                          report=lambda done, total: told.append((done, total)))
assert told[0] == (1, 24) and told[-1] == (24, 24), told
print(result.frames, result.codec)
"""


def test_the_script_goes_through_the_iterations_and_then_the_clip():
    script = fit_script(2.0, size=(640, 360), fps=30.0, progress_seconds=5.0, loops=2)
    assert script.frames == round(30 * (5 + 2 * 2.0))
    assert [d.name for d in script.directives if d.end == 5.0 or d.end == 9.0] == ["iteration", "play", "frame", "play"]


def test_where_there_is_a_camera_the_motion_is_last_seen_through_it():
    script = fit_script(2.0, size=(640, 360), fps=30.0, progress_seconds=5.0, loops=2, camera=True)
    (look,) = [d for d in script.directives if d.name == "look" and d.start > 0]
    assert (look.start, look.arguments) == (7.0, ("camera",))


def test_video_of_a_fit(tmp_path):
    problem = offscreen_problem()
    if problem is not None:
        pytest.skip(problem)
    path = tmp_path / "fit.mp4"
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (run.returncode, run.stdout) == (0, "24 h264\n"), run.stderr
    capture = cv2.VideoCapture(str(path))
    frames = [capture.read()[1] for _ in range(24)]
    assert not capture.read()[0]
    assert frames[0].shape == (360, 640, 3)
    changes = [np.abs(a.astype(int) - b).mean() for a, b in zip(frames[:-1], frames[1:], strict=True)]
    assert np.mean(np.array(changes) > 0.05) > 0.9
    assert frames[-1].std() > 10
