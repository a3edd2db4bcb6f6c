"""Reads the pictures of a video when they are needed, in a thread of its own; the latest ones are kept as JPEG.

Drawing never waits for it. This module knows no window.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import threading
from collections import OrderedDict
from contextlib import closing

import numpy as np

from viewer.protocol.view_model import Footage

LONGEST_SIDE = 960  # px, of what is kept
RUN_FILE = ".humorscope"
MEMORY = 128 * 2**20  # bytes of JPEG
_JPEG_QUALITY = 88
PATIENCE = 5.0  # seconds
_AHEAD = 12  # frames read beyond the wanted one
_READ_ON = 60
"""A frame up to this many frames ahead is reached by reading on; any other frame by a jump in the file."""


class FilmError(RuntimeError):
    """The video cannot be read; the message says why and what to do."""


class Film:
    """Pictures by their number in the clip."""

    def __init__(self, footage: Footage) -> None:
        self.footage = footage
        self._kept: OrderedDict[int, bytes] = OrderedDict()  # by number in the file
        self._bytes = 0
        self._wanted: int | None = None
        self._error: str | None = None
        self._change = threading.Condition()
        self._decoded: tuple[int, np.ndarray] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._read, name="film", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # a thread that is ended inside OpenCV takes the process with it

    def look(self, frame: int) -> tuple[int, np.ndarray] | None:
        """Number in the file and picture (RGB uint8) of a frame of the clip.

        Until that frame has been read, the picture that was returned last is returned again.

        Raises:
            FilmError: The video cannot be read.
        """
        number = self.footage.frames[min(max(frame, 0), len(self.footage.frames) - 1)]
        with self._change:
            if self._error is not None:
                raise FilmError(self._error)
            self._wanted = number
            self._change.notify_all()
            kept = self._kept.get(number)
        if kept is not None and (self._decoded is None or self._decoded[0] != number):
            self._decoded = (number, _decode(kept))
        return self._decoded

    def wait_for(self, frame: int, *, seconds: float = 20.0) -> tuple[int, np.ndarray] | None:
        """The same as ``look``, but wait for the frame itself; for pictures that go to a file."""
        self.look(frame)
        number = self.footage.frames[min(max(frame, 0), len(self.footage.frames) - 1)]
        with self._change:
            self._change.wait_for(lambda: number in self._kept or self._error is not None, timeout=seconds)
        return self.look(frame)

    def close(self) -> None:
        """End the thread; nothing can be looked at any more."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join(PATIENCE)
        atexit.unregister(self.close)

    def _read(self) -> None:
        """Body of the thread; an error that ends it is raised by ``look``."""
        path = self.footage.path
        try:
            if not os.path.isfile(path):
                self._fail(f"{path}: the video is not there any more; put it back, or switch the layer off")
            elif path.endswith(RUN_FILE):
                self._read_bundled(path)
            else:
                self._read_video(path)
        except Exception as error:
            self._fail(f"{path}: the video cannot be read ({type(error).__name__}: {error}); switch the layer off")

    def _read_video(self, path: str) -> None:
        """Read the wanted frames and a few that follow them."""
        import cv2  # needs libGL, which a fit without pictures must do without

        capture, position = cv2.VideoCapture(path, cv2.CAP_FFMPEG), 0
        while (number := self._awaited()) is not None:
            if not position <= number <= position + _READ_ON:
                capture.set(cv2.CAP_PROP_POS_FRAMES, number)
                position = number
            fine = True
            while fine and position <= number and not self._closed:
                fine, position = capture.grab(), position + 1
            image = capture.retrieve()[1] if fine else None
            if self._closed:
                return
            if image is None:
                self._fail(f"{path}: frame {number} cannot be read; the video is damaged or was changed")
                return
            self._keep(number, shrunk_jpeg(np.asarray(image)))

    def _read_bundled(self, path: str) -> None:
        """Read the pictures that are stored in a recorded run."""
        with closing(sqlite3.connect(path)) as database:
            while (number := self._awaited()) is not None:
                found = database.execute("SELECT data FROM pictures WHERE id = ?", (number,)).fetchone()
                if found is None:
                    self._fail(f"{path}: holds no picture of frame {number} of the video")
                    return
                self._keep(number, found[0])

    def _awaited(self) -> int | None:
        """Wait until there is something to read; its number, or None once it is closed."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._next() is not None)
            return None if self._closed else self._next()

    def _next(self) -> int | None:
        """Number in the file of the next frame to read: the one wanted or one soon after it."""
        if self._wanted is None:
            return None
        for number in sorted(set(self.footage.frames[self._index() : self._index() + _AHEAD])):
            if number not in self._kept:
                return number
        return None

    def _index(self) -> int:
        assert self._wanted is not None
        return int(np.searchsorted(self.footage.frames, self._wanted))

    def _keep(self, number: int, encoded: bytes) -> None:
        with self._change:
            self._kept[number] = encoded
            self._bytes += len(encoded)
            while self._bytes > MEMORY and len(self._kept) > 2 * _AHEAD:
                self._bytes -= len(self._kept.popitem(last=False)[1])
            self._change.notify_all()

    def _fail(self, text: str) -> None:
        with self._change:
            self._error = text
            self._change.notify_all()


def shrunk_jpeg(image: np.ndarray) -> bytes:
    """A picture as JPEG, reduced so that no side is longer than ``LONGEST_SIDE``."""
    import cv2

    scale = LONGEST_SIDE / max(image.shape[:2])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()


def _decode(jpeg: bytes) -> np.ndarray:
    import cv2

    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None  # it was encoded here
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
