"""Make a copy of a video, or of a folder of images, that OpenCV reads: H.264, upright, times as in the source.

FFmpeg does it: the one on the PATH, or else the one that comes with imageio-ffmpeg. Copies are kept and used again.
"""

from __future__ import annotations

import hashlib
import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path

import cv2

import assets
from optim.common import ffmpeg
from optim.common.errors import InputError
from optim.common.writing import replacing
from optim.loading.images.rgbd_files import IMAGE_ENDINGS
from optim.reading.files import guarded, is_folder
from optim.reading.images import read_picture

PATIENCE = 3600.0
"""Longest time that FFmpeg may take for a copy [s]."""
_TURNS = {0: "", 90: "transpose=clock,", 180: "hflip,vflip,", 270: "transpose=cclock,"}
_ENCODER = ("-an", "-c:v", "libx264", "-crf", "12", "-preset", "veryfast", "-pix_fmt", "yuv420p")
_EVEN = "pad=ceil(iw/2)*2:ceil(ih/2)*2"
log = logging.getLogger(__name__)


def images_in(folder: Path) -> list[Path]:
    """Images directly in a folder, in the order of their names. Hidden files are left out."""
    with guarded(folder, problem="cannot be listed", advice="give a folder that may be read"):
        files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGE_ENDINGS and file.name[0] != "."]
    return sorted(files, key=lambda file: (len(file.stem) if file.stem.isdecimal() else 0, file.name))


def converted(path: Path, folder: Path, *, rotate: int = 0, fps: float = 30.0) -> Path:
    """Copy of a video, or of a folder of images, as a file in ``folder``.

    Args:
        rotate: Turn of the pictures, clockwise [degrees]: 0, 90, 180 or 270.
        fps: Frame rate of a folder of images [Hz].

    Raises:
        InputError: FFmpeg can decode nothing in it, the images differ in size, or the copy cannot be written.
    """
    images = images_in(path) if is_folder(path) else []
    parts = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in images] or [assets.sha256(path)]
    name = hashlib.sha256(" ".join([*parts, str(rotate), str(fps if images else 0)]).encode()).hexdigest()[:16]
    target = folder / f"{name}.mp4"
    if target.is_file():
        if _whole(target):
            return target
        log.warning("%s: the kept copy is broken and is made again", target)
    with replacing(target, advice="make room there, or give another folder with --out") as beside:
        if images:
            _encode_images(images, beside, rotate=rotate, fps=fps)
        else:
            _encode_video(path, beside, rotate=rotate)
    return target


def _whole(copy: Path) -> bool:
    """Whether a kept copy can be read to its end, which a full disk or a killed program may have prevented."""
    capture = cv2.VideoCapture(str(copy), cv2.CAP_FFMPEG)
    begins = capture.isOpened() and capture.grab()
    capture.release()
    return begins and complaint(copy) is None


def _encode_video(path: Path, target: Path, *, rotate: int) -> None:
    source = ["-protocol_whitelist", "file", "-i", f"file:{path}", "-map", "0:v:0"]
    words = [*source, "-fps_mode", "passthrough", "-vf", _TURNS[rotate] + _EVEN, *_ENCODER]
    told = ""
    for program in ffmpeg.programs():
        done = _run([program, *words, str(target)], path)
        if done.returncode == 0 and target.is_file():
            return
        told = told or next((line for line in done.stderr.decode("utf-8", "replace").splitlines() if line), "")
    raise InputError(
        f"{path}: {codec(path)} cannot be decoded here ({told or 'FFmpeg gives no reason'}); if it plays elsewhere,"
        f" make a new one there with ffmpeg -i {path.name} -c:v libx264 NEW.mp4, otherwise copy it again"
    )


def _encode_images(images: Sequence[Path], target: Path, *, rotate: int, fps: float) -> None:
    first = read_picture(images[0])
    if first.dtype.itemsize > 1 and first.ndim == 2:
        raise InputError(f"{images[0].parent}: depth images; give the folder above, with its intrinsics.json")
    height, width = first.shape[:2]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", f"{fps:g}", "-i", "-"]
    source = ["-y", "-v", "error", *source]
    words = [_writer(images[0].parent), *source, "-vf", _TURNS[rotate] + _EVEN, *_ENCODER, str(target)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        assert program.stdin is not None
        with guarded(images[0].parent, problem="the images cannot be made a video", advice="give a video instead"):
            for file in images:
                image = read_picture(file, flags=cv2.IMREAD_COLOR)
                if image.shape[:2] != (height, width):
                    raise InputError(
                        f"{file}: {image.shape[1]} × {image.shape[0]} px, but {images[0].name} has {width} × {height};"
                        " images of one size are expected"
                    )
                program.stdin.write(cv2.cvtColor(image, cv2.COLOR_BGR2RGB).tobytes())
            program.stdin.close()
    if program.returncode != 0:
        raise InputError(f"{images[0].parent}: FFmpeg cannot make a video of its images; give a video instead")


def complaint(path: Path) -> str | None:
    """What FFmpeg says is wrong with the file while it reads it without decoding. None if it finds nothing."""
    words = ["-protocol_whitelist", "file", "-i", f"file:{path}", "-map", "0:v:0", "-c", "copy", "-f", "null", "-"]
    said = _run([_writer(path), *words], path).stderr.decode("utf-8", "replace").split("\n")[0].strip()
    return said.rpartition("] ")[2] or None


def codec(path: Path) -> str:
    """Name of a video's codec in words for the user: "its codec AV01"."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    letters = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True).decode("ascii", "replace")
    capture.release()
    return f"its codec {letters}" if letters.isalnum() else "its content"


def _writer(path: Path) -> str:
    try:
        return ffmpeg.h264_program()
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be converted: {error}") from None


def _run(words: Sequence[str], path: Path) -> subprocess.CompletedProcess[bytes]:
    quiet = [words[0], "-nostdin", "-y", "-v", "error", *words[1:]]
    try:
        return subprocess.run(quiet, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise InputError(f"{path}: FFmpeg did not finish within an hour; cut the video up") from None
    except OSError as error:
        raise InputError(f"{path}: FFmpeg cannot be run ({error.strerror}); install ffmpeg") from None
