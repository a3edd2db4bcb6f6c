"""The sequential part of a roll-out, as one function with a hand-derived gradient.

Each of T-1 steps decodes a change, applies it and canonicalises the result. In autograd such a step is some hundred
small tensor operations forward and twice that backward; here both directions are numpy loops around the decoder's
matrix products, and everything that does not depend on the step before (the latent's share of every layer, the latent's
gradient) is one product over all steps. The same numbers as ``rollout.transitions``, which stays the readable form of
it and serves where weights are trained or the prior is not on the CPU.

Inside, a state is 47 points and vectors (trans, trans_vel, root_orient_vel, 22 joints, 22 joint velocities) and 22
rotations; the decoder's first and last weights are permuted once to that order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, wraps
from weakref import WeakKeyDictionary

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from optim.motion_prior import LATENT_SIZE, STATE_SIZE, MotionPrior
from optim.timing import timed

_GROUPS = 16
_VECTORS = 47
_JOINT_ROWS = slice(3, 25)
_VECTOR_SIZE = 3 * _VECTORS
# Flat positions, in the networks' input and in the decoder's output, of what is held here in another order.
_STATE_ORDER = np.r_[0:3, 3:6, 15:18, 207:273, 273:339, 6:15, 18:207]
_CHANGE_ORDER = np.r_[0:3, 3:6, 9:12, 75:141, 141:207, 6:9, 12:75, 207:216]
_FLAT_ORDER = np.argsort(_STATE_ORDER)
_SKEW = np.zeros((3, 9))
_SKEW[0, [5, 7]], _SKEW[1, [2, 6]], _SKEW[2, [1, 3]] = (-1, 1), (1, -1), (-1, 1)


@dataclass(frozen=True)
class _Layer:
    """One Linear of the decoder, split into what comes from the layer before and from the latent."""

    forward: np.ndarray  # (in, out); rows centred per group where a norm follows
    backward: np.ndarray  # (out, in), its transpose, contiguous
    latent: np.ndarray  # (48, out)
    bias: np.ndarray  # (out,)
    gain: np.ndarray | None  # of the group norm after it; None for the last layer
    offset: np.ndarray | None
    eps: float


_known: WeakKeyDictionary[MotionPrior, tuple[tuple[int, ...], tuple[_Layer, ...]]] = WeakKeyDictionary()


def frozen_layers(prior: MotionPrior) -> tuple[_Layer, ...] | None:
    """``layers_of`` a prior that is frozen and on the CPU, made once per set of weights; None for any other."""
    weights = list(prior.decoder.parameters())
    if not weights or any(w.requires_grad or w.device.type != "cpu" for w in weights):
        return None
    state = tuple(n for w in weights for n in (w.data_ptr(), w._version))
    if _known.get(prior, (None,))[0] != state:
        _known[prior] = (state, layers_of(prior))
    return _known[prior][1]


def layers_of(prior: MotionPrior) -> tuple[_Layer, ...]:
    """The decoder's weights as the chain uses them.

    A group norm subtracts its mean from the output of a linear map, so the subtraction is put into the map itself.
    """
    linears, norms = prior.decoder.linears, prior.decoder.norms
    found = []
    for index, (linear, norm) in enumerate(zip(linears, [*norms, None], strict=True)):
        weight, bias = linear.weight.detach().numpy().T, linear.bias.detach().numpy()
        if index == 0:
            weight = weight[np.r_[_STATE_ORDER, STATE_SIZE : STATE_SIZE + LATENT_SIZE]]
        if norm is None:
            weight, bias = weight[:, _CHANGE_ORDER], bias[_CHANGE_ORDER]
        else:
            weight, bias = _centred(weight), _centred(bias)
        main = np.ascontiguousarray(weight[:-LATENT_SIZE])
        found.append(
            _Layer(
                forward=main,
                backward=np.ascontiguousarray(main.T),
                latent=np.ascontiguousarray(weight[-LATENT_SIZE:]),
                bias=bias,
                gain=None if norm is None else norm.weight.detach().numpy(),
                offset=None if norm is None else norm.bias.detach().numpy(),
                eps=0.0 if norm is None else norm.eps,
            )
        )
    return tuple(found)


def _centred(weight: np.ndarray) -> np.ndarray:
    groups = weight.reshape(*weight.shape[:-1], _GROUPS, -1)
    return (groups - groups.mean(-1, keepdims=True)).reshape(weight.shape)


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def _one_thread(function):
    """Run with one BLAS thread: on products this small, threads wait for each other and keep it busy."""

    @wraps(function)
    def limited(*arguments):
        with _blas().limit(limits=1):
            return function(*arguments)

    return limited


class Chain(torch.autograd.Function):
    """``apply(start, latents, pivot, layers)`` → inputs, local (B, S, 339), contacts (B, S, 9), turns (B, S, 2).

    Args:
        start: x_0 flat, (B, 339), given to the decoder as it stands.
        latents: (B, S, 48).
        pivot: (B, 3), see ``rollout.joint_pivot``.
        layers: From ``layers_of``.

    Returns:
        What the decoder was given, what it predicted in the frame of its input, contact logits, and the cosine and
        sine of the turn that canonicalises each prediction.
    """

    @staticmethod
    @_one_thread
    def forward(ctx, start: Tensor, latents: Tensor, pivot: Tensor, layers: tuple[_Layer, ...]):
        run = _Run(layers, latents.detach().numpy(), pivot.detach().numpy()[:, :2])
        run.forward(start.detach().numpy())
        ctx.run = run
        inputs, local = _to_flat(run.vectors[:-1], run.rotations[:-1]), _to_flat(run.moved, run.turned)
        return inputs, local, _steps_second(run.contacts), _steps_second(run.turns)

    @staticmethod
    @torch.autograd.function.once_differentiable
    @timed("roll-out backward")
    def backward(ctx, *gradients: Tensor):
        inputs, local, contacts, turns = (g.numpy() for g in gradients)
        start, latents, pivot = ctx.run.backward(
            _from_flat(inputs), _from_flat(local), contacts.swapaxes(0, 1), turns.swapaxes(0, 1)
        )
        return torch.from_numpy(start), torch.from_numpy(latents), torch.from_numpy(pivot), None


def _to_flat(vectors: np.ndarray, rotations: np.ndarray) -> Tensor:
    """(S, B, 47, 3), (S, B, 22, 3, 3) → (B, S, 339)."""
    steps, batch = vectors.shape[:2]
    flat = np.concatenate((vectors.reshape(steps, batch, -1), rotations.reshape(steps, batch, -1)), axis=2)
    return _steps_second(flat[:, :, _FLAT_ORDER])


def _from_flat(flat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, S, 339) → (S, B, 47, 3), (S, B, 22, 3, 3)."""
    own = flat[:, :, _STATE_ORDER].swapaxes(0, 1)
    lead = own.shape[:2]
    return own[..., :_VECTOR_SIZE].reshape(*lead, _VECTORS, 3), own[..., _VECTOR_SIZE:].reshape(*lead, 22, 3, 3)


