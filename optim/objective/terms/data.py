"""Data terms: distance of the prediction from the observations, in 3D and in the image."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from optim.common.threads import pieces, side_by_side
from optim.objective.terms.scene import Scene, there
from optim.problem.observations import Masked

MAD_OF_A_NORMAL = 0.67449
"""Median absolute deviation of the normal distribution N(0, 1)."""


def joints3d(scene: Scene) -> Tensor:
    """½ ‖observed − predicted‖² [m²] per joint, (B, T, 22)."""
    return point_distance(scene.seen.masked("joints3d"), scene.joints)


def expected_joints(scene: Scene) -> Tensor:
    """½ ‖expected − predicted‖² [m²] per hidden joint, (B, T, 22)."""
    return point_distance(scene.expected, scene.joints)


def verts3d(scene: Scene) -> Tensor:
    """½ ‖observed − predicted‖² [m²] per key vertex, (B, T, 43)."""
    return point_distance(scene.seen.masked("verts3d"), scene.verts3d)


def joints3d_rollout(scene: Scene) -> Tensor:
    """½ ‖observed − regressed‖² [m²] per joint that the motion prior regresses, (B, T, 22)."""
    regressed = scene.in_prior.frame.points_back(scene.in_prior.rollout.joints)
    return point_distance(scene.seen.masked("joints3d"), regressed)


def points3d(scene: Scene) -> Tensor:
    """Robust squared distance [m²] of each observed point to the nearest vertex, (B, T, N); see ``cloud_distance``."""
    robust, tuning, least = cloud_robustness(scene)
    mesh = there(scene.predicted.points.mesh)
    return cloud_distance(scene.seen.masked("points3d"), mesh, robust=robust, tuning=tuning, least_scale=least)


def cloud_robustness(scene: Scene) -> tuple[str, float, float]:
    """Arguments ``robust``, ``tuning`` and ``least_scale`` of ``cloud_distance`` in this scene."""
    problem = scene.problem
    least = problem.robust_least_scale if scene.predicted.in_prior is None else 0.0
    return problem.robust_loss, problem.robust_tuning_const, least


def joints2d(scene: Scene) -> Tensor:
    """Robust reprojection error [px²] per keypoint, (B, T, 25); see ``keypoint_distance``."""
    projected = there(scene.problem.camera).project(there(scene.predicted.points.keypoints))
    seen, weight = scene.seen.keypoints, scene.seen.keypoint_weights
    return keypoint_distance(seen, weight, projected, sigma=scene.problem.joint2d_sigma)


def point_distance(seen: Masked, predicted: Tensor) -> Tensor:
    """½ ‖seen − predicted‖² [m²] per point, 0 for unseen points; (B, T, K, 3) → (B, T, K)."""
    return 0.5 * (seen.mask * (seen.values - predicted) ** 2).sum(-1)


def keypoint_distance(seen: Tensor, weight: Tensor, projected: Tensor, *, sigma: float) -> Tensor:
    """Geman–McClure function of the reprojection error [px²], per keypoint.

    The sum of ``weight · σ² r² / (σ² + r²)`` over the two image coordinates.

    Args:
        seen, projected: (B, T, 25, 2) px; weight: (B, T, 25, 1), 0 where unseen.

    Returns:
        (B, T, 25).
    """
    squared = (projected - seen) ** 2
    limit = sigma * sigma
    robust = limit * squared / (limit + squared)
    return torch.where(weight > 0, weight * robust, torch.zeros_like(robust)).sum(-1)


def keypoint_slopes(scene: Scene) -> Tensor:
    """Weights w (B, T, 25, 2) with which ½ w r² has the slope of ``joints2d`` at the prediction; 0 where unseen."""
    projected = there(scene.problem.camera).project(there(scene.predicted.points.keypoints))
    squared, limit = (projected - scene.seen.keypoints) ** 2, scene.problem.joint2d_sigma**2
    weight = scene.seen.keypoint_weights
    return torch.where(weight > 0, 2.0 * weight * (limit / (limit + squared)) ** 2, torch.zeros_like(squared))


def cloud_distance(
    seen: Masked, mesh: Tensor, *, robust: str = "bisquare", tuning: float = 4.6851, least_scale: float = 0.0
) -> Tensor:
    """½ w ‖point − nearest vertex‖² [m²] per observed point; no gradient flows into w and the choice of the vertex.

    Args:
        seen: (B, T, N, 3); mesh: (B, T, V, 3); robust: ``bisquare`` or ``none``; least_scale: see ``bisquare_weights``.

    Returns:
        (B, T, N).
    """
    nearest = nearest_vertices(seen.values, mesh)
    squared = _squared_distance(seen, mesh, nearest)
    mask = seen.mask[..., 0]
    if robust == "none":
        return 0.5 * mask * squared
    return 0.5 * bisquare_weights(squared.detach().sqrt(), mask, tuning=tuning, least_scale=least_scale) * squared


def matches(
    seen: Masked, mesh: Tensor, *, robust: str = "bisquare", tuning: float = 4.6851, least_scale: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The vertex (B, T, N) that ``cloud_distance`` compares each observed point with, and the weight (B, T, N)."""
    nearest, mask = nearest_vertices(seen.values, mesh), seen.mask[..., 0]
    if robust == "none":
        return nearest, mask
    distance = _squared_distance(seen, mesh, nearest).sqrt()
    return nearest, bisquare_weights(distance, mask, tuning=tuning, least_scale=least_scale)


