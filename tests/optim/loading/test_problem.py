"""From a command line to a problem: frames of reference, cuts, seeds, and what is refused."""

import logging

import numpy as np
import pytest
import torch

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.loading.demo import find_clip, read_demo
from optim.loading.problem import load_problem, load_session, load_source
from tests.motions import walk_arrays, write_demo, write_walk


@pytest.fixture
def load(model_files):
    return lambda *words: load_problem(parse([*model_files.flags(), *map(str, words)]))


def test_a_motion_file_without_noise_is_seen_as_it_is(load, tmp_path):
    problem = load("--data-path", write_walk(tmp_path / "walk_poses.npz"), "--amass-seq-len", 30)
    truth = problem.ground_truth
    assert problem.name == "walk" and problem.frames == 30 and problem.camera is None
    assert torch.equal(problem.observations.joints3d, truth.joints)
    torch.testing.assert_close(truth.trans[0], torch.tensor(walk_arrays()["trans"][:30], dtype=torch.float32))
    assert truth.joints[..., 2].min() > -0.1 and truth.joints[..., 2].max() < 2.0


def test_start_frame_and_seed(load, tmp_path):
    path = write_walk(tmp_path / "walk.npz")
    words = ("--data-path", path, "--amass-start-frame", 5, "--amass-seq-len", 20, "--amass-noise-std", 0.04)
    first, again, other = load(*words), load(*words), load(*words, "--seed", 1)
    np.testing.assert_allclose(first.ground_truth.trans[0, 0], walk_arrays()["trans"][5], atol=1e-6)
    assert torch.equal(first.observations.joints3d, again.observations.joints3d)
    assert not torch.equal(first.observations.joints3d, other.observations.joints3d)


def test_hidden_joints_and_key_vertices(load, tmp_path):
    path = write_walk(tmp_path / "walk.npz")
    partial = load("--data-path", path, "--amass-make-partial", "--amass-partial-height", 0.8)
    low = partial.ground_truth.joints[..., 2] < 0.8
    assert low.any() and torch.equal(torch.isinf(partial.observations.joints3d).all(-1), low)
    verts = load("--data-path", path, "--amass-use-verts").observations
    assert verts.joints3d is None and verts.verts3d.shape == (1, 40, 43, 3)


def test_reference_rules_get_the_canonical_frame_of_the_first_frame(load, tmp_path):
    """The body stands at x = y = 0, its right along +x; the motion is the same but for a turn about z."""
    path = write_walk(tmp_path / "walk.npz")
    words = ("--data-path", path, "--amass-make-partial")
    world, canonical = load(*words), load(*words, "--preset", "reference")
    truth = canonical.ground_truth
    torch.testing.assert_close(truth.trans[0, 0, :2], torch.zeros(2), atol=1e-6, rtol=0)
    right = -truth.root_orient[0, 0, :, 0]
    torch.testing.assert_close(right[1], torch.tensor(0.0), atol=1e-6, rtol=0)
    assert right[0] > 0.9
    body = canonical.body.joints(truth.trans, truth.root_orient, truth.pose_body, truth.betas)
    torch.testing.assert_close(truth.joints, body, atol=1e-5, rtol=0)
    seen, before = canonical.observations.joints3d, world.observations.joints3d
    assert torch.equal(torch.isinf(seen), torch.isinf(before)) and torch.isinf(seen).any()
    assert not torch.isnan(seen).any()
    visible = torch.isfinite(seen)
    torch.testing.assert_close(seen[visible], truth.joints[visible], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[..., 2][visible[..., 2]], before[..., 2][visible[..., 2]], atol=1e-5, rtol=0)


def test_a_demo_clip_through_its_camera(load, tmp_path):
    path = write_demo(tmp_path / "clip.npz")
    world = load("--data", path)
    problem = load("--data", path, "--observations", "joints2d")
    truth = problem.ground_truth
    with np.load(path) as stored:
        rotation, offset = stored["R_camera_world"], stored["t_camera_world"]
        np.testing.assert_allclose(problem.floor[0], stored["floor_plane"])
        np.testing.assert_allclose(truth.floor_plane[0], stored["floor_plane_true"])
        seen = world.ground_truth.joints.numpy() @ rotation.T + offset
    np.testing.assert_allclose(truth.joints, seen, atol=1e-5)
    rebuilt = problem.body.joints(truth.trans, truth.root_orient, truth.pose_body, truth.betas)
    torch.testing.assert_close(truth.joints, rebuilt, atol=1e-5, rtol=0)
    assert problem.camera.image_size == (1280, 720) and problem.observations.joints2d.shape == (1, 40, 25, 3)
    partial = load("--data", path, "--observations", "joints3d_partial", "--amass-seq-len", 16)
    assert torch.isinf(partial.observations.joints3d).any() and partial.frames == 16


