"""RGB-D: PROX's layout and plain folders, against the body that was rendered; and what is said of broken ones."""

import json
import logging
import shutil

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.loading.problem import load_problem, load_source
from tests.optim.loading.rgbd_recordings import (
    COLOUR,
    COLOUR_SIZE,
    INFRARED,
    INFRARED_SIZE,
    rendered,
    scene,
    write_calibration,
    write_prox,
)

RECORDING = "qualitative/recordings/N3Office_00034_01"


@pytest.fixture(scope="module")
def prox(tmp_path_factory):
    root = tmp_path_factory.mktemp("prox ü")
    return root, write_prox(root)


@pytest.fixture
def copied(prox, tmp_path):
    root = tmp_path / "prox"
    shutil.copytree(prox[0], root)
    return root


def read(*words):
    return load_source(parse(list(map(str, words))))


def from_mesh(points, mesh):
    """Distances [m] of the finite points of a frame to the nearest vertex."""
    there = torch.isfinite(points).all(-1)
    return cKDTree(mesh).query(points[there].numpy())[0]


def test_depth_lands_on_the_body_and_masks_cut_off_the_rest(prox):
    root, truth = prox
    source = read("--data-path", root, "--data-type", "PROX-RGBD")
    points = source.observations.points3d
    assert source.name == "N3Office_00034_01" and points.shape[:2] == (1, 20)
    for t in (0, 11, 19):
        distance = from_mesh(points[0, t], truth.mesh[t])
        assert len(distance) > 300 and np.quantile(distance, 0.98) < 0.03
        assert abs(float(np.median(points[0, t][torch.isfinite(points[0, t, :, 2])][:, 2])) - 3.0) < 1.5
    np.testing.assert_allclose(source.floor[0], truth.floor, atol=1e-6)
    assert source.floor_known and source.camera.image_size == COLOUR_SIZE


def test_keypoints_of_mirrored_images_come_back(prox):
    root, truth = prox
    for kind in ("PROX-RGB", "PROX-RGBD"):
        seen = read("--data-path", root, "--data-type", kind, "--prox-recording", "N3Office_00034_01").observations
        np.testing.assert_allclose(seen.joints2d[0, :, :, :2], truth.keypoints, atol=1e-2)
        assert (seen.points3d is None) == (kind == "PROX-RGB")
        assert (seen.joints2d[..., 2] == 0.9).all()


def test_masks_hide_keypoints(copied):
    """A frame whose mask is all occluder loses all of them; elsewhere nearly all lie on the silhouette."""
    mask = sorted((copied / RECORDING / "BodyIndexColor").iterdir())[3]
    cv2.imwrite(str(mask), np.full(COLOUR_SIZE[::-1], 255, np.uint8))
    seen = (
        read("--data-path", copied, "--data-type", "PROX-RGB", "--mask-joints2d").observations.joints2d[0, ..., 2] > 0
    )
    assert not seen[3].any()
    assert seen[[t for t in range(20) if t != 3]].float().mean() > 0.8
    assert (read("--data-path", copied, "--data-type", "PROX-RGB").observations.joints2d[..., 2] > 0).all()


def test_stretches_of_a_recording(prox):
    root, _ = prox
    words = ["--data-path", root, "--data-type", "PROX-RGBD", "--num-points", 50]
    whole = read(*words).observations
    part = read(*words, "--prox-seq-len", 8, "--prox-recording-subseq-idx", 1).observations
    assert part.frames == 8 and torch.equal(part.joints2d[0], whole.joints2d[0, 8:16])
    assert part.points3d.shape[2] <= 50


def test_one_recording_can_be_named_by_its_own_folder(prox):
    root, _ = prox
    whole = read("--data-path", root, "--data-type", "PROX-RGBD").observations
    same = read("--data-path", root / RECORDING, "--data-type", "PROX-RGBD").observations
    assert torch.equal(whole.points3d, same.points3d) and torch.equal(whole.joints2d, same.joints2d)


