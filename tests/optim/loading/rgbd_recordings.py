"""A made-up RGB-D recording of our body: PROX's layout, with a depth camera beside a colour camera, images mirrored."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

import assets
from optim.body.body_model import BodyModel
from optim.loading.clip import trajectory
from optim.loading.files.amass import Motion
from optim.loading.models import load_body
from optim.loading.observe import surface_points
from tests.motions import walk_arrays

COLOUR = np.array([[530.0, 0, 470], [0, 530.0, 265], [0, 0, 1]])
COLOUR_SIZE = (960, 540)
INFRARED = np.array([[183.0, 0, 130], [0, 183.0, 105], [0, 0, 1]])
INFRARED_SIZE = (256, 212)
APART = np.array([0.05, 0.002, -0.004])  # of the colour camera, in the common frame that is the depth camera's
UNIT = 1 / 8000
R_CAMERA_WORLD = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
T_CAMERA_WORLD = np.array([-2.0, 1.1, 4.0])  # the camera stands 3 m before the walk, 1.1 m above the floor


@dataclass(frozen=True)
class Scene:
    """The truth behind a recording, in the frame of the colour camera."""

    body: BodyModel
    mesh: np.ndarray  # (T, V, 3)
    keypoints: np.ndarray  # (T, 25, 2) px
    floor = np.array([0.0, -1.0, 0.0, -1.1])


def scene(frames: int) -> tuple[Scene, np.ndarray]:
    """The scene and (T, N, 3) points all over the body, in the colour camera's frame."""
    body = load_body(assets.BODY_FOLDER)
    arrays = walk_arrays(frames=frames)
    poses = arrays["poses"][:, :66].astype(np.float32)
    truth = trajectory(
        Motion(arrays["trans"].astype(np.float32), poses, np.zeros(16, np.float32), "neutral", 30.0, "walk"),
        slice(0, frames),
        body,
    )
    parts = (truth.trans, truth.root_orient, truth.pose_body, truth.betas)
    joints, vertices = body.joints_and_vertices(*parts, torch.tensor(body.openpose_vertices))
    generator = torch.Generator().manual_seed(0)
    points = surface_points(truth, body, count=30_000, generator=generator)

    def seen(tensor: torch.Tensor) -> np.ndarray:
        return tensor[0].double().numpy() @ R_CAMERA_WORLD.T + T_CAMERA_WORLD

    keypoints = seen(body.keypoints25(joints, vertices))
    image = keypoints[..., :2] / keypoints[..., 2:] * np.diag(COLOUR)[:2] + COLOUR[:2, 2]
    return Scene(body, seen(body.mesh(*parts)), image), seen(points)


def rendered(points: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Depth (H, W) [m] of the nearest point in each pixel, 0 where there is none."""
    x, y = np.rint(points[:, :2] / points[:, 2:] * np.diag(matrix)[:2] + matrix[:2, 2]).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < size[0]) & (y < size[1])
    depth = np.full(size[::-1], np.inf)
    np.minimum.at(depth, (y[inside], x[inside]), points[inside, 2])
    return np.where(np.isfinite(depth), depth, 0.0)


def write_prox(root: Path, *, frames: int = 20, name: str = "N3Office_00034_01") -> Scene:
    """A data set of one recording below ``root / "qualitative"``; beside the body stands a box that the masks hide."""
    truth, points = scene(frames)
    place = root / "qualitative" / "recordings" / name
    keypoints = root / "qualitative" / "keypoints" / name
    planes = root / "qualitative" / "planes" / name.split("_")[0]
    for folder in (place / "Depth", place / "BodyIndexColor", place / "Color", keypoints, planes):
        folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    box = rng.uniform([1.0, -0.2, 3.0], [1.4, 1.0, 3.1], (8000, 3))
    for t in range(frames):
        stem = f"s001_frame_{t + 1:05d}__00.00.{t // 30:02d}.{t % 30 * 33:03d}"
        everything = np.concatenate((points[t], box)) + APART
        depth = rendered(everything, INFRARED, INFRARED_SIZE)
        cv2.imwrite(str(place / "Depth" / f"{stem}.png"), (depth / UNIT).astype(np.uint16)[:, ::-1])
        silhouette = cv2.dilate((rendered(points[t], COLOUR, COLOUR_SIZE) > 0).astype(np.uint8), np.ones((5, 5)))
        cv2.imwrite(
            str(place / "BodyIndexColor" / f"{stem}.png"), np.where(silhouette, 0, 255)[:, ::-1].astype(np.uint8)
        )
        cv2.imwrite(str(place / "Color" / f"{stem}.jpg"), np.zeros((*COLOUR_SIZE[::-1], 3), np.uint8))
        rows = np.concatenate([truth.keypoints[t], np.full((25, 1), 0.9)], axis=1)
        rows = rows[[0, 1, 5, 6, 7, 2, 3, 4, 8, 12, 13, 14, 9, 10, 11, 16, 15, 18, 17, 22, 23, 24, 19, 20, 21]]
        rows[:, 0] = COLOUR_SIZE[0] - rows[:, 0]
        people = [{"pose_keypoints_2d": rows.ravel().tolist()}]
        (keypoints / f"{stem}_keypoints.json").write_text(json.dumps({"people": people}))
    write_calibration(root / "qualitative" / "calibration")
    normal = truth.floor[:3] * truth.floor[3]
    np.save(planes / "0_plane_parameters_0.npy", np.array([[normal[0], normal[2], -normal[1]]]))
    np.save(planes / "0_plane_masks_0.npy", np.ones((1, 48, 64)))
    return truth


def write_calibration(folder: Path, *, colour: dict | None = None) -> None:
    """``IR.json`` and ``Color.json``; ``colour`` replaces entries of the second."""
    folder.mkdir(parents=True, exist_ok=True)
    view = np.concatenate((np.eye(3), -APART[:, None]), axis=1).tolist()
    own = {"camera_mtx": COLOUR.tolist(), "k": [0.0] * 5, "view_mtx": view}
    (folder / "Color.json").write_text(json.dumps(own | (colour or {})))
    eye = np.eye(4)[:3].tolist()
    (folder / "IR.json").write_text(json.dumps({"camera_mtx": INFRARED.tolist(), "k": [0.0] * 5, "view_mtx": eye}))
