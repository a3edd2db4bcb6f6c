"""A real window on a real X server (Xvfb), driven by xdotool: what a user's first minute looks like, and its end."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest

from tests.viewer.xserver import xserver

ROOT = Path(__file__).parents[3]
PATIENCE = 120.0
PROGRAM = """
import json, os, sys
from functools import partial
from tests.viewer.uidriver import UiDriver
from viewer.window import app
from viewer.window import window
from viewer.window.client import ProcessClient

driver = UiDriver()
draw = app.App.frame

def make_session(name):  # in the worker: the window's process has no torch
    from tests.viewer import conftest, fakes
    return getattr(fakes, name, conftest.fit)()

def frame(self):
    driver.frame += 1
    draw(self)
    view = self.view
    state = {"frames": driver.frame, "widgets": {k: v[:4] for k, v in driver.widgets.items()}}
    if view is not None:
        state |= {"state": view.status.state, "iterations": view.status.total_iterations, "clip": self.ui.frame,
                  "held": sorted(view.held), "weight": float(view.weights[view.status.phase, 0]),
                  "stage": view.phases[view.status.phase].stage, "drift": view.drift is not None,
                  "branches": len(view.history.branches), "current": view.current, "shown": view.shown,
                  "recording": self.ui.filming.active, "pictures": self.ui.filming.frames,
                  "notes": [note.text for note in self.ui.notes]}
    with open(sys.argv[1] + ".new", "w") as file:
        json.dump(state, file)
    os.replace(sys.argv[1] + ".new", sys.argv[1])

if __name__ == "__main__":
    driver.install()
    app.App.frame = frame
    result = window.run_window(partial(ProcessClient, partial(make_session, sys.argv[2])))
    assert "torch" not in sys.modules
    print(result.error)
    sys.exit(result.exit_status)
"""


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    if shutil.which("xdotool") is None:
        pytest.skip("not installed: xdotool")
    with xserver("-screen", "0", "1920x1200x24") as name:
        yield name


class RealWindow:
    """The program on its display, and a hand on mouse and keyboard."""

    def __init__(self, display: str, folder: Path, session: str) -> None:
        script, self.log = folder / "program.py", folder / "state.json"
        script.write_text(PROGRAM)
        self.environment = dict(
            os.environ,
            DISPLAY=display,
            PYTHONPATH=str(ROOT),
            XDG_CONFIG_HOME=str(folder / "config"),
            XDG_VIDEOS_DIR=str(folder / "videos"),
        )
        self.folder, self.display = folder, display
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(self.log), session],
            env=self.environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def state(self) -> dict:
        try:
            return json.loads(self.log.read_text())
        except FileNotFoundError:
            return {}

    def wait(self, condition: Callable[[dict], object]) -> dict:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            state = self.state()
            if state and condition(state):
                return state
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.03)
        raise AssertionError(f"still not so: { {k: v for k, v in self.state().items() if k != 'widgets'} }")

    def xdotool(self, *arguments: object) -> str:
        command = ["xdotool", *map(str, arguments)]
        run = subprocess.run(command, env=self.environment, check=True, capture_output=True, text=True, timeout=20)
        return run.stdout

    def window(self) -> str:
        return self.xdotool("search", "--sync", "--onlyvisible", "--name", "^humorscope$").split()[0]

    def point(self, name: str, share: float = 0.5) -> None:
        x0, y0, x1, y1 = self.wait(lambda s: name in s["widgets"])["widgets"][name]
        self.xdotool("mousemove", "--window", self.window(), int(x0 + share * (x1 - x0)), int((y0 + y1) / 2))
        self.pause()

    def click(self, name: str, share: float = 0.5) -> None:
        self.point(name, share)
        self.press()
        self.let_go()

    def press(self) -> None:
        self.xdotool("mousedown", 1)
        self.pause()

    def let_go(self) -> None:
        self.xdotool("mouseup", 1)
        self.pause()

    def pause(self) -> None:
        """Until the window has drawn what was done to it."""
        drawn = self.state()["frames"]
        self.wait(lambda s: s["frames"] > drawn + 2)

    def close_button(self) -> None:
        """What a window manager's close button sends."""
        close_window(self.display, int(self.window()))


