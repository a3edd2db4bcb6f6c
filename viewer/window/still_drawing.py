"""Draws one still picture off-screen; the body of a process of its own."""

from __future__ import annotations

from collections import deque
from multiprocessing.connection import Connection

import numpy as np

from optim.common.errors import InputError
from optim.common.writing import replacing
from viewer.film.capture import CaptureError, grab
from viewer.protocol.commands import Command
from viewer.protocol.messages import Message
from viewer.ui.drawing import cv2, ps
from viewer.window.app import App
from viewer.window.still import Still
from viewer.window.window import WindowUnavailable, start_polyscope

SETTLE_FRAMES = 4
"""Frames until ImGui has found the sizes of its windows."""


class StillClient:
    """A ``viewer.window.client.Client`` that shows one view and obeys nothing."""

    alive, recorded, obituary = True, False, ""

    def __init__(self, still: Still) -> None:
        self._messages: deque[Message] = deque(still.messages)

    def post(self, command: Command) -> None:
        """Nothing is changed."""

    def poll(self) -> list[Message]:
        """The view, once."""
        messages = list(self._messages)
        self._messages.clear()
        return messages

    def close(self) -> None:
        """There is nothing to close."""


def draw_still(still: Still, answer: Connection) -> None:
    """Write the picture; send an error as a text, or an empty text when it is written."""
    try:
        image = drawn(still)
        with replacing(still.path) as beside:
            if not cv2.imwrite(str(beside), image[:, :, ::-1]):
                raise OSError("the file cannot be written")
    except (WindowUnavailable, CaptureError, InputError, OSError, RuntimeError, MemoryError) as error:
        answer.send(str(error) or type(error).__name__)
    else:
        answer.send("")


def drawn(still: Still) -> np.ndarray:
    """The picture, RGB uint8 (height, width, 3)."""
    start_polyscope("openGL3_egl", size=still.size)
    app = App(lambda: StillClient(still), still.ui)
    ps.set_user_callback(app.frame)
    app.receive()
    app.ui.camera_request = None
    for _ in range(SETTLE_FRAMES):
        app.viewpoint.back_to(still.matrix, still.fov_degrees, still.projection)
        ps.frame_tick()
    return grab()
