"""Shows that the window is being filmed: a red dot and the length filmed, in a corner of the window but in no film.

The dot lies in a small X window inside the program's own. The X server draws it over what OpenGL draws, so that it is
on the screen, whatever the program shows, and never in the pixels that a film is made from. Without X there is
none, and ``Badge.show`` says so; ``viewer.film.sign`` then takes the title of the window.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from viewer.ui.drawing import cv2

SIZE = (104, 26)
"""Width and height [px] where texts have their ordinary size."""
_RED, _WHITE, _GROUND = (0.92, 0.16, 0.14), (0.95, 0.95, 0.97), (0.09, 0.10, 0.12)
_CARDINAL, _Z_PIXMAP, _DEEPEST = 6, 2, 4
_ERROR_HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


@_ERROR_HANDLER
def _ignore(display: int, error: int) -> int:
    """Ignore an error of X: the program's window may just have been closed, and then nothing is lost."""
    return 0


class Badge:
    """The sign of one window; ``show`` brings it up or changes its text, ``hide`` takes it away."""

    def __init__(self) -> None:
        self._x: Any = None
        self._display = ctypes.c_void_p()
        self._window = 0
        self._shown: tuple[str, float] | None = None  # text and scale
        self._impossible = False

    def show(self, text: str, *, scale: float = 1.0) -> bool:
        """Show the dot and a text in the middle of the window's upper edge; False where there is no X.

        Args:
            scale: Of texts and widgets.
        """
        if self._impossible or self._shown == (text, scale):
            return not self._impossible
        if self._shown is not None and self._shown[1] != scale:
            self.hide()
        width, height = (round(length * scale) for length in SIZE)
        if not self._window and not self._open(width, height):
            self._impossible = True
            return False
        with self._tolerant():
            self._put(badge(text, width, height))
        self._shown = text, scale
        return True

    def hide(self) -> None:
        """Take it away."""
        if self._window:
            with self._tolerant():
                self._x.XDestroyWindow(self._display, ctypes.c_ulong(self._window))
        if self._display:
            self._x.XCloseDisplay(self._display)
        self._display, self._window, self._shown, self._impossible = ctypes.c_void_p(), 0, None, False

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        """Errors of X that come from what is asked here do not end the program."""
        before = self._x.XSetErrorHandler(_ignore)
        try:
            yield
            self._x.XSync(self._display, 0)
        finally:
            self._x.XSetErrorHandler(ctypes.cast(before, _ERROR_HANDLER) if before else _ERROR_HANDLER())

    def _open(self, width: int, height: int) -> bool:
        """Make the small window inside the program's own; False where that cannot be found."""
        if not os.environ.get("DISPLAY"):
            return False
        try:
            x = self._x = _xlib()
        except OSError:
            return False
        self._display = ctypes.c_void_p(x.XOpenDisplay(None))
        if not self._display:
            return False
        with self._tolerant():
            self._window = self._inside(_own_window(x, self._display), width, height)
        if not self._window:
            self.hide()
        return bool(self._window)

    def _inside(self, parent: ctypes.c_ulong | None, width: int, height: int) -> int:
        """The small window inside another one; 0 without that."""
        if parent is None:
            return 0
        x = self._x
        root, size = ctypes.c_ulong(), [ctypes.c_uint() for _ in range(4)]
        place = ctypes.c_int(), ctypes.c_int()
        x.XGetGeometry(self._display, parent, ctypes.byref(root), *map(ctypes.byref, (*place, *size)))
        left = max((int(size[0].value) - width) // 2, 0)
        window = int(x.XCreateSimpleWindow(self._display, parent, left, 4, width, height, 0, 0, 0))
        x.XMapWindow(self._display, ctypes.c_ulong(window))
        return window

    def _put(self, picture: np.ndarray) -> None:
        """Draw a picture (H, W, 4), in the order blue, green, red, into the small window."""
        x, display, height, width = self._x, self._display, *picture.shape[:2]
        screen = x.XDefaultScreen(display)
        pixels = np.ascontiguousarray(picture)
        image = x.XCreateImage(
            display, ctypes.c_void_p(x.XDefaultVisual(display, screen)), x.XDefaultDepth(display, screen), _Z_PIXMAP, 0,
            pixels.ctypes.data_as(ctypes.c_void_p), width, height, 32, 0,
        )  # fmt: skip
        if image:
            context = ctypes.c_void_p(x.XDefaultGC(display, screen))
            image = ctypes.c_void_p(image)
            x.XPutImage(display, ctypes.c_ulong(self._window), context, image, 0, 0, 0, 0, width, height)
            x.XFree(image)  # the pixels are NumPy's


def badge(text: str, width: int, height: int) -> np.ndarray:
    """The picture (H, W, 4) of the sign, in the order blue, green, red: a red dot and a text beside it."""
    picture = np.zeros((height, width, 4), np.uint8)
    picture[..., :3] = _bytes(_GROUND)
    middle, radius = (height // 2, height // 2), max(height // 4, 2)
    cv2.circle(picture, middle, radius, (*_bytes(_RED), 255), -1, cv2.LINE_AA)
    size = 0.019 * height
    (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    size *= min(1.0, (width - 1.2 * height) / max(wide, 1))
    place = height, (height + tall) // 2
    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (*_bytes(_WHITE), 255), 1, cv2.LINE_AA)
    return picture


def _bytes(color: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * channel) for channel in color)
    return blue, green, red


def _xlib() -> Any:
    x = ctypes.CDLL("libX11.so.6")
    for name in ("XOpenDisplay", "XCreateImage", "XDefaultVisual", "XDefaultGC", "XSetErrorHandler"):
        getattr(x, name).restype = ctypes.c_void_p
    for name in ("XInternAtom", "XDefaultRootWindow", "XCreateSimpleWindow"):
        getattr(x, name).restype = ctypes.c_ulong
    return x


def _own_window(x: Any, display: ctypes.c_void_p) -> ctypes.c_ulong | None:
    """The window of this process on the display, by the process id that it names; None if there is none."""
    attribute = x.XInternAtom(display, b"_NET_WM_PID", 0)
    level = [ctypes.c_ulong(x.XDefaultRootWindow(display))]
    for _ in range(_DEEPEST):  # window managers put frames around windows
        below: list[ctypes.c_ulong] = []
        for window in level:
            if _number(x, display, window, attribute) == os.getpid():
                return window
            below += _children(x, display, window)
        level = below
    return None


def _children(x: Any, display: ctypes.c_void_p, window: ctypes.c_ulong) -> list[ctypes.c_ulong]:
    root, parent, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
    found = ctypes.POINTER(ctypes.c_ulong)()
    told = map(ctypes.byref, (root, parent, found, count))
    if not x.XQueryTree(display, window, *told) or not found:
        return []
    children = [ctypes.c_ulong(found[index]) for index in range(count.value)]
    x.XFree(found)
    return children


def _number(x: Any, display: ctypes.c_void_p, window: ctypes.c_ulong, attribute: int) -> int | None:
    """Value of a property that is one number; None if the window does not have it."""
    kind, form, count, left = ctypes.c_ulong(), ctypes.c_int(), ctypes.c_ulong(), ctypes.c_ulong()
    value = ctypes.POINTER(ctypes.c_ulong)()
    told = map(ctypes.byref, (kind, form, count, left, value))
    x.XGetWindowProperty(
        display, window, ctypes.c_ulong(attribute), ctypes.c_long(0), ctypes.c_long(1), 0, ctypes.c_ulong(_CARDINAL),
        *told,
    )  # fmt: skip
    if not value:
        return None
    number = int(value[0]) if count.value else None
    x.XFree(value)
    return number
