"""Results opened again: HuMoR's folders and ours, split videos, SLAHMR's people; and what is said of broken ones."""

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

import assets
from optim.checks.contradictions import JUMP
from optim.common.errors import InputError
from optim.common.rotations import matrix_to_axis_angle
from optim.config.settings import parse
from optim.diagnostics.causes.table import causes, merged
from optim.results.opened import open_results
from optim.results.read_results import read_motion_file
from optim.results.saving.humor_results import save_results, save_stitched
from optim.results.saving.run_record import split_info, write_record
from optim.schedule.stages import schedule
from optim.session.session import Session
from optim.split.batches import BatchedFit, row_of
from optim.split.splitting import split_frames
from optim.split.stitching import Clip, seams_of, stitch
from tests import fakes as small
from tests.motions import walk_arrays

FLOOR = np.array([0.0, 0.0, 1.0, 0.0])


def motion(frames=20, *, shift=0.0, start=0, **more):
    """Arrays of a stage's results: some frames of a walk, moved along x."""
    walk = walk_arrays(frames=start + frames)
    return {
        "betas": walk["betas"],
        "trans": walk["trans"][start:] + [shift, 0.0, 0.0],
        "root_orient": walk["poses"][start:, :3],
        "pose_body": walk["poses"][start:, 3:66],
    } | more


def write_part(folder, *, start=0, frames=20, interval=True, shift=0.0):
    """A folder as the public code writes it, floors and images of a video included."""
    folder.mkdir(parents=True)
    for stage, drift in (("stage1", 0.3), ("stage2", 0.0), ("stage3_init", 0.05), ("stage3", 0.01)):
        own = motion(frames, start=start, shift=drift + shift, contacts=np.zeros((frames, 22)))
        np.savez(folder / f"{stage}_results.npz", **own)
    seen = {"joints2d": np.ones((frames, 25, 3)), "img_paths": [f"{t}.png" for t in range(frames)]}
    if interval:
        seen["seq_interval"] = np.array([start, start + frames])
    np.savez(folder / "observations.npz", **seen)
    np.savez(folder / "gt_results.npz", cam_mtx=np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]]))
    (folder / "meta.txt").write_text(f"optim_bm {assets.BODY_FILE}\ngt_bm {assets.BODY_FILE}\n")
    return folder


def test_stages_of_a_fit_and_the_drift_between_two(tmp_path):
    write_part(tmp_path / "hop_1625", interval=False)
    for path in (tmp_path / "hop_1625", tmp_path):
        opened = open_results(path)
        assert list(opened.moments) == ["stage1", "stage2", "stage3_init", "stage3"] and opened.name == "hop_1625"
        assert opened.intervals == ((0, 20),) and not opened.seams and opened.losses == {}
        np.testing.assert_allclose(opened.drift_cm, np.full((1, 20), 5.0), atol=1e-3)
        assert opened.camera.focal.tolist() == [[1000.0, 1000.0]] and opened.floor is None
        assert opened.moments["stage3"].contacts.shape == (1, 20, 22)
    (tmp_path / "hop_1625" / "stage2_results.npz").unlink()
    assert open_results(tmp_path).drift_cm is None


