"""The sequential part of a roll-out, as one function with a hand-derived gradient.

Each of T-1 steps decodes a change, applies it and canonicalises the result. In autograd such a step is some hundred
small tensor operations forward and twice that backward. Here several sub-sequences go through a loop of the decoder's
matrix products with compiled functions between them, and a single one through a loop that is compiled as a whole
(``chain_kernel``). What does not depend on the step before is one operation over all steps: the latent's share of every
layer and its gradient. The same numbers as ``rollout.transitions``, which stays the readable form of it and serves
where weights are trained or the prior is not on the CPU.

Inside, a state is 47 points and vectors (trans, 22 joints, trans_vel, root_orient_vel, 22 joint velocities), first
their z, then x, then y, and 22 rotations, root first: what turns about z lies together. Joints are held relative to
the pivot they turn about, so that turning them is a plain product; the decoder's first layer takes that back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from optim.frozen import GROUPS, Matrix, folded, kernel, made_once
from optim.motion_prior import STATE_SIZE, Mlp, MotionPrior
from optim.timing import timed

P = ParamSpec("P")
R = TypeVar("R")
_ROOT_RIGHT = slice(141, 147, 3)
"""x and y of the root's first column, minus the body's right."""
_JOINTS_X, _JOINTS_Y = slice(48, 70), slice(95, 117)
_CONTACTS = slice(207, None)
_X = np.r_[0, 207:273:3, 3, 15, 273:339:3]
_CHANGED_X = np.r_[0, 75:141:3, 3, 9, 141:207:3]
# Flat positions, in the networks' input and in the decoder's output, of what is held here in another order.
_STATE_ORDER = np.r_[_X + 2, _X, _X + 1, 6:15, 18:207]
_CHANGE_ORDER = np.r_[_CHANGED_X + 2, _CHANGED_X, _CHANGED_X + 1, 6:9, 12:75, 207:216]
_FLAT_ORDER = np.argsort(_STATE_ORDER)


class _Decoder:
    """The decoder's layers as the chain uses them."""

    def __init__(self, network: Mlp) -> None:
        self.layers = folded(network, inputs=_STATE_ORDER, outputs=_CHANGE_ORDER)
        self.leasts = tuple(layer.least for layer in self.layers[:-1])
        self.from_latent = tuple(Matrix(layer.skipped) for layer in self.layers)
        first = self.layers[0].matrix
        self.from_pivot = np.stack((first[:, _JOINTS_X].sum(1), first[:, _JOINTS_Y].sum(1)))  # (2, 1024)
        self.columns = tuple(np.ascontiguousarray(layer.matrix.T) for layer in self.layers)


