"""Unit, up, floor and speeds of positions are told from the positions, and the flags make them right."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

import assets
from optim.checks.check import CheckError
from optim.common.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from optim.config.settings import parse
from optim.loading.models import load_body
from optim.loading.problem import load_source

FILE = assets.DEMO_FOLDER / "default_walk_turn.npz"
IN_METRES = {"mm": 1000.0, "cm": 100.0, "in": 1 / 0.0254, "ft": 1 / 0.3048}
TO_AXES = {"y": [[1, 0, 0], [0, 0, 1], [0, -1, 0]], "-y": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
           "x": [[0, 0, 1], [0, 1, 0], [-1, 0, 0]], "-x": [[0, 0, -1], [0, 1, 0], [1, 0, 0]],
           "-z": [[1, 0, 0], [0, -1, 0], [0, 0, -1]]}  # fmt: skip
"""Axis that is up in the data → rotation from z up to it."""


def source(path, *flags):
    return load_source(parse(["--data-path", str(path), *flags]))


def walk():
    """Arrays of 60 frames of a person who walks, z up, as an AMASS file has them."""
    with np.load(FILE) as file:
        arrays = {name: file[name] for name in ("trans", "poses", "betas", "mocap_framerate")}
    return {name: array[:60].astype(float) if array.ndim == 2 else array for name, array in arrays.items()}


@cache
def _joints():
    return source(FILE).ground_truth.joints[0].numpy()


def walked():
    """Joints (60, 22, 3) [m] of the same person."""
    return _joints().copy()


def stored(tmp_path, joints, name="joints3d"):
    file = tmp_path / "observed.npz"
    np.savez(file, **{name: joints.astype(np.float32)})
    return file


def rows(clip):
    return {row.check: row.severity for row in clip.checked}


def test_a_walk_is_as_assumed(tmp_path):
    clip = source(stored(tmp_path, walked()))
    assert set(rows(clip).values()) == {"fine"}


@pytest.mark.parametrize("unit", IN_METRES)
def test_joints_in_another_unit_are_refused_and_read_with_the_flag(tmp_path, unit):
    joints = walked()
    file = stored(tmp_path, joints * IN_METRES[unit])
    with pytest.raises(CheckError, match=f"give --unit {unit}"):
        source(file)
    read = source(file, "--unit", unit).observations.joints3d[0].numpy()
    np.testing.assert_allclose(read, joints, atol=1e-4)


@pytest.mark.parametrize("unit", IN_METRES)
def test_a_motion_whose_path_is_in_another_unit_is_refused_and_read_with_the_flag(tmp_path, unit):
    joints = walked()
    arrays = walk()
    np.savez(tmp_path / "far.npz", **arrays | {"trans": arrays["trans"] * IN_METRES[unit]})
    if unit != "ft":  # three times too far is not certain
        with pytest.raises(CheckError, match=f"give --unit {unit}"):
            source(tmp_path / "far.npz")
    read = source(tmp_path / "far.npz", "--unit", unit).ground_truth.joints[0].numpy()
    np.testing.assert_allclose(read, joints, atol=1e-4)


@pytest.mark.parametrize("axis", TO_AXES)
def test_joints_with_another_axis_up_ask_for_the_flag_and_are_read_with_it(tmp_path, axis):
    joints = walked()
    file = stored(tmp_path, joints @ np.array(TO_AXES[axis]).T)
    with pytest.raises(CheckError, match=f"give --up={axis}, "):
        source(file)
    read = source(file, f"--up={axis}").observations.joints3d[0].numpy()
    np.testing.assert_allclose(read[..., 2], joints[..., 2], atol=1e-4)


@pytest.mark.parametrize("axis", TO_AXES)
def test_a_motion_with_another_axis_up_asks_for_the_flag_and_is_read_with_it(tmp_path, axis):
    arrays, turn = walk(), np.array(TO_AXES[axis], float)
    pelvis = load_body(assets.BODY_FOLDER).rest_joints(torch.from_numpy(arrays["betas"])[None].float())[0, 0].numpy()
    root = turn @ axis_angle_to_matrix(torch.from_numpy(arrays["poses"][:, :3])).numpy()
    arrays["poses"][:, :3] = matrix_to_axis_angle(torch.from_numpy(root)).numpy()
    arrays["trans"] = (arrays["trans"] + pelvis) @ turn.T - pelvis
    np.savez(tmp_path / "turned.npz", **arrays)
    with pytest.raises(CheckError, match=f"give --up={axis}, "):
        source(tmp_path / "turned.npz")
    read = source(tmp_path / "turned.npz", f"--up={axis}").ground_truth.joints[0].numpy()
    np.testing.assert_allclose(read[..., 2], walked()[..., 2], atol=1e-4)


def test_a_person_who_lies_is_told_but_not_refused(tmp_path):
    joints = walked() @ np.array(TO_AXES["y"]).T
    joints[..., 2] -= joints[..., 2].min(1, keepdims=True) - 0.03
    assert rows(source(stored(tmp_path, joints)))["up"] == "note"


@pytest.mark.parametrize(("height", "stops"), [(0.4, False), (-0.3, False), (2.5, True), (-0.9, True)])
def test_the_floor_elsewhere_is_told_and_moved_with_the_flag(tmp_path, height, stops, caplog):
    joints = walked()
    file = stored(tmp_path, joints + np.array([0, 0, height]))
    if stops:
        with pytest.raises(CheckError, match="floor height: the lowest joint"):
            source(file)
    else:
        assert rows(source(file))["floor height"] == "likely" and "floor height: the lowest joint" in caplog.text
    for value in ("auto", f"{height}"):
        read = source(file, f"--floor-height={value}").observations.joints3d[0].numpy()
        assert abs(read[..., 2] - joints[..., 2]).max() < 0.06


def test_a_frame_rate_that_gives_impossible_speeds_is_told(tmp_path):
    joints = walked()
    jumping = joints + np.arange(60)[:, None, None] % 2 * np.array([1.5, 0, 0])
    assert rows(source(stored(tmp_path, jumping)))["speeds"] == "likely"


def test_joints_that_were_not_seen_do_not_matter(tmp_path):
    joints = walked()
    joints[:, 4:] = np.inf
    joints[20:] = np.inf
    assert source(stored(tmp_path, joints)).observations.joints3d.shape == (1, 60, 22, 3)


def test_missing_points_stay_missing_when_the_frame_is_changed(tmp_path):
    joints = walked() @ np.array(TO_AXES["y"]).T * 1000
    joints[3, 5] = np.nan
    read = source(stored(tmp_path, joints), "--unit", "mm", "--up", "y", "--floor-height", "auto").observations
    assert torch.isinf(read.joints3d[0, 3, 5]).all() and torch.isfinite(read.joints3d[0, 4]).all()


@pytest.mark.parametrize("clip", sorted(path.stem for path in assets.DEMO_FOLDER.glob("*.npz")))
def test_the_demo_motions_are_as_assumed_or_lie(clip):
    found = rows(source(assets.DEMO_FOLDER / f"{clip}.npz"))
    assert set(found.values()) <= {"fine", "note"}, found


@pytest.mark.parametrize("name", ["verts3d", "points3d"])
@pytest.mark.parametrize("axis", ["y", "-y", "x"])
def test_up_of_vertices_and_clouds_is_told(tmp_path, name, axis):
    """Key vertices know head and hips; a cloud only that a person who stands is long, and where the floor is."""
    clip = source(FILE, "--observations", name)
    points = getattr(clip.observations, name)[0].numpy()
    assert rows(source(stored(tmp_path, points, name)))["up"] == "fine"
    turned = points @ np.array(TO_AXES[axis], np.float32).T
    with pytest.raises(CheckError, match=f"{axis} is up in this data, not z; give --up={axis}"):
        source(stored(tmp_path, turned, name))
    assert rows(source(stored(tmp_path, turned, name), f"--up={axis}"))["up"] == "fine"
