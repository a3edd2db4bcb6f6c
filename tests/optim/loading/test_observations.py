"""An .npz of observations: what is read, which frame and weights it means, and what is refused."""

import json
import logging

import numpy as np
import pytest
import torch

from optim.checks.contradictions import JUMP, LENGTH
from optim.common.errors import InputError
from optim.config.settings import parse
from optim.loading.files.rates import NOTHING, frames_at_30
from optim.loading.problem import load_session, load_source

FLOOR = np.array([0.0, -1.0, 0.0, -1.5])
MATRIX = np.array([[1000.0, 0, 640], [0, 1000.0, 360], [0, 0, 1]])


def write(path, **changes):
    rng = np.random.default_rng(0)
    arrays = {"points3d": rng.normal(size=(20, 50, 3)) * 0.3 + [0, 0, 1.0]} | changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def read(path, *words):
    return load_source(parse(["--data-path", str(path), *words]))


def test_points_in_a_world(tmp_path):
    points = np.random.default_rng(1).normal(size=(20, 50, 3))
    points[3, 4, 1] = np.nan
    points[7] = np.inf
    path = write(tmp_path / "my scan.npz", points3d=points)
    settings = parse(["--data-path", str(path)])
    assert (settings.kind, settings.observations, settings.through_camera) == ("observations", "points3d", False)
    source = load_source(settings)
    assert source.name == "my scan" and source.camera is None and source.ground_truth is None
    seen = source.observations
    assert seen.visible["points3d"][0].sum(1).tolist() == [50] * 3 + [49] + [50] * 3 + [0] + [50] * 12
    there = seen.visible["points3d"][0]
    np.testing.assert_allclose(seen.points3d[0][there], points.astype(np.float32)[there.numpy()])


def test_points_of_a_camera_with_keypoints_and_floor(tmp_path):
    keypoints = np.full((20, 25, 3), 90.0)
    path = write(tmp_path / "a.npz", joints2d=keypoints, camera_matrix=MATRIX, floor_plane=2 * FLOOR)
    settings = parse(["--data-path", str(path)])
    assert settings.through_camera and settings.data_weights == "rgbd"
    source = load_source(settings)
    np.testing.assert_allclose(source.floor[0], FLOOR)
    assert source.camera.focal.tolist() == [[1000.0, 1000.0]] and source.floor_known
    assert set(source.observations.visible) == {"points3d", "joints2d"}
    np.savez(tmp_path / "gt_results.npz", cam_mtx=np.array([[2], [2], [1]]) * MATRIX)
    write(tmp_path / "observations.npz", joints2d=keypoints, floor_plane=FLOOR[:3] * FLOOR[3])
    own = read(tmp_path / "observations.npz")
    assert own.name == tmp_path.name and own.camera.focal.tolist() == [[2000.0, 2000.0]]
    np.testing.assert_allclose(own.floor[0], [0, 1, 0, 1.5], atol=1e-6)


def test_the_first_of_several_decides_and_the_others_are_told(tmp_path, caplog):
    path = write(tmp_path / "a.npz", joints3d=np.ones((20, 22, 3)))
    with caplog.at_level(logging.WARNING):
        assert set(read(path).observations.visible) == {"points3d"}
    assert "joints3d has no weight and is left out; give it one with --joint3d-weight" in caplog.text
    assert set(read(path, "--observations", "joints3d").observations.visible) == {"joints3d"}
    both = read(path, "--joint3d-weight", "1", "1", "1").observations
    assert set(both.visible) == {"points3d", "joints3d"}


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (30.0, [0, 1, 2, 3, 4, 5]),
        (60.0, [0, 2, 4]),
        (15.0, [0, NOTHING, 1, NOTHING, 2, NOTHING, 3, NOTHING, 4, NOTHING, 5]),
        (25.0, [0, 1, 2, NOTHING, 3, 4, 5]),
    ],
)
def test_each_moment_gets_its_nearest_frame_or_none(fps, expected):
    found = frames_at_30(6, fps=fps)
    assert found.tolist() == expected
    used = found[found != NOTHING]
    assert len(set(used)) == len(used)
    away = np.abs(used / fps - np.flatnonzero(found != NOTHING) / 30.0)
    assert away.max() <= 0.5 / 30.0 + 1e-9


