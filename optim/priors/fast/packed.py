"""Packs inference-only networks once, and computes their gradient with respect to the input only.

``Linear → GroupNorm → ReLU`` is computed as ``y = W x + b; n = (y - mean) / √(Σ (y - mean)² + size ε)`` over each group
of ``size`` numbers and ``max(gain n + offset, 0)``, so that ``gain`` is the norm's weight times √size. The weights are
packed as they are: where all of them are numbers of half precision, as in the shipped checkpoint, they can be kept as
such without a change of any product.

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


@cache
def kernel(name: str) -> ModuleType:
    """A module of ``kernels``, imported when it is first needed, because numba takes a third of a second to load.

    The first call on a machine waits until the kernels have been compiled.
    """
    wait_until_compiled()
    return import_module(f"optim.priors.fast.kernels.{name}")


class Matrix:
    """A constant linear map (out, in), packed for products with itself and with its transpose.

    Args:
        matrix: (out, in).
        half: Keep the numbers in half precision, in which they must be exact.
    """

    def __init__(self, matrix: np.ndarray, *, half: bool = False) -> None:
        self.panels, self.panels_back = (kernel("products").pack(m, half=half) for m in (matrix.T, matrix))

    def add_to(self, out: np.ndarray, rows: np.ndarray) -> None:
        """Add the map of rows (N, in) to ``out`` (N, out)."""
        kernel("products").add_product(rows, self.panels, out)

    def add_back_to(self, out: np.ndarray, rows: np.ndarray) -> None:
        """Add the transposed map of gradients (N, out) to ``out`` (N, in)."""
        kernel("products").add_product(rows, self.panels_back, out)


class Layer(Matrix):
    """One linear layer, with the gain and the offset of the norm after it.

    Args:
        matrix: (out, in), without the columns of the skipped input.
        skipped: (out, skip), the columns for the skipped input, which every layer receives again.
        bias: (out,).
        norm: (2, out), gain and offset of the norm after it; of no use where none follows.
        half: See ``Matrix``.
    """

    def __init__(
        self, matrix: np.ndarray, skipped: np.ndarray, bias: np.ndarray, *, norm: np.ndarray, half: bool
    ) -> None:
        super().__init__(matrix, half=half)
        self.matrix, self.skipped, self.bias, self.norm = matrix, skipped, bias, norm

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
    def norms(self) -> tuple[np.ndarray, ...]:
        """Gain and offset (2, out) of each norm."""
        return tuple(layer.norm for layer in self.each[:-1])


def packed(
    network: Mlp, *, inputs: np.ndarray | None = None, outputs: np.ndarray | None = None, half: bool = False
) -> Layers:
    """The packed layers of a network.

    Args:
        inputs: New order of the input without its skipped part, as indices into the old one; None keeps the order.
        outputs: New order of the output, as indices into the old one; None keeps the order.
        half: Keep weights in half precision if all of them are exact in it and the processor converts them.
    """
    half = half and is_half(network)
    layers: list[Layer] = []
    for index, (linear, norm) in enumerate(zip(network.linears, [*network.norms, None], strict=True)):
        weight, bias = linear.weight.detach().numpy(), linear.bias.detach().numpy()
        of_norm = np.zeros((2, len(bias)), bias.dtype)
        if norm is not None:
            of_norm[0] = norm.weight.detach().numpy() * np.sqrt(len(bias) / GROUPS)
            of_norm[1] = norm.bias.detach().numpy()
        elif outputs is not None:
            weight, bias = weight[outputs], bias[outputs]
        main, skipped = np.split(weight, [weight.shape[1] - network.skip], axis=1)
        main = main[:, inputs] if index == 0 and inputs is not None else main
        layers.append(Layer(main, skipped.copy(), bias.copy(), norm=of_norm, half=half))
    return Layers(tuple(layers), network.norms[0].eps)


def is_half(network: Mlp) -> bool:
    """Whether the weights of all linear layers are exact in half precision, and the processor converts such numbers."""
    weights = [linear.weight.detach() for linear in network.linears]
    exact = all(w.dtype == torch.float32 and torch.equal(w, w.half().float()) for w in weights)
    return exact and kernel("products").CONVERTS_HALF


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


class PackedMlp(torch.autograd.Function):
    """``apply(x, layers)``: the output (N, out) of the network of these layers for an input (N, in).

    Raises:
        ValueError: The input has another width or type of numbers than the network takes.
    """

    @staticmethod
    def forward(ctx, x: Tensor, layers: Layers) -> Tensor:
        first = layers.each[0].matrix
        if x.shape[1] != first.shape[1] or x.detach().numpy().dtype != first.dtype:
            raise ValueError(f"rows of {x.shape[1]} {x.dtype}; the network takes {first.shape[1]} {first.dtype}")
        rows, work = np.ascontiguousarray(x.detach().numpy()), pieces(len(x), unit=_UNIT, least=_LEAST)
        kind, count = rows.dtype, len(rows)
        ctx.layers, ctx.work = layers, work
        ctx.normed = tuple(np.empty((count, norm.shape[1]), kind) for norm in layers.norms)
        ctx.scale = tuple(np.empty((count, GROUPS), kind) for _ in layers.norms)
        out = np.empty((count, layers.each[-1].width), kind)

        def run(part: slice) -> None:
            kept = tuple(x[part] for x in ctx.normed), tuple(x[part] for x in ctx.scale)
            given = layers.panels, layers.biases, layers.norms, layers.eps
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
            kernel("layers").backward(given[part], layers.panels_back, layers.norms, *kept, out[part])

        side_by_side(run, ctx.work)
        return torch.from_numpy(out), None


def run(network: Mlp, x: Tensor) -> Tensor:
    """The output (N, out) of a network without skipped input for (N, in); an inference-only network is packed."""
    layers = made_once(network, packed)
    return network(x) if layers is None else PackedMlp.apply(x, layers)