def test_parts_of_a_video_come_together_with_their_seams(tmp_path):
    """Two frames shared, the second part 4 cm aside; a part that HuMoR repeated to fill a batch is left out."""
    write_part(tmp_path / "clip_0000_16251", start=0)
    write_part(tmp_path / "clip_0001_16252", start=18, shift=0.04)
    write_part(tmp_path / "clip_0001_16253", start=18, shift=0.04)
    opened = open_results(tmp_path)
    assert opened.intervals == ((0, 20), (18, 38)) and opened.name == "clip"
    assert list(opened.moments)[-1] == "stitched"
    (seam,) = opened.seams
    assert (seam.frame, seam.shared) == (20, 2) and abs(seam.apart.cm - 4.0) < 0.01 and abs(seam.after.cm - 4.0) < 0.01
    stage3, whole = opened.moments["stage3"], opened.moments["stitched"]
    torch.testing.assert_close(whole.trans[0], stage3.trans[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.trans[1, 2:], stage3.trans[1, 2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.trans[1, :2], stage3.trans[0, 18:], atol=1e-5, rtol=0)


def test_doubts_about_keypoints_come_back(tmp_path):
    """From a folder that a fit has written, and together with a sub-sequence in which nothing was doubted."""
    problem, _ = small.recoverable("joints2d", frames=20)
    doubts = torch.zeros(problem.observations.joints2d.shape[:3], dtype=torch.int8)
    doubts[0, 3:5, 7], doubts[0, 8, 4] = JUMP, -JUMP
    doubted = replace(problem, observations=replace(problem.observations, doubts=doubts), name="doubted")
    session = Session(doubted, schedule=schedule("humorscope", "rgb", num_iters=(1, 0, 0), lbfgs_max_iter=1))
    session.run()
    (place,) = save_results(session, tmp_path / "fit", body_file=assets.BODY_FILE)
    assert torch.equal(open_results(place).observations.doubts, doubts)
    part = write_part(tmp_path / "parts" / "clip_0000_1", start=0)
    write_part(tmp_path / "parts" / "clip_0001_2", start=18)
    assert open_results(part.parent).observations.doubts is None
    with np.load(part / "observations.npz") as stored:
        arrays = {name: stored[name] for name in ("joints2d", "seq_interval")}
    np.savez(part / "observations.npz", **arrays, doubts=doubts[0].numpy())
    both = open_results(part.parent).observations.doubts
    assert torch.equal(both[:1], doubts) and not both[1].any() and both.shape == (2, 20, 25)


def test_final_results_are_the_whole(tmp_path):
    write_part(tmp_path / "clip_0000_16251", start=0)
    write_part(tmp_path / "clip_0001_16252", start=18)
    (tmp_path / "final_results").mkdir()
    own = motion(38, shift=1.0)
    np.savez(tmp_path / "final_results" / "stage3_results.npz", **own | {"betas": np.zeros((38, 16))})
    opened = open_results(tmp_path)
    np.testing.assert_allclose(opened.moments["stitched"].trans[1], own["trans"][18:], atol=1e-5)
    alone = open_results(tmp_path / "final_results")
    assert list(alone.moments) == ["stage3"] and alone.intervals == ((0, 38),)
    np.savez(tmp_path / "final_results" / "stage3_results.npz", **motion(30))
    with pytest.raises(InputError, match="30 frames, fewer than its sub-sequences cover"):
        open_results(tmp_path)


@pytest.mark.parametrize("how", ["blend", "cut"])
def test_seams_are_those_of_the_motion_that_was_written(tmp_path, how):
    write_part(tmp_path / "clip_0000_16251", start=0)
    write_part(tmp_path / "clip_0001_16252", start=14, shift=0.07)
    parts = open_results(tmp_path)
    clips = [Clip(interval, row_of(parts.moments["stage3"], row)) for row, interval in enumerate(parts.intervals)]
    taller = replace(clips[1], motion=replace(clips[1].motion, betas=clips[1].motion.betas + 0.5))
    whole = stitch([clips[0], taller], body=parts.body, how=how)
    (tmp_path / "final_results").mkdir()
    arrays = {
        "trans": whole.trans,
        "betas": whole.betas,
        "root_orient": matrix_to_axis_angle(whole.root_orient),
        "pose_body": matrix_to_axis_angle(whole.pose_body).flatten(1),
    }
    np.savez(tmp_path / "final_results" / "stage3_results.npz", **arrays)
    seam, written = open_results(tmp_path).seams[0], seams_of(clips, whole.joints, rotations(whole))[0]
    assert abs(seam.after.cm - written.after.cm) < 1e-3 and abs(seam.after.deg - written.after.deg) < 1e-2
    assert (seam.after.cm < 0.5 * seam.before.cm) == (how == "blend")
    assert seam.before == written.before and seam.apart == written.apart


def test_the_seams_of_a_split_fit_are_those_of_its_record(tmp_path):
    """A real fit in two batches, written as a run without a window writes it."""
    problem, _ = small.recoverable("joints3d", frames=20)
    fit = BatchedFit(
        problem,
        split_frames(20, length=8, overlap=3),
        schedule=schedule("humorscope", "3d", num_iters=(1, 1, 0), lbfgs_max_iter=4),
        batch_size=2,
    )
    causes_of_batches = []
    for session in fit:
        session.run()
        save_results(session, tmp_path, body_file=assets.BODY_FILE, numbers=fit.numbers)
        causes_of_batches.append(causes(session.fit))
    whole = fit.stitched(how="blend")
    final = save_stitched(whole, problem, tmp_path, body_file=assets.BODY_FILE, stage=2)
    write_record([final], split_info(parse([]), fit, whole, found=merged(causes_of_batches)))
    recorded, found = json.loads((final / "run.json").read_text())["seams"], open_results(tmp_path).seams
    assert len(found) == len(recorded) == len(fit.split) - 1 >= 2
    for seam, kept in zip(found, recorded, strict=True):
        assert (seam.frame, seam.shared) == (kept["frame"], kept["shared"])
        for name in ("apart", "before", "after"):
            jump = getattr(seam, name)
            assert (jump.cm, jump.deg) == pytest.approx((kept[name]["cm"], kept[name]["deg"]), abs=0.01), name
        assert seam.after.cm < 0.7 * seam.before.cm, "the blended motion jumps as a hard cut would"


def rotations(motion):
    return torch.cat((motion.root_orient[:, None], motion.pose_body), dim=1)


def test_one_of_several_fits_is_chosen(tmp_path, caplog):
    for name in ("jump", "run"):
        write_part(tmp_path / "results_out" / name, interval=False)
    with caplog.at_level(logging.WARNING):
        assert open_results(tmp_path).name == "jump"
    assert "first of 2 is opened; --clip takes another: jump, run" in caplog.text
    assert open_results(tmp_path, clip="1").name == open_results(tmp_path, clip="run").name == "run"
    with pytest.raises(InputError, match="no such clip.*nearest: run"):
        open_results(tmp_path, clip="rum")


def people(frames=12, **changes):
    one = motion(frames)
    arrays = {name: np.stack([one[name], one[name]]) for name in ("trans", "root_orient", "pose_body")}
    arrays["trans"][1] += [1.0, 0.0, 0.0]
    arrays |= {"betas": np.zeros((2, 16)), "floor_plane": np.array([[0.0, -1.5, 0.0]]), "floor_idcs": np.zeros(2, int)}
    return arrays | changes


def test_several_people_as_slahmr_writes_them(tmp_path):
    path = tmp_path / "bike_000060_world_results.npz"
    np.savez(path, intrins=np.ones(4), track_mask=np.ones((2, 12)), **people())
    opened = open_results(path)
    found = opened.moments["motion"]
    assert found.joints.shape == (2, 12, 22, 3) and opened.intervals == ((0, 12), (0, 12))
    torch.testing.assert_close(found.joints[1] - found.joints[0], torch.tensor([1.0, 0, 0]).expand(12, 22, 3))
    np.testing.assert_allclose(opened.floor, [[0, -1, 0, 1.5]] * 2, atol=1e-6)
    single = tmp_path / "stage3_results.npz"
    np.savez(single, **motion(12))
    alone = read_motion_file(single, opened.body)
    torch.testing.assert_close(found.joints[:1], alone.joints, atol=1e-5, rtol=0)


def test_a_motion_file_is_opened_at_30_hz(tmp_path):
    np.savez(tmp_path / "walk_poses.npz", **walk_arrays(frames=61, fps=60.0))
    opened = open_results(tmp_path / "walk_poses.npz")
    assert list(opened.moments) == ["motion"] and opened.intervals == ((0, 31),) and opened.floor is None


def pickled(folder):
    np.savez(folder / "stage3_results.npz", **motion(20, trans=np.array([None] * 20, object)))


def cut_short(folder):
    file = folder / "stage2_results.npz"
    file.write_bytes(file.read_bytes()[:900])


def other_length(folder):
    np.savez(folder / "stage2_results.npz", **motion(19))


def wrong_width(folder):
    np.savez(folder / "stage1_results.npz", **motion(20, pose_body=np.zeros((20, 60))))


def no_betas(folder):
    np.savez(folder / "stage1_results.npz", **{k: v for k, v in motion(20).items() if k != "betas"})


def body_gone(folder):
    (folder / "meta.txt").write_text("optim_bm ./body_models/smplh/male/model.npz\n")


def wrong_interval(folder):
    np.savez(folder / "observations.npz", seq_interval=np.array([0, 7]))


def interval_backwards(folder):
    np.savez(folder / "observations.npz", seq_interval=np.array([9, 3]))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (pickled, "stage3_results.npz: array trans holds pickled"),
        (cut_short, "stage2_results.npz: damaged or cut off"),
        (other_length, "stages of different lengths"),
        (wrong_width, r"stage1_results.npz: pose_body has shape \(20, 60\); \(20, 63\)"),
        (no_betas, "no array betas"),
        (body_gone, "meta.txt: optim_bm .*model.npz is not there; give the body with --smpl"),
        (wrong_interval, "20 frames, but seq_interval is"),
        (interval_backwards, r"seq_interval is \[9, 3\]"),
    ],
)
def test_broken_results_are_named(tmp_path, spoil, words):
    folder = write_part(tmp_path / "clip")
    spoil(folder)
    with pytest.raises(InputError, match=words):
        open_results(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pose_body": np.zeros((2, 12, 60))}, r"pose_body has shape \(2, 12, 60\)"),
        ({"betas": np.zeros((3, 16))}, r"betas has shape \(3, 16\)"),
        ({"trans": np.full((2, 12, 3), np.nan)}, "trans has 72 values that are NaN"),
        ({"floor_plane": np.zeros((1, 3))}, "floor_plane is"),
    ],
)
def test_broken_files_of_people_are_named(tmp_path, changes, words):
    np.savez(tmp_path / "a.npz", **people(**changes))
    with pytest.raises(InputError, match=words):
        open_results(tmp_path / "a.npz")


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(InputError, match="no stage1_results.npz"):
        open_results(tmp_path)
    with pytest.raises(InputError, match="none.npz: no such file"):
        open_results(tmp_path / "none.npz")
