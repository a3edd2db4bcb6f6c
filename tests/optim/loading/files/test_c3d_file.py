"""Markers come back from C3D files where they were; what a file claims about its own size is not believed."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

import assets
from optim.body.joints import JOINT_NAMES
from optim.common.errors import InputError
from optim.config.settings import parse
from optim.loading.files.c3d_file import read_c3d
from optim.loading.files.skeletons import read_recording
from optim.loading.problem import load_source
from tests.motions import walk_joints
from tests.optim.loading.c3d_files import write_c3d

RNG = np.random.default_rng(0)
MARKERS = {name: RNG.normal(size=(12, 3)) * 500 for name in ("LASI", "RASI", "LKNE", "RKNE", "C7")}


def test_markers_come_back(tmp_path):
    seen = dict(MARKERS) | {"LKNE": MARKERS["LKNE"].copy()}
    seen["LKNE"][3:5] = np.nan
    found = read_c3d(write_c3d(tmp_path / "ä b.c3d", seen, rate=120.0))
    assert found.names == tuple(seen) and (found.rate, found.unit) == (120.0, "mm")
    np.testing.assert_allclose(found.points, np.stack(list(seen.values()), axis=1), atol=1e-3)
    recording = read_recording(tmp_path / "ä b.c3d")
    assert not recording.joints and recording.unit == "mm" and np.isinf(recording.points[3:5, 2]).all()
    settings = parse(["--data-path", str(tmp_path / "ä b.c3d")])
    assert (settings.kind, settings.observations) == ("skeleton", "points3d")


def test_points_that_are_joints_are_observed_as_joints(tmp_path):
    joints = walk_joints(frames=40)
    named = {f"subject:{name}": joints[:, row] * 1000 for row, name in enumerate(JOINT_NAMES)}
    path = write_c3d(tmp_path / "walk.c3d", named, rate=30.0)
    clip = load_source(parse(["--data-path", str(path), "--smpl", str(assets.BODY_FOLDER)]))
    seen = clip.observations.joints3d[0]
    assert seen.shape[1:] == (22, 3)
    torch.testing.assert_close(seen, torch.from_numpy(joints[: len(seen)]).float(), atol=1e-3, rtol=0)


def test_angles_and_forces_in_the_place_of_points_are_left_out(tmp_path):
    import c3d

    path = write_c3d(tmp_path / "a.c3d", dict(MARKERS) | {"LKneeAngles": np.full((12, 3), 30.0)})
    with path.open("rb") as file:
        writer = c3d.Reader(file).to_writer("copy")
        writer.point_group.add_str("ANGLES", "", "LKneeAngles", 11, 1)
        with (tmp_path / "b.c3d").open("wb") as target:
            writer.write(target)
    assert "LKneeAngles" in read_c3d(path).names
    assert read_c3d(tmp_path / "b.c3d").names == tuple(MARKERS)


@pytest.mark.parametrize(("at", "value"), [((2, 4), 0), ((8, 10), 65535), ((2, 4), 60000), ((0, 1), 200)])
def test_sizes_of_a_file_are_not_believed(tmp_path, at, value):
    """Number of points 0 and others, last frame: nothing is read by them, and nothing takes long."""
    path = write_c3d(tmp_path / "a.c3d", MARKERS)
    content = bytearray(path.read_bytes())
    content[at[0] : at[1]] = value.to_bytes(at[1] - at[0], "little")
    path.write_bytes(bytes(content))
    began = time.monotonic()
    with pytest.raises(InputError, match=r"a\.c3d"):
        read_c3d(path)
    assert time.monotonic() - began < 2


def test_a_list_of_texts_of_four_billion_is_refused(tmp_path):
    path = write_c3d(tmp_path / "a.c3d", MARKERS)
    content = path.read_bytes()
    at = content.index(b"LABELS") + len("LABELS") + 2  # after the offset: bytes per element, number of dimensions
    assert content[at] == 255 and content[at + 1] == 2
    path.write_bytes(content[: at + 1] + bytes([5, 1, 255, 255, 255, 255]) + content[at + 7 :])
    with pytest.raises(InputError, match=r"a\.c3d: not C3D, or damaged"):
        read_c3d(path)


def test_a_file_that_only_bears_the_name_is_refused(tmp_path):
    for name, content in (("a.c3d", b""), ("b.c3d", b"\x02P" + bytes(5000)), ("c.c3d", b"hello")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name[0]}\.c3d"):
            read_recording(tmp_path / name)
