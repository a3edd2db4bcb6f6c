"""Networks whose weights stand still: folded and packed once, with a gradient towards their input only.

A group norm after a linear layer subtracts a mean, divides by a spread and applies a gain and an offset to what a
linear map has put out. All of that but the division and the offset is linear, so it is put into the weights: the mean
and the spread's constant into the layer before, the gain's sign there too and its size into the layer after. What is
left of ``Linear → GroupNorm → ReLU`` is ``y = W x + b; n = y / √(Σ y² + ε); max(n − least, 0)``.

The products themselves run on oneDNN's packed weights where torch has them (from two rows on: four rows at the price
of one, 60 rows in 0.4 of the time of an ordinary product), one row as a matrix times a vector. Measured in
docs/performance.md. Knows no motion; the networks are those of ``motion_prior``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from optim.motion_prior import Mlp

GROUPS = 16
_SMALLEST_GAIN = 1e-20
"""Stands for a gain of 0, which cannot be divided by; what comes out is the offset then, to rounding."""


@cache
def kernel() -> ModuleType:
    """``chain_kernel``, imported where it is first needed: its compiler takes a third of a second to load."""
    return import_module("optim.chain_kernel")


Product = Callable[[np.ndarray], np.ndarray]


def packed_product(matrix: np.ndarray) -> Product:
    """(out, in) → a function of rows, (N, in) → (N, out) = rows @ matrixᵀ."""
    tensor = torch.from_numpy(matrix)
    ops = torch.ops.mkldnn
    if matrix.dtype != np.float32 or not torch.backends.mkldnn.is_available():
        return lambda rows: rows @ matrix.T
    try:
        packed = ops._reorder_linear_weight(tensor)
        ops._linear_pointwise(torch.zeros(2, matrix.shape[1]), packed, None, "none", [], "")
    except (AttributeError, RuntimeError):  # torch's own names, not promised to stay; no CPU but x86 has them all
        return lambda rows: rows @ matrix.T
    return lambda rows: ops._linear_pointwise(torch.from_numpy(rows), packed, None, "none", [], "").numpy()


class Matrix:
    """A linear map (out, in) that stands still; its transpose is the map of gradients."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.matrix = np.ascontiguousarray(matrix)
        self._forward = packed_product(self.matrix)
        self._backward = packed_product(np.ascontiguousarray(self.matrix.T))

    def forward(self, rows: np.ndarray) -> np.ndarray:
        """(N, in) → (N, out), a new array."""
        return np.dot(self.matrix, rows[0])[None] if len(rows) == 1 else self._forward(rows)

    def backward(self, rows: np.ndarray) -> np.ndarray:
        """Gradients of the output (N, out) → of the input (N, in), a new array."""
        return np.dot(rows[0], self.matrix)[None] if len(rows) == 1 else self._backward(rows)


class Layer(Matrix):
    """One linear layer and the norm and ReLU after it, folded.

    Args:
        matrix: (out, in), without the columns of the skipped input.
        skipped: (out, skip), the columns of the input that every layer sees again.
        bias: (out,).
        least: (out,), what a norm's result must exceed to pass the ReLU, and is counted from; 0 where none follows.
    """

    def __init__(
        self, matrix: np.ndarray, skipped: np.ndarray, bias: np.ndarray, *, least: np.ndarray, eps: float
    ) -> None:
        super().__init__(matrix)
        self.skipped, self.bias, self.least, self.eps = skipped, bias, least, eps

    @property
    def width(self) -> int:
        return len(self.bias)


def folded(network: Mlp, *, inputs: np.ndarray | None = None, outputs: np.ndarray | None = None) -> tuple[Layer, ...]:
    """The layers of a network; ``inputs`` and ``outputs`` put its first columns and last rows in another order."""
    layers: list[Layer] = []
    gain = np.ones(1)
    for index, (linear, norm) in enumerate(zip(network.linears, [*network.norms, None], strict=True)):
        kind = linear.weight.detach().numpy().dtype
        weight, bias = (x.detach().numpy().astype(np.float64) for x in (linear.weight, linear.bias))
        fan_in = weight.shape[1] - network.skip
        weight[:, :fan_in] *= gain
        if norm is None:
            chosen = slice(None) if outputs is None else outputs
            weight, bias = weight[chosen], bias[chosen]
            least, eps = np.zeros_like(bias), 0.0
        else:
            own, spread = norm.weight.detach().numpy().astype(np.float64), np.sqrt(len(bias) / GROUPS)
            gain = np.maximum(np.abs(own), _SMALLEST_GAIN) * spread
            least, eps = -norm.bias.detach().numpy() / gain, norm.eps
            before = np.where(own < 0, -1.0, 1.0) / spread
            weight, bias = _centred(weight) * before[:, None], _centred(bias) * before
        main, skipped = np.split(weight.astype(kind), [fan_in], axis=1)
        main = main[:, inputs] if index == 0 and inputs is not None else main
        layers.append(Layer(main, skipped, bias.astype(kind), least=least.astype(kind), eps=eps))
    return tuple(layers)


def _centred(rows: np.ndarray) -> np.ndarray:
    """Less the mean over each group along the first axis."""
    groups = rows.reshape(GROUPS, -1, *rows.shape[1:])
    return (groups - groups.mean(1, keepdims=True)).reshape(rows.shape)


Made = TypeVar("Made")
_known: WeakKeyDictionary[Mlp, tuple[tuple[int, ...], Any]] = WeakKeyDictionary()


def made_once(network: Mlp, make: Callable[[Mlp], Made]) -> Made | None:
    """``make(network)`` of a network that is frozen and on the CPU, once per set of weights; None for any other."""
    weights = list(network.parameters())
    if not weights or any(w.requires_grad or w.device.type != "cpu" for w in weights):
        return None
    state = tuple(n for w in weights for n in (w.data_ptr(), w._version))
    if _known.get(network, (None,))[0] != state:
        _known[network] = (state, make(network))
    return _known[network][1]


class FrozenMlp(torch.autograd.Function):
    """``apply(x, layers)``: (N, in) → (N, out), the network of these layers."""

    @staticmethod
    def forward(ctx, x: Tensor, layers: tuple[Layer, ...]) -> Tensor:
        rows = np.ascontiguousarray(x.detach().numpy())
        ctx.layers, ctx.kept = layers, []
        for layer in layers[:-1]:
            values = layer.forward(rows)
            values += layer.bias
            normed, scale = np.empty_like(values), np.empty((len(rows), GROUPS), values.dtype)
            rows = np.empty_like(values)
            kernel().norm(values, layer.least, layer.eps, normed, scale, rows)
            ctx.kept.append((normed, scale))
        return torch.from_numpy(layers[-1].forward(rows) + layers[-1].bias)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        rows = ctx.layers[-1].backward(np.ascontiguousarray(gradient.numpy()))
        for layer, (normed, scale) in zip(reversed(ctx.layers[:-1]), reversed(ctx.kept), strict=True):
            before = np.empty_like(rows)  # in place it takes twenty times as long: no vector instructions
            kernel().norm_back(rows, normed, scale, layer.least, before)
            rows = layer.backward(before)
        return torch.from_numpy(rows), None


def run(network: Mlp, x: Tensor) -> Tensor:
    """A network without skipped input on (N, in): the fast way where its weights stand still."""
    layers = made_once(network, folded)
    return network(x) if layers is None else FrozenMlp.apply(x, layers)
