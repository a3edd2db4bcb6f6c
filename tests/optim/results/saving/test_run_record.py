"""What a run without a window notes beside its results, and the results read back from their folder."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

import assets
import run_viewer
from optim.common.errors import InputError
from optim.config.settings import parse
from optim.loading.problem import load_session
from optim.results.read_results import find_results, read_result
from optim.results.results import of_session
from optim.results.saving.exports import export
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes
from tests.motions import write_demo

SHORT = ["--lbfgs-max-iter", "2", "--num-iters", "1", "1", "1", "--stage3-no-tune-init-state", "--no-video"]


@pytest.fixture(scope="module")
def run(model_files, tmp_path_factory):
    """A short run through a camera, from the command line, in a path with a space and an umlaut."""
    folder = tmp_path_factory.mktemp("läuft ab")
    clip = write_demo(folder / "clip.npz", frames=16)
    words = ["--headless", "--data", str(clip), "--observations", "joints2d", "--out", str(folder / "out")]
    assert run_viewer.main([*model_files.flags(), *SHORT, *words, "--export", "bvh,csv", "gltf"]) == 0
    return folder / "out"


def test_the_run_notes_losses_settings_and_versions(run):
    place = run / "results_out" / "clip"
    info = json.loads((place / "run.json").read_text(encoding="utf-8"))
    assert info["done"] and info["frames"] == 16 and info["image_size"] == [1280, 720]
    assert info["settings"]["num_iters"] == [1, 1, 1] and info["versions"]["torch"] == torch.__version__
    with (place / "losses.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    stages = [row["stage"] for row in rows]
    assert stages == sorted(stages) and set(stages) == set("123")
    weighted = [sum(float(v) for k, v in row.items() if v and k in terms(row)) for row in rows]
    np.testing.assert_allclose(weighted, [float(row["total"]) for row in rows], rtol=1e-4)
    assert len(place.joinpath("meta.txt").read_text().splitlines()) == 2  # as HuMoR's own readers take it


def terms(row):
    return [name.removesuffix("_raw") for name in row if name.endswith("_raw")]


def test_the_run_exports_what_it_was_asked_for(run):
    names = {path.name for path in (run / "export").iterdir()}
    assert names == {"clip_stage3.bvh", "clip_stage3.glb", "clip_stage3_diagnostics.csv", "clip_losses.csv"}


def test_results_read_back_are_what_was_fitted(run, model_files):
    (place,) = find_results(run)
    result = read_result(place)
    assert list(result.stages) == ["stage1", "stage2", "stage3_init", "stage3"]
    assert result.camera.image_size == (1280, 720) and result.camera.focal.tolist() == [[1000, 1000]]
    assert result.observations.joints2d.shape == (1, 16, 25, 3) and len(result.losses) > 3
    words = ["--data", str(run.parent / "clip.npz"), "--observations", "joints2d"]
    session = load_session(parse([*model_files.flags(), *SHORT, *words]))
    session.run()
    (again,) = of_session(session.fit)
    for name, motion in again.stages.items():
        torch.testing.assert_close(result.stages[name].joints, motion.joints, atol=1e-4, rtol=0)
        torch.testing.assert_close(result.floor(name), again.floor(name), atol=1e-5, rtol=0)
        torch.testing.assert_close(result.in_world(name)[0].joints, again.in_world(name)[0].joints, atol=1e-3, rtol=0)
    torch.testing.assert_close(result.truth.joints, again.truth.joints, atol=1e-4, rtol=0)
    assert [row["total"] for row in result.losses] == pytest.approx([row["total"] for row in again.losses], rel=1e-5)
    prior = session.fit.prior_trajectory(session.current)
    torch.testing.assert_close(again.in_world()[0].joints, prior.joints, atol=1e-4, rtol=0)  # the same world


def test_overlapping_parts_leave_as_parts_and_as_one(tmp_path):
    problem = fakes.problem(batch=2, frames=8)
    seen = problem.observations
    whole = torch.cat((seen.joints3d[:1], seen.joints3d[:1, :5] + 0.001), dim=1)
    parts = torch.cat((whole[:, :8], whole[:, 5:13]))
    observations = replace(seen, joints3d=parts, seq_interval=torch.tensor([[0, 8], [5, 13]]))
    steps = schedule("humorscope", "3d", num_iters=(1, 1, 1))
    session = Session(replace(problem, observations=observations, name="two"), schedule=steps)
    session.finish_stage()
    results = of_session(session.fit)
    assert [r.name for r in results] == ["two_0000", "two_0001", "two_stitched"]
    assert [r.frames for r in results] == [8, 8, 13] and len(results[-1].seams) == 1
    paths = export(session.fit, ["bvh", "amass"], tmp_path)
    assert [p.name for p in paths[-2:]] == ["two_stitched_stage1.bvh", "two_stitched_stage1_poses.npz"]


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda place: (place / "run.json").write_text("{"), "not JSON"),
        (lambda place: (place / "losses.csv").write_text("stage,total\n1,abc\n"), "losses"),
        (lambda place: np.savez(place / "stage2_results.npz", trans=np.zeros((3, 3))), "root_orient"),
        (lambda place: (place / "meta.txt").write_text("optim_bm nowhere/model.npz\ngt_bm x\n"), "--smpl"),
    ],
)
def test_a_spoilt_folder_is_named(run, tmp_path, spoil, named):
    place = tmp_path / "clip"
    shutil.copytree(run / "results_out" / "clip", place)
    spoil(place)
    with pytest.raises(InputError, match=named):
        read_result(place)


def test_results_of_the_public_code_need_only_a_body(run, tmp_path):
    """Its ``meta.txt`` names files of its own checkout, its truth has 10 betas and contacts, and it notes no losses."""
    place = tmp_path / "clip"
    place.mkdir()
    for name in ("stage2_results.npz", "stage3_results.npz", "observations.npz"):
        shutil.copy(run / "results_out" / "clip" / name, place)
    with np.load(run / "results_out" / "clip" / "gt_results.npz") as archive:
        truth = {name: archive[name] for name in archive.files}
    contacts = np.zeros((16, 22), np.float32)
    np.savez(place / "gt_results.npz", **truth | {"betas": truth["betas"][:10], "contacts": contacts, "names": "a"})
    (place / "meta.txt").write_text("optim_bm ./body_models/smplh/male/model.npz\ngt_bm ./body_models/x.npz\n")
    with pytest.raises(InputError, match="--smpl"):
        read_result(place)
    result = read_result(place, body_path=assets.BODY_FILE)
    assert list(result.stages) == ["stage2", "stage3"] and result.losses == () and result.truth.contacts.sum() == 0
    assert result.camera.image_size is None and result.last_stage == "stage3"


def test_no_results_are_a_message(tmp_path):
    with pytest.raises(InputError, match="stage1_results"):
        find_results(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_results(tmp_path / "x")
