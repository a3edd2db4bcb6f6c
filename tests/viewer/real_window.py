"""The program in a real window on a real X server (Xvfb), driven by xdotool, and what its window says it shows."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0


class RealWindow:
    """The program on its display, and a hand on mouse and keyboard."""

    def __init__(self, display: str, folder: Path, session: str, **environment: str) -> None:
        self.log = folder / "state.json"
        self.environment = dict(
            os.environ,
            DISPLAY=display,
            PYTHONPATH=str(ROOT),
            XDG_CONFIG_HOME=str(folder / "config"),
            XDG_VIDEOS_DIR=str(folder / "videos"),
            **environment,
        )
        self.folder, self.display = folder, display
        self._wishes = 0
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.viewer.real_program", str(self.log), session],
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

    def select_all(self) -> None:
        """Ctrl+A in a text field. Ctrl stays down until ImGui has seen the other key, since frames may be long here."""
        self.xdotool("keydown", "ctrl")
        self.pause()
        self.xdotool("key", "a")
        self.pause()
        self.xdotool("keyup", "ctrl")
        self.pause()

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

    def resize(self, width: int, height: int) -> None:
        """As by dragging its corner; until panels are drawn in the new size."""
        self.xdotool("windowsize", self.window(), width, height)
        self.wait(lambda s: s["size"] == [width, height])
        self.pause()

    def measure(self, tabs: dict[str, str]) -> list[str]:
        """What is cut, covered or broken with some panels in front.

        Args:
            tabs: Place in the window → name of its panel.
        """
        width, height = self.state()["size"]
        self.xdotool("mousemove", "--window", self.window(), width // 2, height // 3)  # away from what has a tooltip
        self._wishes += 1
        wish = {"number": self._wishes, "tabs": tabs}
        new = self.log.with_suffix(".wished")
        new.write_text(json.dumps(wish))
        os.replace(new, self.log.with_suffix(".wish"))
        measured = self.wait(lambda s: s["measured"].get("wish") == wish)["measured"]
        return [*measured["found"], *(f"{name}: {error}" for name, error in measured["broken"].items())]

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
