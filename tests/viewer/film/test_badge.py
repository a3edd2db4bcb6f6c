"""The sign that the window is filmed: on the screen, whatever is in front, and in no picture of the film."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.viewer.xserver import xserver
from viewer.film.badge import Badge, badge
from viewer.film.studio import length

ROOT = Path(__file__).parents[3]
PROGRAM = """
import subprocess, sys
from pathlib import Path
import polyscope as ps
from tests.viewer import fakes
from viewer.window.app import App
from viewer.window.window import start_polyscope
from viewer.worker.local_client import LocalClient
folder = Path(sys.argv[1])
start_polyscope("openGL3_glfw", size=(1000, 600))
app = App(lambda: LocalClient(fakes.make_session))
ps.set_user_callback(app.frame)
def look(name):
    subprocess.run(["import", "-window", "root", str(folder / f"{name}.png")], check=True)
for _ in range(4):
    app.tick()
look("before")
app.ui.filming.folder, app.ui.filming.pictures, app.ui.filming.request = str(folder), True, "start"
for name in ("timeline", "layers"):
    app.ui.show_panel(name)
    for _ in range(3):
        app.tick()
    look(name)
app.ui.panels = False
app.tick()
look("without panels")
app.ui.filming.request = "stop"
app.tick()
app.tick()
look("after")
"""


def red_dots(path: Path) -> int:
    """Pixels in the red of the dot in the upper tenth of a picture."""
    image = cv2.imread(str(path))[:120, :, ::-1].astype(int)
    return int((np.abs(image - (235, 41, 36)).max(axis=-1) < 12).sum())


@pytest.mark.slow
def test_the_dot_is_on_the_screen_and_in_no_picture(tmp_path):
    if shutil.which("import") is None:
        pytest.skip("not installed: ImageMagick")
    with xserver("-screen", "0", "1100x700x24") as display:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(tmp_path)],
            cwd=ROOT,
            env={**os.environ, "DISPLAY": display, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    shown = {name: red_dots(tmp_path / f"{name}.png") for name in
             ("before", "timeline", "layers", "without panels", "after")}  # fmt: skip
    assert shown["before"] == shown["after"] == 0
    assert min(shown["timeline"], shown["layers"], shown["without panels"]) > 60, shown
    pictures = sorted(tmp_path.glob("*/*.png"))
    assert len(pictures) >= 6
    assert [red_dots(path) for path in pictures] == [0] * len(pictures)


def test_the_text_is_inside_at_any_length_and_scale():
    for text in ("0:00", "12:34", "100:00"):
        for scale in (1, 2):
            picture = badge(text, 104 * scale, 26 * scale)
            bright = (picture[..., :3].min(axis=-1) > 150).any(axis=0)
            assert bright.any() and not bright[-2 * scale :].any()
            assert (picture[..., 2].astype(int) - picture[..., 1] > 150).sum() > 60 * scale**2
    assert [length(seconds) for seconds in (0.9, 61.5, 6000)] == ["0:00", "1:01", "100:00"]


def test_without_a_display_nothing_happens(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    sign = Badge()
    sign.show("0:01")
    sign.hide()
