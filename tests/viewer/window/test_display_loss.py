"""The X server ends while a fit runs in the window and is filmed: a sentence, and files that are complete."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

from tests.viewer.xserver import xserver
from viewer.replay.run_source import RunSource
from viewer.window.display_loss import DISPLAY_LOST

ROOT = Path(__file__).parents[3]
PATIENCE = 120.0  # seconds, for a machine that is busy otherwise
KEPT = "go on with it"
PROGRAM = f"""
import sys
from functools import partial
from pathlib import Path
from tests.viewer.window.test_display_loss import recorded
from tests.viewer import fakes
from viewer.protocol.commands import Run
from viewer.window import app, window
from viewer.window.client import ProcessClient
path, drawn, take = Path(sys.argv[1]), app.App.frame, app.Studio.take
def frame(self):
    if self.view is not None and not self.ui.posted:
        self.post([Run()])
    drawn(self)
app.App.frame = frame
def filmed(self):
    if self.filming is None and self._app.view is not None:
        self.start(path.with_suffix(".mp4"))
    take(self)
    if self.filming is not None and self.filming.frames:
        path.with_name("filmed").touch()
app.Studio.take = filmed
client = partial(ProcessClient, fakes.make_slow_session, record=partial(recorded, path))
window.run_window(client, kept="{KEPT}")
print("it has returned")
"""


def recorded(path: Path, session: object) -> object:
    """In the worker's process."""
    from optim.recording.recording import recorded_session

    return recorded_session(session, path=path)


def iterations(path: Path) -> int:
    """How many iterations a run file has; 0 while there is nothing to look at."""
    from optim.common.errors import InputError

    try:
        source = RunSource(path)
    except InputError:
        return 0
    try:
        source.refresh()
        return len(source.view(0).history.ids)
    finally:
        source.close()


@pytest.mark.slow
def test_a_display_that_vanishes_leaves_a_sentence_and_the_whole_recording(tmp_path):
    path = tmp_path / "run.humorscope"
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "PYTHONPATH": str(ROOT)}
    with xserver("-screen", "0", "1000x700x24") as display:
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(path)],
            cwd=ROOT,
            env={**environment, "DISPLAY": display},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        end = time.monotonic() + PATIENCE
        while not (path.with_name("filmed").exists() and path.exists() and iterations(path) >= 6):
            assert program.poll() is None, program.communicate()
            assert time.monotonic() < end, "nothing is recorded or filmed"
            time.sleep(0.2)
        before = iterations(path)
    out, errors = program.communicate(timeout=PATIENCE)
    assert (program.returncode, out) == (DISPLAY_LOST, ""), errors
    assert errors.count("error: ") == 1 and "The display is gone" in errors and KEPT in errors
    end = time.monotonic() + PATIENCE
    while list(tmp_path.glob("*-wal")):
        assert time.monotonic() < end, "the worker has not closed the file"
        time.sleep(0.1)
    source = RunSource(path)
    source.refresh()
    kept = source.view(source.current).history
    assert len(kept.ids) >= before
    assert source.view(source.current).motion is not None
    source.close()
    film = cv2.VideoCapture(str(path.with_suffix(".mp4")))
    assert film.read()[0], "the film is complete"
