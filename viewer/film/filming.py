"""Films the window into a video, picture by picture, as it is used or from a script.

Each picture taken is one picture of the video at its fixed rate, however long the machine needs for it.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from viewer.film.capture import WindowResizing, grab
from viewer.film.player import Player
from viewer.film.video import VideoError, VideoWriter
from viewer.protocol import commands as c
from viewer.protocol.view_model import ViewModel
from viewer.ui.drawing import cv2, ps
from viewer.ui.layout import Rect
from viewer.ui.ui_state import UiState

MOST_BLANK = 5
"""Pictures of one single colour in a row that are left out, because the window may be changing its size."""
MOST_KEPT = 400_000_000
"""Bytes of pictures that are kept because they will come again."""


@dataclass(frozen=True)
class Side:
    """One of several pictures that are put side by side: the middle of the window is taken for each."""

    index: int
    count: int
    title: str

    def strip(self, size: tuple[int, int]) -> Rect:
        """The part of the window that is in the film."""
        width = size[0] / self.count
        return Rect((size[0] - width) / 2, 0.0, width, size[1])

    def free(self, size: tuple[int, int]) -> Rect:
        """The part of the strip that captions and titles leave."""
        strip = self.strip(size)
        return Rect(strip.x, 0.08 * strip.height, strip.width, 0.78 * strip.height)

    def whole(self, size: tuple[int, int]) -> Rect:
        """Where the whole picture is, seen from the window: what is drawn there fits together in the film."""
        return Rect(self.strip(size).x - self.index * size[0] / self.count, 0.0, size[0], size[1])


class Filming:
    """One film of the window; ``finish`` completes the file.

    Args:
        path: The .mp4 file; PNG pictures go to a folder of the same name beside it.
        size: Width and height of the window in pixels.
        fps: Pictures per second of the video.
        player: Plays a script; None films what the user does.
        pictures: Write every picture as PNG too.
        untouched: Nobody but the script changes the window, so that a picture that comes again need not be drawn again.

    Raises:
        viewer.film.video.VideoError: The file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: tuple[int, int],
        fps: float = 30.0,
        player: Player | None = None,
        pictures: bool = False,
        untouched: bool = False,
    ) -> None:
        self.path, self.fps, self.player = path, fps, player
        self._untouched = untouched
        self._kept: dict[int, bytes] = {}  # frame of the clip → its picture, compressed
        self._kept_of: ViewModel | None = None  # the view that those pictures show
        self._view: ViewModel | None = None  # of the picture that is prepared, and its frame of the clip
        self._frame = 0
        self.size = size
        self.resized = False
        """Whether the window has had another size than the video since it began."""
        self._window_size = size  # at the last frame
        self._video = VideoWriter(path, size=size, fps=fps)
        self._folder = path.with_suffix("") if pictures else None
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._orders: Iterator[c.Command] | None = None
        self._shots: deque[int | None] = deque()  # snapshots in this picture; None: the one that is shown
        self._taken: list[np.ndarray] = []
        self._blank = 0  # pictures of one colour in a row that were left out

    @property
    def frames(self) -> int:
        """Number of pictures in the file."""
        return self._video.frames

    @property
    def codec(self) -> str:
        """``h264``, or ``mp4v`` if the encoder is missing; ``remark`` then says so."""
        return self._video.codec

    @property
    def remark(self) -> str:
        """A remark about the file for the user; may be empty."""
        return self._video.remark

    @property
    def side(self) -> Side | None:
        """The part of the picture that is taken next; None where pictures are taken whole."""
        if self.player is None or self.player.compared is None:
            return None
        index, count = len(self._taken), len(self.player.compared)
        return Side(index, count, self.player.titles[index] if self.player.titles else "")

    @property
    def over(self) -> bool:
        """Whether the script has been played to its end."""
        return self.player is not None and self.player.done and not self._shots and self._orders is None

    def next_order(self, view: ViewModel, ui: UiState, free: Callable[[], Rect]) -> c.Command | None:
        """The next command that must be carried out before the picture; None if the picture can be taken.

        Call it when all earlier commands have been carried out.
        """
        if self.player is None:
            return None
        self._view = view
        if self._orders is None and not self._shots:
            self._orders = self.player.prepare(self._latest, ui, free)
        if self._orders is not None:
            order = next(self._orders, None)
            if order is not None:
                return order
            self._orders = None
            self._shots.extend(self.player.compared or [None])
        wanted = self._shots[0]
        if wanted is None or wanted == view.shown:
            return None
        return c.Inspect(None if wanted == view.current else wanted)

    def _latest(self) -> ViewModel:
        assert self._view is not None
        return self._view

    def repeat(self, ui: UiState) -> bool:
        """Write the next picture again as it was drawn before; False if it must be drawn.

        Call it when ``next_order`` has returned None. While a script does nothing but play the clip, a picture depends
        on the view and on the frame of the clip alone.
        """
        self._frame = ui.frame
        if self.player is None or not self._untouched:
            return False
        if not self.player.only_plays or self._kept_of is not self._view:
            self._kept, self._kept_of = {}, self._view
        kept = self._kept.get(ui.frame)
        if kept is None or len(self._shots) != 1:
            return False
        self._shots.clear()
        self._write(np.frombuffer(zlib.decompress(kept), np.uint8).reshape(self.size[1], self.size[0], 3))
        return True

    def _keep(self, picture: np.ndarray) -> None:
        """Keep a picture that the script will show again."""
        if self._untouched and self.player is not None and self.player.comes_again:
            coded = zlib.compress(picture.data, 1)  # a third of the time that PNG takes
            if sum(map(len, self._kept.values())) + len(coded) <= MOST_KEPT:
                self._kept[self._frame] = coded

    def take(self) -> None:
        """Read the window after a frame has been drawn, and write the picture when all its parts have been taken.

        While the window is being resized nothing is taken, and the same picture is due after the next frame. The video
        keeps its size; pictures of a window of another size are scaled to fit.

        Raises:
            viewer.film.capture.CaptureError, viewer.film.video.VideoError: The picture cannot be read or written.
        """
        before, self._window_size = self._window_size, ps.get_buffer_size()
        if self._window_size != before:
            return  # the first frame of a new size may have been drawn into a buffer of the old one
        try:
            picture = grab()
        except WindowResizing:
            return
        if self._is_fresh_buffer(picture):
            return
        self.resized |= self._window_size != self.size
        self._taken.append(fitted(picture, self.size))
        if self._shots:
            self._shots.popleft()
        if not self._shots:
            if len(self._taken) == 1:
                self._keep(self._taken[0])
            self._write(beside(self._taken))
            self._taken = []

    def _is_fresh_buffer(self, picture: np.ndarray) -> bool:
        """Whether a picture of one single colour is the buffer of a new size, before anything was drawn into it.

        The size can change between the drawing and the reading without a trace. A window that really shows one colour
        is taken after some frames.
        """
        if picture.min() != picture.max() or self._blank >= MOST_BLANK:
            self._blank = 0
            return False
        self._blank += 1
        return True

    def _write(self, picture: np.ndarray) -> None:
        self._video.write(picture)
        if self._folder is not None:
            path = self._folder / f"{self.frames:05d}.png"
            if not cv2.imwrite(str(path), picture[:, :, ::-1]):
                raise VideoError(f"{path}: cannot be written; is the disk full?")

    def finish(self) -> None:
        """Close the file; it holds everything that was filmed so far."""
        self._video.close()


def fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture (H, W, 3) scaled to fit into a width and height in its own proportions, with black around it."""
    width, height = size
    if picture.shape[:2] == (height, width):
        return picture
    scale = min(width / picture.shape[1], height / picture.shape[0])
    wide, high = max(round(scale * picture.shape[1]), 1), max(round(scale * picture.shape[0]), 1)
    whole = np.zeros((height, width, 3), np.uint8)
    left, top = (width - wide) // 2, (height - high) // 2
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    whole[top : top + high, left : left + wide] = cv2.resize(picture, (wide, high), interpolation=way)
    return whole


def beside(pictures: list[np.ndarray]) -> np.ndarray:
    """Several pictures side by side in the width of one, each cut to its middle; a single one stays as it is."""
    if len(pictures) == 1:
        return pictures[0]
    width = pictures[0].shape[1]
    edges = np.linspace(0, width, len(pictures) + 1).round().astype(int)
    parts = []
    for picture, left, right in zip(pictures, edges[:-1], edges[1:], strict=True):
        first = (width - (right - left)) // 2
        parts.append(picture[:, first : first + right - left])
    return np.ascontiguousarray(np.concatenate(parts, axis=1))