def test_a_public_configuration_of_prox_becomes_a_problem(prox, model_files, tmp_path):
    """With the keys of ``fit_proxd.cfg``, the one that HuMoR itself does not know included."""
    config = tmp_path / "fit_proxd.cfg"
    config.write_text(
        "--data-path ./data/prox\n--data-type PROX-RGBD\n--data-fps 30\n--prox-batch-size 2\n--prox-seq-len 16\n"
        "--robust-loss bisquare\n--robust-tuning-const 4.6851\n--motion-optim-shape\n--point3d-weight 1.0 1.0 1.0\n"
    )
    settings = parse([f"@{config}", "--data-path", str(prox[0]), *model_files.flags()])
    problem = load_problem(settings)
    assert settings.data_weights == "rgbd" and problem.frames == 16 and problem.has_camera
    assert {"points3d", "joints2d"} == set(problem.observations.visible)


def test_a_plain_folder_of_depth_images(tmp_path):
    """One camera, millimetres, no mirror, no masks; 15 frames/s leave every other frame of 30 empty."""
    truth, points = scene(20)
    (tmp_path / "Depth").mkdir()
    for t in range(20):
        depth = rendered(points[t], INFRARED, INFRARED_SIZE)
        cv2.imwrite(str(tmp_path / "Depth" / f"{t:04d}.png"), (depth * 1000).astype(np.uint16))
    (tmp_path / "intrinsics.json").write_text(json.dumps({"K": INFRARED.tolist()}))
    settings = parse(["--data-path", str(tmp_path), "--data-fps", "15"])
    assert settings.kind == "RGBD" and settings.data_weights == "rgbd"
    seen = load_source(settings).observations
    assert seen.frames == 39 and seen.joints2d is None
    there = seen.visible["points3d"][0].any(-1)
    assert there.tolist() == [t % 2 == 0 for t in range(39)]
    assert np.quantile(from_mesh(seen.points3d[0, 22], truth.mesh[11]), 0.98) < 0.04


@pytest.mark.parametrize("ending", ["ply", "npy", "txt", "npz"])
def test_folders_of_point_files(tmp_path, ending):
    import trimesh

    rng = np.random.default_rng(0)
    clouds = rng.normal(size=(16, 40, 3)) + [0, 0, 3]
    clouds[3, 5] = np.nan
    (tmp_path / "Points").mkdir()
    for t, cloud in enumerate(clouds):
        file = tmp_path / "Points" / f"{t:03d}.{ending}"
        if ending == "ply":
            trimesh.PointCloud(cloud).export(file)
        elif ending == "npy":
            np.save(file, cloud)
        elif ending == "npz":
            np.savez(file, points=cloud)
        else:
            np.savetxt(file, cloud)
    (tmp_path / "intrinsics.json").write_text(json.dumps(COLOUR.tolist()))
    points = read("--data-path", tmp_path, "--data-type", "RGBD").observations.points3d[0]
    assert points.shape == (16, 40, 3) and torch.isfinite(points).all(-1).sum(1).tolist() == [40] * 3 + [39] + [40] * 12
    np.testing.assert_allclose(points[7], clouds[7], atol=1e-5)


def test_the_unit_of_point_files_is_told_and_given(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "Points").mkdir()
    for t in range(16):
        cloud = rng.uniform(size=(40, 3)) * [0.5, 1.7, 0.3] + [0, 0, 3]
        np.save(tmp_path / "Points" / f"{t:03d}.npy", 1000 * cloud)
    (tmp_path / "intrinsics.json").write_text(json.dumps(INFRARED.tolist()))
    with pytest.raises(InputError, match="millimetres, not metres; give --unit mm"):
        read("--data-path", tmp_path)
    clip = read("--data-path", tmp_path, "--unit", "mm")
    assert float(clip.observations.points3d[0, :, :, 2].mean()) == pytest.approx(3.15, abs=0.1)
    assert next(row for row in clip.checked if row.check == "unit of length").severity == "fine"


