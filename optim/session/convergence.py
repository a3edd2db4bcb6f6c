"""How much of the loss a solver has still to gain, estimated from its last iterations."""

from __future__ import annotations

from collections.abc import Sequence

from optim.session.history import Snapshot

FEWEST = 8
"""Number of iterations before which nothing is said."""
SLOWEST = 0.95
"""Largest ratio of successive gains that is believed; a larger one would make the estimate infinite."""


def still_to_gain(losses: Sequence[float]) -> float | None:
    """Estimate of how far the last loss is above the minimum; None after fewer than ``FEWEST`` iterations.

    The gains of the first and of the second half of the iterations are taken as terms of a geometric series, which is
    summed to its end. The estimate is exact where the distance from the minimum falls by a constant factor.

    Args:
        losses: The loss of successive iterations under one objective, the newest last.
    """
    half = (len(losses) - 1) // 2
    if 2 * half < FEWEST:
        return None
    last, middle, first = losses[-1], losses[-1 - half], losses[-1 - 2 * half]
    earlier, later = first - middle, middle - last
    if later <= 0.0:
        return 0.0
    ratio = min(later / earlier, SLOWEST) if earlier > 0.0 else SLOWEST
    return later * ratio / (1.0 - ratio)


def distance_from_minimum(snapshot: Snapshot) -> float | None:
    """``still_to_gain`` at a snapshot, as a share of the size of its loss; None where nothing can be said yet."""
    left = still_to_gain(snapshot.losses)
    return None if left is None else left / max(snapshot.evaluation.size, 1e-12)
