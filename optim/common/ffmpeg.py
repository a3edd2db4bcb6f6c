"""Find the FFmpeg program: the one that the user names, the one on the PATH, or the one of imageio-ffmpeg."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache

NAMED_BY = "IMAGEIO_FFMPEG_EXE"
"""Environment variable that names the program to use. It is imageio-ffmpeg's, and this module reads it as well."""
H264 = "libx264"
"""The encoder of H.264 that videos are written with. Some systems build FFmpeg without it."""
PATIENCE = 20.0
"""Longest time that FFmpeg may take to list its encoders [s]."""


def programs() -> list[str]:
    """FFmpeg programs in the order in which they are tried. The list is empty if there is none."""
    if named := os.environ.get(NAMED_BY):
        return [named]
    found = (shutil.which("ffmpeg"), _bundled())
    return list(dict.fromkeys(program for program in found if program is not None))


def h264_program() -> str:
    """The first of the programs that can write H.264.

    Raises:
        RuntimeError: There is no such program; says what to install.
    """
    for program in programs():
        if _writes_h264(program):
            return program
    raise RuntimeError(f"no ffmpeg with {H264} is found; install ffmpeg, or imageio-ffmpeg, which brings one")


def _bundled() -> str | None:
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):  # RuntimeError: the package was installed without a program
        return None


@cache
def _writes_h264(program: str) -> bool:
    command = [program, "-hide_banner", "-encoders"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return H264.encode() in done.stdout.split()
