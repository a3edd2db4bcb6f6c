"""A small made-up motion in AMASS format, for tests that need a file."""

from pathlib import Path

import numpy as np


def walk_arrays(*, frames: int = 40, fps: float = 30.0, yaw: float = 0.7) -> dict[str, np.ndarray]:
    """A body that stands upright (z up), heads along ``yaw`` and swings its limbs, feet near the floor."""
    seconds = np.arange(frames) / fps
    upright = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # the body's y up → z up
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1.0]])
    rotation = turn @ upright
    angle = np.arccos((np.trace(rotation) - 1) / 2)
    skew = rotation - rotation.T
    axis = np.array([skew[2, 1], skew[0, 2], skew[1, 0]]) / (2 * np.sin(angle))
    poses = np.zeros((frames, 156))
    poses[:, :3] = axis * angle
    swing = 0.5 * np.sin(2 * np.pi * seconds)
    poses[:, 3], poses[:, 6] = swing, -swing  # hips
    poses[:, 50], poses[:, 53] = -1.2, 1.2  # shoulders: arms down
    heading = turn @ np.array([0.0, -1.0, 0.0])
    trans = seconds[:, None] * heading + np.array([2.0, -1.0, 1.15])
    return {
        "trans": trans,
        "poses": poses,
        "betas": np.zeros(16),
        "mocap_framerate": np.array(fps),
        "gender": np.array("neutral"),
    }


def write_walk(path: Path, **changes) -> Path:
    """Write ``walk_arrays`` as a file."""
    np.savez(path, **walk_arrays(**changes))
    return path


def walk_joints(*, frames: int = 40, fps: float = 30.0) -> np.ndarray:
    """Joints (T, 22, 3) [m] of the shipped body in this motion."""
    import torch

    import assets
    from optim.common.rotations import axis_angle_to_matrix
    from optim.loading.models import load_body

    arrays = walk_arrays(frames=frames, fps=fps)
    turns = axis_angle_to_matrix(torch.from_numpy(arrays["poses"][:, :66]).float().unflatten(1, (22, 3)))[None]
    trans, betas = torch.from_numpy(arrays["trans"]).float()[None], torch.zeros(1, 16)
    return load_body(assets.BODY_FILE).joints(trans, turns[:, :, 0], turns[:, :, 1:], betas)[0].double().numpy()


def write_demo(path: Path, *, frames: int = 40, **changes) -> Path:
    """A file in the format of the demo clips, seen from a camera 4 m away; ``changes`` replace arrays."""
    rng = np.random.default_rng(0)
    joints = rng.normal(size=(frames, 22, 3)) + np.array([0, 0, 1.0])
    arrays = walk_arrays(frames=frames) | {
        "joints3d": joints,
        "joints3d_partial": np.where(joints[..., 2:] < 0.9, np.inf, joints),
        "joints2d": np.concatenate([rng.uniform(0, 700, (frames, 25, 2)), np.ones((frames, 25, 1))], axis=-1),
        "camera_matrix": np.array([[1000.0, 0, 640], [0, 1000, 360], [0, 0, 1]]),
        "image_size": np.array([1280, 720]),
        "floor_plane": np.array([0, -1.0, 0, -1.4]),
        "floor_plane_true": np.array([0, -1.0, 0, -1.5]),
        "R_camera_world": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
        "t_camera_world": np.array([0, 1.5, 4.0]),
    }
    np.savez(path, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return path
