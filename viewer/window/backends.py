"""Whether a window or an off-screen picture can be had here, found out without Polyscope.

A Polyscope that fails to initialise makes the process crash at its end, so it is only asked once these agree.
"""

from __future__ import annotations

import ctypes
import os

_EGL_PLATFORM_DEVICE = 0x313F
_MOST_DEVICES = 16
_PACKAGES = "install libegl1 libgl1-mesa-dri libgl1 libx11-6"


def window_problem() -> str | None:
    """Why no window can be opened; None if one can."""
    name = os.environ.get("DISPLAY")
    if not name:
        return "there is no display (DISPLAY is not set)"
    try:
        x = ctypes.CDLL("libX11.so.6")
    except OSError as error:
        return f"{error}; install libx11-6"
    x.XOpenDisplay.restype = ctypes.c_void_p
    display = x.XOpenDisplay(None)
    if not display:
        return f"no X server answers at DISPLAY={name}"
    x.XCloseDisplay(ctypes.c_void_p(display))
    return None


def offscreen_problem() -> str | None:
    """Why nothing can be drawn off-screen through EGL; None if it can."""
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
    """How much larger than at 96 dpi the desktop wants texts: 1 to 4, 1 where it does not say."""
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


def _x_resources() -> str:
    """What the desktop has told the X server of its settings; empty where there is none."""
    try:
        x = ctypes.CDLL("libX11.so.6")
    except OSError:
        return ""
    x.XOpenDisplay.restype = ctypes.c_void_p
    x.XResourceManagerString.restype = ctypes.c_char_p
    display = x.XOpenDisplay(None) if os.environ.get("DISPLAY") else None
    if not display:
        return ""
    text = x.XResourceManagerString(ctypes.c_void_p(display)) or b""
    x.XCloseDisplay(ctypes.c_void_p(display))
    return text.decode("latin-1")
