"""The form of rotations is told from their values, at any number of columns; degrees and knees from their angles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import assets
from optim.checks.check import CheckError
from optim.checks.rotations import wrapped_angles
from optim.loading.files.amass import read_motion

FILE = assets.DEMO_FOLDER / "default_walk_turn.npz"


def walk(joints):
    """Arrays of a walk with rotations (60, joints, 3), axis-angle."""
    with np.load(FILE) as file:
        arrays = {name: file[name] for name in ("trans", "poses", "betas", "mocap_framerate")}
    turns = np.zeros((60, joints, 3))
    turns[:, : min(joints, 52)] = arrays["poses"][:60].reshape(60, -1, 3)[:, :joints]
    return arrays | {"trans": arrays["trans"][:60]}, Rotation.from_rotvec(turns.reshape(-1, 3))


def stored(tmp_path, poses, arrays):
    np.savez(tmp_path / "a_poses.npz", **arrays | {"poses": poses})
    return tmp_path / "a_poses.npz"


FORMS = {
    "matrices": lambda turns: turns.as_matrix(),
    "6D form .* after each other": lambda turns: turns.as_matrix()[:, :2],
    "6D form .* interleaved": lambda turns: turns.as_matrix()[:, :, :2],
    "quaternions .*w last": lambda turns: turns.as_quat(),
    "quaternions .*w first": lambda turns: turns.as_quat(scalar_first=True),
}


@pytest.mark.parametrize("joints", [22, 24, 52, 55])
@pytest.mark.parametrize("name", FORMS)
def test_another_form_is_named(tmp_path, name, joints):
    arrays, turns = walk(joints)
    values = FORMS[name](turns).astype(np.float32)
    for poses in (values.reshape(60, -1), values.reshape(60, joints, -1)):
        with pytest.raises(CheckError, match=f"form of rotations: .*{name}.*convert them"):
            read_motion(stored(tmp_path, poses, arrays))


@pytest.mark.parametrize("name", ["matrices", "quaternions .*w last", "quaternions .*w first"])
def test_a_rest_pose_in_another_form_is_named_too(tmp_path, name):
    """Its numbers are whole, as those of rotations that were cut are."""
    arrays, turns = walk(22)
    still = FORMS[name](Rotation.identity(len(turns))).reshape(60, -1)
    with pytest.raises(CheckError, match=f"form of rotations: .*{name}"):
        read_motion(stored(tmp_path, still, arrays))


def test_the_advice_converts(tmp_path):
    arrays, turns = walk(22)
    for name in ("matrices", "quaternions .*w last", "quaternions .*w first"):
        poses = FORMS[name](turns).reshape(60, -1)
        with pytest.raises(CheckError) as stopped:
            read_motion(stored(tmp_path, poses, arrays))
        call = stopped.value.rows[0].advice.partition("SciPy: ")[2]
        converted = eval(call, {"Rotation": Rotation, "poses": poses, "len": len})  # noqa: S307  our own advice
        np.testing.assert_allclose(converted, turns.as_rotvec().reshape(60, -1), atol=1e-6)


def test_degrees_are_refused_and_read_with_the_flag(tmp_path):
    arrays, turns = walk(52)
    file = stored(tmp_path, np.degrees(turns.as_rotvec().reshape(60, -1)), arrays)
    with pytest.raises(CheckError, match="radians: .* give --degrees"):
        read_motion(file)
    np.testing.assert_allclose(
        read_motion(file, degrees=True).poses, turns.as_rotvec()[:].reshape(60, -1)[:, :66], atol=1e-6
    )


def test_inverted_rotations_bend_the_knees_backwards(tmp_path, caplog):
    arrays, turns = walk(52)
    read_motion(stored(tmp_path, turns.inv().as_rotvec().reshape(60, -1), arrays))
    assert "knees: the knees bend" in caplog.text


def test_the_motion_itself_is_as_assumed():
    assert {row.severity for row in read_motion(FILE).checked} == {"fine"}


@pytest.mark.parametrize("order", ["ZXY", "YXZ", "zxy", "ZXY:xyz"])
def test_euler_angles_ask_and_the_flag_makes_the_motion_of_them(tmp_path, order):
    arrays, turns = walk(22)
    letters, _, stored_by_axis = order.partition(":")
    angles = turns.as_euler(letters)
    angles = angles[:, [letters.lower().index(axis) for axis in "xyz"]] if stored_by_axis else angles
    file = stored(tmp_path, angles.reshape(60, -1), arrays)
    with pytest.raises(CheckError, match="Euler angles: .*--euler .*--euler no"):
        read_motion(file)
    assert [row.severity for row in read_motion(file, euler="no").checked if row.check == "Euler angles"] == ["likely"]
    read = Rotation.from_rotvec(read_motion(file, euler=order).poses.reshape(-1, 3))
    assert (read.inv() * turns).magnitude().max() < 1e-5


def test_one_angle_that_wraps_alone_is_an_euler_angle():
    vectors = np.zeros((40, 22, 3))
    vectors[:, 0] = Rotation.from_euler(
        "xz", np.column_stack((np.full(40, np.pi / 2), np.linspace(2, 5, 40)))
    ).as_rotvec()
    assert not wrapped_angles(vectors)
    vectors[:, 0] = Rotation.from_rotvec(vectors[:, 0]).as_euler("xyz")
    assert wrapped_angles(vectors) == 1
    about_one_axis = np.zeros((40, 22, 3))
    about_one_axis[:, 0, 1] = (np.linspace(2, 5, 40) + np.pi) % (2 * np.pi) - np.pi
    assert not wrapped_angles(about_one_axis)  # an axis-angle vector wraps so too
