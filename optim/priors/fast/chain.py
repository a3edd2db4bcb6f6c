"""Computes the sequential part of a roll-out as one function with a hand-derived gradient.

Each of the T-1 steps decodes a change, applies it and canonicalises the result. In autograd, such a step takes about a
hundred small tensor operations forward and twice as many backward. Here all steps are one compiled loop
(``kernels.chain``), and threads share the sub-sequences of a batch. The latent's share of every layer and its gradient
do not depend on the step before, so they are computed for all steps at once. Up to rounding, the results are those of
``rollout.transitions``, which is easier to read and is used if weights are trained or the prior is not on the CPU.

Here, a state consists of 47 points and vectors (trans, 22 joints, trans_vel, root_orient_vel, 22 joint velocities),
first all z, then all x, then all y, and of 22 rotations, root first. Joints are stored relative to the pivot about
which they turn, so that a turn is a matrix product without an offset; the decoder's first layer corrects for that.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from optim.common.threads import pieces, side_by_side
from optim.common.timing import timed
from optim.priors.fast.packed import Matrix, kernel, made_once, packed
from optim.priors.mlp import GROUPS, Mlp
from optim.priors.motion_prior import STATE_SIZE, MotionPrior

_ROOT_RIGHT = slice(141, 147, 3)
"""x and y of the first column of the root's rotation matrix, which points opposite to the body's right."""
_JOINTS_X, _JOINTS_Y = slice(48, 70), slice(95, 117)
_CONTACTS = slice(207, None)
_X = np.r_[0, 207:273:3, 3, 15, 273:339:3]
_CHANGED_X = np.r_[0, 75:141:3, 3, 9, 141:207:3]
# Positions of the numbers in the networks' flat input and in the decoder's flat output, in the order used here.
_STATE_ORDER = np.r_[_X + 2, _X, _X + 1, 6:15, 18:207]
_CHANGE_ORDER = np.r_[_CHANGED_X + 2, _CHANGED_X, _CHANGED_X + 1, 6:9, 12:75, 207:216]
_FLAT_ORDER = np.argsort(_STATE_ORDER)


class _Decoder:
    """The decoder's layers in the form that the chain uses."""

    def __init__(self, network: Mlp) -> None:
        self.layers = packed(network, inputs=_STATE_ORDER, outputs=_CHANGE_ORDER, half=True)
        self.from_latent = tuple(Matrix(layer.skipped) for layer in self.layers.each)
        first = self.layers.each[0].matrix
        self.from_pivot = np.stack((first[:, _JOINTS_X].sum(1), first[:, _JOINTS_Y].sum(1)))  # (2, 1024)


def decoder_layers(prior: MotionPrior) -> _Decoder | None:
    """The decoder for the chain; None if its weights are trained or not on the CPU, and within ``plain_torch``."""
    return made_once(prior.decoder, _Decoder)


class Chain(torch.autograd.Function):
    """``apply(start, latents, pivot, layers, published)`` returns inputs, motion (B, S, 339) and contacts (B, S, 9).

    Args:
        start: x_0 flat (B, 339); the decoder gets it without canonicalisation.
        latents: (B, S, 48).
        pivot: (B, 3), see ``rollout.joint_pivot``.
        layers: From ``decoder_layers``.
        published: Use ``rollout.published_turn`` instead of ``rollout.canonical_turn``.

    Returns:
        Inputs of the decoder, its predictions in the frame of x_0, and contact logits.
    """

    @staticmethod
    def forward(ctx, start: Tensor, latents: Tensor, pivot: Tensor, layers: _Decoder, published: bool = False):
        first, along = start.detach().numpy(), latents.detach().numpy()
        about = np.ascontiguousarray(pivot.detach().numpy()[:, :2])

        def run(part: slice) -> _Run:
            made = _Run(layers, along[part], about[part], published)
            made.forward(first[part])
            return made

        ctx.parts = pieces(len(start))
        ctx.runs = side_by_side(run, ctx.parts)
        return tuple(_joined(results) for results in zip(*(made.results() for made in ctx.runs), strict=True))

    @staticmethod
    @torch.autograd.function.once_differentiable
    @timed("roll-out backward")
    def backward(ctx, *gradients: Tensor):
        given = [gradient.numpy() for gradient in gradients]

        def run(work: tuple[slice, _Run]) -> tuple[np.ndarray, ...]:
            part, made = work
            return made.backward(*(g[part] for g in given))

        found = side_by_side(run, list(zip(ctx.parts, ctx.runs, strict=True)))
        return *(_joined(parts) for parts in zip(*found, strict=True)), None, None


def _joined(parts: tuple[np.ndarray, ...]) -> Tensor:
    return torch.from_numpy(parts[0] if len(parts) == 1 else np.concatenate(parts))


def _swapped(array: np.ndarray) -> np.ndarray:
    """The array with its first two axes (sub-sequences and steps) exchanged."""
    return np.ascontiguousarray(array.swapaxes(0, 1))


