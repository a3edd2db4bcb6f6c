"""Demo clips: read whole, refused by name when something is off."""

import numpy as np
import pytest

from optim.common.errors import InputError
from optim.config.options import DEFAULT_CLIP
from optim.loading.demo import clip_names, find_clip, read_demo
from tests.motions import write_demo


def test_a_clip_comes_back_whole(tmp_path):
    path = write_demo(tmp_path / "stroll.npz")
    clip = read_demo(path)
    assert clip.motion.name == "stroll" and clip.image_size == (1280, 720)
    assert clip.joints3d.dtype == np.float32 and np.isinf(clip.joints3d_partial).any()
    with np.load(path) as stored:
        np.testing.assert_allclose(clip.joints2d, stored["joints2d"], rtol=1e-6)


def test_clips_are_found_by_name_or_path(tmp_path, monkeypatch):
    monkeypatch.setattr("assets.DEMO_FOLDER", tmp_path)
    path = write_demo(tmp_path / "stroll.npz")
    assert find_clip("stroll") == path and find_clip(str(path)) == path
    assert clip_names(tmp_path) == ["stroll"]
    with pytest.raises(InputError, match="no demo clip is called run"):
        find_clip("run")
    with pytest.raises(InputError, match="no such file"):
        read_demo(find_clip("missing.npz"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"joints2d": None}, "no array joints2d"),
        ({"joints3d": np.zeros((39, 22, 3))}, "joints3d has shape"),
        ({"camera_matrix": np.full((3, 3), np.nan)}, "camera_matrix"),
        ({"mocap_framerate": np.array(60.0)}, "60 frames/s"),
    ],
)
def test_bad_clips_are_refused_by_name(tmp_path, changes, words):
    path = write_demo(tmp_path / "bad.npz", **changes)
    with pytest.raises(InputError, match=words) as error:
        read_demo(path)
    assert str(path) in str(error.value)


def test_the_shipped_clips_load_and_the_default_is_one_of_them():
    assert DEFAULT_CLIP in clip_names()
    for name in clip_names():
        clip = read_demo(find_clip(name))
        assert np.isinf(clip.joints3d_partial).any() and np.isfinite(clip.joints3d).all(), name
        hidden = np.isinf(clip.joints3d_partial)
        np.testing.assert_array_equal(clip.joints3d_partial[~hidden], clip.joints3d[~hidden])
