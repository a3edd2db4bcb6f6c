"""Still pictures, really drawn at a multiple of the window's size, asked for by a click or a key, told when ready."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.viewer.panels.test_analysis_panels import show
from viewer.window.backends import offscreen_problem

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys, time
from pathlib import Path
import cv2
import polyscope as ps
if __name__ == "__main__":
    from tests.viewer import fakes
    from viewer.film.capture import grab
    from viewer.window.app import App
    from viewer.window.still_drawing import draw_still
    from viewer.window.window import start_polyscope
    from viewer.worker.local_client import LocalClient
    start_polyscope("openGL3_egl", size=(1280, 720))
    app = App(lambda: LocalClient(fakes.make_session))
    app.still.draw = draw_still
    ps.set_user_callback(app.frame)
    for _ in range(6):
        app.tick()
    film = app.ui.filming
    app.ui.frame, film.folder, film.times, film.still_wanted = 3, sys.argv[1], 2, True
    app.tick()
    app.tick()
    cv2.imwrite(sys.argv[2], grab()[:, :, ::-1])
    while film.still_drawn:
        app.tick()
        time.sleep(0.1)
    app.still.close()
    print(ps.get_buffer_size(), film.last)
"""


def small(still, answer):
    """In place of the drawing: a picture of one colour."""
    cv2.imwrite(str(still.path), np.zeros((*still.size[::-1], 3), np.uint8))
    answer.send("")


def refusing(still, answer):
    answer.send("EGL finds no device")


def dying(still, answer):
    os._exit(1)


@pytest.mark.slow
def test_the_picture_shows_what_the_window_shows_at_twice_its_size(tmp_path):
    if (problem := offscreen_problem()) is not None:
        pytest.skip(problem)
    program, window = tmp_path / "program.py", tmp_path / "window.png"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path / "stills"), str(window)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    (path,) = (tmp_path / "stills").glob("*.png")
    assert (done.returncode, done.stdout) == (0, f"(1280, 720) {path}\n"), done.stderr
    image, shown = cv2.imread(str(path)), cv2.imread(str(window))
    assert image.shape == (1440, 2560, 3)
    shrunk = cv2.resize(image, (1280, 720), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - shown).mean() < 6
    blurred = cv2.resize(shown, (2560, 1440), interpolation=cv2.INTER_CUBIC)
    sharp = [cv2.Laplacian(cv2.cvtColor(one, cv2.COLOR_BGR2GRAY), cv2.CV_64F).var() for one in (image, blurred)]
    assert sharp[0] > 1.5 * sharp[1]  # drawn anew, not enlarged


@pytest.mark.parametrize("by_key", [False, True])
def test_a_click_or_a_key_writes_a_picture_and_tells_its_name(window, tmp_path, by_key):
    film = window.app.ui.filming
    window.app.still.draw = small
    film.folder, film.times = str(tmp_path), 3
    show(window, "record")
    if by_key:
        window.key("F8")
    else:
        window.click("Still picture")
    assert film.still_drawn
    window.until(lambda: not film.still_drawn, frames=100_000)
    (path,) = tmp_path.glob("*.png")
    assert film.last == path and cv2.imread(str(path)).shape == (3 * 720, 3 * 1280, 3)
    assert any(note.text == f"Picture of 3840 × 2160 pixels: {path}" for note in window.app.ui.notes)
    assert window.app.ui.panels and window.app.ui.follow and not window.app.ui.exact


@pytest.mark.parametrize(
    ("draw", "told"), [(refusing, "EGL finds no device"), (dying, "the process that drew it ended")]
)
def test_a_picture_that_cannot_be_drawn_is_told_and_leaves_no_file(window, tmp_path, draw, told):
    film = window.app.ui.filming
    window.app.still.draw, film.folder = draw, str(tmp_path)
    window.key("F8")
    window.until(lambda: not film.still_drawn, frames=100_000)
    assert window.app.ui.notes[0].text == f"no picture: {told}" and window.app.ui.notes[0].level == "error"
    assert not list(tmp_path.iterdir())


def test_the_size_is_chosen_in_the_tab(window):
    show(window, "record")
    window.click("times")
    window.click("4 ×")
    assert window.app.ui.filming.times == 4
