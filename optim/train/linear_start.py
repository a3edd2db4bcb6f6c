"""Weights to start training from: the best linear predictor, its residual's principal components as the latent.

From random weights the decoder learns to do without the latent before the encoder has anything to say, and stays there:
5 nats a transition where the loss asks for 35. Here four ridge regressions on the training data set the networks so
that decoder(x, z) is the linear prediction of the change plus the 48 strongest directions of what it misses, and the
encoder's mean is the transition's share of each. All layers keep their form: half of every group-normalised layer is
put where normalisation and ReLU pass a signal on unbent ("carriers"), the other half keeps its random weights.
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
"""Root mean square of a signal in a carrier, beside a constant of ±1 that fixes the group's variance."""
_LIFT = 1.4
"""Added after normalisation, so that carriers stay on the straight part of the ReLU."""


@dataclass(frozen=True)
class LinearModel:
    """output = past @ predict + scores @ directions, scores = [past, now] @ encode; rows of 1 append a constant."""

    predict: Tensor  # (340, 216): the change, then contact logits
    directions: Tensor  # (48, 207), per unit of latent
    encode: Tensor  # (679, 48)
    variance: Tensor  # (48,) of the posterior that the KL weight makes worth its price


def change_of(past: Tensor, now: Tensor) -> Tensor:
    """The decoder's output, contacts left out, that leads from ``past`` to ``now``: (N, 339) × 2 → (N, 207)."""
    parts = []
    for part in _STATE_PARTS:
        if part in (ROOT, POSE):
            before, after = (x[:, part].unflatten(1, (-1, 3, 3)) for x in (past, now))
            parts.append(matrix_to_axis_angle(after @ before.mT).flatten(1))
        else:
            parts.append(now[:, part] - past[:, part])
    return torch.cat(parts, dim=1)


def fit_linear_model(windows: Windows, weights: dict[str, float], *, kl: float) -> LinearModel:
    """Fit on transitions; ``weights`` and ``kl`` are those of the loss, which decide what the latent is spent on."""
    past, now = (x.flatten(0, 1).double() for x in canonical_pairs(windows.flat, windows.pivot))
    change, contacts = change_of(past, now), windows.contacts[:, 1:].flatten(0, 1).double()
    scale = torch.ones(207, dtype=torch.float64)
    for name, part in CHANGE_PARTS.items():
        # A rotation by a small angle moves the entries of its matrix by twice its square in sum, spread over nine.
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
    """(340, 9): a regression of the labels, spread so that a certain 0 or 1 is a logit of −3 or 3."""
    predict = 6 * _ridge(past, contacts)
    predict[-1] -= 3
    return predict


@torch.no_grad()
def start_from(prior: MotionPrior, model: LinearModel, inputs: Tensor, pairs: Tensor) -> None:
    """Write a linear model into the networks; ``inputs`` (N, 339) and ``pairs`` (N, 678) scale the signals."""
    predict = torch.cat((model.predict[:-1], torch.zeros(LATENT_SIZE, model.predict.shape[1])))
    padded = torch.cat((inputs, torch.zeros(len(inputs), LATENT_SIZE)), dim=1)
    _carry(prior.decoder, predict, model.predict[-1], padded)
    prior.decoder.linears[-1].weight[:207, -LATENT_SIZE:] = model.directions.T
    _carry(prior.encoder, model.encode[:-1], model.encode[-1], pairs)
    prior.encoder.linears[-1].bias[LATENT_SIZE:] = model.variance.log()
    prior.prior_net.linears[-1].weight.mul_(0.05)
    prior.prior_net.linears[-1].bias.zero_()


def _carry(network: Mlp, matrix: Tensor, offset: Tensor, inputs: Tensor) -> None:
    """Make the first outputs of ``network`` equal ``inputs @ matrix + offset``; its other outputs start at 0."""
    linears, norms = network.linears, network.norms
    count = matrix.shape[1]
    wanted = inputs @ matrix
    size, centre = wanted.std(0).clamp_min(1e-6), wanted.mean(0)
    before: tuple[Tensor, Tensor, Tensor] | None = None  # units of the layer below that carry the signals
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
    """The units of the first 8 of 16 groups."""
    return torch.arange(width // 2)


def _read(linear: nn.Linear, rows: Tensor, signals: Tensor, units: Tensor, carried: Tensor, constants: Tensor) -> None:
    """Let each row of ``linear`` take the mean of the units that carry its signal, less their constants."""
    same = (signals[:, None] == carried[None]).float()
    weight = same / same.sum(1, keepdim=True)
    full = torch.zeros(len(rows), linear.in_features)
    full[:, units] = weight
    linear.weight[rows] = full
    linear.bias[rows] = linear.bias[rows] - weight @ constants


def _with_one(x: Tensor) -> Tensor:
    return torch.cat((x, torch.ones_like(x[:, :1])), dim=1)


def _ridge(x: Tensor, y: Tensor, *, strength: float = 1e-4) -> Tensor:
    """Regression coefficients with a constant, on inputs scaled to their own size; (N, a), (N, b) → (a + 1, b)."""
    size = torch.cat((x.std(0).clamp_min(1e-3), torch.ones(1, dtype=x.dtype)))
    scaled = _with_one(x) / size
    gram = scaled.T @ scaled / len(x) + strength * torch.eye(len(size), dtype=x.dtype)
    return torch.linalg.solve(gram, scaled.T @ y / len(x)) / size[:, None]
