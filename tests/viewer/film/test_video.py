"""Videos: H.264 that reads back, odd sizes, the fallback that says so, and errors."""

from __future__ import annotations

import os
import subprocess

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


BARS = [
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255), (255, 255, 255), (0, 0, 0),
    (198, 176, 153), (22, 24, 29), (128, 128, 128),
]  # fmt: skip
"""Full colours, and colours of the window."""


def test_a_player_that_believes_in_bt709_shows_the_colours_that_were_drawn(tmp_path):
    """Browsers, YouTube and mpv take videos of this size for BT.709 whatever is in them; the file says so, too."""
    path, (width, height) = tmp_path / "bars.mp4", (1280, 720)
    edges = np.linspace(0, width, len(BARS) + 1).astype(int)
    picture = np.zeros((height, width, 3), np.uint8)
    for color, left, right in zip(BARS, edges[:-1], edges[1:], strict=True):
        picture[:, left:right] = color
    with VideoWriter(path, size=(width, height), fps=30) as video:
        for _ in range(3):
            video.write(picture)
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    told = subprocess.run([ffmpeg, "-i", path], capture_output=True, text=True, check=False).stderr
    assert "yuv420p(tv, bt709, progressive)" in told
    decode = ["-vf", "scale=in_color_matrix=bt709:in_range=tv,format=rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run([ffmpeg, "-loglevel", "error", "-i", path, *decode], capture_output=True, check=True).stdout
    shown = np.frombuffer(raw, np.uint8).reshape(3, height, width, 3)[1]
    middles = shown[height // 2, (edges[:-1] + edges[1:]) // 2].astype(int)
    np.testing.assert_allclose(middles, BARS, atol=6)


def test_without_ffmpeg_another_codec_is_used_and_named(tmp_path, monkeypatch):
    def missing():
        raise RuntimeError("No ffmpeg exe could be found")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", missing)
    monkeypatch.setenv("PATH", "")
    video = write(tmp_path / "clip.mp4", (65, 48))
    assert video.codec == "mp4v"
    assert "no ffmpeg with libx264" in video.remark and "imageio-ffmpeg" in video.remark
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
