"""Motions in AMASS format: what is read, how it is resampled, and how bad files are refused."""

import numpy as np
import pytest
import roma
import torch

from optim.common.errors import InputError
from optim.loading.clips import motion_files
from optim.loading.files.amass import FPS, read_motion, resample


def write(path, *, frames=40, fps=30.0, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "trans": rng.normal(size=(frames, 3)).cumsum(0) * 0.01,
        "poses": rng.normal(size=(frames, 156)).cumsum(0) * 0.02,
        "betas": rng.normal(size=16),
        "mocap_framerate": np.array(fps),
        "gender": np.array("female"),
    }
    arrays |= changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return arrays


def test_a_30_hz_file_comes_back_as_it_is(tmp_path):
    arrays = write(tmp_path / "walk_poses.npz")
    motion = read_motion(tmp_path / "walk_poses.npz")
    assert (motion.name, motion.gender, motion.resampled) == ("walk", "female", False)
    np.testing.assert_allclose(motion.trans, arrays["trans"], atol=1e-6)
    np.testing.assert_allclose(motion.poses, arrays["poses"][:, :66], atol=1e-6)
    np.testing.assert_allclose(motion.betas, arrays["betas"], atol=1e-6)


@pytest.mark.parametrize("fps", [60.0, 120.0])
def test_a_multiple_of_30_keeps_every_nth_frame(tmp_path, fps):
    arrays = write(tmp_path / "a.npz", fps=fps, frames=41)
    motion = read_motion(tmp_path / "a.npz")
    kept = slice(None, None, int(fps / FPS))
    assert motion.source_fps == fps and motion.resampled
    np.testing.assert_allclose(motion.trans, arrays["trans"][kept], atol=1e-6)
    expected = roma.rotvec_to_rotmat(torch.from_numpy(arrays["poses"][kept, :66].reshape(-1, 22, 3)))
    got = roma.rotvec_to_rotmat(torch.from_numpy(motion.poses.reshape(-1, 22, 3)))
    np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("fps", [24.0, 25.0, 59.94, 100.0])
def test_a_constant_turn_stays_constant_at_any_rate(fps):
    seconds = np.arange(50) / fps
    axis = np.array([0.6, 0.0, 0.8])
    turn = np.concatenate([seconds[:, None] * 2.0 * axis, np.zeros((50, 63))], axis=1)
    trans, poses = resample(seconds[:, None] * np.array([1.0, 2.0, 3.0]), turn, fps=fps)
    at = np.arange(len(trans)) / FPS
    assert at[-1] <= seconds[-1] + 1e-6 < at[-1] + 1 / FPS + 1e-5
    np.testing.assert_allclose(trans, at[:, None] * [1.0, 2.0, 3.0], atol=1e-9)
    expected = roma.rotvec_to_rotmat(torch.from_numpy(at[:, None] * 2.0 * axis))
    np.testing.assert_allclose(roma.rotvec_to_rotmat(torch.from_numpy(poses[:, :3])), expected, atol=1e-9)


def test_slerp_takes_the_short_way_over_half_a_turn():
    """3.1 rad and −3.1 rad about one axis are 0.08 rad apart, not 6.2."""
    poses = np.zeros((2, 66))
    poses[:, 2] = 3.1, -3.1
    _, dense = resample(np.zeros((2, 3)), poses, fps=10.0)
    assert len(dense) == 4
    assert (np.abs(dense[:, 2]) > 3.09).all()


def test_other_spellings_and_missing_extras(tmp_path):
    write(
        tmp_path / "b.npz",
        mocap_framerate=None,
        mocap_frame_rate=np.array(30),
        betas=np.ones(10),
        gender=np.array(b"male"),
    )
    motion = read_motion(tmp_path / "b.npz")
    assert motion.gender == "male" and motion.betas.tolist() == [1.0] * 10 + [0.0] * 6
    write(tmp_path / "c.npz", betas=None, gender=None)
    assert read_motion(tmp_path / "c.npz").gender == "neutral"


