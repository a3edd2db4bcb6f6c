"""The same motion in the layouts of many programs is read as the same motion."""

from __future__ import annotations

import json
import os
import pickle

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.loading.files.amass import read_motion
from tests.motions import walk_arrays

N = 20
WALK = walk_arrays(frames=N)
POSES = np.concatenate((WALK["poses"][:, :66], np.zeros((N, 6))), axis=1).astype(np.float64)
TRANS = np.asarray(WALK["trans"], np.float64)
BETAS = np.linspace(-1, 1, 10)
MATRICES = Rotation.from_rotvec(POSES.reshape(-1, 3)).as_matrix().reshape(N, 24, 3, 3)


def pickled(content):
    return lambda path: path.with_suffix(".pkl").write_bytes(pickle.dumps(content, protocol=2))


def npz(**arrays):
    return lambda path: np.savez(path.with_suffix(".npz"), **arrays)


def written_json(content):
    return lambda path: path.with_suffix(".json").write_text(json.dumps(content))


def tensor(array):
    return torch.tensor(np.asarray(array), dtype=torch.float32)


def frames(make):
    return {f"outputs/{t:06d}.jpg": make(t) for t in reversed(range(N))}


def split(t):
    return {"global_orient": MATRICES[t, :1], "body_pose": MATRICES[t, 1:], "betas": BETAS}


