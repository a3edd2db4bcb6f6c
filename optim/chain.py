"""The sequential part of a roll-out, as one function with a hand-derived gradient.

Each of T-1 steps decodes a change, applies it and canonicalises the result. In autograd such a step is some hundred
small tensor operations forward and twice that backward. Here several sub-sequences are numpy loops around the decoder's
matrix products, of some fifty and thirty operations a step, and a single one is the compiled loop of ``chain_kernel``.
What does not depend on the step before is one operation over all steps: the latent's share of every layer and its
gradient. The same numbers as ``rollout.transitions``, which stays the readable form of it and serves where weights are
trained or the prior is not on the CPU.

Inside, a state is 47 points and vectors (trans, 22 joints, trans_vel, root_orient_vel, 22 joint velocities), first
their z, then x, then y, and 22 rotations, root first: what turns about z lies together. Joints are held relative to
the pivot they turn about, so that turning them is a plain product; the decoder's first layer takes that back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from types import ModuleType
from typing import ParamSpec, TypeVar

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from optim.frozen import GROUPS, Matrix, folded, made_once
from optim.motion_prior import STATE_SIZE, Mlp, MotionPrior
from optim.timing import timed

P = ParamSpec("P")
R = TypeVar("R")
_VECTORS = 47
_VECTOR_SIZE = 3 * _VECTORS
_XY, _ROOT_XY, _TURNING = slice(47, 141), slice(141, 147), slice(47, 147)
"""x and y of all vectors; the first two rows of the root's rotation; both."""
_ROOT_RIGHT = slice(141, 147, 3)
"""x and y of the root's first column, minus the body's right."""
_SHIFTED = 23
"""So many of the vectors are points: trans and the joints, which move with trans."""
_JOINTS_X, _JOINTS_Y = slice(48, 70), slice(95, 117)
_ANGLES = slice(_VECTOR_SIZE, _VECTOR_SIZE + 66)
_CONTACTS = slice(_VECTOR_SIZE + 66, None)
_X = np.r_[0, 207:273:3, 3, 15, 273:339:3]
_CHANGED_X = np.r_[0, 75:141:3, 3, 9, 141:207:3]
# Flat positions, in the networks' input and in the decoder's output, of what is held here in another order.
_STATE_ORDER = np.r_[_X + 2, _X, _X + 1, 6:15, 18:207]
_CHANGE_ORDER = np.r_[_CHANGED_X + 2, _CHANGED_X, _CHANGED_X + 1, 6:9, 12:75, 207:216]
_FLAT_ORDER = np.argsort(_STATE_ORDER)
_ABOUT_TRANS = np.eye(_VECTORS)
_ABOUT_TRANS[0, :_SHIFTED] -= 1
_TURN_OF_RIGHT = -np.array([[1.0, 0, 0, 1], [0, 1, -1, 0]])
"""From the direction of the root's first column to the turn that brings the body's right onto +x, (2, 2) flat."""


def _quaternion_products() -> np.ndarray:
    """(16, 9): from the products of a unit quaternion's numbers (w x y z) with each other to its rotation matrix."""
    table = np.zeros((4, 4, 3, 3))
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        table[0, 0, i, i] = table[i + 1, i + 1, i, i] = 1
        table[j + 1, j + 1, i, i] = table[k + 1, k + 1, i, i] = -1
        table[i + 1, j + 1, i, j] = table[i + 1, j + 1, j, i] = 2
        table[0, k + 1, i, j], table[0, k + 1, j, i] = -2, 2
    return table.reshape(16, 9)


_FROM_QUATERNION = _quaternion_products()


