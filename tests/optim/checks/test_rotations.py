"""The form of rotations is told from their values, at any number of columns; degrees and knees from their angles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import assets
from optim.checks.check import CheckError
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
