"""How unlikely a pose, a shape, a motion or a first frame is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optim.priors.init_state_prior import InitStatePrior

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def pose_prior(latent_pose: Tensor) -> Tensor:
    """Squared latents of VPoser, whose prior is N(0, I); (B, T, 32) → the same."""
    return latent_pose**2


def shape_prior(betas: Tensor) -> Tensor:
    """Squared shape coefficients; (B, 16) → the same."""
    return betas**2


def motion_prior(latents: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """−log N(z_t; μ(x_{t-1}), σ²(x_{t-1})) per latent; three (B, T-1, 48) → the same [nats]."""
    return 0.5 * variance.log() + _HALF_LOG_2PI + (latents - mean) ** 2 / (2.0 * variance)


def init_motion_prior(
    prior: InitStatePrior, joints: Tensor, joints_vel: Tensor, trans_vel: Tensor, root_orient_vel: Tensor
) -> Tensor:
    """−log of the mixture at the first frame, in the prior frame; (B, ...) → (B,) [nats]."""
    parts = [part.flatten(1) for part in (joints, joints_vel, trans_vel, root_orient_vel)]
    return -prior.log_prob(torch.cat(parts, dim=1))
