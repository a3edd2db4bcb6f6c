"""Videos: H.264 that reads back, odd sizes, the fallback that says so, and errors."""

from __future__ import annotations

import os

import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from viewer.film.video import VideoError, VideoWriter


def write(path, size, count=12):
    width, height = size
    with VideoWriter(path, size=size, fps=30) as video:
        for i in range(count):
            frame = np.zeros((height, width, 3), np.uint8)
            frame[:, : width // 2, 0] = 200
            frame[:, width // 2 :, 2] = 20 * i
            video.write(frame)
    return video


def read(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while True:
        ok, frame = capture.read()
        if not ok:
            return frames, capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FOURCC))
        frames.append(frame[:, :, ::-1])


@pytest.mark.parametrize("size", [(64, 48), (65, 47)])
def test_h264_reads_back(tmp_path, size):
    video = write(tmp_path / "clip.mp4", size)
    frames, fps, fourcc = read(video.path)
    assert (video.codec, video.frames, len(frames), fps) == ("h264", 12, 12, 30)
    assert fourcc.to_bytes(4, "little").lower() in (b"h264", b"avc1")
    assert abs(int(frames[5][20, 10, 0]) - 200) < 25 and frames[5][20, 10, 2] < 40
    assert abs(int(frames[11][20, 55, 2]) - 220) < 30


def test_without_ffmpeg_another_codec_is_used_and_named(tmp_path, monkeypatch):
    def missing():
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)
    video = write(tmp_path / "clip.mp4", (65, 48))
    assert video.codec == "mp4v"
    assert "No ffmpeg exe" in video.remark and "imageio-ffmpeg" in video.remark
    assert len(read(video.path)[0]) == 12


def test_wrong_frames_are_refused(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", size=(64, 48), fps=30) as video:
        with pytest.raises(ValueError, match=r"\(48, 64, 3\)"):
            video.write(np.zeros((64, 48, 3), np.uint8))
        video.write(np.zeros((48, 64, 3), np.uint8))


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "clip.mp4").mkdir()
    with pytest.raises(VideoError, match=r"clip\.mp4"):
        write(tmp_path / "clip.mp4", (64, 48), count=3)


def test_interrupting_the_program_leaves_the_encoder_its_time(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4", size=(64, 48), fps=30) as video:
        assert os.getpgid(video._process.pid) != os.getpgid(0)  # Ctrl-C goes to the group in the foreground
        video.write(np.zeros((48, 64, 3), np.uint8))


def test_an_exception_inside_is_passed_on(tmp_path):
    with pytest.raises(KeyError), VideoWriter(tmp_path / "clip.mp4", size=(64, 48), fps=30):
        raise KeyError("something else")
