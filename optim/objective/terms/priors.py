"""Prior terms: how unlikely a pose, a shape, a motion or a first frame is."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from optim.objective.terms.scene import Scene

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def pose_prior(scene: Scene) -> Tensor:
    """Squared latents (B, T, 32) of VPoser, whose prior is N(0, I); in stage 3 the roll-out's poses are encoded."""
    if scene.predicted.in_prior is None:
        return scene.predicted.variables["latent_pose"] ** 2
    return scene.problem.pose_prior.encode(scene.predicted.pose_body) ** 2


def shape_prior(scene: Scene) -> Tensor:
    """Squared shape coefficients (B, 16)."""
    return scene.betas**2


def motion_prior(scene: Scene) -> Tensor:
    """−log N(z_t; μ(x_{t-1}), σ²(x_{t-1})) [nats] per latent, (B, T-1, 48)."""
    mean, variance = scene.in_prior.rollout.prior_mean, scene.in_prior.rollout.prior_var
    latents = scene.predicted.variables["latent_motion"][:, : mean.shape[1]]
    return 0.5 * variance.log() + _HALF_LOG_2PI + (latents - mean) ** 2 / (2.0 * variance)


def init_motion_prior(scene: Scene) -> Tensor:
    """Negative log-density (B,) [nats] of the Gaussian mixture at the first frame, in the prior frame."""
    x_0 = [scene.predicted.variables[name][:, 0] for name in ("joints_vel", "trans_vel", "root_orient_vel")]
    state = torch.cat([value.flatten(1) for value in (scene.in_prior.joints[:, 0], *x_0)], dim=1)
    return -scene.problem.init_state_prior.log_prob(state)
