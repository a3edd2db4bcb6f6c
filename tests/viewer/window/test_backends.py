"""Where nothing can be drawn: one clear message, and a process that ends as it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.viewer.xserver import xserver
from viewer.window import backends, glx_probe
from viewer.window.window import WindowUnavailable, require

ROOT = Path(__file__).parents[3]
WINDOW = """
from viewer.window.window import WindowUnavailable, run_window
def make_client():
    raise AssertionError("nothing may be started without a window")
if __name__ == "__main__":
    try:
        run_window(make_client)
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
    render_fit_video(fakes.make_session(), Path(sys.argv[1]))
except WindowUnavailable as error:
    print(error)
"""


SIZES = """
import json
import polyscope as ps
import polyscope.imgui as psim
from tests.viewer import fakes
from viewer.ui.ui_state import UiState
from viewer.window import backends, window
from viewer.window.app import App
from viewer.worker.local_client import LocalClient
window.start_polyscope("openGL3_glfw", size=(2560, 1440))
app, sizes = App(lambda: LocalClient(fakes.make_session), UiState()), []
def frame():
    app.frame()
    sizes.append(psim.GetFontSize())
ps.set_user_callback(frame)
found = []
for scale in (1.0, 2.0, 1.0):
    app.ui.scale = scale
    for _ in range(4):
        ps.frame_tick()
    found.append(sizes[-1])
print(json.dumps({"sizes": found, "screen": backends.screen_size()}))
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


def test_wayland_without_xwayland_is_named(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert "no XWayland" in backends.window_problem()


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_windows_and_macos_are_asked_for_no_x_server_and_no_egl(monkeypatch, platform):
    monkeypatch.setattr(backends.sys, "platform", platform)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(backends.ctypes, "CDLL", None)  # no library is loaded
    assert backends.window_problem() is None
    assert "on Linux only" in backends.offscreen_problem()


@pytest.fixture(scope="module")
def displays() -> Iterator[dict[str, str]]:
    """An X server with GLX, and one without."""
    screen = "-screen", "0", "640x480x24"
    with xserver(*screen, "+iglx") as glx, xserver(*screen, "-extension", "GLX") as bare:
        yield {"glx": glx, "bare": bare}


@pytest.mark.parametrize(
    ("server", "environment", "message"),
    [
        ("bare", {}, "has no GLX"),
        ("glx", {"LIBGL_ALWAYS_INDIRECT": "1"}, "only indirect OpenGL"),
        ("glx", {"MESA_GL_VERSION_OVERRIDE": "2.1"}, "has OpenGL 2.1"),
        ("glx", {"MESA_GL_VERSION_OVERRIDE": "3.2"}, "has OpenGL 3.2"),
    ],
)
def test_a_display_without_opengl_3_3_is_told_and_does_not_crash(displays, server, environment, message):
    end = run(WINDOW, DISPLAY=displays[server], **environment)
    assert (end.returncode, end.stderr) == (0, "")
    assert message in end.stdout and displays[server] in end.stdout


def test_a_display_that_has_opengl_3_3_is_taken(displays, monkeypatch):
    monkeypatch.setenv("DISPLAY", displays["glx"])
    assert backends.window_problem() is None


def test_texts_follow_the_size_in_a_real_window_too(displays):
    """They kept their 15 pixels there, while off-screen they followed."""
    end = run(SIZES, DISPLAY=displays["glx"])
    assert end.returncode == 0, end.stderr
    assert json.loads(end.stdout) == {"sizes": [15.0, 30.0, 15.0], "screen": [640, 480]}


def test_a_fit_goes_on_without_its_window(displays, tmp_path):
    words = ["--num-iters", "1", "1", "1", "--lbfgs-max-iter", "1", "--no-video", "--no-record", "--out", str(tmp_path)]
    end = subprocess.run(
        [sys.executable, str(ROOT / "run_viewer.py"), *words],
        cwd=tmp_path,
        env={**os.environ, "DISPLAY": displays["bare"]},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert end.returncode == 0, end.stderr
    assert "has no GLX, which OpenGL needs: running without a window" in end.stderr and "serve --fit" in end.stderr
    assert "results:" in end.stdout


def test_a_display_that_is_slow_to_answer_is_asked_again(monkeypatch):
    monkeypatch.setattr(backends, "_PAUSE", 0.0)
    answers = [(glx_probe.NO_ANSWER, "did not answer"), (-11, "crashed"), (0, "")]
    monkeypatch.setattr(backends, "_probe", lambda display: answers.pop(0))
    assert backends._display_problem(":slow") is None and not answers
    answers = [(glx_probe.REFUSED, "no OpenGL 3.3"), (0, "")]
    assert backends._display_problem(":old") == "no OpenGL 3.3" and len(answers) == 1  # it has answered
    answers = [(glx_probe.NO_ANSWER, str(n)) for n in range(9)]
    assert backends._display_problem(":dead") is not None and len(answers) == 9 - backends._ATTEMPTS


def test_a_probe_that_hangs_or_crashes_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(backends, "_PROBE_SECONDS", 0.5)
    monkeypatch.setattr(backends, "__file__", str(tmp_path / "backends.py"))
    (tmp_path / "glx_probe.py").write_text("import time; time.sleep(60)")
    assert backends._probe(":1") == (glx_probe.NO_ANSWER, "DISPLAY=:1 did not answer within 0.5 s")
    (tmp_path / "glx_probe.py").write_text("import os; os.kill(os.getpid(), 11)")
    monkeypatch.setattr(backends, "_PROBE_SECONDS", 20.0)
    assert "ended with signal 11" in backends._probe(":1")[1]


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


VANISHED = """
import sys
from viewer.window import window
window._PROBLEMS["openGL3_glfw"] = lambda: None  # the display answered a moment ago
try:
    window.start_polyscope("openGL3_glfw")
except window.WindowUnavailable as error:
    print(error, flush=True)
if sys.argv[1] == "goes on":
    window.start_polyscope("openGL3_egl")
sys.exit(7)
"""


@pytest.mark.parametrize("then", ["ends", "goes on"])
def test_a_display_that_vanishes_is_a_sentence_and_no_crash(then):
    if then == "goes on" and (problem := backends.offscreen_problem()) is not None:
        pytest.skip(problem)
    done = run(VANISHED, then, DISPLAY=":77")
    assert (done.returncode, done.stdout) == (7, "the display is gone (Failed to initialize glfw)\n"), done.stderr


def test_a_missing_library_is_named(monkeypatch):
    """libX11 for Polyscope, libGL for OpenCV: without them neither can be imported."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(WindowUnavailable, match="a library of the system is missing .*cv2.*README"):
        require("openGL_mock")
