"""Results in HuMoR's layout: read back with numpy and posed again, they are the motion of the session."""

import numpy as np
import pytest
import torch

import assets
from optim.common.rotations import axis_angle_to_matrix
from optim.config.settings import parse
from optim.loading.problem import load_batches, load_session
from optim.results.saving.humor_results import save_results, save_stitched
from tests.motions import write_demo, write_walk

STAGES = ("stage1_results", "stage2_results", "stage3_init_results", "stage3_results")
IN_PRIOR_FRAME = tuple(f"{name}_prior" for name in STAGES[1:])
SHORT = ["--lbfgs-max-iter", "2", "--num-iters", "1", "1", "1", "--stage3-no-tune-init-state"]


@pytest.fixture(scope="module")
def run(model_files, tmp_path_factory):
    """A short fit and its folder, by kind of observation."""
    done = {}

    def make(kind):
        if kind not in done:
            folder = tmp_path_factory.mktemp(kind)
            motion, clip = folder / "walk.npz", folder / "clip.npz"
            words = {
                "joints3d": ["--data-path", str(write_walk(motion)), "--amass-make-partial"],
                "joints2d": ["--data", str(write_demo(clip)), "--observations", "joints2d"],
            }[kind]
            session = load_session(parse([*model_files.flags(), *SHORT, "--amass-seq-len", "12", *words]))
            session.run()
            (place,) = save_results(session, folder / "results_out", body_file=assets.BODY_FILE)
            done[kind] = session, place
        return done[kind]

    return make


def read(path):
    with np.load(path, allow_pickle=False) as archive:
        return {name: torch.from_numpy(archive[name]) for name in archive.files}


def posed(arrays, body):
    root = axis_angle_to_matrix(arrays["root_orient"])[None]
    pose = axis_angle_to_matrix(arrays["pose_body"].unflatten(-1, (21, 3)))[None]
    return body.joints(arrays["trans"][None], root, pose, arrays["betas"][None])


def distances(joints):
    """Between all joints of all frames (T, J, 3)."""
    points = joints.flatten(0, 1)
    return torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")


@pytest.mark.parametrize("kind", ["joints3d", "joints2d"])
def test_every_stage_is_written_in_its_layout(run, kind):
    _, place = run(kind)
    assert place.name == {"joints3d": "walk", "joints2d": "clip"}[kind]
    names = {path.stem for path in place.glob("*.npz")}
    assert names == {*STAGES, *IN_PRIOR_FRAME, "observations", "gt_results"}
    assert (place / "meta.txt").read_text().splitlines()[0] == f"optim_bm {assets.BODY_FILE}"
    for name in (*STAGES, *IN_PRIOR_FRAME):
        shapes = {key: tuple(value.shape) for key, value in read(place / f"{name}.npz").items()}
        expected = {"betas": (16,), "trans": (12, 3), "root_orient": (12, 3), "pose_body": (12, 63)}
        if name.startswith("stage3"):
            expected["contacts"] = (12, 22)
        if kind == "joints2d" and name in STAGES:
            expected["floor_plane"] = (4,)
        assert shapes == expected, name


@pytest.mark.parametrize("kind", ["joints3d", "joints2d"])
def test_results_posed_again_are_the_sessions_motion(run, kind):
    session, place = run(kind)
    body = session.problem.body
    for name, snapshot in (
        ("stage1_results", session.fit.end_of_stage(1)),
        ("stage2_results", session.fit.end_of_stage(2)),
        ("stage3_init_results", session.fit.stage3_start),
        ("stage3_results", session.current),
    ):
        again = posed(read(place / f"{name}.npz"), body)
        torch.testing.assert_close(again, session.fit.trajectory(snapshot).joints, atol=1e-4, rtol=0)
    truth = posed(read(place / "gt_results.npz"), body)
    torch.testing.assert_close(truth, session.problem.ground_truth.joints, atol=1e-4, rtol=0)


