"""Videos: any rate becomes 30 a second, upright, a frame at a time; what is broken is named, what can be read taken."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from optim.common.errors import InputError
from optim.loading.images.video import Resampling, Video, read_frames, resampling, scan_video
from tests.videos import ffmpeg, grey_frames, shade, write_video


def test_at_30_every_frame_is_taken_as_it_is(tmp_path):
    video = scan_video(write_video(tmp_path / "a.mp4", grey_frames(20), fps=30))
    rate = resampling(video)
    assert video.size == (64, 48) and len(rate) == 20
    np.testing.assert_array_equal(rate.needed, np.arange(20))
    assert not rate.share.any()


def test_at_60_every_other_frame_is_taken(tmp_path):
    rate = resampling(scan_video(write_video(tmp_path / "a.mp4", grey_frames(40), fps=60)))
    np.testing.assert_array_equal(rate.before, np.arange(0, 40, 2))
    assert not rate.share.any()


def test_rates_of_television_are_taken_for_30(tmp_path):
    rate = resampling(scan_video(write_video(tmp_path / "a.mp4", grey_frames(20), fps=30000 / 1001)))
    np.testing.assert_array_equal(rate.before, np.arange(20))
    assert not rate.share.any()


@pytest.mark.parametrize("fps", [25.0, 24.0, 50.0, 23.976])
def test_other_rates_are_interpolated_in_time(tmp_path, fps):
    video = scan_video(write_video(tmp_path / "a.mp4", grey_frames(40), fps=fps))
    rate = resampling(video)
    assert len(rate) == int((40 - 1) / fps * 30 + 1e-6) + 1
    points = np.zeros((40, 5, 3))
    points[:, :, 0] = 7.0 * video.times[:, None]  # something that moves evenly
    points[:, :, 2] = 1.0
    found = rate.keypoints(points)
    np.testing.assert_allclose(found[:, 0, 0], 7.0 * np.arange(len(rate)) / 30, atol=7.0 * 0.05 / fps)


def test_uneven_times_are_followed():
    times = np.cumsum(np.r_[0.0, np.tile([0.02, 0.05], 20)])
    rate = resampling(Video(path=None, size=(1, 1), times=times))
    shown = (1 - rate.share) * times[rate.before] + rate.share * times[rate.after]
    np.testing.assert_allclose(shown, np.arange(len(rate)) / 30, atol=0.05 * 0.05)


def test_a_keypoint_unseen_beside_is_not_invented():
    rate = Resampling(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([0.0, 0.5, 0.0]))
    points = np.ones((2, 1, 3))
    points[1] = 0.0
    np.testing.assert_array_equal(rate.keypoints(points)[:, 0, 2], [1, 0, 0])


def test_of_a_clip_that_ends_early_only_what_was_read_remains(tmp_path):
    rate = resampling(scan_video(write_video(tmp_path / "a.mp4", grey_frames(40), fps=25)))
    cut = rate.first(10)
    assert cut.needed.max() == 9 and len(cut) < len(rate)


def test_frames_come_in_order_and_only_those_wanted(tmp_path):
    video = scan_video(write_video(tmp_path / "a.mp4", grey_frames(30), fps=30))
    found = [(number, shade(image)) for number, image in read_frames(video, [2, 3, 17])]
    assert [number for number, _ in found] == [2, 3, 17]
    assert [s for _, s in found] == pytest.approx([2, 3, 17], abs=0.6)


def test_a_portrait_video_of_a_phone_stands_upright(tmp_path):
    images = grey_frames(4)
    for image in images:
        image[:10] = 255  # the upper edge, as filmed with the phone on its side
    plain = write_video(tmp_path / "plain.mp4", images, fps=30)
    turned = tmp_path / "turned.mp4"
    ffmpeg(["-display_rotation", "90", "-i", str(plain), "-c", "copy", str(turned)])
    video = scan_video(turned)
    assert video.size == (48, 64)
    _, image = next(read_frames(video, [1]))
    assert image.shape == (64, 48, 3)
    assert image[:, :8].mean() > 200 or image[:, -8:].mean() > 200


def test_4k_is_read_a_frame_at_a_time(tmp_path):
    video = scan_video(write_video(tmp_path / "a.mp4", grey_frames(3, size=(3840, 2160)), fps=30))
    assert video.size == (3840, 2160)
    frames = read_frames(video, [0, 1, 2])
    assert next(frames)[1].shape == (2160, 3840, 3)
    frames.close()


def test_a_path_may_have_spaces_and_any_letters(tmp_path):
    folder = tmp_path / "Vidéos de l'été — 夏"
    folder.mkdir()
    assert len(scan_video(write_video(folder / "mon clip.mp4", grey_frames(5), fps=30)).times) == 5


def test_a_video_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path, caplog):
    whole = write_video(tmp_path / "whole.mp4", noise_frames(60), fps=30, options=["-movflags", "+faststart"])
    cut = tmp_path / "cut.mp4"
    content = whole.read_bytes()
    cut.write_bytes(content[: int(0.6 * len(content))])
    with caplog.at_level(logging.WARNING):
        video = scan_video(cut)
    assert 10 < len(video.times) < 55
    assert "cut.mp4: damaged or cut off; only its first" in caplog.text and "of 60 frames" in caplog.text


@pytest.mark.parametrize("content", [b"", b"this is no video", None])
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"clip\.mp4: (no such file|not a video, or one that is damaged)"):
        scan_video(path)


def test_a_video_whose_end_with_the_index_is_missing_is_refused(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", grey_frames(30), fps=30)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[:600])
    with pytest.raises(InputError, match="copy it again"):
        scan_video(cut)


def test_one_frame_is_no_motion(tmp_path):
    with pytest.raises(InputError, match="a video of one frame, which is no motion"):
        scan_video(write_video(tmp_path / "a.mp4", grey_frames(1), fps=30))


def noise_frames(count):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(count)]


def test_the_aspect_of_its_pixels_is_read(tmp_path, caplog):
    path = write_video(tmp_path / "pal.mp4", grey_frames(6), fps=25, options=["-vf", "setsar=64/45"])
    assert scan_video(path).pixel_aspect == pytest.approx(64 / 45, rel=1e-3)
    assert "1.42 times as wide as high" in caplog.text
    assert scan_video(write_video(tmp_path / "square.mp4", grey_frames(6), fps=25)).pixel_aspect == 1.0