def test_other_rates_are_told(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert read(write(tmp_path / "a.npz", fps=15)).observations.frames == 39
    assert "15 frames/s" in caplog.text
    assert read(write(tmp_path / "b.npz"), "--data-fps", "15").observations.frames == 39


def test_a_cloud_in_a_world_is_fitted_from_where_it_is(tmp_path, model_files):
    """No camera, no truth: the body starts upright among the points, under rules that need no truth."""
    rng = np.random.default_rng(0)
    cloud = rng.normal(size=(16, 80, 3)) * [0.15, 0.15, 0.4] + [5.0, -3.0, 0.9]
    path = write(tmp_path / "a.npz", points3d=cloud)
    words = ["--data-path", str(path), "--num-iters", "1", "0", "0", "--lbfgs-max-iter", "2", *model_files.flags()]
    session = load_session(parse(words))
    start = session.fit.trajectory()
    assert (start.joints[0].mean((0, 1)) - torch.tensor([5.0, -3.0, 0.9])).norm() < 0.3
    assert (start.root_orient[0, :, 2, 1] > 0.99).all()
    before = session.current.evaluation.total
    assert session.step_iteration().evaluation.total < before
    with pytest.raises(InputError, match="--preset reference.*ground truth"):
        load_session(parse([*words, "--preset", "reference"]))


@pytest.mark.parametrize(
    ("changes", "words", "told"),
    [
        ({"points3d": np.zeros((20, 3))}, "", r"points3d has shape \(20, 3\); \(frames, points, 3\)"),
        ({"points3d": np.zeros((20, 0, 3))}, "", "points3d has shape"),
        ({"points3d": np.full((20, 5, 3), "x")}, "", "numbers are expected"),
        ({"points3d": np.array([None] * 20, object)}, "", "pickled"),
        ({"points3d": np.full((20, 5, 3), np.nan)}, "", "nothing is visible"),
        ({"points3d": np.zeros((9, 5, 3))}, "--amass-seq-len 20", "9 frames"),
        ({"joints2d": np.zeros((19, 25, 3)), "camera_matrix": MATRIX}, "", "frames differ: points3d 20, joints2d 19"),
        ({"joints2d": np.zeros((20, 24, 3))}, "", r"joints2d has shape \(20, 24, 3\); \(frames, 25, 3\)"),
        ({"points3d": None, "joints2d": np.full((20, 25, 3), 90.0)}, "", "no camera_matrix or image_size"),
        ({"camera_matrix": np.eye(2)}, "", "camera matrix has shape"),
        ({"floor_plane": np.zeros(4)}, "", "floor_plane is"),
        ({"floor_plane": np.ones(5)}, "", "a normal and an offset"),
        ({"fps": np.array([30, 30])}, "", "one positive number"),
        ({"fps": np.array("fast")}, "", "one positive number"),
        ({}, "--observations joints3d", "no joints3d in it, only points3d"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, model_files, changes, words, told):
    path = write(tmp_path / "bad ü.npz", **changes)
    with pytest.raises(InputError, match=told):
        load_session(parse(["--data-path", str(path), *words.split(), *model_files.flags()]))


def test_a_truncated_file_is_refused_by_name(tmp_path):
    whole = write(tmp_path / "whole.npz")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(InputError, match=r"cut.npz: damaged or cut off"):
        read(cut, "--data-type", "observations")


def test_a_lens_may_move_keypoints_out_of_the_image(tmp_path, caplog):
    """They are held against the image before the lens is taken out of them."""
    keypoints = np.full((20, 25, 3), 0.9)
    keypoints[..., 0] = 1200 + np.arange(20)[:, None] * 3 + np.arange(25)
    keypoints[..., 1] = 360 + np.arange(25) * 4
    path = write(tmp_path / "a.npz", joints2d=keypoints, image_size=np.array([1280, 720]))
    camera = {"K": [[700, 0, 640], [0, 700, 360], [0, 0, 1]], "D": [-0.25, 0.06, 0, 0, 0]}
    (tmp_path / "K.json").write_text(json.dumps(camera))
    found = read(path, "--rgb-intrinsics", str(tmp_path / "K.json"))
    assert float(found.observations.joints2d[..., 0].max()) > 1.1 * 1280
    assert next(row for row in found.checked if row.check == "keypoints in the image").severity == "fine"


def test_doubts_that_a_fit_has_stored_are_kept_with_those_that_were_set_aside(tmp_path):
    keypoints = np.full((20, 25, 3), 90.0)
    doubts = np.zeros((20, 25), np.int8)
    doubts[3:5, 7], doubts[8, 4] = JUMP, -LENGTH
    path = write(tmp_path / "a.npz", points3d=None, joints2d=keypoints, camera_matrix=MATRIX, doubts=doubts)
    assert np.array_equal(read(path).observations.doubts[0], doubts)
    later = read(path, "--amass-start-frame", "4", "--amass-seq-len", "10").observations
    assert np.array_equal(later.doubts[0], doubts[4:14])
    assert read(path, "--contradictions", "trusted").observations.doubts is None
    row = next(row for row in read(path).checked if row.check == "contradicting keypoints")
    assert "left wrist" in row.seen and "right wrist" not in row.seen


@pytest.mark.parametrize(
    ("doubts", "told"),
    [
        (np.zeros((19, 25)), r"doubts has shape \(19, 25\); \(20, 25\) is expected"),
        (np.full((20, 25), 9), "doubts holds 9; integers from -5 to 5"),
        (np.full((20, 25), np.nan), "doubts holds nan"),
    ],
)
def test_doubts_that_are_no_codes_are_refused(tmp_path, doubts, told):
    path = write(tmp_path / "a.npz", joints2d=np.full((20, 25, 3), 90.0), camera_matrix=MATRIX, doubts=doubts)
    with pytest.raises(InputError, match=rf"a\.npz.*{told}.*found again"):
        read(path)