class _Decoder:
    """The decoder's layers as the chain uses them; what depends on latents alone lies end to end for all layers."""

    def __init__(self, network: Mlp) -> None:
        self.layers = folded(network, inputs=_STATE_ORDER, outputs=_CHANGE_ORDER)
        ends = np.cumsum([0] + [layer.width for layer in self.layers])
        self.places = [slice(a, b) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        self.bias = np.concatenate([layer.bias for layer in self.layers])
        self.from_latent = Matrix(np.concatenate([layer.skipped for layer in self.layers]))  # (2776, 48)
        first = self.layers[0].matrix
        self.from_pivot = np.stack((first[:, _JOINTS_X].sum(1), first[:, _JOINTS_Y].sum(1)))  # (2, 1024)
        self.columns = tuple(np.ascontiguousarray(layer.matrix.T) for layer in self.layers)
        self.leasts = tuple(layer.least for layer in self.layers[:-1])
        # The compiled loop has 0 where the rest has ``least``: what a ReLU silences is then left out of a product.
        lifted = [layer.matrix @ least for layer, least in zip(self.layers[1:], self.leasts, strict=True)]
        self.bias_from_zero = self.bias + np.concatenate((np.zeros_like(self.leasts[0]), *lifted))
        tables = _ABOUT_TRANS, _ABOUT_TRANS.T, _TURN_OF_RIGHT, _FROM_QUATERNION
        self.about_trans, self.about_trans_back, self.turn_of_right, self.from_quaternion = (
            np.ascontiguousarray(table, first.dtype) for table in tables
        )


def frozen_layers(prior: MotionPrior) -> _Decoder | None:
    """The decoder of a prior that is frozen and on the CPU, as the chain uses it; None for any other."""
    return made_once(prior.decoder, _Decoder)


@cache
def kernel() -> ModuleType:
    """``chain_kernel``, imported where it is first needed: its compiler takes a third of a second to load."""
    return import_module("optim.chain_kernel")


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
        turns = run.turns.reshape(*run.lead, 4)[..., ::2]
        return inputs, local, _steps_second(run.decoded[..., _CONTACTS]), _steps_second(turns)

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
        self.lead, kind = (steps, batch), latents.dtype
        by_step = np.ascontiguousarray(latents.swapaxes(0, 1)).reshape(-1, latents.shape[2])
        from_latent = decoder.from_latent.forward(by_step)
        self.compiled = batch == 1
        from_latent += decoder.bias_from_zero if self.compiled else decoder.bias
        self.from_latent = from_latent.reshape(steps, batch, -1)
        self.from_latent[:, :, decoder.places[0]] -= pivot @ decoder.from_pivot
        self.states = np.empty((steps + 1, batch, STATE_SIZE), kind)  # canonical
        self.local = np.empty((steps, batch, STATE_SIZE), kind)  # predicted, in the frame of the state before
        self.decoded = np.empty((steps, batch, decoder.layers[-1].width), kind)
        self.change = np.empty((steps, batch, 22, 3, 3), kind)
        self.turns = np.empty((steps, batch, 2, 2), kind)
        hidden = decoder.layers[:-1]
        self.normed = [np.empty((steps, batch, GROUPS, layer.width // GROUPS), kind) for layer in hidden]
        self.scale = [np.empty((steps, batch, GROUPS, 1), kind) for _ in hidden]

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
        if self.compiled:
            self._forward_compiled()
            return
        for step in range(self.lead[0]):
            state, local, after = self.states[step], self.local[step], self.states[step + 1]
            self._decode(step, state)
            self._apply(step, state, local)
            self._canonicalise(step, local, after)

    def _saved(self) -> tuple:
        """What both compiled directions work on."""
        one = [x[:, 0] for x in (self.states, self.local, self.decoded, self.change, self.turns.reshape(*self.lead, 4))]
        normed = tuple(x.reshape(len(x), -1) for x in self.normed)
        return *one, normed, tuple(x.reshape(len(x), -1) for x in self.scale)

    def _forward_compiled(self) -> None:
        decoder = self.decoder
        kernel().forward(
            decoder.columns,
            decoder.leasts,
            decoder.layers[0].eps,
            self.from_latent[:, 0],
            *self._saved(),
            self.published,
        )

    def _decode(self, step: int, x: np.ndarray) -> None:
        batch, from_latent = self.lead[1], self.from_latent[step]
        layers, places = self.decoder.layers, self.decoder.places
        for layer, place, normed, scale in zip(layers, places, self.normed, self.scale, strict=False):
            x = layer.forward(x)
            x += from_latent[:, place]
            groups, inverse = x.reshape(batch, GROUPS, -1), scale[step]
            spread = np.vecdot(groups, groups)
            spread += layer.eps
            np.sqrt(spread, out=spread)
            np.reciprocal(spread, out=inverse[..., 0])
            np.multiply(groups, inverse, out=normed[step])
            np.maximum(normed[step].reshape(batch, -1), layer.least, out=x)
        np.add(layers[-1].forward(x), from_latent[:, places[-1]], out=self.decoded[step])

    def _apply(self, step: int, state: np.ndarray, local: np.ndarray) -> None:
        """Add the change of vectors, turn the rotations by theirs (through half-angle quaternions)."""
        batch, decoded = self.lead[1], self.decoded[step]
        np.add(state[:, :_VECTOR_SIZE], decoded[:, :_VECTOR_SIZE], out=local[:, :_VECTOR_SIZE])
        angles = decoded[:, _ANGLES].reshape(batch, 22, 3)
        angle = np.vecdot(angles, angles)
        angle += 1e-16
        np.sqrt(angle, out=angle)
        half = 0.5 * angle
        quaternion = np.empty((batch, 22, 4), state.dtype)
        np.cos(half, out=quaternion[..., 0])
        np.sin(half, out=half)
        half /= angle
        np.multiply(angles, half[..., None], out=quaternion[..., 1:])
        products = quaternion[..., :, None] * quaternion[..., None, :]
        change = self.change[step]
        np.dot(products.reshape(-1, 16), self.decoder.from_quaternion, out=change.reshape(-1, 9))
        rotations = state[:, _VECTOR_SIZE:].reshape(batch, 22, 3, 3)
        np.matmul(change, rotations, out=local[:, _VECTOR_SIZE:].reshape(batch, 22, 3, 3))

    def _canonicalise(self, step: int, local: np.ndarray, after: np.ndarray) -> None:
        batch, turn = self.lead[1], self.turns[step]
        right = local[:, _ROOT_RIGHT]
        if self.published:
            turn[...] = _published_turn(right)
        else:
            length = np.sqrt(np.vecdot(right, right))
            np.maximum(length, 1e-8, out=length)
            np.matmul(right / length[:, None], self.decoder.turn_of_right, out=turn.reshape(batch, 4))
        after[...] = local
        placed = np.matmul(local[:, _XY].reshape(batch, 2, _VECTORS), self.decoder.about_trans)
        np.matmul(turn, placed, out=after[:, _XY].reshape(batch, 2, _VECTORS))
        np.matmul(turn, local[:, _ROOT_XY].reshape(batch, 2, 3), out=after[:, _ROOT_XY].reshape(batch, 2, 3))

    def backward(self, inputs, local, contacts, turns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradients of start (B, 339), latents (B, S, 48), pivot (B, 3) from those of the four results.

        ``inputs`` and ``local`` come in the order held here and are used up.
        """
        (steps, batch), kind = self.lead, self.states.dtype
        pivot = np.zeros((batch, 3), kind)
        pivot[:, :2] = -_joint_sums(inputs).sum(0) - _joint_sums(local).sum(0)
        decoder, hidden = self.decoder, np.empty(self.from_latent.shape, kind)
        first, last = decoder.places[0], decoder.places[-1]
        hidden[..., last][..., _CONTACTS] = contacts
        of_turn = turns[..., 1] * self.turns[..., 0, 0] - turns[..., 0] * self.turns[..., 1, 0]
        walk = self._backward_compiled if self.compiled else self._backward_steps
        gradient = walk(inputs, local, of_turn, hidden)
        pivot[:, :2] += _joint_sums(gradient) - hidden[..., first].sum(0) @ decoder.from_pivot.T
        latents = decoder.from_latent.backward(hidden.reshape(steps * batch, -1)).reshape(steps, batch, -1)
        return gradient[:, _FLAT_ORDER], np.ascontiguousarray(latents.swapaxes(0, 1)), pivot

    def _backward_compiled(self, inputs, local, of_turn, hidden) -> np.ndarray:
        right = self.local[:, 0, _ROOT_RIGHT]
        slope = _published_slope(right) if self.published else _canonical_slope(right)
        decoder, given = self.decoder, (np.ascontiguousarray(x[:, 0]) for x in (inputs, local, of_turn))
        return kernel().backward(decoder.columns, decoder.leasts, *self._saved(), *given, slope, hidden[:, 0])[None]

    def _backward_steps(self, inputs, local, of_turn, hidden) -> np.ndarray:
        """Gradient of the start, in the order held here; leaves those of all layers in ``hidden``."""
        batch, last = self.lead[1], self.decoder.places[-1]
        active = [self._active(index) for index in range(len(self.normed))]
        of_angles, (by_turn, of_right) = self._angle_jacobians(), self._turn_jacobians()
        gradient = np.zeros((batch, STATE_SIZE), hidden.dtype)
        for step in reversed(range(self.lead[0])):
            angle = np.vecdot(gradient[:, _TURNING], by_turn[step])
            angle += of_turn[step]
            here = local[step]
            here += self._turned_back(step, gradient)
            here[:, _ROOT_RIGHT] += angle[:, None] * of_right[step]
            out = hidden[step, :, last]
            out[:, :_VECTOR_SIZE] = here[:, :_VECTOR_SIZE]
            rotations = here[:, _VECTOR_SIZE:]
            out[:, _ANGLES] = np.matvec(of_angles[step], rotations.reshape(batch, 22, 9)).reshape(batch, 66)
            before = self.change[step].swapaxes(2, 3) @ rotations.reshape(batch, 22, 3, 3)
            gradient = self._decode_backward(step, out, hidden[step], active)
            gradient[:, :_VECTOR_SIZE] += here[:, :_VECTOR_SIZE]
            gradient[:, _VECTOR_SIZE:] += before.reshape(batch, -1)
            gradient += inputs[step]
        return gradient

    def _turned_back(self, step: int, gradient: np.ndarray) -> np.ndarray:
        """Gradient of a canonical state, used up, → of the prediction it was made from, the turn held."""
        batch, back = self.lead[1], self.turns[step].swapaxes(1, 2)
        turned = back @ gradient[:, _XY].reshape(batch, 2, _VECTORS)
        np.matmul(turned, self.decoder.about_trans_back, out=gradient[:, _XY].reshape(batch, 2, _VECTORS))
        gradient[:, _ROOT_XY] = (back @ gradient[:, _ROOT_XY].reshape(batch, 2, 3)).reshape(batch, 6)
        return gradient

    def _decode_backward(self, step: int, out: np.ndarray, hidden: np.ndarray, active: list[np.ndarray]) -> np.ndarray:
        """Gradient of the decoder's output (B, 216) → of the state; leaves that of every layer in ``hidden``."""
        layers, places = self.decoder.layers, self.decoder.places
        x = layers[-1].backward(out)
        for index in reversed(range(len(active))):
            normed = self.normed[index][step]
            groups = hidden[:, places[index]].reshape(normed.shape)
            np.multiply(x.reshape(normed.shape), active[index][step], out=groups)
            groups -= normed * np.vecdot(groups, normed)[..., None]
            x = layers[index].backward(hidden[:, places[index]])
        return x

    def _active(self, index: int) -> np.ndarray:
        """What a gradient after a layer's ReLU is multiplied by on its way to before the norm, (S, B, 16, …)."""
        normed = self.normed[index]
        above = normed > self.decoder.layers[index].least.reshape(GROUPS, -1)
        return above * self.scale[index]

    def _angle_jacobians(self) -> np.ndarray:
        """(S, B, 22, 3, 9): gradients of predicted rotations → of the decoder's axis-angles.

        The left Jacobian's transpose after the tangent of exp at the prediction.
        """
        angles = self.decoded[..., _ANGLES].reshape(*self.lead, 22, 3)
        a, b, c = (x[..., None, None] for x in _coefficients(angles))
        left = c * angles[..., :, None] * angles[..., None, :] - b * (
            angles @ _GENERATORS.astype(angles.dtype)
        ).reshape(*angles.shape, 3)
        left[..., range(3), range(3)] += a[..., 0]
        rotations = self.local[..., _VECTOR_SIZE:].reshape(*self.lead, 22, 3, 3)
        tangent = np.zeros((*self.lead, 22, 3, 3, 3), angles.dtype)
        for k, i, j in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            tangent[..., k, i, :] = -rotations[..., j, :]
            tangent[..., k, j, :] = rotations[..., i, :]
        return left @ tangent.reshape(*self.lead, 22, 3, 9)

    def _turn_jacobians(self) -> tuple[np.ndarray, np.ndarray]:
        """Gradients of canonical states → of the turn's angle (S, B, 100); the angle's by the root (S, B, 2)."""
        after = self.states[1:, :, _TURNING]
        by_turn = np.empty_like(after)
        for x, y in ((slice(0, 47), slice(47, 94)), (slice(94, 97), slice(97, 100))):
            by_turn[..., x], by_turn[..., y] = -after[..., y], after[..., x]
        right = self.local[..., _ROOT_RIGHT]
        return by_turn, _published_slope(right) if self.published else _canonical_slope(right)


_GENERATORS = np.zeros((3, 9))
_GENERATORS[0, [5, 7]], _GENERATORS[1, [2, 6]], _GENERATORS[2, [1, 3]] = (-1, 1), (1, -1), (-1, 1)


def _joint_sums(own: np.ndarray) -> np.ndarray:
    """Sum of the joints' x and y, (…, 339) → (…, 2)."""
    return np.stack((own[..., _JOINTS_X].sum(-1), own[..., _JOINTS_Y].sum(-1)), axis=-1)


def _coefficients(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """sin θ/θ, (1 − cos θ)/θ², (θ − sin θ)/θ³ of (…, 3)."""
    squared = np.vecdot(angles, angles) + 1e-16
    angle = np.sqrt(squared)
    half = np.sin(0.5 * angle)
    a = np.sin(angle) / angle
    return a, 2 * half * half / squared, np.where(squared < 1e-6, 1 / 6, (1 - a) / squared)


def _canonical_slope(right: np.ndarray) -> np.ndarray:
    """Derivative of ``canonical_turn``'s angle by the root's first column, (…, 2) → (…, 2)."""
    squared = np.maximum(np.vecdot(right, right), 1e-16)[..., None]
    return right[..., ::-1] * np.array([1, -1], right.dtype) / squared


def _published_parts(right: np.ndarray) -> tuple[np.ndarray, ...]:
    x, y = -right[..., 0], -right[..., 1]
    length = np.sqrt(x * x + y * y)
    return x, y, length, np.clip(x / (length + 1e-6), -1, 1), -y / (np.abs(y) + 1e-6)


def _published_turn(right: np.ndarray) -> np.ndarray:
    """``rollout.published_turn`` of the root's first column, (B, 2) → (B, 2, 2)."""
    *_, cosine, side = _published_parts(right)
    angle = side * np.arccos(cosine)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack((cos, -sin, sin, cos), axis=-1).reshape(-1, 2, 2)


def _published_slope(right: np.ndarray) -> np.ndarray:
    """Derivative of ``published_turn``'s angle by the root's first column, (…, 2) → (…, 2)."""
    x, y, length, cosine, side = _published_parts(right)
    slope = -side / np.sqrt(1 - cosine * cosine)
    wide = (length + 1e-6) ** 2 * np.maximum(length, 1e-20)
    by_x = slope * (1 / (length + 1e-6) - x * x / wide)
    by_y = -slope * x * y / wide - np.arccos(cosine) * 1e-6 / (np.abs(y) + 1e-6) ** 2
    return -np.stack((by_x, by_y), axis=-1)