def frozen_layers(prior: MotionPrior) -> _Decoder | None:
    """The decoder of a prior that is frozen and on the CPU, as the chain uses it; None for any other."""
    return made_once(prior.decoder, _Decoder)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Run with one BLAS thread: on products this small, threads wait for each other and keep it busy."""

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _blas().limit(limits=1):
            return function(*args, **kwargs)

    return limited


class Chain(torch.autograd.Function):
    """``apply(start, latents, pivot, layers)`` → inputs, local (B, S, 339), contacts (B, S, 9), turns (B, S, 2).

    Args:
        start: x_0 flat, (B, 339), given to the decoder as it stands.
        latents: (B, S, 48).
        pivot: (B, 3), see ``rollout.joint_pivot``.
        layers: From ``frozen_layers``.
        published: Turn by ``rollout.published_turn``; default ``rollout.canonical_turn``.

    Returns:
        What the decoder was given, what it predicted in the frame of its input, contact logits, and the cosine and
        sine of the turn that canonicalises each prediction.
    """

    @staticmethod
    @one_blas_thread
    def forward(ctx, start: Tensor, latents: Tensor, pivot: Tensor, layers: _Decoder, published: bool = False):
        run = _Run(layers, latents.detach().numpy(), pivot.detach().numpy()[:, :2], published)
        run.forward(start.detach().numpy())
        ctx.run = run
        inputs, local = run.flat(run.states[:-1]), run.flat(run.local)
        return inputs, local, _steps_second(run.decoded[..., _CONTACTS]), _steps_second(run.turns[..., ::2])

    @staticmethod
    @torch.autograd.function.once_differentiable
    @timed("roll-out backward")
    @one_blas_thread
    def backward(ctx, *gradients: Tensor):
        inputs, local, contacts, turns = (g.numpy().swapaxes(0, 1) for g in gradients)
        start, latents, pivot = ctx.run.backward(
            inputs.take(_STATE_ORDER, axis=2), local.take(_STATE_ORDER, axis=2), contacts, turns
        )
        return torch.from_numpy(start), torch.from_numpy(latents), torch.from_numpy(pivot), None, None


def _steps_second(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array.swapaxes(0, 1)))


class _Run:
    """One roll-out and all that its gradient needs. Arrays of steps come first: (S, B, …)."""

    def __init__(self, decoder: _Decoder, latents: np.ndarray, pivot: np.ndarray, published: bool) -> None:
        self.decoder, self.pivot, self.published = decoder, pivot, published
        batch, steps = latents.shape[:2]
        lead, kind = (steps, batch), latents.dtype
        by_step = np.ascontiguousarray(latents.swapaxes(0, 1)).reshape(-1, latents.shape[2])
        both = zip(decoder.from_latent, decoder.layers, strict=True)
        self.from_latent = tuple((matrix.forward(by_step) + layer.bias).reshape(*lead, -1) for matrix, layer in both)
        self.from_latent[0][...] -= pivot @ decoder.from_pivot
        self.states = np.empty((steps + 1, batch, STATE_SIZE), kind)  # canonical
        self.local = np.empty((steps, batch, STATE_SIZE), kind)  # predicted, in the frame of the state before
        self.decoded = np.empty((steps, batch, decoder.layers[-1].width), kind)
        self.change = np.empty((steps, batch, 22, 3, 3), kind)
        self.turns = np.empty((steps, batch, 4), kind)  # (2, 2) by rows
        self.normed = tuple(np.empty((steps, batch, len(least)), kind) for least in decoder.leasts)
        self.scale = tuple(np.empty((steps, batch, GROUPS), kind) for _ in decoder.leasts)

    def flat(self, own: np.ndarray) -> Tensor:
        """(S, B, 339) as held here → (B, S, 339) as the networks have it."""
        flat = own.swapaxes(0, 1).take(_FLAT_ORDER, axis=2)
        joints = flat[..., 207:273].reshape(*flat.shape[:2], 22, 3)
        joints[..., :2] -= self.pivot[:, None, None]
        flat[..., 207:273] = joints.reshape(*flat.shape[:2], 66)
        return torch.from_numpy(flat)

    def forward(self, start: np.ndarray) -> None:
        self.states[0] = start[:, _STATE_ORDER]
        self.states[0, :, _JOINTS_X] += self.pivot[:, :1]
        self.states[0, :, _JOINTS_Y] += self.pivot[:, 1:]
        saved = self.states, self.local, self.decoded, self.change, self.turns, self.normed, self.scale
        if self.states.shape[1] > 1:
            self._forward_together()
            return
        decoder = self.decoder
        eps = decoder.layers[0].eps
        kernel().forward(decoder.columns, decoder.leasts, eps, self.from_latent, *saved, self.published)

    def _forward_together(self) -> None:
        """The loop for several sub-sequences, whose products read the weights once for all of them."""
        between, layers, leasts = kernel(), self.decoder.layers, self.decoder.leasts
        for step in range(len(self.local)):
            x = self.states[step]
            for layer, given, least, normed, scale in zip(
                layers, self.from_latent, leasts, self.normed, self.scale, strict=False
            ):
                y = layer.forward(x)
                y += given[step]
                x = np.empty_like(y)
                between.norm(y, least, layer.eps, normed[step], scale[step], x)
            np.add(layers[-1].forward(x), self.from_latent[-1][step], out=self.decoded[step])
            state, after, here = self.states[step], self.states[step + 1], self.local[step]
            between.advance(state, self.decoded[step], here, after, self.change[step], self.turns[step], self.published)

    def backward(self, inputs, local, contacts, turns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradients of start (B, 339), latents (B, S, 48), pivot (B, 3) from those of the four results.

        ``inputs`` and ``local`` come in the order held here and are used up.
        """
        decoder, (steps, batch) = self.decoder, self.local.shape[:2]
        pivot = np.zeros((batch, 3), self.states.dtype)
        pivot[:, :2] = -_joint_sums(inputs).sum(0) - _joint_sums(local).sum(0)
        hidden = tuple(np.empty_like(x) for x in self.from_latent)
        hidden[-1][..., _CONTACTS] = contacts
        of_turn = turns[..., 1] * self.turns[..., 0] - turns[..., 0] * self.turns[..., 2]
        right = self.local[..., _ROOT_RIGHT]
        slope = _published_slope(right) if self.published else _canonical_slope(right)
        if batch > 1:
            gradient = self._backward_together(inputs, local, of_turn, slope, hidden)
        else:
            saved = self.states, self.local, self.decoded, self.change, self.turns, self.normed, self.scale
            gradient = kernel().backward(decoder.columns, decoder.leasts, *saved, inputs, local, of_turn, slope, hidden)
        pivot[:, :2] += _joint_sums(gradient) - hidden[0].sum(0) @ decoder.from_pivot.T
        both = zip(decoder.from_latent, hidden, strict=True)
        latents = np.sum([matrix.backward(x.reshape(steps * batch, -1)) for matrix, x in both], axis=0)
        latents = latents.reshape(steps, batch, -1)
        return gradient[:, _FLAT_ORDER], np.ascontiguousarray(latents.swapaxes(0, 1)), pivot

    def _backward_together(self, inputs, local, of_turn, slope, hidden) -> np.ndarray:
        """Gradient of the start, in the order held here; leaves those of all layers in ``hidden``."""
        between, layers = kernel(), self.decoder.layers
        gradient = np.zeros_like(self.states[0])
        for step in reversed(range(len(self.local))):
            here, out = local[step], hidden[-1][step]
            between.retreat(
                gradient, self.states[step + 1], self.turns[step], of_turn[step], slope[step], here,
                self.decoded[step], self.change[step], self.local[step], out,
            )  # fmt: skip
            gradient = layers[-1].backward(out)
            for index in reversed(range(len(self.normed))):
                normed, scale, given = self.normed[index][step], self.scale[index][step], hidden[index][step]
                between.norm_back(gradient, normed, scale, self.decoder.leasts[index], given)
                gradient = layers[index].backward(given)
            gradient += here
            gradient += inputs[step]
        return gradient


