"""Pictures for reports, really drawn: what is in one of them is in no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from viewer.window.backends import offscreen_problem

ROOT = Path(__file__).parents[3]


def draw(scenes: dict[str, np.ndarray], folder: Path) -> dict[str, np.ndarray]:
    folder.mkdir()
    np.savez(folder / "scenes.npz", **scenes)
    done = subprocess.run(
        [sys.executable, "-m", "viewer.commands.stills", str(folder / "scenes.npz"), str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return {path.stem: cv2.imread(str(path)) for path in folder.glob("*.png")}


def test_nothing_of_one_picture_is_in_the_next(tmp_path):
    problem = offscreen_problem()
    if problem is not None:
        pytest.skip(problem)
    body = np.array([(0, 0, 0), (0.5, 0, 0), (0.25, 0, 1.5)], np.float32)
    faces = np.array([(0, 1, 2), (0, 2, 1)])
    row = np.stack([body, body + (1, 0, 0), body + (2, 0, 0)])
    full = {"a/bodies": row, "a/truth": row + (0.2, 0, 0), "a/seen": row[2] + (0.4, 0, 0)}
    alone = {"faces": faces, "faces_truth": faces, "b/bodies": row[:1], "c/bodies": row, "c/truth": full["a/truth"]}
    beside = draw({**full, **alone}, tmp_path / "beside")
    by_itself = draw(alone, tmp_path / "alone")
    assert np.abs(beside["a"].astype(int) - beside["b"]).max() > 50
    np.testing.assert_array_equal(beside["b"], by_itself["b"])
