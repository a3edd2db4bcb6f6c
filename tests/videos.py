"""Small made-up videos, in any container, rate, size and rotation that FFmpeg writes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import imageio_ffmpeg
import numpy as np

H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast")


def write_video(path: Path, images: Iterable[np.ndarray], *, fps: float, options: Iterable[str] = ()) -> Path:
    """RGB uint8 images of one size, as H.264."""
    images = list(images)
    height, width = images[0].shape[:2]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    ffmpeg([*source, *H264, *options, str(path)], stdin=b"".join(image.tobytes() for image in images))
    return path


def ffmpeg(arguments: list[str], *, stdin: bytes = b"") -> None:
    """Run the FFmpeg that comes with imageio-ffmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *arguments]
    subprocess.run(command, input=stdin, check=True)


def grey_frames(count: int, *, size: tuple[int, int] = (64, 48), start: int = 20, step: int = 3) -> list[np.ndarray]:
    """One shade of grey a frame, each a little brighter, so that a frame can be told by its shade."""
    width, height = size
    return [np.full((height, width, 3), start + step * index, np.uint8) for index in range(count)]


def shade(image: np.ndarray, *, start: int = 20, step: int = 3) -> float:
    """Which of ``grey_frames`` an image is, to a fraction."""
    return (float(np.mean(image)) - start) / step
