"""Which FFmpeg is used: the user's, then the one on the PATH, and the bundled one where those cannot write H.264."""

import os
import stat

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from optim.common import ffmpeg
from viewer.film.video import VideoWriter


@pytest.fixture(autouse=True)
def _nothing_is_named(monkeypatch):
    monkeypatch.delenv(ffmpeg.NAMED_BY, raising=False)


def on_path(folder, monkeypatch, *, encoders):
    """A program called ffmpeg, the first on the PATH. It lists the encoders, and otherwise notes that it was called."""
    program = folder / "ffmpeg"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *-encoders*) echo " V....D {encoders} an encoder"; exit;; esac\n'
        f'touch "{folder}/called"\nexec "{imageio_ffmpeg.get_ffmpeg_exe()}" "$@"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return str(program)


def test_the_program_on_the_path_comes_before_the_bundled_one(tmp_path, monkeypatch):
    program = on_path(tmp_path, monkeypatch, encoders="libx264")
    assert ffmpeg.programs() == [program, imageio_ffmpeg.get_ffmpeg_exe()]
    assert ffmpeg.h264_program() == program


def test_the_bundled_one_writes_h264_where_that_on_the_path_cannot(tmp_path, monkeypatch):
    program = on_path(tmp_path, monkeypatch, encoders="mpeg4")
    assert ffmpeg.programs()[0] == program
    assert ffmpeg.h264_program() == imageio_ffmpeg.get_ffmpeg_exe()


def test_the_one_that_the_user_names_comes_first(tmp_path, monkeypatch):
    on_path(tmp_path, monkeypatch, encoders="libx264")
    monkeypatch.setenv(ffmpeg.NAMED_BY, "/opt/ffmpeg")
    assert ffmpeg.programs() == ["/opt/ffmpeg"]
    with pytest.raises(RuntimeError, match="install ffmpeg"):
        ffmpeg.h264_program()


def test_a_video_is_written_by_the_program_on_the_path(tmp_path, monkeypatch):
    on_path(tmp_path, monkeypatch, encoders="libx264")
    with VideoWriter(tmp_path / "a.mp4", size=(64, 48), fps=30) as video:
        for shade in range(5):
            video.write(np.full((48, 64, 3), 40 * shade, np.uint8))
    assert video.codec == "h264" and (tmp_path / "called").exists()
    assert cv2.VideoCapture(str(video.path)).get(cv2.CAP_PROP_FRAME_COUNT) == 5
