"""Where the processor draws, the scene is left out behind panels: what can be seen of it is the same, bit for bit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.viewer.xserver import xserver
from viewer.ui import theme

ROOT = Path(__file__).parents[3]
MOST_FRAMES = 200  # until the view is there and nothing in the window moves any more
PROGRAM = f"""
import sys
import numpy as np
import polyscope as ps
from tests.viewer import fakes
from viewer.film.capture import grab
from viewer.window.app import App
from viewer.window.window import start_polyscope
from viewer.worker.local_client import LocalClient
start_polyscope("openGL3_glfw", size=(1280, 720))
app = App(lambda: LocalClient(fakes.make_session))
ps.set_user_callback(app.frame)
def look(*, software, panels):
    app.software, app.ui.panels = software, panels
    before = None
    for count in range({MOST_FRAMES}):
        app.tick()
        now = grab()
        if count > 2 and app.view is not None and (now == before).all():
            return now
        before = now
    raise SystemExit("the window does not come to rest")
look(software=False, panels=True)
free = app.free()
found = dict()
for panels, name in ((True, "whole"), (True, "limited"), (False, "limited"), (False, "whole")):
    found[name + " " + str(panels)] = look(software=name == "limited", panels=panels)
np.savez(sys.argv[1], free=np.array([free.x, free.y, free.width, free.height]), **found)
"""


@pytest.mark.slow
def test_only_what_panels_cover_is_left_out(tmp_path):
    out = tmp_path / "pictures.npz"
    with xserver("-screen", "0", "1300x760x24") as display:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(out)],
            cwd=ROOT,
            env={**os.environ, "DISPLAY": display, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    found = np.load(out)
    x, y, width, height = found["free"].astype(int)
    scene = np.s_[y : y + height, x : x + width]
    whole, limited = (found[f"{name} True"].astype(int) for name in ("whole", "limited"))
    np.testing.assert_array_equal(limited[scene], whole[scene])
    assert len(np.unique(whole[scene].reshape(-1, whole.shape[-1]), axis=0)) > 100, "a body is drawn"
    behind = np.abs(limited - whole).max(axis=-1) > 2
    assert behind.any() and not behind[scene].any(), "the floor shows between the panels, and no longer does"
    background = np.abs(limited[behind] - np.round(255 * np.array(theme.BACKGROUND))).max(axis=-1) <= 2
    assert background.mean() > 0.8, "all but the soft edges of panels"
    np.testing.assert_array_equal(found["limited False"], found["whole False"])
