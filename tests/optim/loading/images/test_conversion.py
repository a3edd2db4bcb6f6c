"""Videos that OpenCV does not read as they are: other codecs, folders of images, turned and trimmed files."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import pytest

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.config.sources import source_of
from optim.loading.images.conversion import converted
from optim.loading.images.turning import turned_matrix, turned_points
from optim.loading.images.video import NotDecodedError, read_frames, scan_video
from optim.loading.readers import rgb
from tests.videos import ffmpeg, grey_frames, shade, write_video


@pytest.fixture
def whole(tmp_path):
    return write_video(tmp_path / "whole.mp4", grey_frames(30), fps=30, options=["-g", "100"])


def test_a_codec_without_a_decoder_in_opencv_is_decoded_by_ffmpeg(whole, tmp_path, caplog):
    path = tmp_path / "av1.mp4"
    ffmpeg(["-i", str(whole), "-c:v", "libsvtav1", "-preset", "12", str(path)])
    try:
        scan_video(path)
        pytest.skip("this OpenCV decodes AV1")
    except NotDecodedError as error:
        assert "damaged" not in str(error)
    with caplog.at_level(logging.WARNING):
        video = rgb._opened(parse(["--data-path", str(path), "--out", str(tmp_path / "out")]))
    assert len(video.times) == 30 and video.path.parent == tmp_path / "out/video"
    assert "av1.mp4: its codec AV01 is decoded by FFmpeg" in caplog.text
    assert [round(shade(image)) for _, image in read_frames(video, [0, 7, 29])] == [0, 7, 29]


@pytest.mark.parametrize("ending", ["mts", "m2ts", "ts", "3gp", "flv", "ogv", "webm"])
def test_videos_are_known_by_ending_and_by_content(whole, tmp_path, ending):
    codec = {"ogv": ["-c:v", "libtheora"], "webm": ["-c:v", "libvpx"]}.get(ending, ["-c:v", "copy"])
    path = tmp_path / f"a.{ending}"
    ffmpeg(["-i", str(whole), *codec, str(path)])
    assert source_of(path).name == parse(["--data-path", str(path)]).kind == "RGB"
    assert len(scan_video(path).times) in (29, 30)
    assert source_of(path.rename(tmp_path / f"{ending} without ending")).name == "RGB"


def test_a_trimmed_video_is_whole(whole, tmp_path, caplog):
    trimmed, late = tmp_path / "trimmed.mp4", tmp_path / "late.mkv"
    ffmpeg(["-ss", "0.5", "-i", str(whole), "-c", "copy", str(trimmed)])
    ffmpeg(["-itsoffset", "3.5", "-i", str(whole), "-c", "copy", str(late)])
    with caplog.at_level(logging.WARNING):
        assert len(scan_video(trimmed).times) == 15
        assert len(scan_video(late).times) == 30
    assert not caplog.text
    first = next(read_frames(scan_video(trimmed), [0]))[1]
    assert round(shade(first)) == 15


def test_a_cut_avi_is_told(whole, tmp_path, caplog):
    avi = tmp_path / "a.avi"
    ffmpeg(["-f", "lavfi", "-i", "testsrc=size=320x240:rate=30:duration=2", "-c:v", "libx264", str(avi)])
    avi.write_bytes(avi.read_bytes()[: avi.stat().st_size // 2])
    with caplog.at_level(logging.WARNING):
        scan_video(avi)
    assert "cut off" in caplog.text


def images(folder, count=5):
    folder.mkdir()
    for number, image in enumerate(grey_frames(count), start=1):
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder


def test_a_folder_of_images_is_a_video(tmp_path, caplog):
    folder = images(tmp_path / "frames", 12)
    settings = parse(["--data-path", str(folder), "--data-fps", "60", "--out", str(tmp_path / "out")])
    assert settings.kind == "RGB" and not settings.notices
    video = rgb._opened(settings)
    assert len(video.times) == 12 and video.rate == pytest.approx(60)
    shades = np.array([shade(image) for _, image in read_frames(video, range(12))])
    assert np.abs(shades - np.arange(12)).max() < 0.9  # a step is three of 256 greys
    rgb._opened(parse(["--data-path", str(folder), "--out", str(tmp_path / "out")]))
    assert "30 frames/s are assumed" in caplog.text


def test_images_of_several_sizes_and_depth_images_are_refused(tmp_path):
    folder = images(tmp_path / "frames")
    cv2.imwrite(str(folder / "3.png"), np.zeros((20, 30, 3), np.uint8))
    with pytest.raises(InputError, match="3.png: 30 × 20 px, but 1.png has 64 × 48"):
        converted(folder, tmp_path / "out")
    cv2.imwrite(str(folder / "1.png"), np.zeros((48, 64), np.uint16))
    with pytest.raises(InputError, match="depth images; give the folder above"):
        converted(folder, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_what_nothing_decodes_is_told_with_the_codec(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no video at all")
    with pytest.raises(InputError, match="cannot be decoded here .*libx264 NEW.mp4"):
        converted(path, tmp_path / "out")


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pixels_keypoints_and_camera_turn_alike(tmp_path, degrees):
    image = np.zeros((48, 64, 3), np.uint8)
    image[6:14, 40:56] = 255
    path = write_video(tmp_path / "a.mp4", [image] * 3, fps=30)
    turned = next(read_frames(scan_video(converted(path, tmp_path / "out", rotate=degrees)), [0]))[1]
    rows, columns = np.nonzero(turned[..., 0] > 128)
    point = turned_points(np.array([48.0, 10.0, 1.0]), degrees, size=(64, 48))
    assert np.abs(point[:2] - (columns.mean() + 0.5, rows.mean() + 0.5)).max() < 0.6
    back = turned_points(point, -degrees, size=turned.shape[1::-1])
    assert np.allclose(back, (48, 10, 1))
    ray = np.array([0.1, 0.2, 1.0])  # in the stored camera's frame; the turned camera sees it turned
    matrix = np.array([[500.0, 0, 30], [0, 400, 20], [0, 0, 1]])
    angle = np.radians(degrees)
    roll = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    seen = turned_points(np.array([*(matrix @ ray)[:2], 1.0]), degrees, size=(64, 48))
    assert np.allclose((turned_matrix(matrix, degrees, size=(64, 48)) @ roll @ ray)[:2], seen[:2])


@pytest.mark.parametrize("how", ["empty", "cut", "overwritten"])
def test_a_broken_copy_is_made_again(whole, tmp_path, caplog, how):
    copy = converted(whole, tmp_path / "kept", rotate=180)
    content = copy.read_bytes()
    broken = {"empty": b"", "cut": content[: len(content) // 2], "overwritten": b"\0" * len(content)}[how]
    copy.write_bytes(broken)
    assert converted(whole, tmp_path / "kept", rotate=180) == copy and len(scan_video(copy).times) == 30
    assert "is broken and is made again" in caplog.text
    made = copy.stat().st_mtime_ns
    assert converted(whole, tmp_path / "kept", rotate=180).stat().st_mtime_ns == made