def _joint_sums(own: np.ndarray) -> np.ndarray:
    """Sum of the joints' x and y, (…, 339) → (…, 2)."""
    return np.stack((own[..., _JOINTS_X].sum(-1), own[..., _JOINTS_Y].sum(-1)), axis=-1)


def _canonical_slope(right: np.ndarray) -> np.ndarray:
    """Derivative of ``canonical_turn``'s angle by the root's first column, (…, 2) → (…, 2)."""
    squared = np.maximum(np.vecdot(right, right), 1e-16)[..., None]
    return right[..., ::-1] * np.array([1, -1], right.dtype) / squared


def _published_parts(right: np.ndarray) -> tuple[np.ndarray, ...]:
    x, y = -right[..., 0], -right[..., 1]
    length = np.sqrt(x * x + y * y)
    return x, y, length, np.clip(x / (length + 1e-6), -1, 1), -y / (np.abs(y) + 1e-6)


def _published_slope(right: np.ndarray) -> np.ndarray:
    """Derivative of ``published_turn``'s angle by the root's first column, (…, 2) → (…, 2)."""
    x, y, length, cosine, side = _published_parts(right)
    slope = -side / np.sqrt(1 - cosine * cosine)
    wide = (length + 1e-6) ** 2 * np.maximum(length, 1e-20)
    by_x = slope * (1 / (length + 1e-6) - x * x / wide)
    by_y = -slope * x * y / wide - np.arccos(cosine) * 1e-6 / (np.abs(y) + 1e-6) ** 2
    return -np.stack((by_x, by_y), axis=-1)
