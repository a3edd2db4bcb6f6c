"""A video as a user gives it: from the file to results on disk, and what is said of one that cannot be used."""

from __future__ import annotations

import json

import numpy as np
import pytest

import run_viewer
from optim.loading.demo import find_clip, read_demo
from tests.videos import grey_frames, write_video

SHORT = ["--lbfgs-max-iter", "2", "--num-iters", "1", "1", "1", "--no-video", "--headless"]
FRAMES = 30


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A video of nothing, in a folder with other letters, and OpenPose's keypoints of a walk; one file is missing."""
    folder = tmp_path_factory.mktemp("clips") / "mes vidéos"
    folder.mkdir()
    video = write_video(folder / "ma marche.mp4", grey_frames(FRAMES, size=(1280, 720)), fps=30)
    keypoints = folder / "points clés"
    keypoints.mkdir()
    for t, frame in enumerate(read_demo(find_clip("default_walk_turn")).joints2d[:FRAMES]):
        people = [{"pose_keypoints_2d": frame.ravel().tolist()}]
        if t != 12:
            (keypoints / f"{t:06d}_keypoints.json").write_text(json.dumps({"people": people}))
    return video, keypoints


def run(*words):
    return run_viewer.main([*map(str, words), *SHORT])


def test_a_video_with_keypoints_is_fitted_to_results_on_disk(clip, model_files, tmp_path, caplog):
    video, keypoints = clip
    words = "--data-path", video, "--op-keypts", keypoints, "--out", tmp_path / "out", *model_files.flags()
    assert run(*words) == 0
    said = caplog.text
    assert "no file for frame 12" in said and "a focal length of 1060 px is guessed" in said
    assert "floor from the feet" in said
    place = tmp_path / "out" / "results_out" / "ma marche"
    with np.load(place / "stage3_results.npz") as results:
        assert results["trans"].shape == (FRAMES, 3) and np.isfinite(results["pose_body"]).all()
        assert abs(np.linalg.norm(results["floor_plane"][:3]) - 1) < 1e-3
    with np.load(place / "observations.npz") as seen:
        assert not seen["joints2d"][12, :, 2].any()


def test_a_long_video_is_fitted_in_parts_on_one_floor(clip, model_files, tmp_path, capsys, caplog):
    video, keypoints = clip
    split = "--rgb-seq-len", 12, "--rgb-overlap-len", 3, "--batch-size", 1
    words = "--data-path", video, "--op-keypts", keypoints, "--out", tmp_path / "out", *split, *model_files.flags()
    assert run(*words) == 0
    said = capsys.readouterr()
    assert "batch 1 of 3: frames 0 to 11" in said.err and "for all batches" in said.err
    assert caplog.text.count("floor from the feet") == 1 and said.out.count("seam at frame") == 2
    with np.load(tmp_path / "out" / "results_out" / "final_results" / "stage3_results.npz") as results:
        assert results["trans"].shape == (FRAMES, 3)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--data-path {folder}/no.mp4", "no such file"),
        ("--data-path {folder}/broken.mp4", "not a video, or one that is damaged or cut off"),
        ("--data-path {video} --op-keypts {folder}/nobody", f"nobody is seen in any of {FRAMES} frames"),
        ("--data-path {video} --op-keypts {keypoints} --person 2", "no frame shows 2 people"),
        ("--data-path {video} --op-keypts {keypoints} --rgb-intrinsics {folder}/k.json", "a 3 × 3 matrix"),
        ("--data-path {video} --op-keypts {keypoints} --rgb-planercnn-res {folder}", "no file *_plane_parameters"),
        ("--data-path {video} --op-keypts {keypoints} --mask-joints2d {folder}", "no folder of *.png masks"),
        ("--data-path {video} --op-keypts {keypoints} --amass-noise-std 1", "--amass-noise-std"),
    ],
)
def test_what_cannot_be_used_gets_one_line_and_status_2(clip, model_files, tmp_path, capsys, words, told):
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    (tmp_path / "k.json").write_text("[[1, 2], [3, 4]]")
    (tmp_path / "nobody").mkdir()
    for t in range(3):
        (tmp_path / "nobody" / f"{t}_keypoints.json").write_text('{"people": []}')
    names = {"folder": tmp_path, "video": clip[0], "keypoints": clip[1]}
    filled = [word.format(**names) for word in words.split()]
    assert run(*filled, "--out", tmp_path / "out", *model_files.flags()) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and told in errors[0]