def _squared_distance(seen: Masked, mesh: Tensor, nearest: Tensor) -> Tensor:
    matched = mesh.gather(2, nearest[..., None].expand(*nearest.shape, 3))
    return ((seen.values - matched) ** 2).sum(-1)


_latest: tuple[Tensor, Tensor, Tensor] | None = None
"""Points, mesh and result of the latest search. A solver asks for a model where it has just evaluated the loss."""


def nearest_vertices(points: Tensor, mesh: Tensor) -> Tensor:
    """Index (B, T, N) of the vertex nearest to each point, found with one k-d tree per frame; no gradient."""
    global _latest
    known, mesh = _latest, mesh.detach()
    if known is None or known[0] is not points or not torch.equal(known[1], mesh):
        known = _latest = points, mesh, _searched(points, mesh)
    return known[2]


def _searched(points: Tensor, mesh: Tensor) -> Tensor:
    from scipy.spatial import cKDTree  # it takes 0.3 s to load, and only point clouds need it

    clouds, meshes = (x.detach().flatten(0, 1).numpy() for x in (points, mesh))
    found = np.empty(clouds.shape[:2], np.int64)

    def search(part: slice) -> None:
        for frame in range(part.start, part.stop):
            tree = cKDTree(meshes[frame], compact_nodes=False, balanced_tree=False)
            found[frame] = tree.query(clouds[frame])[1]

    side_by_side(search, pieces(len(clouds)))
    return torch.from_numpy(found).view(*points.shape[:2], -1)


def bisquare_weights(residual: Tensor, mask: Tensor, *, tuning: float = 4.6851, least_scale: float = 0.0) -> Tensor:
    """Tukey's bisquare weights ``(1 − (r / (tuning · scale))²)²``, and 0 for r beyond ``tuning · scale``.

    The scale is MAD / 0.67449 of the visible residuals of a sub-sequence, where MAD is the median absolute deviation.

    Args:
        residual: (B, T, N) ≥ 0 [m]; mask: (B, T, N), 1 where seen.
        least_scale: Lower limit of the scale [m].
    """
    weights = torch.zeros_like(residual)
    for b in range(len(residual)):
        chosen = residual[b][mask[b] > 0]
        if chosen.numel() == 0:
            continue
        spread = (chosen - chosen.median()).abs().median() / MAD_OF_A_NORMAL
        share = (residual[b] / (spread.clamp_min(least_scale) * tuning).clamp_min(1e-9)).clamp_max(1.0)
        weights[b] = (1.0 - share**2) ** 2 * mask[b]
    return weights
