"""Jacobians of the motion prior's networks along a roll-out, averaged over a few of its steps.

In canonical frames these Jacobians are so alike from step to step that the mean of six of them serves as well as each
step's own, at a tenth of the cost (docs/optimiser.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

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
    decoder = _jacobian(lambda x: prior.decode(x[:, :STATE_SIZE], x[:, STATE_SIZE:])[:, :STATE], rows, STATE)
    mean = _jacobian(lambda x: prior.prior(x)[0], rows[:, :STATE_SIZE], LATENT_SIZE)
    found = [x.unflatten(0, (batch, -1)) for x in (decoder[..., :STATE_SIZE], decoder[..., STATE_SIZE:], mean)]
    return NetworkJacobians(*(x if averaged is None else x.mean(1, keepdim=True) for x in found))


def _jacobian(function: Callable[[Tensor], Tensor], inputs: Tensor, outputs: int) -> Tensor:
    """Jacobian (N, outputs, inputs) of a function of rows (N, inputs), row by row."""
    leaf = inputs.detach().requires_grad_()
    with torch.enable_grad():
        found = function(leaf)
    picks = torch.eye(outputs, dtype=found.dtype)[:, None].expand(outputs, len(leaf), outputs)
    (gradients,) = torch.autograd.grad(found, leaf, picks, is_grads_batched=True)
    return gradients.movedim(0, 1)
