"""Where nothing can be drawn: one clear message, and a process that ends as it should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WINDOW = """
from tests.viewer import fakes
from viewer.window.window import WindowUnavailable, run_window
from viewer.window.client import LocalClient
if __name__ == "__main__":
    try:
        run_window(lambda: LocalClient(fakes.make_session))
    except WindowUnavailable as error:
        print(error)
"""
OFFSCREEN = """
import sys
from pathlib import Path
from tests.viewer import fakes
from viewer.window.window import WindowUnavailable
from viewer.commands.headless import render_fit_video
try:
    render_fit_video(fakes.FakeSession(), Path(sys.argv[1]))
except WindowUnavailable as error:
    print(error)
"""


def run(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("display", "message"), [("", "DISPLAY is not set"), (":987", "no X server answers at DISPLAY=:987")]
)
def test_no_display(display, message):
    end = run(WINDOW, DISPLAY=display)
    assert message in end.stdout
    assert (end.returncode, end.stderr) == (0, "")


@pytest.mark.parametrize(
    "environment",
    [{"__EGL_VENDOR_LIBRARY_FILENAMES": "/dev/null"}, {"LIBGL_DRIVERS_PATH": "/nonexistent"}],
)
def test_no_egl(tmp_path, environment):
    end = run(OFFSCREEN, tmp_path / "fit.mp4", **environment)
    assert end.returncode == 0, end.stderr
    if not end.stdout:
        pytest.skip("this EGL cannot be hidden by the environment")
    assert "install libegl1 libgl1-mesa-dri libgl1" in end.stdout
    assert not (tmp_path / "fit.mp4").exists()
