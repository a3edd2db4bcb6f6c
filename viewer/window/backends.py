"""Finds out whether a window or an off-screen picture is possible here, without Polyscope.

If Polyscope fails to initialise, the process crashes at its end. It is therefore started only after these checks.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from viewer.window import glx_probe

_EGL_PLATFORM_DEVICE = 0x313F
_MOST_DEVICES = 16
_ATTEMPTS, _PAUSE, _PROBE_SECONDS = 3, 1.0, 20.0  # at asking a display; pause and patience in seconds
_PACKAGES = "install libegl1 libgl1-mesa-dri libgl1 libx11-6"
WITHOUT_X = ("win32", "darwin")
"""Platforms whose windows need neither X11 nor EGL: Windows and macOS."""


def window_problem() -> str | None:
    """Why no window can be opened; None if one can."""
    if sys.platform in WITHOUT_X:
        return None
    if display := os.environ.get("DISPLAY"):
        return _display_problem(display)
    if os.environ.get("WAYLAND_DISPLAY"):
        return "this Wayland session has no XWayland, which the window needs (DISPLAY is not set); install xwayland"
    return "there is no display (DISPLAY is not set)"


@cache
def _display_problem(display: str) -> str | None:
    """Why no window can be opened on a display; checked once in the life of the program.

    A display that does not answer in time is asked again, since it may only be busy.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE)
        status, text = _probe(display)
        if status in (0, glx_probe.REFUSED):
            break
    return None if status == 0 else text


def _probe(display: str) -> tuple[int, str]:
    """Exit status and text of ``glx_probe``, in a process of its own since drivers crash where they should refuse."""
    command = [sys.executable, "-I", str(Path(__file__).with_name("glx_probe.py"))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return glx_probe.NO_ANSWER, f"DISPLAY={display} did not answer within {_PROBE_SECONDS:g} s"
    if done.returncode in (0, glx_probe.REFUSED, glx_probe.NO_ANSWER):
        return done.returncode, done.stdout.strip()
    how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
    return done.returncode, f"asking DISPLAY={display} for OpenGL 3.3 ended with {how}: its driver is broken"


def offscreen_problem() -> str | None:
    """Why nothing can be drawn off-screen through EGL; None if it can."""
    if sys.platform in WITHOUT_X:
        return "drawing without a window needs EGL, which Polyscope uses on Linux only"
    try:
        ctypes.CDLL("libGL.so.1")
        egl = ctypes.CDLL("libEGL.so.1")
    except OSError as error:
        return f"{error}; {_PACKAGES}"
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    addresses = [egl.eglGetProcAddress(name) for name in (b"eglQueryDevicesEXT", b"eglGetPlatformDisplayEXT")]
    if not all(addresses):
        return f"EGL cannot list its devices; {_PACKAGES}"
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(addresses[0])
    display_of = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p)(addresses[1])
    devices, count = (ctypes.c_void_p * _MOST_DEVICES)(), ctypes.c_int(0)
    if not query(_MOST_DEVICES, devices, ctypes.byref(count)) or count.value == 0:
        return f"EGL finds no device; {_PACKAGES}"
    for device in devices[: count.value]:
        display = display_of(_EGL_PLATFORM_DEVICE, device, None)
        if display and egl.eglInitialize(ctypes.c_void_p(display), None, None):
            return None
    return f"EGL cannot use any of its {count.value} devices; {_PACKAGES}"


def desktop_scale() -> float:
    """The desktop's factor for the size of texts, relative to 96 dpi: 1 to 4, and 1 if it does not say."""
    for name in ("GDK_SCALE", "QT_SCALE_FACTOR"):
        try:
            return min(max(float(os.environ[name]), 1.0), 4.0)
        except (KeyError, ValueError):
            continue
    for line in _x_resources().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "Xft.dpi":
            try:
                return min(max(round(float(value) / 96.0 * 4) / 4, 1.0), 4.0)
            except ValueError:
                break
    return 1.0


def screen_size() -> tuple[int, int] | None:
    """Width and height of the display [px]; None where there is none."""
    with _opened_display() as (x, display):
        if display is None:
            return None
        screen = x.XDefaultScreen(display)
        return int(x.XDisplayWidth(display, screen)), int(x.XDisplayHeight(display, screen))


def _x_resources() -> str:
    """The desktop's settings as the X server has them; empty without an X server."""
    with _opened_display() as (x, display):
        text = None if display is None else x.XResourceManagerString(display)
        return (text or b"").decode("latin-1")


@contextmanager
def _opened_display() -> Iterator[tuple[Any, ctypes.c_void_p | None]]:
    """Xlib and a connection to $DISPLAY; None where there is none."""
    try:
        x = ctypes.CDLL("libX11.so.6")
    except OSError:
        yield None, None
        return
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XResourceManagerString.restype = ctypes.c_char_p
    display = ctypes.c_void_p(x.XOpenDisplay(None) if os.environ.get("DISPLAY") else None)
    try:
        yield x, display if display else None
    finally:
        if display:
            x.XCloseDisplay(display)