def test_what_humors_preprocessing_writes(tmp_path):
    """Rotations apart, ``fps``, and more besides, some of it pickled (no hand pose); a fit's result has no rate."""
    path = tmp_path / "walk_poses_40_frames_60_fps.npz"
    arrays = write(tmp_path / "walk_poses.npz", fps=60.0)
    raw = read_motion(tmp_path / "walk_poses.npz")
    processed = {
        "trans": arrays["trans"],
        "root_orient": arrays["poses"][:, :3],
        "pose_body": arrays["poses"][:, 3:66],
        "betas": arrays["betas"],
        "gender": arrays["gender"],
    }
    more = {"contacts": np.zeros((40, 22)), "pose_hand": np.array(None), "joints": np.zeros((40, 22, 3))}
    np.savez(path, fps=60, **processed, **more)
    motion = read_motion(path)
    np.testing.assert_array_equal(motion.poses, raw.poses)
    np.testing.assert_array_equal(motion.trans, raw.trans)
    assert (motion.source_fps, motion.gender) == (60.0, "female")
    np.savez(tmp_path / "stage3_results.npz", **processed)
    assert read_motion(tmp_path / "stage3_results.npz").source_fps == FPS


def nan_at(shape, frame):
    array = np.zeros(shape)
    array[frame] = np.nan
    return array


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trans": None}, "no array trans"),
        ({"trans": np.zeros((40, 2))}, "trans has shape"),
        ({"poses": np.zeros((40, 63))}, "poses has shape"),
        ({"poses": np.zeros((39, 156))}, "40 frames but poses has 39"),
        ({"trans": np.zeros((1, 3)), "poses": np.zeros((1, 156))}, "at least 2"),
        ({"mocap_framerate": None}, "no mocap_framerate"),
        ({"mocap_framerate": np.array(0.0)}, "positive"),
        ({"mocap_framerate": np.array([30.0, 60.0])}, "one positive number"),
        ({"trans": nan_at((40, 3), 7)}, "row 7"),
        ({"poses": nan_at((40, 156), 3)}, "poses has 66 values"),
        ({"betas": nan_at(16, 2)}, "betas"),
        ({"betas": np.zeros((2, 3, 4))}, "betas has shape"),
        ({"poses": np.full((40, 156), "x")}, "numbers are expected"),
        ({"trans": np.array([None] * 40, object)}, "pickled"),
        ({"poses": None}, "no array poses"),
        ({"root_orient": np.zeros((40, 3)), "pose_body": np.zeros((40, 60))}, r"pose_body has shape \(40, 60\)"),
        ({"root_orient": np.zeros((39, 3)), "pose_body": np.zeros((40, 63))}, "root_orient has 39 frames"),
        ({"root_orient": np.zeros((2, 40, 3)), "pose_body": np.zeros((2, 40, 63))}, "2 people"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, changes, words):
    path = tmp_path / "bad motion ü.npz"
    write(path, **changes)
    with pytest.raises(InputError, match=words) as error:
        read_motion(path)
    assert str(path) in str(error.value)


def test_unreadable_files_are_refused_by_name(tmp_path):
    whole = tmp_path / "whole.npz"
    write(whole)
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole.read_bytes()[:2000])
    text = tmp_path / "text.npz"
    text.write_text("hello")
    empty = tmp_path / "empty.npz"
    empty.touch()
    single = tmp_path / "single.npz"
    with single.open("wb") as file:
        np.save(file, np.zeros(3))
    for path, words in [
        (cut, "damaged"),
        (text, "not an .npz"),
        (empty, "damaged"),
        (single, "single array"),
        (tmp_path, "a folder"),
        (tmp_path / "none.npz", "no such file"),
    ]:
        with pytest.raises(InputError, match=words) as error:
            read_motion(path)
        assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (132, "the 6D form of 22 rotations"),
        (216, "the matrices of 24 rotations"),
        (208, "the quaternions of 52 rotations"),
    ],
)
def test_other_forms_of_rotations_are_named(tmp_path, columns, told):
    write(tmp_path / "a.npz", poses=np.zeros((40, columns)))
    with pytest.raises(InputError, match=told):
        read_motion(tmp_path / "a.npz")


def test_rotations_of_joints_apart_are_to_be_reshaped(tmp_path):
    write(tmp_path / "a.npz", poses=np.zeros((40, 24, 3)))
    with pytest.raises(InputError, match=r"reshape it to \(40, 72\)"):
        read_motion(tmp_path / "a.npz")


def test_shapes_of_subjects_are_no_motions(tmp_path):
    folder = tmp_path / "s1"
    folder.mkdir()
    for name in ("walk_stageii", "walk_poses", "other"):
        write(folder / f"{name}.npz")
    np.savez(folder / "female_stagei.npz", gender="female", betas=np.zeros(16))
    np.savez(folder / "shape.npz", gender="female", betas=np.zeros(16))
    assert [path.stem for path in motion_files(tmp_path)] == ["other", "walk_poses", "walk_stageii"]
