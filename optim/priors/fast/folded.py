"""Folds and packs inference-only networks once, and computes their gradient with respect to the input only.

A group norm after a linear layer subtracts a mean, divides by a standard deviation, and applies a gain and an offset.
Everything except the division and the offset is linear and is folded into the weights. The mean, the constant factor of
the standard deviation and the sign of the gain go into the layer before; the size of the gain goes into the layer
after. ``Linear → GroupNorm → ReLU`` becomes ``y = W x + b; n = y / √(Σ y² + ε); max(n − least, 0)``.

The loops over layers are compiled (``kernels``). The networks are those of ``mlp``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from optim.common.threads import pieces, side_by_side
from optim.priors.fast.cache import wait_until_compiled
from optim.priors.mlp import GROUPS, Mlp

_UNIT, _LEAST = 4, 16
"""The number of rows of one thread is a multiple of ``_UNIT``, as in the products, and at least ``_LEAST``."""
_SMALLEST_GAIN = 1e-20
"""Replaces a gain of 0, because the offset is divided by the gain. Up to rounding, the result is then the offset."""


@cache
def kernel(name: str) -> ModuleType:
    """A module of ``kernels``, imported when it is first needed, because numba takes a third of a second to load.

    The first call on a machine waits until the kernels have been compiled.
    """
    wait_until_compiled()
    return import_module(f"optim.priors.fast.kernels.{name}")


class Matrix:
    """A constant linear map (out, in), packed for products with itself and with its transpose."""

    def __init__(self, matrix: np.ndarray) -> None:
        self.panels, self.panels_back = (kernel("products").pack(m) for m in (matrix.T, matrix))

    def add_to(self, out: np.ndarray, rows: np.ndarray) -> None:
        """Add the map of rows (N, in) to ``out`` (N, out)."""
        kernel("products").add_product(rows, self.panels, out)

    def add_back_to(self, out: np.ndarray, rows: np.ndarray) -> None:
        """Add the transposed map of gradients (N, out) to ``out`` (N, in)."""
        kernel("products").add_product(rows, self.panels_back, out)


class Layer(Matrix):
    """One linear layer, folded together with the norm and the ReLU after it.

    Args:
        matrix: (out, in), without the columns of the skipped input.
        skipped: (out, skip), the columns for the skipped input, which every layer receives again.
        bias: (out,).
        least: (out,), threshold of the ReLU, which is subtracted from the norm's result; 0 where no norm follows.
    """

    def __init__(self, matrix: np.ndarray, skipped: np.ndarray, bias: np.ndarray, *, least: np.ndarray) -> None:
        super().__init__(matrix)
        self.matrix, self.skipped, self.bias, self.least = matrix, skipped, bias, least

    @property
    def width(self) -> int:
        """Number of outputs."""
        return len(self.bias)


@dataclass(frozen=True)
class Layers:
    """The layers of a network in the form that the kernels need."""

    each: tuple[Layer, ...]
    eps: float
    """The ε of the norms."""

    @cached_property
    def panels(self) -> tuple[np.ndarray, ...]:
        """The packed weights of each layer."""
        return tuple(layer.panels for layer in self.each)

    @cached_property
    def panels_back(self) -> tuple[np.ndarray, ...]:
        """The packed transposed weights of each layer."""
        return tuple(layer.panels_back for layer in self.each)

    @cached_property
    def biases(self) -> tuple[np.ndarray, ...]:
        """The bias of each layer."""
        return tuple(layer.bias for layer in self.each)

    @cached_property
    def leasts(self) -> tuple[np.ndarray, ...]:
        """The thresholds of all layers except the last."""
        return tuple(layer.least for layer in self.each[:-1])


def folded(network: Mlp, *, inputs: np.ndarray | None = None, outputs: np.ndarray | None = None) -> Layers:
    """The folded layers of a network.

    Args:
        inputs: New order of the input without its skipped part, as indices into the old one; None keeps the order.
        outputs: New order of the output, as indices into the old one; None keeps the order.
    """
    layers: list[Layer] = []
    gain, eps = np.ones(1), network.norms[0].eps
    for index, (linear, norm) in enumerate(zip(network.linears, [*network.norms, None], strict=True)):
        kind = linear.weight.detach().numpy().dtype
        weight, bias = (x.detach().numpy().astype(np.float64) for x in (linear.weight, linear.bias))
        fan_in = weight.shape[1] - network.skip
        weight[:, :fan_in] *= gain
        if norm is None:
            chosen = slice(None) if outputs is None else outputs
            weight, bias = weight[chosen], bias[chosen]
            least = np.zeros_like(bias)
        else:
            own, spread = norm.weight.detach().numpy().astype(np.float64), np.sqrt(len(bias) / GROUPS)
            gain = np.maximum(np.abs(own), _SMALLEST_GAIN) * spread
            least = -norm.bias.detach().numpy() / gain
            before = np.where(own < 0, -1.0, 1.0) / spread
            weight, bias = _centred(weight) * before[:, None], _centred(bias) * before
        main, skipped = np.split(weight.astype(kind), [fan_in], axis=1)
        main = main[:, inputs] if index == 0 and inputs is not None else main
        layers.append(Layer(main, skipped, bias.astype(kind), least=least.astype(kind)))
    return Layers(tuple(layers), eps)


def _centred(rows: np.ndarray) -> np.ndarray:
    """The rows minus their mean over each group along the first axis."""
    groups = rows.reshape(GROUPS, -1, *rows.shape[1:])
    return (groups - groups.mean(1, keepdims=True)).reshape(rows.shape)


Made = TypeVar("Made")
_known: WeakKeyDictionary[Mlp, tuple[tuple[int, ...], Any]] = WeakKeyDictionary()
_in_plain_torch = ContextVar("in plain torch", default=False)


@contextmanager
def plain_torch() -> Iterator[None]:
    """Within this context every network runs as a plain torch module."""
    before = _in_plain_torch.set(True)
    try:
        yield
    finally:
        _in_plain_torch.reset(before)


def made_once(network: Mlp, make: Callable[[Mlp], Made]) -> Made | None:
    """``make(network)`` for an inference-only network on the CPU; computed once per set of weights.

    It is None if the weights require gradients or are on another device, and within ``plain_torch``.
    """
    weights = list(network.parameters())
    if _in_plain_torch.get() or not weights or any(w.requires_grad or w.device.type != "cpu" for w in weights):
        return None
    state = tuple(n for w in weights for n in (w.data_ptr(), w._version))
    if _known.get(network, (None,))[0] != state:
        _known[network] = (state, make(network))
    return _known[network][1]


class FoldedMlp(torch.autograd.Function):
    """``apply(x, layers)``: the output (N, out) of the network of these layers for an input (N, in).

    Raises:
        ValueError: The input has another width or type of numbers than the network takes.
    """

    @staticmethod
    def forward(ctx, x: Tensor, layers: Layers) -> Tensor:
        first = layers.panels[0]
        if x.shape[1] != first.shape[1] or x.detach().numpy().dtype != first.dtype:
            raise ValueError(f"rows of {x.shape[1]} {x.dtype}; the network takes {first.shape[1]} {first.dtype}")
        rows, work = np.ascontiguousarray(x.detach().numpy()), pieces(len(x), unit=_UNIT, least=_LEAST)
        kind, count = rows.dtype, len(rows)
        ctx.layers, ctx.work = layers, work
        ctx.normed = tuple(np.empty((count, len(least)), kind) for least in layers.leasts)
        ctx.scale = tuple(np.empty((count, GROUPS), kind) for _ in layers.leasts)
        out = np.empty((count, layers.each[-1].width), kind)

        def run(part: slice) -> None:
            kept = tuple(x[part] for x in ctx.normed), tuple(x[part] for x in ctx.scale)
            given = layers.panels, layers.biases, layers.leasts, layers.eps
            kernel("layers").forward(rows[part], *given, *kept, out[part])

        side_by_side(run, work)
        return torch.from_numpy(out)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        given, layers = np.ascontiguousarray(gradient.numpy()), ctx.layers
        out = np.empty((len(given), layers.panels[0].shape[1]), given.dtype)

        def run(part: slice) -> None:
            kept = tuple(x[part] for x in ctx.normed), tuple(x[part] for x in ctx.scale)
            kernel("layers").backward(given[part], layers.panels_back, layers.leasts, *kept, out[part])

        side_by_side(run, ctx.work)
        return torch.from_numpy(out), None


def run(network: Mlp, x: Tensor) -> Tensor:
    """The output (N, out) of a network without skipped input for (N, in); an inference-only network is folded."""
    layers = made_once(network, folded)
    return network(x) if layers is None else FoldedMlp.apply(x, layers)
