"""Takes pictures of the window, as the user sees it, from the window's own buffer."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from functools import lru_cache

import numpy as np

from viewer.ui.drawing import cv2, ps

_RENDERER = 0x1F01
_READ_FRAMEBUFFER, _RGBA, _PACK_ALIGNMENT = 0x8CA8, 0x1908, 0x0D05
_UNSIGNED_BYTE, _FLOAT = 0x1401, 0x1406
_GLX_WIDTH, _GLX_HEIGHT = 0x801D, 0x801E


class CaptureError(RuntimeError):
    """The window's picture cannot be read here; the message says why."""


class WindowResizing(CaptureError):  # noqa: N818 (a state of affairs, not a fault)
    """The window is being resized, so that its buffer does not hold the frame that was just drawn."""


def grab() -> np.ndarray:
    """What the window shows, RGB uint8 (height, width, 3), top row first; call it after a frame has been drawn.

    Raises:
        WindowResizing: This picture is lost; call it again after a frame in which the size stayed the same.
        CaptureError: The window draws nothing that could be read.
    """
    if "mock" in ps.get_render_engine_backend_name().lower():
        raise CaptureError("this window draws nothing (mock backend); open it with OpenGL to film it")
    gl = opengl()
    width, height = ps.get_buffer_size()
    if not ps.is_headless():  # without a window Polyscope leaves its own buffer bound after a frame
        gl.glBindFramebuffer(_READ_FRAMEBUFFER, 0)
    gl.glPixelStorei(_PACK_ALIGNMENT, 1)
    _read(gl, 1, 1)  # Mesa learns of a new size of the window here; a larger first read would leave the old buffer
    if not ps.is_headless() and _window_size(gl) not in (None, (width, height)):
        raise WindowResizing("the window was resized while its picture was taken")
    pixels = _read(gl, width, height)
    if not ps.is_headless() and _window_size(gl) not in (None, (width, height)):
        raise WindowResizing("the window was resized while its picture was read")
    return cv2.flip(cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB), 0)  # NumPy takes ten times as long to copy this


def _read(gl: ctypes.CDLL, width: int, height: int) -> np.ndarray:
    """The lower left corner of the window, RGBA uint8 (height, width, 4), bottom row first."""
    kind, code = (np.float32, _FLOAT) if ps.is_headless() else (np.uint8, _UNSIGNED_BYTE)  # as the buffer is
    pixels = np.empty((height, width, 4), kind)
    gl.glReadPixels(0, 0, width, height, _RGBA, code, pixels.ctypes.data_as(ctypes.c_void_p))
    return pixels if kind is np.uint8 else cv2.convertScaleAbs(pixels, alpha=255.0)


def _window_size(gl: ctypes.CDLL) -> tuple[int, int] | None:
    """Width and height that the X server has for the window now; None without GLX."""
    if not hasattr(gl, "glXGetCurrentDrawable"):
        return None
    gl.glXGetCurrentDisplay.restype = ctypes.c_void_p
    gl.glXGetCurrentDrawable.restype = ctypes.c_ulong
    display, drawable = gl.glXGetCurrentDisplay(), gl.glXGetCurrentDrawable()
    if not display or not drawable:
        return None
    found = []
    for attribute in (_GLX_WIDTH, _GLX_HEIGHT):
        value = ctypes.c_uint(0)
        gl.glXQueryDrawable(ctypes.c_void_p(display), ctypes.c_ulong(drawable), attribute, ctypes.byref(value))
        found.append(value.value)
    return found[0], found[1]


def drawn_by_processor() -> bool:
    """Whether the processor draws the window, according to OpenGL's name of the renderer."""
    try:
        gl = opengl()
    except CaptureError:
        return False
    gl.glGetString.restype = ctypes.c_char_p
    name = (gl.glGetString(_RENDERER) or b"").decode("latin-1").lower()
    return any(software in name for software in ("llvmpipe", "softpipe", "swiftshader"))


@lru_cache
def opengl() -> ctypes.CDLL:
    """The OpenGL library that the window uses."""
    names = {"win32": "opengl32", "darwin": "OpenGL"}
    name = names.get(sys.platform, "GL")
    found = ctypes.util.find_library(name) or f"lib{name}.so.1"
    try:
        return ctypes.CDLL(found)
    except OSError as error:
        raise CaptureError(f"OpenGL cannot be reached ({error})") from error
