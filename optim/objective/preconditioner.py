"""Diagonal preconditioner of the solver: the inverse curvature of the loss along each variable when a phase begins.

In stage 3 the curvature along x_0's translation is about 1e5 times that along a latent. L-BFGS starts with one number
for all variables and learns the differences pair by pair. A diagonal that is right within a small factor saves most of
these iterations (measured: docs/lab/shooting.md). This module returns a diagonal and the evaluations that it took.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import torch
from torch import Tensor

from optim.objective.objective import Objective
from optim.objective.rollout_model.model import reasons_against
from optim.objective.shooting import NODE_BLOCKS
from optim.problem.variables import Packing, Variables
from optim.schedule.phases import NODES
from optim.schedule.solvers import MODELLED
from optim.solver.solver import Point

log = logging.getLogger(__name__)
PROBE = 1e-3
"""Step of the finite difference of gradients, in the units of each variable."""
LEAST_CURVATURE = 1e-4
"""Lower limit of the curvature; a latent under the motion prior alone has about 1e-3."""


def measured_preconditioner(
    objective: Objective, point: Point, variables: Variables, packing: Packing
) -> tuple[Tensor | None, int]:
    """``measured_diagonal`` where the phase has a preconditioner.

    The result is None and 0 where the phase has none, or has a model of the loss in its place.
    """
    if not objective.phase.preconditioned:
        return None, 0
    if objective.phase.solver == MODELLED:
        reasons = reasons_against(objective)
        if not reasons:
            return None, 0
        log.warning(
            "%s: no Gauss-Newton model (%s); a measured diagonal takes its place",
            objective.phase.name,
            "; ".join(reasons),
        )
    return measured_diagonal(objective, point, variables, packing)


def measured_diagonal(objective: Objective, point: Point, variables: Variables, packing: Packing) -> tuple[Tensor, int]:
    """Inverse curvature (n,), one number per block of the flat vector, and the number of evaluations that it took.

    A block is one variable, or one quantity of all nodes of multiple shooting. Every entry of a block is moved by a
    random ±``PROBE``. The curvature is the norm of the change of the block's own gradient, divided by the length of the
    move.
    """
    generator = torch.Generator().manual_seed(0)
    diagonal, asked = torch.ones_like(point.x), 0
    for index in _blocks(packing):
        signs = torch.randint(0, 2, index.shape, generator=generator).to(point.x.dtype) * 2 - 1
        there = objective.point(point.x.index_add(0, index, PROBE * signs), variables, packing)
        change = (there.gradient - point.gradient)[index]
        curvature = float(change.norm()) / (PROBE * len(index) ** 0.5)
        diagonal[index] = 1.0 / max(curvature, LEAST_CURVATURE)
        asked += 1
    return diagonal, asked


def _blocks(packing: Packing) -> Iterator[Tensor]:
    """Indices into the flat vector, one tensor per group of entries that share one number."""
    for name, piece in packing.split(torch.arange(packing.size)).items():
        if name != NODES:
            yield piece.flatten()
            continue
        for block in NODE_BLOCKS:
            yield piece[..., block].flatten()
