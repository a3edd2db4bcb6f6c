"""Writes frames to an mp4 file: H.264 with FFmpeg, or MPEG-4 with OpenCV where no FFmpeg can write H.264.

A thread hands the frames to the encoder, so that the next one can be drawn meanwhile.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from queue import Queue
from threading import Thread
from types import TracebackType

import numpy as np

from optim.common import ffmpeg

BT709 = (
    "scale=out_color_matrix=bt709:out_range=tv,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)
"""FFmpeg's filters that convert colours and say so in the file; otherwise players guess by the size of a video."""

WAITING = 4  # frames that may wait for the encoder


class VideoError(RuntimeError):
    """A video cannot be written; the message says why."""


class VideoWriter:
    """Writes RGB frames of one size; a context manager. ``codec`` and ``remark`` say which encoder was chosen."""

    def __init__(self, path: Path, *, size: tuple[int, int], fps: float) -> None:
        self.path, self.size, self.fps = Path(path), size, fps
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.frames = 0
        self.codec, self.remark = "h264", ""
        self._process: subprocess.Popen[bytes] | None = None
        self._fallback = None
        try:
            self._process = _start_ffmpeg(self.path, size, fps)
        except (OSError, RuntimeError) as error:
            self.codec = "mp4v"
            self.remark = (
                f"H.264 is not available ({error}); wrote MPEG-4 part 2 instead, which many browsers do not play."
            )
            self._fallback = _start_opencv(self.path, size, fps)
        self._waiting: Queue[np.ndarray | None] = Queue(WAITING)
        self._error: Exception | None = None
        self._thread = Thread(target=self._pass_on, name="video", daemon=True)
        self._thread.start()

    def write(self, rgb: np.ndarray) -> None:
        """Append a frame, uint8 (height, width, 3), which must not be changed afterwards.

        Raises:
            ValueError: The frame has another size or type.
            VideoError: The encoder has ended.
        """
        width, height = self.size
        if rgb.shape != (height, width, 3) or rgb.dtype != np.uint8:
            raise ValueError(f"a frame has shape {rgb.shape} {rgb.dtype}; ({height}, {width}, 3) uint8 is expected")
        if self._error is not None:
            raise VideoError(f"{self.path}: {self._complaint()}") from self._error
        self._waiting.put(rgb)
        self.frames += 1

    def _pass_on(self) -> None:
        """Give the encoder all frames up to the end, or up to its first error."""
        width, height = self.size
        while (rgb := self._waiting.get()) is not None:
            try:
                if self._error is not None:
                    continue  # whoever writes must not wait for ever
                if self._process is not None:
                    assert self._process.stdin is not None
                    self._process.stdin.write(np.ascontiguousarray(rgb).data)
                elif self._fallback is not None:
                    self._fallback.write(np.ascontiguousarray(rgb[: height & ~1, : width & ~1, ::-1]))
            except Exception as error:
                self._error = error

    def close(self) -> None:
        """Finish the file.

        Raises:
            VideoError: The encoder reported an error.
        """
        self._end_thread()
        if self._process is not None:
            complaint = self._complaint()
            failed = self._process.returncode != 0 or self._error is not None
            self._process = None
            if failed:
                raise VideoError(f"{self.path}: {complaint}")
        if self._fallback is not None:
            self._fallback.release()
            self._fallback = None

    def _end_thread(self) -> None:
        if self._thread.is_alive():
            self._waiting.put(None)
            self._thread.join()

    def _complaint(self) -> str:
        assert self._process is not None
        _, errors = self._process.communicate()
        return errors.decode(errors="replace").strip() or f"the encoder ended with {self._process.returncode}"

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        if self._process is not None:
            self._process.kill()
        self._end_thread()
        if self._process is not None:
            self._process.communicate()


def _start_ffmpeg(path: Path, size: tuple[int, int], fps: float) -> subprocess.Popen[bytes]:
    raw = f"-f rawvideo -pix_fmt rgb24 -s {size[0]}x{size[1]} -r {fps:g} -i -"
    even = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
    coded = f"-vf {even},{BT709} -c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p -movflags +faststart"
    command = [ffmpeg.h264_program(), "-y", "-loglevel", "error", *raw.split(), *coded.split(), str(path)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C must not end the encoder before the file is closed
    )


def _start_opencv(path: Path, size: tuple[int, int], fps: float):
    import cv2

    even = (size[0] & ~1, size[1] & ~1)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, even)
    if not writer.isOpened():
        raise VideoError(f"{path}: neither ffmpeg nor OpenCV can write a video here")
    return writer