class _Run:
    """One roll-out and everything that its gradient needs. Arrays have the axis of steps first: (S, B, …)."""

    def __init__(self, decoder: _Decoder, latents: np.ndarray, pivot: np.ndarray, published: bool) -> None:
        self.decoder, self.pivot, self.published = decoder, pivot, published
        batch, steps = latents.shape[:2]
        kind = latents.dtype
        self.latents = _swapped(latents).reshape(steps * batch, latents.shape[2])
        norms = decoder.layers.norms
        self.states = np.empty((steps + 1, batch, STATE_SIZE), kind)  # Canonical states.
        self.local = np.empty((steps, batch, STATE_SIZE), kind)  # Predictions in the frame of the state before.
        self.change = np.empty((steps, batch, 22, 3, 3), kind)
        self.turns = np.empty((steps, batch, 4), kind)  # Matrices (2, 2), row by row.
        self.normed = tuple(np.empty((steps, batch, norm.shape[1]), kind) for norm in norms)
        self.scale = tuple(np.empty((steps, batch, GROUPS), kind) for _ in norms)

    def _by_layer(self) -> list[np.ndarray]:
        """For every layer, the share of its output (S, B, out) that does not depend on the states."""
        decoder, lead = self.decoder, self.local.shape[:2]
        shares = []
        for matrix, layer in zip(decoder.from_latent, decoder.layers.each, strict=True):
            share = np.empty((len(self.latents), layer.width), self.latents.dtype)
            share[:] = layer.bias
            matrix.add_to(share, self.latents)
            shares.append(share.reshape(*lead, layer.width))
        shares[0] -= self.pivot[:, :1] * decoder.from_pivot[0] + self.pivot[:, 1:] * decoder.from_pivot[1]
        return shares

    @property
    def _saved(self) -> tuple:
        return self.states, self.local, self.decoded, self.change, self.turns, self.normed, self.scale

    def forward(self, start: np.ndarray) -> None:
        self.states[0] = start[:, _STATE_ORDER]
        self.states[0, :, _JOINTS_X] += self.pivot[:, :1]
        self.states[0, :, _JOINTS_Y] += self.pivot[:, 1:]
        layers = self.decoder.layers
        *shares, self.decoded = self._by_layer()
        given = layers.panels, layers.norms, layers.eps, tuple(shares)
        kernel("chain").forward(*given, *self._saved, self.published)

    def results(self) -> tuple[np.ndarray, ...]:
        """The results of ``Chain``."""
        steps, batch = self.local.shape[:2]
        inputs, motion = (np.empty((batch, steps, STATE_SIZE), self.local.dtype) for _ in range(2))
        kernel("chain").flatten(self.states[:-1], _STATE_ORDER, self.pivot, inputs)
        kernel("chain").place(self.local, self.turns, _STATE_ORDER, self.pivot, motion)
        return inputs, motion, _swapped(self.decoded[..., _CONTACTS])

    def backward(self, inputs, motion, contacts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradients of start (B, 339), latents (B, S, 48) and pivot (B, 3), from the gradients of the three results."""
        decoder, (steps, batch) = self.decoder, self.local.shape[:2]
        inputs, motion = inputs.swapaxes(0, 1).take(_STATE_ORDER, axis=2), np.ascontiguousarray(motion)
        local, of_turn = np.empty_like(self.local), np.empty((steps, batch), self.local.dtype)
        kernel("chain").place_back(motion, self.local, self.turns, _STATE_ORDER, local, of_turn)
        pivot = np.zeros((batch, 3), self.states.dtype)
        of_joints = motion[..., 207:273].reshape(batch, steps * 22, 3).sum(1)
        pivot[:, :2] = -_joint_sums(inputs).sum(0) - of_joints[:, :2]
        widths = [layer.width for layer in decoder.layers.each]
        hidden = tuple(np.empty((steps, batch, width), self.states.dtype) for width in widths)
        hidden[-1][..., _CONTACTS] = contacts.swapaxes(0, 1)
        right = self.local[..., _ROOT_RIGHT]
        slope = _published_slope(right) if self.published else _canonical_slope(right)
        layers = decoder.layers
        given = layers.panels_back, layers.norms, *self._saved
        gradient = kernel("chain").backward(*given, inputs, local, of_turn, slope, hidden)
        pivot[:, :2] += _joint_sums(gradient) - np.vecdot(hidden[0].sum(0)[:, None], decoder.from_pivot)
        latents = np.zeros_like(self.latents)
        for matrix, of_layer in zip(decoder.from_latent, hidden, strict=True):
            matrix.add_back_to(latents, of_layer.reshape(steps * batch, of_layer.shape[2]))
        return gradient[:, _FLAT_ORDER], _swapped(latents.reshape(steps, batch, latents.shape[1])), pivot


def _joint_sums(own: np.ndarray) -> np.ndarray:
    """The sum of the x and the sum of the y of all joints of states, (…, 339) → (…, 2)."""
    return np.stack((own[..., _JOINTS_X].sum(-1), own[..., _JOINTS_Y].sum(-1)), axis=-1)


def _canonical_slope(right: np.ndarray) -> np.ndarray:
    """Derivative of the angle of ``canonical_turn`` with respect to the root's first column, (…, 2) → (…, 2)."""
    squared = np.maximum(np.vecdot(right, right), 1e-16)[..., None]
    return right[..., ::-1] * np.array([1, -1], right.dtype) / squared


def _published_parts(right: np.ndarray) -> tuple[np.ndarray, ...]:
    x, y = -right[..., 0], -right[..., 1]
    length = np.sqrt(x * x + y * y)
    return x, y, length, np.clip(x / (length + 1e-6), -1, 1), -y / (np.abs(y) + 1e-6)


def _published_slope(right: np.ndarray) -> np.ndarray:
    """Derivative of the angle of ``published_turn`` with respect to the root's first column, (…, 2) → (…, 2)."""
    x, y, length, cosine, side = _published_parts(right)
    slope = -side / np.sqrt(1 - cosine * cosine)
    wide = (length + 1e-6) ** 2 * np.maximum(length, 1e-20)
    by_x = slope * (1 / (length + 1e-6) - x * x / wide)
    by_y = -slope * x * y / wide - np.arccos(cosine) * 1e-6 / (np.abs(y) + 1e-6) ** 2
    return -np.stack((by_x, by_y), axis=-1)
