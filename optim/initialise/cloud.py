"""Initialise a fit to point clouds: find the root rotation and translation of a given pose in every frame.

In each frame, rotations about the vertical and about the longest axis of the points are tried. Dynamic programming
takes the sequence of rotations with the lowest cost, turning included. Knows no loss term and no stage.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from optim.common.rotations import axis_angle_to_matrix
from optim.objective.prediction import Parts, body_points
from optim.problem.missing_frames import ENOUGH_POINTS, fill_missing, fill_missing_rotations
from optim.problem.problem import Problem

HEADINGS = 16
"""Number of rotations that are tried about the vertical, and about the longest axis of the points."""
TURN_COST = 0.05
"""Cost of turning between two frames [m of mean distance per radian], so that no single frame flips."""
_EVERY = 4
"""Every n-th vertex of the mesh is compared with the points."""
_POINTS = 256
"""About so many points of a frame are compared with the body."""


def placed_in_cloud(problem: Problem, pose: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
    """Root rotations (B, T, 3, 3) and translations (B, T, 3) [m] that place a body in the observed point clouds.

    Frames with too few points are interpolated between their neighbours.

    Args:
        pose: (B, 1, 21, 3, 3) rotations of the body joints, the same in all frames.
        betas: (B, 16).
    """
    seen = problem.observations.visible["points3d"]
    known = seen.sum(-1) >= ENOUGH_POINTS
    known[~known.any(1)] = True  # a sequence without data is placed at the origin
    eye, origin = torch.eye(3).expand(problem.batch, 1, 3, 3), torch.zeros(problem.batch, 1, 3)
    rest = body_points(problem, origin, eye, pose, betas, Parts(mesh=True, keypoints=problem.has_camera))
    assert rest.mesh is not None
    roots, places = [], []
    for b in range(problem.batch):
        pelvis = rest.joints[b, 0, 0].numpy()
        up, height = _floor_of(problem, b)
        model = rest.mesh[b, 0, ::_EVERY].numpy() - pelvis
        points = None if rest.keypoints is None else rest.keypoints[b, 0].numpy() - pelvis
        costs, turns, offsets = [], [], []
        for t in range(problem.frames):
            cloud = problem.observations.masked("points3d").values[b, t][seen[b, t]].double().numpy()
            cloud = cloud[:: max(1, len(cloud) // _POINTS)]
            tried = _turns(up, cloud if len(cloud) >= ENOUGH_POINTS else None)
            cost, offset = _tried(cloud, model, tried, up, height)
            if points is not None and problem.observations.joints2d is not None and len(cloud):
                cost += _image_cost(problem, b, t, points, tried, offset)
            costs.append(cost)
            turns.append(tried)
            offsets.append(offset)
        way = np.arange(problem.frames), _cheapest_way(np.stack(costs), np.stack(turns))
        roots.append(torch.from_numpy(np.stack(turns)[way]).float())
        places.append(torch.from_numpy(np.stack(offsets)[way] - pelvis).float())
    return fill_missing_rotations(torch.stack(roots), known), fill_missing(torch.stack(places), known)


def _floor_of(problem: Problem, b: int) -> tuple[np.ndarray, float]:
    """Upward unit normal (3,) of the floor and its offset [m] along it, in the frame of the input."""
    if problem.floor is None:
        return np.array([0.0, 0.0, 1.0]), 0.0
    plane = problem.floor[b].double().numpy()
    length = np.linalg.norm(plane[:3])
    plane = plane / length if plane[1] <= 0 else -plane / length
    return plane[:3], float(plane[3])


def _turns(up: np.ndarray, cloud: np.ndarray | None) -> np.ndarray:
    """Rotations (2 · HEADINGS, 3, 3) to try.

    In the first half the body stands and is turned about ``up``. In the second half it lies along the longest axis of
    the cloud, in either direction, and is turned about that axis.
    """
    standing = _about(up, HEADINGS)
    if cloud is None:
        return np.concatenate((standing, standing))
    axis = np.linalg.svd(cloud - cloud.mean(0), full_matrices=False)[2][0]
    return np.concatenate((standing, _about(axis, HEADINGS // 2), _about(-axis, HEADINGS // 2)))


def _about(axis: np.ndarray, count: int) -> np.ndarray:
    """Rotations (count, 3, 3) that bring the body's y axis to a direction, evenly turned about it."""
    side = np.cross(axis, [1.0, 0.0, 0.0] if abs(axis[0]) < 0.9 else [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    first = np.stack([side, axis, np.cross(side, axis)], axis=1)
    angles = torch.arange(count).double() * (2 * math.pi / count)
    return axis_angle_to_matrix(angles[:, None] * torch.from_numpy(axis.copy())).numpy() @ first


def _tried(
    cloud: np.ndarray, model: np.ndarray, turns: np.ndarray, up: np.ndarray, height: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance from the points to the body (H,) [m] and position of the root joint (H, 3) [m] for each rotation.

    Two positions are compared: the middle of the body in the middle of the points, and the same moved along ``up``
    until the body touches the floor. The one with the smaller distance is taken.
    """
    from scipy.spatial import cKDTree  # takes a third of a second to load, and only data of points need it

    cost, place = np.zeros(len(turns)), np.zeros((len(turns), 3))
    if not len(cloud):
        return cost, place
    for h, turn in enumerate(turns):
        body = model @ turn.T
        middle = cloud.mean(0) - body.mean(0)
        standing = middle + (height - ((body + middle) @ up).min()) * up
        tree = cKDTree(body)
        tries = [(tree.query(cloud - at)[0].mean(), at) for at in (middle, standing)]
        cost[h], place[h] = min(tries, key=lambda found: found[0])
    return cost, place


def _image_cost(
    problem: Problem, b: int, t: int, points: np.ndarray, turns: np.ndarray, place: np.ndarray
) -> np.ndarray:
    """Mean distance (H,) [m], at the body's depth, between its keypoints and the observed ones.

    It distinguishes front from back, which a point cloud alone often does not.
    """
    camera, seen = problem.camera, problem.observations.trusted_keypoints
    assert camera is not None
    confidence = seen[b, t, :, 2].numpy()
    if confidence.sum() <= 0:
        return np.zeros(len(turns))
    stood = torch.from_numpy(points @ turns.transpose(0, 2, 1) + place[:, None]).float()
    row = min(b, len(camera.focal) - 1)
    in_image = stood[..., :2] / stood[..., 2:].clamp_min(0.1) * camera.focal[row] + camera.centre[row]
    metres = ((in_image - seen[b, t, :, :2]) / camera.focal[row] * stood[..., 2:]).norm(dim=-1).numpy()
    return (np.minimum(metres, 1.0) * confidence).sum(1) / confidence.sum()


def _cheapest_way(cost: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Index (T,) of the rotation in each frame with the lowest total cost, by the Viterbi algorithm.

    Args:
        cost: (T, H) cost of each rotation in each frame [m].
        turns: (T, H, 3, 3) rotations; turning between frames costs ``TURN_COST``.
    """
    total, back = cost[0], []
    for t in range(1, len(cost)):
        trace = np.einsum("aij,bij->ab", turns[t - 1], turns[t])
        reached = total[:, None] + TURN_COST * np.arccos(np.clip((trace - 1) / 2, -1, 1))
        back.append(reached.argmin(0))
        total = reached.min(0) + cost[t]
    way = [int(total.argmin())]
    for before in reversed(back):
        way.append(int(before[way[-1]]))
    return np.array(way[::-1])
