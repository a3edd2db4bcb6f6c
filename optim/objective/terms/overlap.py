"""Neighbouring sub-sequences of one video should agree where they overlap."""

from __future__ import annotations

import torch
from torch import Tensor


def overlap_lengths(seq_interval: Tensor) -> list[int]:
    """Frames that sub-sequence b shares with b + 1, (B, 2) → B - 1 numbers; 0 where they do not touch."""
    ends, starts = seq_interval[:-1, 1].tolist(), seq_interval[1:, 0].tolist()
    return [max(0, int(end) - int(start)) for end, start in zip(ends, starts, strict=True)]


def position_gap(before: Tensor, after: Tensor) -> Tensor:
    """½ squared differences of the same points seen from two sub-sequences; (F, K, 3) × 2 → (F, K)."""
    return 0.5 * ((before - after) ** 2).sum(-1)


def velocity_gap(before: Tensor, after: Tensor) -> Tensor:
    """½ squared differences of their frame-to-frame moves; (F, K, 3) × 2 → (F - 1, K)."""
    return position_gap(before[1:] - before[:-1], after[1:] - after[:-1])


def within_batch(points: Tensor, lengths: list[int], gap) -> Tensor:
    """A gap over all neighbouring pairs of a batch, (B, T, K, 3) → flat; ``gap`` is one of the two above."""
    pairs = [(points[b, -n:], points[b + 1, :n]) for b, n in enumerate(lengths) if n > 0]
    return torch.cat([points.new_zeros(0), *(gap(before, after).flatten() for before, after in pairs)])


def against_previous(points: Tensor, previous: Tensor, length: int, gap) -> Tensor:
    """A gap between the first sub-sequence (B, T, K, 3) and the end of the one before the batch (T', K, 3)."""
    known = min(length, points.shape[1])
    start = len(previous) - length
    return gap(previous[start : start + known], points[0, :known]).flatten()


def neighbour_gap(values: Tensor) -> Tensor:
    """½ squared differences between neighbours in a batch, (B, D) → (B - 1, D)."""
    return 0.5 * (values[1:] - values[:-1]) ** 2