LAYOUTS = {
    "poses and trans, pickled": pickled({"poses": POSES, "trans": TRANS, "betas": BETAS}),
    "pose and trans": npz(pose=POSES, trans=TRANS, betas=BETAS),
    "global_orient, npz": npz(global_orient=POSES[:, :3], body_pose=POSES[:, 3:], transl=TRANS, betas=BETAS),
    "global_orient of 21 joints, npz": npz(
        global_orient=POSES[:, None, :3], body_pose=POSES[:, 3:66].reshape(N, 21, 3), transl=TRANS, betas=BETAS
    ),
    "matrices, npz": npz(global_orient=MATRICES[:, :1], body_pose=MATRICES[:, 1:], transl=TRANS, betas=BETAS),
    "AIST++": pickled({"smpl_poses": POSES, "smpl_trans": TRANS * 94, "smpl_scaling": np.array([94.0]), "fps": 30,
                       "betas": BETAS}),
    "WHAM": pickled({0: {"pose": POSES * 0, "trans": TRANS * 0, "pose_world": POSES, "trans_world": TRANS,
                         "betas": np.tile(BETAS, (N, 1)), "frame_ids": np.arange(N)}}),
    "3DPW": pickled({"poses": [POSES, POSES[:9]], "trans": [TRANS, TRANS[:9]], "betas": [BETAS, BETAS],
                     "genders": ["f", "m"], "sequence": "a", "cam_intrinsics": np.eye(3)}),
    "GLAMR": pickled({"person_data": {0: {"smpl_pose": POSES[:, 3:], "smpl_orient_world": POSES[:, :3],
                                          "root_trans_world": TRANS, "smpl_beta": np.tile(BETAS, (N, 1))}}}),
    "ROMP": npz(results=np.array(
        {f"{t:08d}.png": {"smpl_thetas": POSES[t : t + 1], "smpl_betas": BETAS[None], "cam_trans": TRANS[t : t + 1]}
         for t in range(N)})),
    "4D-Humans": pickled(frames(lambda t: {"smpl": [split(t)], "camera": [TRANS[t]], "tid": [1], "time": t})),
    "PROX, frames in a list": pickled([{"global_orient": POSES[t : t + 1, :3], "body_pose": POSES[t : t + 1, 3:66],
                                        "transl": TRANS[t : t + 1], "betas": BETAS[None]} for t in range(N)]),
    "lists of frames, json": written_json([{"global_orient": POSES[t, :3].tolist(), "body_pose": POSES[t, 3:].tolist(),
                                            "transl": TRANS[t].tolist(), "betas": BETAS.tolist()} for t in range(N)]),
    "poses and trans, json": written_json({"poses": POSES.tolist(), "trans": TRANS.tolist(), "betas": BETAS.tolist()}),
    "GVHMR": lambda path: torch.save(
        {"smpl_params_incam": {"global_orient": tensor(POSES[:, :3] * 0), "body_pose": tensor(POSES[:, 3:66]),
                               "transl": tensor(TRANS * 0), "betas": tensor(BETAS).expand(N, 10)},
         "smpl_params_global": {"body_pose": tensor(POSES[:, 3:66]), "betas": tensor(BETAS).expand(N, 10),
                                "global_orient": tensor(POSES[:, :3]), "transl": tensor(TRANS)}},
        path.with_suffix(".pt")),
    "TRAM": lambda path: np.save(path.with_suffix(".npy"), np.array(
        {"pred_rotmat": tensor(MATRICES), "pred_shape": tensor(np.tile(BETAS, (N, 1))),
         "pred_trans": tensor(TRANS[:, None]), "frame": tensor(np.arange(N))}, object), allow_pickle=True),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_motion_is_the_same_in_every_layout(tmp_path, name):
    LAYOUTS[name](tmp_path / "walk")
    path = next(tmp_path.iterdir())
    assert parse(["--data-path", str(path)]).kind in ("SMPL", "AMASS")
    motion = read_motion(path, fps=30.0)
    assert np.abs(motion.trans - TRANS).max() < 1e-5
    apart = Rotation.from_rotvec(motion.poses.reshape(-1, 3)).inv() * Rotation.from_rotvec(POSES[:, :66].reshape(-1, 3))
    assert apart.magnitude().max() < 1e-4
    assert np.allclose(motion.betas[:10], BETAS, atol=1e-5) and not motion.betas[10:].any()
    assert motion.gender == ("female" if name == "3DPW" else "neutral")


def test_people_are_counted_in_the_order_of_the_file(tmp_path, caplog):
    LAYOUTS["3DPW"](tmp_path / "two")
    path = tmp_path / "two.pkl"
    assert len(read_motion(path).trans) == N and "2 people in it" in caplog.text
    assert len(read_motion(path, person=2).trans) == 9 and read_motion(path, person=2).gender == "male"
    with pytest.raises(InputError, match="2 people in it; --person 3"):
        read_motion(path, person=3)


def test_the_frame_rate_is_that_of_the_file_or_the_flag_or_told(tmp_path, caplog):
    LAYOUTS["poses and trans, pickled"](tmp_path / "a")
    assert len(read_motion(tmp_path / "a.pkl", fps=60.0).trans) == N / 2 and not caplog.text
    read_motion(tmp_path / "a.pkl")
    assert "30 frames/s are assumed, --data-fps" in caplog.text


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("ending", [".pkl", ".npy", ".npz"])
def test_a_motion_with_code_in_it_is_refused(tmp_path, ending):
    path, touched = tmp_path / f"a{ending}", tmp_path / "touched"
    content = {"poses": POSES, "trans": Touch(touched)}
    if ending == ".pkl":
        path.write_bytes(pickle.dumps(content))
    elif ending == ".npy":
        np.save(path, np.array(content, object), allow_pickle=True)
    else:
        np.savez(path, results=np.array(content, object))
    with pytest.raises(InputError, match=f"a{ending}: "):
        read_motion(path)
    assert not touched.exists()


def test_a_pickle_of_something_else_says_what_is_inside(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"weights": np.zeros(3), "epoch": 4}))
    with pytest.raises(InputError, match=r"a\.pkl: "):
        read_motion(path)


def test_a_folder_of_single_frames_is_a_motion(tmp_path):
    """PROX: a folder for each frame, named by number and time, with one pickle in it."""
    root = tmp_path / "N0Sofa ü" / "results"
    for t in range(N):
        folder = root / f"s001_frame_{t + 1:05d}__00.00.{t:02d}.029"
        folder.mkdir(parents=True)
        frame = {"global_orient": POSES[t : t + 1, :3], "body_pose": POSES[t : t + 1, 3:66], "transl": TRANS[t : t + 1]}
        (folder / "000.pkl").write_bytes(pickle.dumps(frame | {"betas": BETAS[None], "expression": np.zeros((1, 10))}))
    settings = parse(["--data-path", str(root)])
    assert settings.kind == "SMPL"
    found = read_motion(root)
    np.testing.assert_allclose(found.trans, TRANS, atol=1e-5)
    np.testing.assert_allclose(found.poses, POSES[:, :66], atol=1e-4)
    (folder / "000.pkl").write_bytes(b"cposix\nsystem\n(S'echo'\ntR.")
    with pytest.raises(InputError, match="000.pkl"):
        read_motion(root)