def test_stages_differ(run):
    _, place = run("joints3d")
    joints = [read(place / f"{name}.npz")["trans"] for name in STAGES]
    assert not any(torch.equal(a, b) for a, b in zip(joints[:-1], joints[1:], strict=True))
    contacts = read(place / "stage3_results.npz")["contacts"]
    assert set(contacts.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("kind", ["joints3d", "joints2d"])
def test_the_prior_frame_is_the_same_motion_moved_rigidly(run, kind):
    session, place = run(kind)
    body = session.problem.body
    for name in STAGES[1:]:
        seen, prior = (posed(read(place / f"{name}{tail}.npz"), body)[0] for tail in ("", "_prior"))
        torch.testing.assert_close(distances(prior), distances(seen), atol=2e-3, rtol=0)
        assert prior[0, 15, 2] > prior[0, 7, 2]  # z up: head above ankle


def test_observations_and_camera_come_back(run):
    session, place = run("joints3d")
    seen = read(place / "observations.npz")
    assert list(seen) == ["joints3d"] and torch.isinf(seen["joints3d"]).any()
    assert torch.equal(seen["joints3d"], session.problem.observations.joints3d[0])
    session, place = run("joints2d")
    seen = read(place / "observations.npz")
    assert torch.equal(seen["joints2d"], session.problem.observations.joints2d[0])
    assert torch.equal(seen["floor_plane"], session.problem.floor[0])
    expected = torch.tensor([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]])
    assert torch.equal(read(place / "gt_results.npz")["cam_mtx"], expected)


def test_a_fit_stopped_early_writes_the_stages_it_has(model_files, tmp_path):
    words = ["--data-path", str(write_walk(tmp_path / "walk.npz")), "--amass-seq-len", "12"]
    session = load_session(parse([*model_files.flags(), *SHORT, *words]))
    session.step_iteration()
    (place,) = save_results(session, tmp_path, body_file=assets.BODY_FILE)
    assert {path.name for path in place.iterdir()} == {
        "stage1_results.npz", "observations.npz", "gt_results.npz", "meta.txt",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["joints3d", "joints2d"])
def test_a_split_clip_gets_a_folder_for_each_part_and_one_for_the_whole(model_files, tmp_path, kind):
    words = {
        "joints3d": ["--data-path", str(write_walk(tmp_path / "walk.npz"))],
        "joints2d": ["--data", str(write_demo(tmp_path / "walk.npz")), "--observations", "joints2d"],
    }[kind]
    split = ["--rgb-seq-len", "18", "--rgb-overlap-len", "7", "--batch-size", "2"]
    fit = load_batches(parse([*model_files.flags(), *SHORT, *split, *words]))
    places = []
    for session in fit:
        session.run()
        places += save_results(session, tmp_path, body_file=assets.BODY_FILE, numbers=fit.numbers)
    assert [place.name for place in places] == ["walk_0000", "walk_0001", "walk_0002"]
    motion = fit.stitched()
    whole = save_stitched(motion, fit.whole, tmp_path, body_file=assets.BODY_FILE)
    assert whole.name == "final_results"
    results, in_prior = read(whole / "stage3_results.npz"), read(whole / "stage3_results_prior.npz")
    assert results["trans"].shape == (40, 3) and results["betas"].shape == (40, 16)
    assert read(whole / "observations.npz")[kind].shape[0] == 40
    last = read(places[-1] / "stage3_results.npz")
    torch.testing.assert_close(results["trans"][-10:], last["trans"][-10:])
    assert ("floor_plane" in results) == (kind == "joints2d")
    if kind == "joints2d":
        assert torch.equal(results["floor_plane"], read(places[0] / "stage3_results.npz")["floor_plane"])
    body = fit.whole.body
    seen, upright = (
        torch.cat(
            [posed({k: v[t : t + 1] if k != "betas" else v[t] for k, v in a.items()}, body) for t in range(40)], 1
        )
        for a in (results, in_prior)
    )
    torch.testing.assert_close(seen[0], motion.joints, atol=1e-4, rtol=0)
    torch.testing.assert_close(distances(seen[0, ::13]), distances(upright[0, ::13]), atol=1e-3, rtol=0)
