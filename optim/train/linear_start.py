"""Initial weights for training: the best linear predictor, with the principal components of its residual as the latent.

From random weights, the decoder learns to ignore the latent before the encoder is useful, and training does not leave
this state: a latent then carries 5 nats per transition where the loss favours 35. Here four ridge regressions on the
training data set the weights. The decoder then adds the linear prediction of the change and the 48 strongest directions
of its residual, weighted by the latent; the encoder's mean is the transition's component along each direction. All
layers keep their form. Half of the units of every group-normalised layer ("carriers") work where normalisation and ReLU
pass a signal linearly; the other half keep their random weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from optim.common.rotations import matrix_to_axis_angle
from optim.priors.mlp import Mlp
from optim.priors.motion_prior import CHANGE_PARTS, LATENT_SIZE, MotionPrior
from optim.priors.rollout import JOINTS, JOINTS_VEL, POSE, ROOT, ROOT_VEL, TRANS, TRANS_VEL, canonical_pairs
from optim.train.data import Windows

_STATE_PARTS = (TRANS, TRANS_VEL, ROOT, ROOT_VEL, POSE, JOINTS, JOINTS_VEL)
_SIGNAL = 0.15
"""Root mean square of a signal in a carrier. A constant of ±1 is added to it, which fixes the variance of the group."""
_LIFT = 1.4
"""Offset after normalisation that keeps carriers on the linear part of the ReLU."""


@dataclass(frozen=True)
class LinearModel:
    """Linear model of transitions: output = past @ predict + scores @ directions, scores = [past, now] @ encode.

    A constant 1 is appended to ``past`` and to ``[past, now]``.
    """

    predict: Tensor  # (340, 216) to the change, followed by the contact logits
    directions: Tensor  # (48, 207) change per unit of each latent
    encode: Tensor  # (679, 48)
    variance: Tensor  # (48,) posterior variance that is optimal under the KL weight


def change_of(past: Tensor, now: Tensor) -> Tensor:
    """Output of the decoder, without contacts, that leads from ``past`` to ``now``: (N, 339) × 2 → (N, 207)."""
    parts = []
    for part in _STATE_PARTS:
        if part in (ROOT, POSE):
            before, after = (x[:, part].unflatten(1, (-1, 3, 3)) for x in (past, now))
            parts.append(matrix_to_axis_angle(after @ before.mT).flatten(1))
        else:
            parts.append(now[:, part] - past[:, part])
    return torch.cat(parts, dim=1)


def fit_linear_model(windows: Windows, weights: dict[str, float], *, kl: float) -> LinearModel:
    """Fit a linear model to the transitions of some windows.

    Args:
        weights: Weights of the loss by part of the state. They decide which residuals the latent represents.
        kl: Weight of the KL term of the loss.
    """
    past, now = (x.flatten(0, 1).double() for x in canonical_pairs(windows.flat, windows.pivot))
    change, contacts = change_of(past, now), windows.contacts[:, 1:].flatten(0, 1).double()
    scale = torch.ones(207, dtype=torch.float64)
    for name, part in CHANGE_PARTS.items():
        # A rotation by a small angle changes the nine entries of its matrix by twice its square in total.
        size = (part.stop - part.start) * (1.5 if name in ("root_orient", "pose_body") else 1.0)
        scale[part] = math.sqrt(weights[name] / size)
    predict = _ridge(past, change)
    missed = (change - _with_one(past) @ predict) * scale
    values, vectors = torch.linalg.eigh(missed.T @ missed / len(missed))
    values, vectors = values.flip(0)[:LATENT_SIZE].clamp_min(1e-12), vectors.flip(1)[:, :LATENT_SIZE]
    scores = missed @ vectors / values.sqrt()
    return LinearModel(
        predict=torch.cat((predict, _contact_logits(past, contacts)), dim=1).float(),
        directions=((vectors * values.sqrt()).T / scale).float(),
        encode=_ridge(torch.cat((past, now), dim=1), scores).float(),
        variance=(0.5 * kl / values).clamp(1e-3, 1.0).float(),
    )


def _contact_logits(past: Tensor, contacts: Tensor) -> Tensor:
    """Coefficients (340, 9) of a regression of the labels, scaled so that the labels 0 and 1 are logits of −3 and 3."""
    predict = 6 * _ridge(past, contacts)
    predict[-1] -= 3
    return predict


@torch.no_grad()
def start_from(prior: MotionPrior, model: LinearModel, inputs: Tensor, pairs: Tensor) -> None:
    """Write a linear model into the networks of a motion prior.

    Args:
        prior: The motion prior, which is changed.
        inputs, pairs: (N, 339) past states and (N, 678) transitions, from which the scale of the signals is taken.
    """
    predict = torch.cat((model.predict[:-1], torch.zeros(LATENT_SIZE, model.predict.shape[1])))
    padded = torch.cat((inputs, torch.zeros(len(inputs), LATENT_SIZE)), dim=1)
    _carry(prior.decoder, predict, model.predict[-1], padded)
    prior.decoder.linears[-1].weight[:207, -LATENT_SIZE:] = model.directions.T
    _carry(prior.encoder, model.encode[:-1], model.encode[-1], pairs)
    prior.encoder.linears[-1].bias[LATENT_SIZE:] = model.variance.log()
    prior.prior_net.linears[-1].weight.mul_(0.05)
    prior.prior_net.linears[-1].bias.zero_()


def _carry(network: Mlp, matrix: Tensor, offset: Tensor, inputs: Tensor) -> None:
    """Make the first outputs of ``network`` equal ``inputs @ matrix + offset``, and its other outputs 0."""
    linears, norms = network.linears, network.norms
    count = matrix.shape[1]
    wanted = inputs @ matrix
    size, centre = wanted.std(0).clamp_min(1e-6), wanted.mean(0)
    before: tuple[Tensor, Tensor, Tensor] | None = None  # carriers of the layer below, their signals and constants
    for linear, norm in zip(linears[:-1], norms, strict=True):
        width = linear.out_features
        carriers = _carriers(width)
        signals = torch.arange(len(carriers)) % count
        signs = torch.tensor([1.0, -1.0]).repeat(width // 4)
        linear.weight[carriers] = 0.0
        linear.bias[carriers] = signs
        if before is None:
            linear.weight[carriers] = (matrix / size * _SIGNAL).T[signals]
            linear.bias[carriers] -= (centre / size * _SIGNAL)[signals]
        else:
            _read(linear, carriers, signals, *before)
        norm.bias[carriers] = _LIFT
        before = (carriers, signals, signs + _LIFT)
    last = linears[-1]
    last.weight.zero_()
    last.bias.zero_()
    assert before is not None
    _read(last, torch.arange(count), torch.arange(count), *before)
    last.weight[:count] *= (size / _SIGNAL)[:, None]
    last.bias[:count] = last.bias[:count] * size / _SIGNAL + centre + offset


def _carriers(width: int) -> Tensor:
    """Indices of the carriers: the units of the first 8 of 16 groups."""
    return torch.arange(width // 2)


def _read(linear: nn.Linear, rows: Tensor, signals: Tensor, units: Tensor, carried: Tensor, constants: Tensor) -> None:
    """Set each row of ``linear`` to the mean of the units that carry its signal, minus their constants."""
    same = (signals[:, None] == carried[None]).float()
    weight = same / same.sum(1, keepdim=True)
    full = torch.zeros(len(rows), linear.in_features)
    full[:, units] = weight
    linear.weight[rows] = full
    linear.bias[rows] = linear.bias[rows] - weight @ constants


def _with_one(x: Tensor) -> Tensor:
    return torch.cat((x, torch.ones_like(x[:, :1])), dim=1)


def _ridge(x: Tensor, y: Tensor, *, strength: float = 1e-4) -> Tensor:
    """Ridge regression with a constant on standardised inputs: (N, a), (N, b) → coefficients (a + 1, b)."""
    size = torch.cat((x.std(0).clamp_min(1e-3), torch.ones(1, dtype=x.dtype)))
    scaled = _with_one(x) / size
    gram = scaled.T @ scaled / len(x) + strength * torch.eye(len(size), dtype=x.dtype)
    return torch.linalg.solve(gram, scaled.T @ y / len(x)) / size[:, None]