def test_the_scale_of_depth_images_is_told_and_given(tmp_path):
    _, points = scene(16)
    (tmp_path / "Depth").mkdir()
    for t in range(16):
        depth = rendered(points[t], INFRARED, INFRARED_SIZE)
        cv2.imwrite(str(tmp_path / "Depth" / f"{t:04d}.png"), (depth * 8000).astype(np.uint16))
    (tmp_path / "intrinsics.json").write_text(json.dumps(INFRARED.tolist()))
    with pytest.raises(InputError, match="unit of length: .* give --depth-scale in metres per step"):
        read("--data-path", tmp_path)
    assert read("--data-path", tmp_path, "--depth-scale", str(1 / 8000)).checked[0].severity == "fine"
    with pytest.raises(InputError, match="--unit mm: it is for point files"):
        read("--data-path", tmp_path, "--unit", "mm")


def test_frames_without_mask_or_keypoints_are_left_out_and_told(copied, caplog):
    folder = copied / RECORDING
    sorted((folder / "BodyIndexColor").iterdir())[4].unlink()
    keypoints = sorted((copied / "qualitative/keypoints/N3Office_00034_01").iterdir())
    keypoints[7].unlink()
    with caplog.at_level(logging.WARNING):
        seen = read("--data-path", copied, "--data-type", "PROX-RGBD").observations
    assert not seen.visible["points3d"][0, 4].any() and seen.visible["points3d"][0, 5].any()
    assert not seen.visible["joints2d"][0, 7].any() and seen.visible["joints2d"][0, 8].any()
    assert "1 frames have no mask" in caplog.text and "1 frames without keypoints" in caplog.text


def without_calibration(root):
    shutil.rmtree(root / "qualitative/calibration")


def matrix_of_2(root):
    write_calibration(root / "qualitative/calibration", colour={"camera_mtx": [[1, 0], [0, 1]]})


def without_matrix(root):
    (root / "qualitative/calibration/Color.json").write_text("{}")


def no_json(root):
    (root / "qualitative/calibration/IR.json").write_text("{")


def cut_image(root):
    file = sorted((root / RECORDING / "Depth").iterdir())[2]
    file.write_bytes(file.read_bytes()[:40])


def other_size(root):
    cv2.imwrite(str(sorted((root / RECORDING / "Depth").iterdir())[2]), np.zeros((10, 20), np.uint16))


def all_hidden(root):
    for file in (root / RECORDING / "BodyIndexColor").iterdir():
        cv2.imwrite(str(file), np.full((COLOUR_SIZE[1], COLOUR_SIZE[0]), 255, np.uint8))


def without_depth(root):
    shutil.rmtree(root / RECORDING / "Depth")


def other_names(root):
    for file in (root / "qualitative/keypoints/N3Office_00034_01").iterdir():
        file.rename(file.with_name("x" + file.name))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_calibration, "Color.json: no such file"),
        (matrix_of_2, r"Color.json: camera_mtx has shape \(2, 2\)"),
        (without_matrix, "Color.json: no camera_mtx in it"),
        (no_json, "IR.json: not JSON"),
        (cut_image, "frame_00003.*damaged, or no image"),
        (other_size, r"\(20, 10\) px, but the first depth image has \(256, 212\)"),
        (all_hidden, "no point of the body in any of 20 frames"),
        (without_depth, "Depth: no such folder"),
        (other_names, "names must match"),
    ],
)
def test_broken_recordings_are_named_with_a_remedy(copied, spoil, words):
    spoil(copied)
    with pytest.raises(InputError, match=words):
        read("--data-path", copied, "--data-type", "PROX-RGBD")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--data-type PROX-RGBD --prox-recording N3", None),
        ("--data-type PROX-RGBD --prox-recording Sofa", "no such clip"),
        ("--data-type RGBD", "there is nothing to fit"),
        ("--data-type PROX-RGB --depth-scale 0.001", "it goes with --data-type RGBD"),
        ("--data-type PROX-RGBD --depth-scale -1", "--depth-scale -1.0: more than 0"),
        ("--data-type PROX-RGBD --data-fps 0", "--data-fps 0.0: Hz, from 1 to 1000"),
        ("--data-type PROX-RGBD --observations joints3d", "it can be points3d"),
    ],
)
def test_flags_of_recordings(prox, words, told):
    if told is None:
        assert read("--data-path", prox[0], *words.split()).name == "N3Office_00034_01"
        return
    with pytest.raises(InputError, match=told):
        read("--data-path", prox[0], *words.split())
