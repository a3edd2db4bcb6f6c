"""Overlap terms: neighbouring sub-sequences of one video agree in the frames that they share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from optim.objective.terms import consistency
from optim.objective.terms.scene import Scene, there

Difference = Callable[[Tensor, Tensor], Tensor]


def rgb_overlap_consist_verts3d_pos(scene: Scene) -> Tensor:
    """½ ‖v_b − v_{b+1}‖² [m²] over the frames that neighbours of the batch share, flat."""
    return within_batch(scene.verts3d, shared_frames(scene), position_difference)


def rgb_overlap_consist_verts3d_vel(scene: Scene) -> Tensor:
    """½ ‖Δv_b − Δv_{b+1}‖² [m²] over the frames that neighbours of the batch share, flat."""
    return within_batch(scene.verts3d, shared_frames(scene), velocity_difference)


def rgb_overlap_xbatch_verts3d_pos(scene: Scene) -> Tensor:
    """½ ‖v − v_previous‖² [m²] over the frames shared with the batch before, flat."""
    return against_previous(scene.verts3d, scene.previous.verts3d, overlap_before(scene), position_difference)


def rgb_overlap_xbatch_verts3d_vel(scene: Scene) -> Tensor:
    """½ ‖Δv − Δv_previous‖² [m²] over the frames shared with the batch before, flat."""
    return against_previous(scene.verts3d, scene.previous.verts3d, overlap_before(scene), velocity_difference)


def rgb_overlap_consist_betas(scene: Scene) -> Tensor:
    """½ (β_b − β_{b+1})² between neighbours of the batch, (B - 1, 16)."""
    return neighbour_difference(scene.betas)


def rgb_overlap_xbatch_betas(scene: Scene) -> Tensor:
    """½ ‖β − β_previous‖² against the batch before, (1,)."""
    return consistency.agreement(scene.betas[:1], scene.previous.betas[None])


def rgb_overlap_consist_floor(scene: Scene) -> Tensor:
    """½ (floor_b − floor_{b+1})² [m²] between neighbours of the batch, (B - 1, 3)."""
    return neighbour_difference(scene.floor)


def rgb_overlap_xbatch_floor(scene: Scene) -> Tensor:
    """½ ‖floor − floor_previous‖² [m²] against the batch before, (1,)."""
    plane = scene.previous.floor_plane
    return consistency.agreement(scene.floor[:1], (plane[:3] * plane[3:])[None])


def shared_frames(scene: Scene) -> list[int]:
    """Number of frames that neighbours of the batch share, as far as the earlier one is rolled out."""
    missing = scene.problem.frames - scene.seen.frames
    return [max(0, n - missing) for n in overlap_lengths(there(scene.seen.seq_interval))]


def overlap_before(scene: Scene) -> int:
    """Number of frames shared with the batch before."""
    return max(0, scene.previous.seq_interval[1] - int(there(scene.seen.seq_interval)[0, 0]))


def overlap_lengths(seq_interval: Tensor) -> list[int]:
    """Number of frames that sub-sequence b shares with b + 1; (B, 2) → B - 1 numbers, 0 where they do not overlap."""
    ends, starts = seq_interval[:-1, 1].tolist(), seq_interval[1:, 0].tolist()
    return [max(0, int(end) - int(start)) for end, start in zip(ends, starts, strict=True)]


def position_difference(before: Tensor, after: Tensor) -> Tensor:
    """½ squared difference of the same points in two sub-sequences; twice (F, K, 3) → (F, K)."""
    return 0.5 * ((before - after) ** 2).sum(-1)


def velocity_difference(before: Tensor, after: Tensor) -> Tensor:
    """½ squared difference of their moves from frame to frame; twice (F, K, 3) → (F - 1, K)."""
    return position_difference(before[1:] - before[:-1], after[1:] - after[:-1])


def within_batch(points: Tensor, lengths: list[int], difference: Difference) -> Tensor:
    """Difference of points (B, T, K, 3) over all neighbours of a batch, flat; ``lengths`` from ``overlap_lengths``."""
    pairs = [(points[b, -n:], points[b + 1, :n]) for b, n in enumerate(lengths) if n > 0]
    return torch.cat([points.new_zeros(0), *(difference(before, after).flatten() for before, after in pairs)])


def against_previous(points: Tensor, previous: Tensor, length: int, difference: Difference) -> Tensor:
    """A difference between the first sub-sequence (B, T, K, 3) and the end of the previous one (T', K, 3), flat."""
    known = min(length, points.shape[1])
    start = len(previous) - length
    return difference(previous[start : start + known], points[0, :known]).flatten()


def neighbour_difference(values: Tensor) -> Tensor:
    """½ squared difference between neighbours in a batch, (B, D) → (B - 1, D)."""
    return 0.5 * (values[1:] - values[:-1]) ** 2