def test_what_was_changed_is_said(load, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        problem = load("--data-path", write_walk(tmp_path / "walk.npz", fps=60.0, frames=61))
    assert problem.frames == 31
    assert "60 frames/s, resampled to 30" in caplog.text and "31 frames, not 60" in caplog.text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--amass-start-frame", "38"), "40 frames at 30 frames/s, but 60 from frame 38"),
        (("--amass-make-partial", "--amass-partial-height", "9"), "nothing is visible"),
        (("--smpl", "{tmp}"), "no neutral/model.npz"),
        (("--vposer", "{tmp}"), "snapshots"),
        (("--humor", "{tmp}/walk.npz"), "walk.npz"),
        (("--init-motion-prior", "{tmp}"), "prior_gmm.npz: no such file"),
    ],
)
def test_what_cannot_be_used_is_named(load, tmp_path, words, message):
    path = write_walk(tmp_path / "walk.npz")
    with pytest.raises(InputError, match=message):
        load("--data-path", path, *(word.format(tmp=tmp_path) for word in words))


def test_a_session_starts_from_the_command_line(model_files, tmp_path):
    path = write_walk(tmp_path / "walk.npz")
    words = ["--data-path", str(path), "--num-iters", "1", "0", "0", "--lbfgs-max-iter", "2"]
    session = load_session(parse([*model_files.flags(), *words]))
    before = session.current.evaluation.total
    assert session.step_iteration().evaluation.total < before


def test_a_split_clip_is_one_batch_of_its_parts_for_the_window(model_files, tmp_path):
    from viewer.worker.build_view import ViewBuilder

    motion = write_walk(tmp_path / "walk.npz")
    words = ["--data-path", str(motion), "--rgb-seq-len", "16", "--rgb-overlap-len", "4"]
    session = load_session(parse([*model_files.flags(), *words]))
    assert session.problem.observations.seq_interval.tolist() == [[0, 16], [12, 28], [24, 40]]
    assert "rgb_overlap_consist_verts3d_pos" in session.current.evaluation.terms
    assert ViewBuilder(session).scene.starts == (0, 12, 24)


def test_contradicting_keypoints_are_doubted_unless_a_flag_or_the_reference_trusts_them(load, tmp_path, caplog):
    clip = read_demo(find_clip("default_walk_turn"))
    points = clip.joints2d[:30].copy()
    points[12:15, 7, :2] += 200
    path = tmp_path / "keypoints.npz"
    np.savez(path, joints2d=points, camera_matrix=clip.camera_matrix, fps=30.0)
    doubted, trusted, reference = (
        load("--data-path", path, *more).observations
        for more in ((), ("--contradictions", "trusted"), ("--preset", "reference"))
    )
    assert doubted.doubted.nonzero().tolist() == [[0, frame, 7] for frame in (12, 13, 14)]
    assert "frames 12 to 14: jumps away" in caplog.text
    assert trusted.doubts is None and reference.doubts is None
    assert torch.equal(doubted.joints2d, reference.joints2d)
    forced = load("--data-path", path, "--preset", "reference", "--contradictions", "doubted").observations
    assert torch.equal(forced.doubts, doubted.doubts)


@pytest.mark.parametrize(
    ("flags", "lowered"),
    [
        ((), True),
        (("--contradictions", "trusted"), False),
        (("--preset", "reference"), False),
        (("--preset", "reference", "--contradictions", "doubted"), True),
    ],
)
def test_the_note_on_contradicting_keypoints_says_what_this_run_does_with_them(tmp_path, flags, lowered):
    clip = read_demo(find_clip("default_walk_turn"))
    points = clip.joints2d[:30].copy()
    points[12:15, 7, :2] += 200
    np.savez(tmp_path / "k.npz", joints2d=points, camera_matrix=clip.camera_matrix, fps=30.0)
    source = load_source(parse(["--data-path", str(tmp_path / "k.npz"), *flags]))
    (row,) = (row for row in source.checked if row.check == "contradicting keypoints")
    assert row.severity == "note" and ("the confidence of the others is lowered" in row.advice) == lowered
    assert (source.observations.doubts is not None) == lowered
