"""The command in a real browser, on a real fit: drawn, steered, shared, left and ended.

Its pictures are drawn by the processor, which takes from half a minute on. Run it by
``pytest -m exhaustive tests/viewer/browser``.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing

import numpy as np
import pytest

from tests.imports import ROOT
from tests.viewer.browser import chromium
from tests.viewer.browser.chromium import Chromium, until
from tests.viewer.browser.tab import Tab
from viewer.replay.run_source import RunSource
from viewer.ui import theme

WORDS = ("serve", "--fit", "--num-iters", "20", "2", "2", "--port", "0")
SCENE = np.s_[0:530, 240:860]
"""The part of a page that no panel covers."""
LEAST = 4000  # pixels of a body

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.skipif(chromium.found() is None, reason=f"needs one of {', '.join(chromium.NAMES)}"),
]


@pytest.fixture
def program(tmp_path):
    """The command as a process, its address, and where it records."""
    path = tmp_path / "run.humorscope"
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "run_viewer.py"), *WORDS, "--record", str(path)],
        cwd=tmp_path, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    address = re.search(r"http://\S+", process.stdout.readline())
    assert address is not None
    yield process, address[0], path
    process.kill()
    process.wait()


def body_pixels(picture: np.ndarray) -> int:
    """Number of pixels of the scene in the hue of the first sub-sequence's body, bright or in the shade."""
    scene = picture[SCENE].astype(float)
    color = np.array(theme.sequence_color(0))
    along = scene @ color / (np.linalg.norm(scene, axis=-1) * np.linalg.norm(color) + 1e-9)
    return int(((along > 0.985) & (scene.sum(-1) > 150)).sum())


def test_a_fit_is_seen_steered_and_kept(program, tmp_path):
    process, address, path = program
    port = int(address.rstrip("/").rpartition(":")[2])
    began = time.monotonic()
    page = Chromium(address, tmp_path / "profile")
    until(lambda: page.shows("Run") and page.shows("Timeline"))
    until(lambda: body_pixels(page.picture()) > LEAST)
    print(f"body drawn after {time.monotonic() - began:.1f} s")

    other = Tab(port)
    until(lambda: other.receive() or any(str(w.get("label")).startswith("joints3d") for w in other.widgets.values()))
    other.change("Body", False)
    until(lambda: body_pixels(page.picture()) < LEAST / 4)
    other.change("Body", True)
    until(lambda: body_pixels(page.picture(tmp_path / "page.png")) > LEAST)

    before = other.widget("joints3d")["value"]
    sliders = page.evaluate(
        "[...document.querySelectorAll('[role=slider]')].map(x => [x.getAttribute('aria-valuemax'), "
        "x.getBoundingClientRect().x, x.getBoundingClientRect().y])"
    )
    x, y = next((x + 4, y + 4) for largest, x, y in sliders if float(largest) == 3.0 and y > 0)
    page.drag((x, y), (x + 40, y))
    until(lambda: other.receive() or other.widget("joints3d")["value"] > before)
    until(lambda: other.receive() or other.widget("edits")["visible"])

    other.press("Run")
    until(lambda: other.receive() or other.widget("iteration")["value"] > 1)
    page.close()
    other.close()
    time.sleep(1.0)
    again = Tab(port)
    until(lambda: again.receive() or any(w.get("label") == "iteration" for w in again.widgets.values()))
    first = again.widget("iteration")["value"]
    until(lambda: again.receive() or again.widget("iteration")["value"] > first + 1)

    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0 and str(path) in process.stdout.read()
    with closing(RunSource(path)) as kept:
        kept.refresh()
        view = kept.view(kept.current)
    assert any("joints3d" in event.text for event in view.history.events)
    assert view.weights[0, 0] > view.scene.default_weights[0, 0]
