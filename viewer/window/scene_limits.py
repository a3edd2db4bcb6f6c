"""Keeps the processor from drawing the scene where panels lie over it; a graphics card would not notice.

Polyscope draws the scene over the whole window. OpenGL's scissor leaves out what is outside of a rectangle, and the
colour of the background is put there instead, so that the space between panels looks as before.
"""

from __future__ import annotations

import ctypes

from viewer.film.capture import CaptureError, opengl
from viewer.ui import theme
from viewer.ui.drawing import ps
from viewer.ui.layout import Rect

_SCISSOR_TEST, _DRAW_FRAMEBUFFER, _COLOR_BUFFER = 0x0C11, 0x8CA9, 0x4000


def limit_scene(free: Rect | None, size: tuple[int, int]) -> bool:
    """Draw the scene of this frame only inside a part of the window; call it before the frame is drawn, or in
    Polyscope's callback.

    Args:
        free: The part that no panel covers; None: the whole window.
        size: Width and height of the window, in the unit of ``free``.

    Returns:
        Whether there is an OpenGL that can be told.
    """
    try:
        gl = opengl()
    except CaptureError:
        return False
    if free is None:
        gl.glDisable(_SCISSOR_TEST)
        return True
    pixels, height = ps.get_buffer_size()[0] / max(size[0], 1), size[1]
    left, right = int(free.x * pixels), int((free.x + free.width) * pixels)
    bottom, top = int((height - free.y - free.height) * pixels), int((height - free.y) * pixels)
    gl.glDisable(_SCISSOR_TEST)
    gl.glBindFramebuffer(_DRAW_FRAMEBUFFER, 0)  # the window's; Polyscope binds what it needs before it draws
    gl.glClearColor(*(ctypes.c_float(channel) for channel in (*theme.BACKGROUND, 1.0)))
    gl.glClear(_COLOR_BUFFER)
    gl.glEnable(_SCISSOR_TEST)
    gl.glScissor(left, bottom, right - left, top - bottom)
    return True