def _steps_second(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array.swapaxes(0, 1)))


class _Run:
    """One roll-out and all that its gradient needs. Arrays of steps come first: (S, B, …)."""

    def __init__(self, layers: tuple[_Layer, ...], latents: np.ndarray, pivot_xy: np.ndarray) -> None:
        self.layers, self.pivot = layers, pivot_xy
        self.batch, self.steps = latents.shape[:2]
        kind = latents.dtype
        by_step = np.ascontiguousarray(latents.swapaxes(0, 1))
        self.from_latent = [by_step @ layer.latent + layer.bias for layer in layers]
        lead = (self.steps, self.batch)
        self.vectors = np.empty((self.steps + 1, self.batch, _VECTORS, 3), kind)  # canonical
        self.rotations = np.empty((self.steps + 1, self.batch, 22, 3, 3), kind)
        self.moved = np.empty((*lead, _VECTORS, 3), kind)  # predicted, in the frame of the state before
        self.turned = np.empty((*lead, 22, 3, 3), kind)
        self.change = np.empty((*lead, 22, 3, 3), kind)
        self.angles = np.empty((*lead, 22, 3), kind)
        self.contacts = np.empty((*lead, 9), kind)
        self.turns = np.empty((*lead, 2), kind)
        self.normed = [np.empty((*lead, _GROUPS, x.shape[2] // _GROUPS), kind) for x in self.from_latent[:-1]]
        self.scale = [np.empty((*lead, _GROUPS, 1), kind) for _ in layers[:-1]]
        self.active = [np.empty((*lead, x.shape[2]), bool) for x in self.from_latent[:-1]]

    def forward(self, start: np.ndarray) -> None:
        own = start[:, _STATE_ORDER]
        self.vectors[0] = own[:, :_VECTOR_SIZE].reshape(-1, _VECTORS, 3)
        self.rotations[0] = own[:, _VECTOR_SIZE:].reshape(-1, 22, 3, 3)
        for step in range(self.steps):
            self._apply(step, self._decode(step))
            self._canonicalise(step)

    def _decode(self, step: int) -> np.ndarray:
        batch = self.batch
        x = np.concatenate((self.vectors[step].reshape(batch, -1), self.rotations[step].reshape(batch, -1)), axis=1)
        for index, layer in enumerate(self.layers):
            x = _product(x, layer.forward)
            x += self.from_latent[index][step]
            if layer.gain is None:
                break
            groups = x.reshape(batch, _GROUPS, -1)
            variance = np.einsum("bgc,bgc->bg", groups, groups)[..., None] / groups.shape[2]
            scale = 1.0 / np.sqrt(variance + layer.eps)
            normed = np.multiply(groups, scale, out=self.normed[index][step])
            self.scale[index][step] = scale
            x = normed.reshape(batch, -1) * layer.gain
            x += layer.offset
            np.greater(x, 0, out=self.active[index][step])
            np.maximum(x, 0, out=x)
        return x

    def _apply(self, step: int, out: np.ndarray) -> None:
        batch = self.batch
        np.add(self.vectors[step], out[:, :_VECTOR_SIZE].reshape(batch, _VECTORS, 3), out=self.moved[step])
        angles = out[:, _VECTOR_SIZE:-9].reshape(batch, 22, 3)
        self.angles[step] = angles
        self.change[step] = _rodrigues(angles)
        np.matmul(self.change[step], self.rotations[step], out=self.turned[step])
        self.contacts[step] = out[:, -9:]

    def _canonicalise(self, step: int) -> None:
        right = -self.turned[step, :, 0, :2, 0]
        unit = right / np.maximum(np.sqrt((right * right).sum(1, keepdims=True)), 1e-8)
        self.turns[step, :, 0], self.turns[step, :, 1] = unit[:, 0], -unit[:, 1]
        turn = self._turn(step)
        vectors, rotations = self.vectors[step + 1], self.rotations[step + 1]
        vectors[...] = self.moved[step]
        vectors[:, :, :2] = self._before_turn(step) @ turn.swapaxes(1, 2)
        vectors[:, _JOINT_ROWS, :2] -= self.pivot[:, None]
        rotations[...] = self.turned[step]
        rotations[:, 0, :2] = turn @ self.turned[step, :, 0, :2]

    def _turn(self, step: int) -> np.ndarray:
        """(B, 2, 2)."""
        cos, sin = self.turns[step].T
        return np.stack((cos, -sin, sin, cos), axis=1).reshape(-1, 2, 2)

    def _before_turn(self, step: int) -> np.ndarray:
        """x, y of all rows as they are turned: joints about the pivot, trans at 0, (B, 47, 2)."""
        flat = self.moved[step, :, :, :2].copy()
        flat[:, _JOINT_ROWS] += (self.pivot - flat[:, 0])[:, None]
        flat[:, 0] = 0
        return flat

    def backward(self, inputs, local, contacts, turns) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradients of start (B, 339), latents (B, S, 48), pivot (B, 3) from those of the four results."""
        batch, kind = self.batch, self.vectors.dtype
        hidden = [np.empty_like(x) for x in self.from_latent]
        vectors, rotations = np.zeros((batch, _VECTORS, 3), kind), np.zeros((batch, 22, 3, 3), kind)
        pivot = np.zeros((batch, 3), kind)
        for step in reversed(range(self.steps)):
            pivot[:, :2] += self._canonicalise_backward(step, vectors, rotations, turns[step])
            vectors += local[0][step]
            rotations += local[1][step]
            out = np.empty((batch, _VECTOR_SIZE + 66 + 9), kind)
            out[:, :_VECTOR_SIZE] = vectors.reshape(batch, -1)
            out[:, _VECTOR_SIZE:-9] = self._rotation_backward(step, rotations).reshape(batch, -1)
            out[:, -9:] = contacts[step]
            rotations = self.change[step].swapaxes(2, 3) @ rotations
            before = self._decode_backward(step, out, hidden)
            vectors += before[:, :_VECTOR_SIZE].reshape(batch, _VECTORS, 3) + inputs[0][step]
            rotations += before[:, _VECTOR_SIZE:].reshape(batch, 22, 3, 3) + inputs[1][step]
        start = np.concatenate((vectors.reshape(batch, -1), rotations.reshape(batch, -1)), axis=1)[:, _FLAT_ORDER]
        latents = sum(h @ layer.latent.T for h, layer in zip(hidden, self.layers, strict=True))
        return np.ascontiguousarray(start), np.ascontiguousarray(latents.swapaxes(0, 1)), pivot

    def _canonicalise_backward(self, step: int, vectors: np.ndarray, rotations: np.ndarray, of_turn) -> np.ndarray:
        """Turn gradients of the next canonical state, in place, into those of the prediction; returns the pivot's."""
        turn, flat, root = self._turn(step), self._before_turn(step), self.turned[step, :, 0, :2]
        after = vectors[:, :, :2].copy()
        root_after = rotations[:, 0, :2].copy()
        matrix = after.swapaxes(1, 2) @ flat + root_after @ root.swapaxes(1, 2)
        unit = np.stack(
            (
                matrix[:, 0, 0] + matrix[:, 1, 1] + of_turn[:, 0],
                matrix[:, 0, 1] - matrix[:, 1, 0] - of_turn[:, 1],
            ),
            axis=1,
        )  # of the unit vector along the body's right: cos = unit_x, sin = −unit_y
        back = after @ turn
        joints = back[:, _JOINT_ROWS].sum(1)
        vectors[:, :, :2] = back
        vectors[:, 0, :2] = -joints
        rotations[:, 0, :2] = turn.swapaxes(1, 2) @ root_after
        right = -root[:, :, 0]
        length = np.maximum(np.sqrt((right * right).sum(1, keepdims=True)), 1e-8)
        direction = right / length
        rotations[:, 0, :2, 0] -= (unit - direction * (direction * unit).sum(1, keepdims=True)) / length
        return joints - after[:, _JOINT_ROWS].sum(1)

    def _rotation_backward(self, step: int, rotations: np.ndarray) -> np.ndarray:
        """Gradient of the 22 axis-angle changes: the left Jacobian's transpose on the tangent of exp."""
        tangent = rotations @ self.turned[step].swapaxes(2, 3)
        spin = np.stack(
            (
                tangent[..., 2, 1] - tangent[..., 1, 2],
                tangent[..., 0, 2] - tangent[..., 2, 0],
                tangent[..., 1, 0] - tangent[..., 0, 1],
            ),
            axis=-1,
        )
        angles = self.angles[step]
        a, b, squared = _coefficients(angles)
        along = (angles * spin).sum(-1, keepdims=True)
        c = np.where(squared < 1e-6, 1 / 6, (1 - a) / squared)
        return a * spin - b * _cross(angles, spin) + c * along * angles

    def _decode_backward(self, step: int, out: np.ndarray, hidden: list[np.ndarray]) -> np.ndarray:
        hidden[-1][step] = out
        x = _product(out, self.layers[-1].backward)
        for index in reversed(range(len(self.layers) - 1)):
            layer, normed = self.layers[index], self.normed[index][step]
            x *= layer.gain
            x *= self.active[index][step]
            groups = x.reshape(normed.shape)
            share = np.einsum("bgc,bgc->bg", groups, normed)[..., None] / normed.shape[2]
            groups -= normed * share
            groups *= self.scale[index][step]
            hidden[index][step] = x
            x = _product(x, layer.backward)
        return x


def _product(x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(B, in) @ (in, out); one row as a vector, which BLAS does in half the time."""
    return (x[0] @ matrix)[None] if len(x) == 1 else x @ matrix


def _coefficients(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """sin θ/θ, (1 − cos θ)/θ², θ², (…, 1)."""
    squared = (angles * angles).sum(-1, keepdims=True) + 1e-16
    angle = np.sqrt(squared)
    half = np.sin(0.5 * angle)
    return np.sin(angle) / angle, 2 * half * half / squared, squared


def _rodrigues(angles: np.ndarray) -> np.ndarray:
    """(B, 22, 3) → (B, 22, 3, 3)."""
    a, b, squared = _coefficients(angles)
    matrix = ((a * angles) @ _SKEW.astype(angles.dtype)).reshape(*angles.shape, 3)
    matrix += b[..., None] * (angles[..., :, None] * angles[..., None, :])
    diagonal = matrix.reshape(*angles.shape[:-1], 9)[..., ::4]
    diagonal += 1 - b * squared
    return matrix


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    x, y, z = a[..., 0], a[..., 1], a[..., 2]
    u, v, w = b[..., 0], b[..., 1], b[..., 2]
    return np.stack((y * w - z * v, z * u - x * w, x * v - y * u), axis=-1)
