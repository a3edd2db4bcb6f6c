"""A video with keypoints, camera, masks and floor of one's own; what does not go together is named."""

from __future__ import annotations

import json
import logging

import cv2
import numpy as np
import pytest

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.keypoints.names import BODY_25, MIRRORED_BODY_25
from optim.loading.images.turning import with_axes
from optim.loading.readers import rgb
from tests.optim.loading.files.test_keypoints import walker
from tests.videos import grey_frames, write_video


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """By frame rate: 20 frames of 1280 × 720."""
    folder = tmp_path_factory.mktemp("clips")
    frames = grey_frames(20, size=(1280, 720))
    return {fps: write_video(folder / f"{fps}.mp4", frames, fps=fps) for fps in (25, 30)}


def read(clip, points, tmp_path, *more):
    np.savez(tmp_path / "k.npz", keypoints=points)
    return rgb.read(parse(["--data-path", str(clip), "--op-keypts", str(tmp_path / "k.npz"), *map(str, more)]))


def test_keypoints_of_ones_own_are_taken_as_they_are(clips, tmp_path):
    points = walker(BODY_25, frames=20)
    source = read(clips[30], points, tmp_path)
    np.testing.assert_allclose(source.observations.joints2d[0], points)


def test_keypoints_of_every_frame_are_brought_to_30(clips, tmp_path):
    source = read(clips[25], walker(BODY_25, frames=20), tmp_path)
    x = source.observations.joints2d[0, :, 0, 0].numpy()
    np.testing.assert_allclose(np.diff(x), 2.0 * 25 / 30, atol=0.11)
    assert len(source.footage.frames) == len(x) == 23


def test_keypoints_that_are_at_30_already_stay(clips, tmp_path):
    points = walker(BODY_25, frames=23)
    source = read(clips[25], points, tmp_path)
    np.testing.assert_allclose(source.observations.joints2d[0], points)


def test_a_few_more_or_fewer_are_told_and_cut(clips, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        source = read(clips[30], walker(BODY_25, frames=19), tmp_path)
        assert source.observations.frames == len(source.footage.frames) == 19
        assert "19 frames of keypoints for 20 of the video: the first 19" in caplog.text
        assert read(clips[30], walker(BODY_25, frames=21), tmp_path).observations.frames == 20


def test_keypoints_of_another_video_are_refused(clips, tmp_path):
    with pytest.raises(InputError, match="keypoints of 50 frames, but .*30.mp4 has 20 frames"):
        read(clips[30], walker(BODY_25, frames=50), tmp_path)


def test_intrinsics_and_floor_are_those_given(clips, tmp_path):
    (tmp_path / "K.json").write_text(json.dumps([[900, 0, 640], [0, 900, 360], [0, 0, 1]]))
    np.save(tmp_path / "0_plane_parameters_0.npy", np.array([[0, 0.2, -1.4]]))
    np.save(tmp_path / "0_plane_masks_0.npy", np.ones((1, 48, 64), int))
    more = ("--rgb-intrinsics", tmp_path / "K.json", "--rgb-planercnn-res", tmp_path)
    source = read(clips[30], walker(BODY_25, frames=20), tmp_path, *more)
    assert source.camera.focal.tolist() == [[900, 900]] and source.floor_known
    np.testing.assert_allclose(source.floor[0, :3] * source.floor[0, 3], [0, 1.4, 0.2], atol=1e-6)


def test_masks_are_those_of_the_frames_shown(clips, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    for frame in range(20):
        image = np.full((72, 128), 255 * (frame == 6), np.uint8)
        cv2.imwrite(str(folder / f"{frame:03d}.png"), image)
    plain = walker(BODY_25, frames=20)
    plain[..., :2] *= 0.5
    seen = read(clips[30], plain, tmp_path, "--mask-joints2d", folder).observations.joints2d[0, :, :, 2]
    assert not seen[6].any() and bool((np.delete(seen.numpy(), 6, axis=0) > 0).all())
    at_30 = np.repeat(plain[:1], 23, axis=0)
    seen = read(clips[25], at_30, tmp_path, "--mask-joints2d", folder).observations.joints2d[0, :, :, 2]
    assert (~(seen > 0).all(1)).sum() == 1


def test_the_networks_mask_needs_the_networks(clips, tmp_path):
    with pytest.raises(InputError, match="give a folder"):
        read(clips[30], walker(BODY_25, frames=20), tmp_path, "--mask-joints2d")


def test_part_of_a_video_is_fitted_with_its_own_pictures(clips, tmp_path):
    source = read(clips[30], walker(BODY_25, frames=20), tmp_path, "--amass-start-frame", 3, "--amass-seq-len", 15)
    assert source.footage.frames == tuple(range(3, 18)) and source.observations.frames == 15


def test_sides_and_axes_of_given_keypoints_are_brought_right(clips, tmp_path):
    points = walker(BODY_25, frames=20)
    for axes in ("y-up", "x-left"):
        source = read(clips[30], with_axes(points, axes, size=(1280, 720)), tmp_path, "--keypoints-axes", axes)
        np.testing.assert_allclose(source.observations.joints2d[0], points, atol=1e-3)
    source = read(clips[30], points[:, MIRRORED_BODY_25], tmp_path, "--sides", "swapped")
    np.testing.assert_allclose(source.observations.joints2d[0], points)
