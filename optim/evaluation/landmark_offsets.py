"""How far BlazePose's landmarks lie from the points of the body model, measured on made-up photographs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import assets
from optim.body.body_model import BodyModel
from optim.evaluation.images import FOCAL, IMAGE_SIZE, LEVEL, picture
from optim.evaluation.rendered import photograph
from optim.keypoints.names import BODY_25, MEDIAPIPE_33, to_body_25
from optim.keypoints.network import Network
from optim.keypoints.offsets import OFFSETS, at_body_points, bones_of
from optim.keypoints.tracking import Tracker
from optim.loading.clip import trajectory
from optim.loading.files.amass import read_motion
from optim.train.data import find_clips

CONFIDENT = 0.5
"""Least confidence of a landmark that counts."""
LOST = 0.12
"""Median error [m] of a person's landmarks above which the networks have not found the person."""
SPREAD = 0.04
"""Errors [m] beyond which a landmark counts less and less when the shares are fitted."""


@dataclass(frozen=True)
class Landmarks:
    """Keypoints of N photographs: found, and true."""

    found: np.ndarray  # (N, 25, 3) x, y [px], confidence
    true: np.ndarray  # (N, 25, 2) [px]
    scale: np.ndarray  # (N,) px per metre at the body


def photographed(folder: Path, body: BodyModel, *, split: str | None, count: int) -> Iterator[tuple[np.ndarray, ...]]:
    """Photograph, true keypoints (25, 2) [px] and scale [px/m] of frames of motion capture, drawn by chance."""
    paths, rng = find_clips(folder, split=split), np.random.default_rng(0)
    for number in range(count):
        motion = read_motion(paths[rng.integers(len(paths))])
        start = int(rng.integers(0, len(motion.trans)))
        truth = trajectory(motion, slice(start, start + 1), body)
        generator = torch.Generator().manual_seed(number)
        view = picture(truth, body, LEVEL, generator=generator, pixel_noise=0.0)
        arguments = truth.trans, truth.root_orient, truth.pose_body, truth.betas
        points = body.keypoints25(*body.joints_and_vertices(*arguments, torch.tensor(body.openpose_vertices)))
        mesh, stood = view.from_world.points(body.mesh(*arguments)), view.from_world.points(points)
        pixels = view.camera.project(mesh)[0, 0].numpy()
        image = photograph(body, mesh[0, 0].numpy(), pixels, IMAGE_SIZE, rng)
        depth = float(stood[0, 0, BODY_25.index("mid_hip"), 2])
        yield image, view.camera.project(stood)[0, 0].numpy(), np.array(FOCAL / depth)


def landmarks(folder: Path, body: BodyModel, *, split: str | None, count: int) -> Landmarks:
    """What the networks find in photographs of one split. Persons whom they have lost are left out."""
    networks = Network(assets.PERSON_DETECTOR_FILE), Network(assets.LANDMARKS_FILE)
    rows = []
    for image, true, scale in photographed(folder, body, split=split, count=count):
        pose = Tracker(*networks)(image)
        if pose is not None:
            confidence = np.minimum(pose.visibility, pose.presence)[:, None]
            found = to_body_25(np.concatenate((pose.pixels, confidence), axis=1), MEDIAPIPE_33)
            if np.median(np.linalg.norm(found[:, :2] - true, axis=1)) < LOST * scale:
                rows.append((found, true, scale))
    return Landmarks(*(np.stack(values) for values in zip(*rows, strict=True)))


def fitted_shares(seen: Landmarks) -> dict[str, tuple[float, ...]]:
    """Keypoint → the shares of its bones that bring it nearest to the true points, by robust least squares."""
    shares = {}
    for name in OFFSETS:
        ways, errors = [], []
        for number, ends in bones_of(name):
            kept = seen.found[:, number, 2] > CONFIDENT
            metres = seen.scale[kept, None]
            ways.append(np.stack([(seen.found[kept, b] - seen.found[kept, a])[:, :2] / metres for a, b, _ in ends], -1))
            errors.append((seen.true[kept, number] - seen.found[kept, number, :2]) / metres)
        way, error = np.concatenate(ways), np.concatenate(errors)
        share = np.zeros(way.shape[-1])
        for _ in range(10):
            left = np.linalg.norm(error - way @ share, axis=1)
            weight = np.repeat(1 / np.sqrt(1 + (left / SPREAD) ** 2), 2)
            share = np.linalg.lstsq(way.reshape(-1, len(share)) * weight[:, None], error.reshape(-1) * weight)[0]
        shares[name] = tuple(map(float, share))
    return shares


def errors_cm(seen: Landmarks) -> dict[str, tuple[float, float]]:
    """Keypoint → its median distance [cm] from the true point as it is found, and moved by ``OFFSETS``."""
    moved, errors = at_body_points(seen.found), {}
    for name in OFFSETS:
        numbers = [number for number, _ in bones_of(name)]
        kept = seen.found[:, numbers, 2] > CONFIDENT
        both = []
        for points in (seen.found, moved):
            apart = np.linalg.norm(points[:, numbers, :2] - seen.true[:, numbers], axis=-1) / seen.scale[:, None]
            both.append(100 * float(np.median(apart[kept])))
        errors[name] = both[0], both[1]
    return errors
