"""Whatever a file holds, its reader either succeeds or raises InputError, and soon: hundreds of wrong files, seeded."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.evaluation.tables import append_rows, read_rows, table
from optim.keypoints.names import COCO_17
from optim.keypoints.tracking import Track
from optim.loading.files.amass import read_motion
from optim.loading.files.keypoints import read_keypoints
from optim.loading.files.skeletons import read_recording
from optim.loading.images.camera import read_camera
from optim.loading.images.depth import read_image, read_lens, read_points
from optim.loading.images.planes import read_floor
from optim.loading.images.video import scan_video
from optim.loading.models import load_body, load_init_state_prior, load_motion_prior
from optim.loading.problem import load_source
from optim.loading.watching import kept
from optim.priors.pose_prior import load_pose_prior, new_network
from optim.results.opened import open_results
from optim.results.read_results import read_result
from optim.results.results import STAGES
from optim.train.data import find_clips
from tests.motions import walk_arrays, write_walk
from tests.optim.loading.c3d_files import write_c3d
from tests.optim.reading import damage
from tests.videos import grey_frames, write_video
from viewer.film.script import READY_MADE, ScriptError, read_script
from viewer.ui.look import SavedView
from viewer.ui.preferences import apply_preferences, from_ui, load_preferences, save_preferences
from viewer.ui.ui_state import UiState

SECONDS = 20.0
"""No wrong file may keep its reader longer than this, on a machine that is busy otherwise."""
Rng = np.random.Generator


@dataclass(frozen=True)
class Family:
    """Files of one kind."""

    make: Callable[[Path], Path]
    """Writes a right file (or folder) into a folder and says where."""
    read: Callable[[Path], object]
    spoil: Callable[[Path, Rng], None]
    count: int
    part: str = ""
    """The file of a folder that is spoilt, as a pattern."""
    tolerant: bool = False
    """One wrong file among right ones is told and left out, not refused."""


def motion(folder: Path) -> Path:
    return write_walk(folder / "walk_poses.npz")


def observations(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    path = folder / "seen.npz"
    np.savez(
        path,
        joints2d=np.concatenate((rng.uniform(100, 500, (20, 25, 2)), np.ones((20, 25, 1))), axis=-1),
        camera_matrix=np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]]),
        floor_plane=np.array([0, -1, 0, -1.2]),
        image_size=np.array([1280, 720]),
        fps=np.array(30.0),
    )
    return path


def people(frame: int) -> dict:
    flat = [float(v) for k in range(25) for v in (300 + 3 * k + frame, 200 + 5 * k, 0.9)]
    return {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": flat}]}


def openpose(folder: Path) -> Path:
    for frame in range(4):
        (folder / f"clip_{frame:012d}_keypoints.json").write_text(json.dumps(people(frame)))
    return folder


def keypoints_json(folder: Path) -> Path:
    path = folder / "points.json"
    points = [[[300.0 + k, 200.0 + 4 * k, 0.9] for k in range(17)] for _ in range(3)]
    path.write_text(json.dumps({"keypoints": points, "names": list(COCO_17)}))
    return path


def coco(folder: Path) -> Path:
    path = folder / "results.json"
    flat = [float(v) for k in range(17) for v in (300 + k, 200 + 4 * k, 0.9)]
    rows = [{"image_id": i, "category_id": 1, "keypoints": flat, "score": 0.9} for i in range(3)]
    path.write_text(json.dumps(rows))
    return path


def mmpose(folder: Path) -> Path:
    person = {"keypoints": [[300.0 + k, 200.0 + 4 * k] for k in range(17)], "keypoint_scores": [0.9] * 17}
    frames = [{"frame_id": t + 1, "instances": [person]} for t in range(3)]
    (folder / "m.json").write_text(json.dumps({"meta_info": {}, "instance_info": frames}))
    return folder / "m.json"


def keypoints_npz(folder: Path) -> Path:
    path = folder / "points.npz"
    np.savez(path, keypoints=np.full((5, 17, 3), 70.0), names=np.array(COCO_17))
    return path


def camera(folder: Path) -> Path:
    path = folder / "K.json"
    matrix = [[900.0, 0.0, 640.0], [0.0, 900.0, 360.0], [0.0, 0.0, 1.0]]
    view = np.eye(4)[:3].tolist()
    path.write_text(json.dumps({"camera_mtx": matrix, "k": [0.1, 0, 0, 0, 0], "view_mtx": view}))
    return path


def planes(folder: Path) -> Path:
    np.save(folder / "0_plane_parameters_0.npy", np.array([[0.0, 0.1, 1.2], [1.0, 0.0, 0.0]]))
    np.save(folder / "0_plane_masks_0.npy", np.ones((2, 20, 30), np.uint8))
    return folder


def points_npy(folder: Path) -> Path:
    np.save(folder / "cloud.npy", np.random.default_rng(0).normal(size=(50, 3)))
    return folder / "cloud.npy"


def points_npz(folder: Path) -> Path:
    np.savez(folder / "cloud.npz", points=np.zeros((50, 3)))
    return folder / "cloud.npz"


def points_txt(folder: Path) -> Path:
    np.savetxt(folder / "cloud.txt", np.random.default_rng(0).normal(size=(20, 3)))
    return folder / "cloud.txt"


def points_ply(folder: Path) -> Path:
    header = (
        "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\nend_header\n"
    )
    (folder / "cloud.ply").write_text(header + "0 0 1\n0 1 1\n1 0 1\n")
    return folder / "cloud.ply"


def image(folder: Path) -> Path:
    cv2.imwrite(str(folder / "depth.png"), np.arange(300, dtype=np.uint16).reshape(15, 20))
    return folder / "depth.png"


def body(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    vertices = 60
    parents = np.array([4294967295, *(max(joint - 1, 0) for joint in range(1, 52))])
    np.savez(
        folder / "model.npz",
        v_template=rng.normal(size=(vertices, 3)),
        f=rng.integers(vertices, size=(40, 3)),
        weights=np.full((vertices, 52), 1 / 52),
        J_regressor=np.full((52, vertices), 1 / vertices),
        shapedirs=rng.normal(size=(vertices, 3, 16)),
        posedirs=rng.normal(size=(vertices, 3, 459)),
        kintree_table=np.stack((parents, np.arange(52))),
        keypoint_vertices=np.arange(43),
    )
    return folder / "model.npz"


def mixture(folder: Path) -> Path:
    covariances = np.stack([np.eye(138, dtype=np.float32)] * 2)
    np.savez(folder / "prior_gmm.npz", weights=[0.5, 0.5], means=np.zeros((2, 138)), covariances=covariances)
    return folder / "prior_gmm.npz"


def checkpoint(folder: Path) -> Path:
    torch.save({"model": {"a": torch.zeros(3)}, "epoch": 1}, folder / "best_model.pth")
    return folder / "best_model.pth"


def vposer(folder: Path) -> Path:
    (folder / "snapshots").mkdir()
    torch.save(new_network().state_dict(), folder / "snapshots" / "TR00_E001.pt")
    return folder


def results(folder: Path) -> Path:
    arrays = walk_arrays(frames=20)
    stage = {
        "trans": arrays["trans"],
        "root_orient": arrays["poses"][:, :3],
        "pose_body": arrays["poses"][:, 3:66],
        "betas": np.zeros(16),
        "floor_plane": np.array([0.0, 0, 1, 0]),
    }
    for name in ("stage2", "stage3"):
        np.savez(folder / f"{name}_results.npz", **stage)
    np.savez(folder / "observations.npz", joints3d=np.zeros((20, 22, 3)))
    (folder / "losses.csv").write_text("iteration,phase,stage,step,total\n0,stage 1,1,0,3.5\n1,stage 1,1,1,2.5\n")
    (folder / "run.json").write_text(json.dumps({"clip": "walk", "image_size": [640, 480], "seams": []}))
    return folder


def configuration(folder: Path) -> Path:
    (folder / "fit.cfg").write_text("--data getup --num-iters 1 2 3\n--joint3d-weight 1.0 1.0 1.0 # as usual\n")
    return folder / "fit.cfg"


def script(folder: Path) -> Path:
    (folder / "show.txt").write_text(next(iter(READY_MADE.values())))
    return folder / "show.txt"


def video(folder: Path) -> Path:
    return write_video(folder / "clip.mp4", grey_frames(6), fps=30.0)


def parameters_pickle(folder: Path) -> Path:
    arrays = walk_arrays(frames=20)
    content = {"poses": np.asarray(arrays["poses"]), "trans": np.asarray(arrays["trans"]), "betas": [0.0] * 10}
    (folder / "walk.pkl").write_bytes(pickle.dumps({"a": content, "names": ["x", b"y", None, 1.5]}))
    return folder / "walk.pkl"


def parameters_torch(folder: Path) -> Path:
    arrays = {name: torch.tensor(np.asarray(walk_arrays(frames=20)[name])) for name in ("poses", "trans")}
    torch.save({"person": arrays}, folder / "walk.pt")
    return folder / "walk.pt"


def parameters_objects(folder: Path) -> Path:
    arrays = {name: np.asarray(walk_arrays(frames=20)[name]) for name in ("poses", "trans")}
    np.save(folder / "walk.npy", np.array(arrays, object), allow_pickle=True)
    return folder / "walk.npy"


def parameters_json(folder: Path) -> Path:
    arrays = {name: np.asarray(walk_arrays(frames=5)[name]).tolist() for name in ("poses", "trans")}
    (folder / "walk.json").write_text(json.dumps(arrays))
    return folder / "walk.json"


def bvh(folder: Path) -> Path:
    names = ("Hips", "LeftUpLeg", "LeftLeg", "LeftFoot", "LeftToeBase", "LeftArm", "LeftForeArm", "LeftHand", "Neck")
    joints = [f"JOINT {name} {{ OFFSET 0 10 1 CHANNELS 3 Zrotation Xrotation Yrotation" for name in names[1:]]
    root = "ROOT Hips { OFFSET 0 0 0 CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    rows = [" ".join(["1.5"] * (3 + 3 * len(names)))] * 4
    lines = ["HIERARCHY", root, *joints, "}" * 0 + " }" * len(names), "MOTION", "Frames: 4", "Frame Time: 0.03333"]
    (folder / "walk.bvh").write_text("\n".join([*lines, *rows]))
    return folder / "walk.bvh"


def trc(folder: Path) -> Path:
    names = ("Hip", "LHip", "LKnee", "LAnkle", "RHip", "RKnee", "RAnkle", "Neck", "Head")
    head = "PathFileType\t4\tX\tw\nDataRate\tUnits\n60\tmm\nFrame#\tTime\t" + "\t\t\t".join(names) + "\n\t\tX1\n\n"
    rows = ["\t".join([str(t), "0.1", *["5.0"] * 27]) for t in range(4)]
    (folder / "walk.trc").write_text(head + "\n".join(rows).replace("5.0", "5.0 "))
    return folder / "walk.trc"


def c3d_file(folder: Path) -> Path:
    return write_c3d(folder / "walk.c3d", {name: np.full((4, 3), 5.0) for name in ("LHIP", "RHIP", "LKNE", "HEAD")})


def window_settings(folder: Path) -> Path:
    ui = UiState(follow=False)
    ui.look.save(SavedView("side", "world", tuple(map(float, range(16))), 40.0))
    ui.switch("floor")
    save_preferences(folder / "window.json", from_ui(ui, size=(1280, 720)))
    return folder / "window.json"


def kept_keypoints(folder: Path) -> Path:
    rows = {"frames": np.arange(5), "keypoints": np.ones((5, 33, 3)), "in_mask": np.ones((5, 33))}
    np.savez(folder / "kept.npz", **rows, track=np.array([1.0, 2, 3, 0, 1, 2, 3, 0, 0]))
    return folder / "kept.npz"


def read_kept(path: Path) -> None:
    found = kept(path, np.arange(5))
    assert len(found.frames) == len(found.keypoints) == len(found.in_mask)
    Track.from_array(found.track)


def figures(folder: Path) -> Path:
    append_rows(folder / "figures.csv", [{"clip": "walk", "stage": stage, "mpjpe_cm": 3.5} for stage in STAGES[:2]])
    return folder / "figures.csv"


def index_of_clips(folder: Path) -> Path:
    write_walk(folder / "a_poses.npz")
    clips = [{"file": "a_poses.npz", "split": "train"}, {"file": "b_poses.npz", "split": "val"}]
    (folder / "index.json").write_text(json.dumps({"clips": clips}))
    return folder


def as_input(read: Callable[[str], object], error: type[Exception]) -> Callable[[Path], object]:
    """A reader whose own error for wrong files is another one."""

    def run(path: Path) -> object:
        try:
            return read(str(path))
        except error as problem:
            raise InputError(str(problem)) from None

    return run


FAMILIES = {
    "motion": Family(motion, read_motion, damage.spoil_npz, 70),
    "observations": Family(
        observations, lambda path: load_source(parse(["--data-path", str(path)])), damage.spoil_npz, 50
    ),
    "OpenPose folder": Family(openpose, read_keypoints, damage.spoil_json, 50, part="*1_keypoints.json", tolerant=True),
    "keypoints .json": Family(keypoints_json, read_keypoints, damage.spoil_json, 50),
    "COCO results": Family(coco, read_keypoints, damage.spoil_json, 50),
    "mmpose": Family(mmpose, read_keypoints, damage.spoil_json, 40),
    "keypoints .npz": Family(keypoints_npz, read_keypoints, damage.spoil_npz, 40),
    "intrinsics": Family(camera, lambda path: read_camera(path, image_size=(1280, 720)), damage.spoil_json, 50),
    "calibration": Family(camera, read_lens, damage.spoil_json, 40),
    "planes": Family(planes, read_floor, damage.spoil_npy, 40, part="*.npy"),
    "cloud .npy": Family(points_npy, read_points, damage.spoil_npy, 30),
    "cloud .npz": Family(points_npz, read_points, damage.spoil_npz, 20),
    "cloud .txt": Family(points_txt, read_points, damage.spoil_text, 20),
    "cloud .ply": Family(points_ply, read_points, damage.spoil_text, 30),
    "depth image": Family(image, read_image, damage.damage_bytes, 30),
    "body": Family(body, load_body, damage.spoil_npz, 60),
    "mixture": Family(mixture, load_init_state_prior, damage.spoil_npz, 30),
    "checkpoint": Family(checkpoint, load_motion_prior, damage.damage_bytes, 20),
    "VPoser": Family(vposer, load_pose_prior, damage.damage_bytes, 15, part="snapshots/*.pt"),
    "parameters .pkl": Family(parameters_pickle, read_motion, damage.spoil_pickle, 80),
    "parameters .pt": Family(parameters_torch, read_motion, damage.damage_bytes, 30),
    "parameters .npy": Family(parameters_objects, read_motion, damage.spoil_pickle, 40),
    "parameters .json": Family(parameters_json, read_motion, damage.spoil_json, 40),
    "BVH": Family(bvh, read_recording, damage.spoil_text, 50),
    "C3D": Family(c3d_file, read_recording, damage.spoil_c3d, 60),
    "TRC": Family(trc, read_recording, damage.spoil_text, 40),
    "results, stage": Family(results, read_result, damage.spoil_npz, 30, part="stage3_results.npz"),
    "results, seen": Family(results, read_result, damage.spoil_npz, 20, part="observations.npz"),
    "results, losses": Family(results, read_result, damage.spoil_text, 20, part="losses.csv"),
    "results, record": Family(results, read_result, damage.spoil_json, 40, part="run.json"),
    "results, opened": Family(results, open_results, damage.spoil_npz, 20, part="stage2_results.npz"),
    "configuration": Family(configuration, lambda path: parse([f"@{path}"]), damage.spoil_text, 40),
    "script": Family(script, as_input(read_script, ScriptError), damage.spoil_text, 30),
    "settings of the window": Family(
        window_settings,
        lambda path: apply_preferences(load_preferences(path), UiState()),
        damage.spoil_json,
        60,
        tolerant=True,
    ),
    "kept keypoints": Family(kept_keypoints, read_kept, damage.spoil_npz, 50, tolerant=True),
    "figures": Family(figures, lambda path: table(read_rows(path)), damage.spoil_text, 40, tolerant=True),
    "index of clips": Family(
        index_of_clips, lambda path: find_clips(path, split="train"), damage.spoil_json, 40, part="index.json"
    ),
    "video": Family(video, scan_video, damage.damage_bytes, 25),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_right_file_is_read(tmp_path, name):
    family = FAMILIES[name]
    place = family.make(tmp_path)
    if name == "checkpoint":  # a right one is 39 MB; this is one of another architecture
        with pytest.raises(InputError, match="another architecture"):
            family.read(place)
    else:
        family.read(place)


@pytest.mark.parametrize("name", FAMILIES)
def test_wrong_files_are_read_or_refused(tmp_path, name):
    """Anything else that a reader raises is a fault of the reader; the seed says which file led to it."""
    family = FAMILIES[name]
    right = tmp_path / "right"
    right.mkdir()
    made = family.make(right).relative_to(right)
    outcomes: Counter[str] = Counter()
    for seed in range(family.count):
        folder = tmp_path / "wrong"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(right, folder)
        place = folder / made
        spoilt = sorted(folder.glob(family.part))[0] if family.part else place
        family.spoil(spoilt, np.random.default_rng(seed))
        began = time.monotonic()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                family.read(place)
            outcomes["read"] += 1
        except InputError as error:
            assert str(folder) in str(error) or "--" in str(error), f"seed {seed}: no file named: {error}"
            outcomes["refused"] += 1
        except Exception as error:
            pytest.fail(f"{name}, seed {seed}: {type(error).__name__}: {error}")
        assert time.monotonic() - began < SECONDS, f"{name}, seed {seed}"
    assert family.tolerant or outcomes["refused"] >= family.count // 10, outcomes


def test_there_are_enough_of_them():
    assert sum(family.count for family in FAMILIES.values()) >= 500


@pytest.mark.parametrize(
    "name", ["motion", "keypoints .json", "intrinsics", "cloud .npy", "depth image", "body", "video"]
)
@pytest.mark.parametrize("kind", ["pipe", "folder", "missing", "long name", "circle of links", "device", "nul"])
def test_what_is_no_file_is_refused(tmp_path, name, kind):
    family = FAMILIES[name]
    ending = family.make(tmp_path).suffix
    path = tmp_path / f"other{ending}"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "long name":
        path = tmp_path / ("x" * 300 + ending)
    elif kind == "circle of links":
        path.symlink_to(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "nul":
        path = Path(f"{tmp_path}/a\0b{ending}")
    with pytest.raises(InputError):
        family.read(path)
