"""Jacobians of the motion prior's networks along a roll-out, averaged over a few of its steps.

In canonical frames these Jacobians are so alike from step to step that the mean of six of them serves as well as each
step's own, at a tenth of the cost (docs/optimiser.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optim.common.threads import pieces, side_by_side
from optim.objective.rollout_model.deviations import STATE
from optim.priors.motion_prior import LATENT_SIZE, STATE_SIZE, MotionPrior

AVERAGED = 6
"""Number of steps over which the Jacobians are averaged."""


@dataclass(frozen=True)
class NetworkJacobians:
    """Jacobians for each step, or one for all steps: S is the number of steps or 1."""

    change: Tensor  # (B, S, 207, 339) of the decoder's change with respect to the canonical state
    change_by_latent: Tensor  # (B, S, 207, 48)
    mean: Tensor  # (B, S, 48, 339) of the conditional prior's mean with respect to the canonical state


def network_jacobians(
    prior: MotionPrior, states: Tensor, latents: Tensor, *, averaged: int | None = AVERAGED
) -> NetworkJacobians:
    """Jacobians of decoder and conditional prior at canonical states (B, N, 339) and latents (B, N, 48).

    Args:
        averaged: Number of steps, evenly spread, whose mean stands for all; None computes each step's own.
    """
    batch, steps = states.shape[:2]
    if averaged is not None and averaged < steps:
        chosen = torch.linspace(0, steps - 1, averaged + 2).round().long()[1:-1]
        states, latents = states[:, chosen], latents[:, chosen]
    rows = torch.cat((states, latents), dim=2).flatten(0, 1)

    def of_rows(part: slice) -> list[tuple[Tensor, Tensor]]:
        with torch.no_grad():
            return [
                (prior.decoder.jacobian(row, STATE), prior.prior_net.jacobian(row[:STATE_SIZE], LATENT_SIZE))
                for row in rows[part]
            ]

    each = [pair for part in side_by_side(of_rows, pieces(len(rows))) for pair in part]
    decoder, mean = (torch.stack(found).unflatten(0, (batch, -1)) for found in zip(*each, strict=True))
    found = decoder[..., :STATE_SIZE], decoder[..., STATE_SIZE:], mean
    return NetworkJacobians(*(x if averaged is None else x.mean(1, keepdim=True) for x in found))
