"""Shows outside of the film that the window is being filmed: a red dot on X11, elsewhere the title of the window.

Where neither can be shown, ``Sign.show`` says so, and the studio tells the user in a sentence.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

from viewer.film.badge import Badge

TITLE = "humorscope"
"""The title of a window that is not filmed."""
NO_SIGN = (
    "Nothing outside of the film shows that the window is filmed: a red dot needs X11, and the title of this window"
    " cannot be set."
)
HOW_TO_STOP = "F9 ends the film; the tab Film has its length where panels are shown."


class Title:
    """The title of the window in the frame that the desktop draws, which is in no film."""

    def __init__(self) -> None:
        self._glfw: Any = None

    def show(self, text: str) -> bool:
        """Set the title; False where the window is not GLFW's, or Polyscope's library does not offer the functions."""
        try:
            glfw = self._glfw or ctypes.CDLL(sys.modules["polyscope_bindings"].__file__)
            glfw.glfwGetCurrentContext.restype = ctypes.c_void_p
            set_title = glfw.glfwSetWindowTitle
        except (OSError, AttributeError, KeyError):
            return False
        window = glfw.glfwGetCurrentContext()
        if not window:
            return False
        self._glfw = glfw
        set_title(ctypes.c_void_p(window), text.encode())
        return True


class Sign:
    """The sign of one window; ``show`` brings it up or changes its text, ``hide`` takes it away."""

    def __init__(self) -> None:
        self._badge, self._title = Badge(), Title()
        self._titled: str | None = None

    def show(self, text: str, *, scale: float = 1.0) -> bool:
        """Show the length filmed; False where no sign of it can be shown.

        Args:
            scale: Of texts and widgets.
        """
        if self._badge.show(text, scale=scale):
            return True
        title = f"● {text} – {TITLE}"
        if self._titled != title:
            if not self._title.show(title):
                return False
            self._titled = title
        return True

    def hide(self) -> None:
        """Take it away."""
        self._badge.hide()
        if self._titled is not None:
            self._title.show(TITLE)
        self._titled = None