def close_window(display: str, window: int) -> None:
    """Send WM_DELETE_WINDOW through Xlib."""

    class ClientMessage(ctypes.Structure):
        _fields_ = [
            ("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
            ("display", ctypes.c_void_p), ("window", ctypes.c_ulong), ("message_type", ctypes.c_ulong),
            ("format", ctypes.c_int), ("data", ctypes.c_long * 5), ("padding", ctypes.c_long * 24),
        ]  # fmt: skip

    x = ctypes.CDLL("libX11.so.6")
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XInternAtom.restype = ctypes.c_ulong
    connection = ctypes.c_void_p(x.XOpenDisplay(display.encode()))
    atoms = [x.XInternAtom(connection, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")]
    data = (ctypes.c_long * 5)(atoms[1], 0, 0, 0, 0)
    event = ClientMessage(type=33, window=window, message_type=atoms[0], format=32, data=data)
    x.XSendEvent(connection, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(event))
    x.XSync(connection, 0)
    x.XCloseDisplay(connection)


@pytest.fixture
def open_real(display: str, tmp_path: Path) -> Iterator[Callable[[str], RealWindow]]:
    opened: list[RealWindow] = []

    def start(session: str) -> RealWindow:
        opened.append(RealWindow(display, tmp_path, session))
        return opened[-1]

    yield start
    for window in opened:
        if window.process.poll() is None:
            window.process.kill()
            window.process.communicate()


@pytest.mark.slow
def test_a_first_minute(open_real):
    window = open_real("make_slow_session")
    window.wait(lambda s: s["frames"] >= 1)
    window.wait(lambda s: s.get("state") == "paused")
    window.click("Got it")
    window.click("Iteration")
    window.wait(lambda s: s["iterations"] == 1)
    window.click("joints3d/exact")
    window.xdotool("key", "ctrl+a")
    window.xdotool("type", "--delay", "60", "2.5")
    window.xdotool("key", "Return")
    window.wait(lambda s: s["weight"] == 2.5)
    window.click("x_0, the first frame", 0.05)
    window.wait(lambda s: s["held"] == ["x_0"])
    window.point("frame bar", 0.1)
    window.press()
    window.point("frame bar", 0.5)
    window.let_go()
    window.wait(lambda s: 4 <= s["clip"] <= 8)
    window.xdotool("key", "space")
    window.wait(lambda s: s["state"] == "running" and s["iterations"] > 3)
    window.xdotool("key", "space")
    window.wait(lambda s: s["state"] == "paused")
    window.close_button()
    out, errors = window.process.communicate(timeout=PATIENCE)
    assert (window.process.returncode, out.strip(), errors) == (0, "None", "")
    assert sorted(path.name for path in window.folder.iterdir()) == ["config", "program.py", "state.json"]


@pytest.mark.slow
def test_the_main_story(open_real):
    """Open, step, see the drift, raise a weight, freeze x_0, rewind, branch, record: on a real fit of a small body."""
    window = open_real("a real session")
    window.wait(lambda s: s.get("state") == "paused")
    window.click("Got it")
    for stage in (1, 2):
        window.click("Stage")
        window.wait(lambda s, stage=stage: s["state"] == "paused" and s["stage"] == stage and s["iterations"] > 0)
    window.click("Iteration")
    window.wait(lambda s: s["stage"] == 3 and s["drift"])
    window.click("Drift")
    window.wait(lambda s: "joints" in s["widgets"])  # the quantities of the drift panel
    before = window.state()["weight"]
    window.point("joints3d/slider", 0.5)
    window.press()
    window.point("joints3d/slider", 0.8)
    window.let_go()
    window.wait(lambda s: s["weight"] > before)
    window.click("x_0, the first frame", 0.05)
    window.wait(lambda s: s["held"] == ["x_0"])
    window.click("Iteration")
    edited = window.wait(lambda s: s["state"] == "paused" and s["branches"] == 1)
    window.point("iteration bar", 0.02)
    window.press()
    window.point("iteration bar", 0.2)
    window.let_go()
    window.wait(lambda s: s["shown"] != s["current"])
    window.click("Rewind here")
    window.wait(lambda s: s["current"] == s["shown"] < edited["current"])
    window.click("Iteration")
    window.wait(lambda s: s["branches"] == 2 and s["held"] == [])
    window.xdotool("key", "F9")
    window.wait(lambda s: s["recording"] and s["pictures"] >= 5)
    window.xdotool("key", "F9")
    window.wait(lambda s: not s["recording"])
    window.close_button()
    _, errors = window.process.communicate(timeout=PATIENCE)
    assert (window.process.returncode, errors) == (0, "")
    (video,) = (window.folder / "videos").glob("*.mp4")
    capture = cv2.VideoCapture(str(video))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) >= 5
    assert capture.read()[1].shape == (720, 1280, 3)


@pytest.mark.slow
def test_a_video_goes_on_while_the_window_is_resized(open_real):
    window = open_real("make_session")
    window.wait(lambda s: s.get("state") == "paused")
    window.xdotool("mousemove", "--window", window.window(), 640, 300)
    window.xdotool("key", "F9")
    window.wait(lambda s: s["recording"] and s["pictures"] >= 2)
    for number in range(24):  # faster than frames are drawn, so that some are read in the middle of it
        size = (1180, 680) if number % 2 else (1700, 1000)
        window.xdotool("windowsize", window.window(), *size)
        taken = window.state()["pictures"]
        if number % 6 == 5:
            window.wait(lambda s, taken=taken: s["pictures"] > taken + 1)
    window.xdotool("key", "F9")
    state = window.wait(lambda s: not s["recording"])
    assert any("The window was resized" in text for text in state["notes"])
    window.close_button()
    _, errors = window.process.communicate(timeout=PATIENCE)
    assert (window.process.returncode, errors) == (0, "")
    (video,) = (window.folder / "videos").glob("*.mp4")
    capture, pictures = cv2.VideoCapture(str(video)), []
    while (read := capture.read())[0]:
        pictures.append(read[1])
    assert len(pictures) == state["pictures"] >= 10
    assert {picture.shape for picture in pictures} == {(720, 1280, 3)}
    assert min(picture.std() for picture in pictures) > 10  # panels and the scene are in each of them


def test_bad_input_closes_the_window_with_its_reason(open_real):
    window = open_real("refuse")
    out, errors = window.process.communicate(timeout=PATIENCE)
    assert window.process.returncode == 2
    assert out.strip() == "clip.npz: no array 'trans'; an AMASS file is expected"
    assert "Traceback" not in errors
