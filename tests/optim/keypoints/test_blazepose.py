"""BlazePose's geometry; and the shipped networks on an image with somebody in it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import assets
from optim.common.errors import InputError
from optim.keypoints.blazepose import Region, crop, detect
from optim.keypoints.names import MEDIAPIPE_33, to_body_25
from optim.keypoints.network import Network
from optim.keypoints.tracking import Track, Tracker
from optim.loading.files.keypoints import read_keypoints

VIDEO = Path(__file__).resolve().parents[4] / "shared" / "video"


def test_a_region_stands_a_turned_person_upright():
    rng = np.random.default_rng(0)
    for _ in range(10):
        centre, angle, length = rng.uniform(100, 400, 2), rng.uniform(-3, 3), rng.uniform(20, 90)
        top = centre + length * np.array([np.sin(angle), -np.cos(angle)])
        region = Region.around(centre, top)
        matrix = region.to_image(256)
        back = np.linalg.inv(matrix[:, :2]) @ (np.stack((centre, top), axis=1) - matrix[:, 2:])
        assert back[:, 0] == pytest.approx([128, 128])
        assert back[0, 1] == pytest.approx(128) and back[1, 1] < 128  # above, in the crop
        assert region.size == pytest.approx(2.5 * length)


def test_a_crop_shows_the_region():
    image = np.zeros((400, 600, 3), np.uint8)
    image[180:220, 280:320] = 255
    seen = crop(image, Region(300, 200, 80, 0.0), 256, border=cv2.BORDER_CONSTANT)
    assert seen[128, 128].tolist() == [255] * 3 and seen[20, 20].tolist() == [0] * 3
    assert (seen > 127).mean() == pytest.approx(0.25, abs=0.02)


def test_a_crop_of_4k_is_averaged_not_sampled():
    image = np.zeros((2160, 3840, 3), np.uint8)
    image[::2] = 255  # lines of one pixel
    seen = crop(image, Region(1920, 1080, 2100, 0.0), 256, border=cv2.BORDER_REPLICATE)
    assert np.abs(seen.astype(float) - 127.5).mean() < 45


def test_a_track_survives_a_file():
    for track in (Track(), Track(None, Region(1, 2, 3, 4), 5), Track(Region(1, 2, 3, 4), Region(5, 6, 7, 8), 0)):
        assert Track.from_array(track.to_array()) == track


def test_a_network_that_is_none_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no\.tflite: no such file"):
        Network(tmp_path / "no.tflite")
    (tmp_path / "bad.tflite").write_bytes(b"nonsense")
    with pytest.raises(InputError, match=r"bad\.tflite: not a TFLite network"):
        Network(tmp_path / "bad.tflite")


def test_nobody_is_found_where_nobody_is():
    found = detect(Network(assets.PERSON_DETECTOR_FILE), np.full((480, 640, 3), 90, np.uint8))
    assert found == []


@pytest.mark.skipif(not VIDEO.is_dir(), reason=f"no video in {VIDEO}")
def test_the_networks_find_the_dancer_as_recorded():
    """Against keypoints that were made of the same video by another program around the same networks."""
    capture = cv2.VideoCapture(str(VIDEO / "hiphop_clip1.mp4"))
    tracker = Tracker(Network(assets.PERSON_DETECTOR_FILE), Network(assets.LANDMARKS_FILE))
    wanted = read_keypoints(VIDEO / "hiphop_clip1_keypoints")
    for frame in range(3):
        image = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
        pose = tracker(image)
        points = np.concatenate((pose.pixels, pose.presence[:, None]), axis=1)
        found = to_body_25(points, MEDIAPIPE_33)
        both = (found[:, 2] > 0) & (wanted[frame, :, 2] > 0)
        apart = np.linalg.norm(found[both, :2] - wanted[frame, both, :2], axis=1)
        assert both.sum() >= 20 and np.median(apart) < 2.0
        assert (pose.in_mask > 0.5).mean() > 0.9


@pytest.mark.skipif(not VIDEO.is_dir(), reason=f"no video in {VIDEO}")
@pytest.mark.parametrize(("person", "place"), [(None, 570), (1, 203), (2, 570)])
def test_of_two_people_the_one_asked_for_is_followed(person, place):
    """The dancer beside himself at three quarters of the size."""
    image = cv2.cvtColor(cv2.VideoCapture(str(VIDEO / "hiphop_clip1.mp4")).read()[1], cv2.COLOR_BGR2RGB)
    large = image[100:700, 380:780]
    small = cv2.copyMakeBorder(cv2.resize(large, None, fx=0.75, fy=0.75), 75, 75, 0, 0, cv2.BORDER_REPLICATE)
    both = np.hstack([small, large])
    tracker = Tracker(Network(assets.PERSON_DETECTOR_FILE), Network(assets.LANDMARKS_FILE), person=person)
    for _ in range(2):
        assert tracker(both).pixels[0, 0] == pytest.approx(place, abs=15)
