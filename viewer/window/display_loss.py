"""Ends the window's process in order when its X display vanishes: Xlib by itself ends it at once, without a word.

Xlib calls a handler when the connection to the display breaks, and ends the process if that returns. So the handler has
everything that must be kept closed, and ends the process itself. Without X there is nothing to install.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from typing import Any

DISPLAY_LOST = 1
"""Exit status of the process whose display has vanished."""
_HANDLER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_kept: list[Any] = []  # handlers that Xlib may still call


def end_in_order(act: Callable[[], None]) -> bool:
    """Have something done when the X display vanishes, after which the process ends with ``DISPLAY_LOST``.

    Args:
        act: What to do; it must not use the display. It is called once, on the thread that uses the display, within
            whatever this was doing.

    Returns:
        Whether the system has Xlib; without it nothing has to be done.
    """
    try:
        x = ctypes.CDLL("libX11.so.6")
    except OSError:
        return False
    begun = False

    @_HANDLER
    def lost(display: int) -> int:
        nonlocal begun
        if not begun:  # what is done may come upon the broken display again
            begun = True
            try:
                act()
            except BaseException as error:  # whatever it is, nobody is left who could catch it
                sys.stderr.write(f"error: {error!r}\n")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(DISPLAY_LOST)

    _kept.append(lost)
    x.XSetIOErrorHandler.restype = ctypes.c_void_p
    x.XSetIOErrorHandler(lost)
    return True
