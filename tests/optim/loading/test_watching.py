"""A video's keypoints are found once: kept as they come, gone on with after a stop, found again for another video."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.keypoints.blazepose import Pose, Region
from optim.keypoints.tracking import Track
from optim.loading import watching
from optim.loading.files.keypoints import read_keypoints
from optim.loading.images.video import scan_video
from optim.loading.readers import rgb
from optim.loading.watching import keypoints_file, watch
from tests.videos import grey_frames, shade, write_video


class FakeTracker:
    """Sees somebody whose landmarks move with the grey of the image; counts the images; may be broken off."""

    seen: list[int] = []
    stop_at: int | None = None
    absent: tuple[int, ...] = ()
    resumed_from: Track | None = None

    def __init__(self, detector, landmarks, *, person=None, track=None):
        type(self).resumed_from = track
        self.track = track

    def __call__(self, image):
        frame = round(shade(image))
        if frame == self.stop_at:
            raise KeyboardInterrupt
        self.seen.append(frame)
        region = Region(frame, 0.0, 10.0, 0.0)
        self.track = Track(region, region, 0)
        if frame in self.absent:
            return None
        pixels = np.stack((np.linspace(22, 40, 33), np.linspace(2, 46, 33)), axis=1) - 0.1 * frame
        return Pose(pixels, np.ones(33), np.full(33, 0.95), np.linspace(0, 1, 33), 1.0, region)


@pytest.fixture
def tracker(monkeypatch):
    """In place of the networks."""
    fake = type("Fake", (FakeTracker,), {"seen": []})
    monkeypatch.setattr(watching, "Tracker", fake)
    monkeypatch.setattr(watching, "Network", lambda path, threads: None)
    return fake


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("clips") / "ein clip.mp4", grey_frames(40), fps=30)


def all_frames(clip, folder):
    video = scan_video(clip)
    return watch(video, np.arange(40), keypoints_file(folder, clip, person=None))


def test_every_frame_is_looked_at_once_and_never_again(clip, tmp_path, tracker):
    first = all_frames(clip, tmp_path)
    assert tracker.seen == list(range(40))
    again = all_frames(clip, tmp_path)
    assert len(tracker.seen) == 40
    np.testing.assert_array_equal(first.keypoints, again.keypoints)


def test_after_a_stop_it_goes_on_where_it_was(clip, tmp_path, tracker, caplog):
    tracker.stop_at = 25
    with pytest.raises(KeyboardInterrupt):
        all_frames(clip, tmp_path)
    tracker.stop_at = None
    with caplog.at_level(logging.WARNING):
        found = all_frames(clip, tmp_path)
    assert "25 of 40 frames were found before" in caplog.text
    assert tracker.seen == list(range(40)) and tracker.resumed_from.region.x == 24
    np.testing.assert_array_equal(found.frames, np.arange(40))


def test_a_killed_run_has_lost_only_seconds(clip, tmp_path, tracker, monkeypatch):
    monkeypatch.setattr(watching, "SAVE_INTERVAL", -1.0)
    kept = keypoints_file(tmp_path, clip, person=None)
    sizes = []
    whole = tracker.__call__
    monkeypatch.setattr(tracker, "__call__", lambda s, image: (sizes.append(len(rows(kept))), whole(s, image))[1])
    all_frames(clip, tmp_path)
    assert sizes == list(range(40))


def test_a_damaged_file_is_replaced(clip, tmp_path, tracker, caplog):
    kept = keypoints_file(tmp_path, clip, person=None)
    kept.write_bytes(b"half a file")
    with caplog.at_level(logging.WARNING):
        found = all_frames(clip, tmp_path)
    assert "looked for again" in caplog.text and len(found.frames) == 40
    assert len(rows(kept)) == 40


def test_where_nothing_can_be_written_it_works_all_the_same(clip, tmp_path, tracker, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level(logging.WARNING):
        assert len(all_frames(clip, tmp_path / "file").frames) == 40
    assert "cannot be written (File exists" in caplog.text or "cannot be written (Not a directory" in caplog.text


def test_the_file_is_named_by_content_and_person(clip, tmp_path):
    same, other = tmp_path / "renamed.mp4", tmp_path / "other.mp4"
    same.write_bytes(clip.read_bytes())
    other.write_bytes(clip.read_bytes() + b"\0")
    name = keypoints_file(tmp_path, clip, person=None).name
    assert keypoints_file(tmp_path, same, person=None).name == name
    assert name not in (
        keypoints_file(tmp_path, other, person=None).name,
        keypoints_file(tmp_path, clip, person=2).name,
    )


def test_the_file_can_be_given_as_keypoints(clip, tmp_path, tracker):
    all_frames(clip, tmp_path)
    found = read_keypoints(keypoints_file(tmp_path, clip, person=None))
    assert found.shape == (40, 25, 3) and found[:, 4, 2] == pytest.approx(0.95)


def test_a_video_becomes_a_source(clip, tmp_path, tracker, caplog):
    tracker.absent = (7, 8)
    with caplog.at_level(logging.WARNING):
        source = rgb.read(parse(["--data-path", str(clip), "--out", str(tmp_path)]))
    seen = source.observations.joints2d
    assert seen.shape == (1, 40, 25, 3) and source.name == "ein clip"
    assert float(seen[0, 0, 0, 2]) == pytest.approx(0.95 * rgb.CONFIDENCE)
    assert not seen[0, 7:9].any() and "seen in 38 of 40 frames" in caplog.text
    assert source.camera.image_size == (64, 48) and not source.floor_known
    assert source.footage.frames == tuple(range(40)) and source.footage.path == clip


def test_landmarks_outside_the_image_are_not_seen(clip, tmp_path, tracker):
    found = all_frames(clip, tmp_path)
    outside = found.keypoints[..., 2] == 0
    assert outside[39, 0] and not outside[0].any()


def test_the_networks_own_mask_hides(clip, tmp_path, tracker):
    plain, masked = (
        rgb.read(parse(["--data-path", str(clip), "--out", str(tmp_path), *more])).observations.joints2d[0, 0, :, 2]
        for more in ([], ["--mask-joints2d"])
    )
    hidden = (plain > 0) & (masked == 0)
    assert hidden.any() and (masked > 0).any() and bool((masked[~hidden] == plain[~hidden]).all())


def test_nobody_in_a_video_is_told_at_once(clip, tmp_path, tracker):
    tracker.absent = tuple(range(40))
    with pytest.raises(InputError, match=r"ein clip\.mp4: nobody was found in 40 frames"):
        rgb.read(parse(["--data-path", str(clip), "--out", str(tmp_path)]))
    with pytest.raises(InputError, match="no 3 people were found"):
        rgb.read(parse(["--data-path", str(clip), "--out", str(tmp_path), "--person", "3"]))


@pytest.mark.parametrize(("fps", "frames"), [(25, 30), (60, 80)])
def test_other_rates_become_30(tmp_path, tracker, fps, frames):
    clip = write_video(tmp_path / "clip.mp4", grey_frames(frames, step=2), fps=fps)
    source = rgb.read(parse(["--data-path", str(clip), "--out", str(tmp_path)]))
    x = source.observations.joints2d[0, :, 0, 0]
    assert len(x) == len(source.footage.frames) == int((frames - 1) / fps * 30 + 1e-6) + 1


def rows(file):
    if not file.is_file():
        return []
    with np.load(file) as arrays:
        return arrays["frames"]
