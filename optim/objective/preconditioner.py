"""Diagonal preconditioner of the solver: how strongly the loss bends along each variable where a phase begins.

The loss of stage 3 bends some 1e5 times as much along x_0's translation as along a latent. L-BFGS begins with one
number for all of that and learns the rest pair by pair; a diagonal that is right to a factor of a few saves it most of
the way (measured: docs/lab/shooting.md). Knows no solver: it gives a diagonal, and what it cost.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from optim.objective.objective import Objective
from optim.objective.shooting import NODE_BLOCKS
from optim.problem.variables import Packing, Variables
from optim.schedule.phases import NODES
from optim.solver.lbfgs import Point

PROBE = 1e-3
"""Length of the step, in the variables' own units, over which gradients are compared."""
LEAST_CURVATURE = 1e-4
"""Taken for what bends less: a latent under the motion prior alone bends about 1e-3."""


def solver_metric(
    objective: Objective, point: Point, variables: Variables, packing: Packing
) -> tuple[Tensor | None, int]:
    """Inverse curvature (n,), one number for each variable (each block of a node), and the evaluations that it took.

    Every block of variables is moved by a random ±``PROBE`` in all its entries; the norm of what its own gradient
    changes by, per length of the move, is its curvature. None and 0 where the phase does not ask for it.
    """
    if not objective.phase.preconditioned:
        return None, 0
    generator = torch.Generator().manual_seed(0)
    metric, asked = torch.ones_like(point.x), 0
    for index in _blocks(packing):
        signs = torch.randint(0, 2, index.shape, generator=generator).to(point.x.dtype) * 2 - 1
        there = objective.point(point.x.index_add(0, index, PROBE * signs), variables, packing)
        change = (there.gradient - point.gradient)[index]
        curvature = float(change.norm()) / (PROBE * len(index) ** 0.5)
        metric[index] = 1.0 / max(curvature, LEAST_CURVATURE)
        asked += 1
    return metric, asked


def _blocks(packing: Packing) -> Iterator[Tensor]:
    """Indices into the flat vector of entries that share one number."""
    for name, piece in packing.split(torch.arange(packing.size)).items():
        if name != NODES:
            yield piece.flatten()
            continue
        for block in NODE_BLOCKS:
            yield piece[..., block].flatten()
