"""Inference-only networks, forward and back, for any number of rows: the layers that ``folded`` makes."""

from __future__ import annotations

import math

import numpy as np

from optim.priors.fast.kernels import compiled
from optim.priors.fast.kernels.products import add_product
from optim.priors.mlp import GROUPS

BLOCK = 64
"""Rows that go through all layers before the next ones do: so many of a layer's stay in the second cache."""


@compiled
def norm(y, least, eps, normed, scale, x):
    """Group norm and ReLU of rows (B, n): x is 0 where the ReLU cuts off, else what lies above ``least``."""
    size, zero = y.shape[1] // GROUPS, y.dtype.type(0)
    for row in range(len(y)):
        for group in range(GROUPS):
            total = zero
            for i in range(group * size, (group + 1) * size):
                total += y[row, i] * y[row, i]
            inverse = y.dtype.type(1 / math.sqrt(total + eps))
            scale[row, group] = inverse
            for i in range(group * size, (group + 1) * size):
                normed[row, i] = y[row, i] * inverse
                above = normed[row, i] - least[i]
                x[row, i] = zero if above <= zero else above


@compiled
def norm_back(g, normed, scale, least, hidden):
    """Gradients of ``norm``'s x → of its y, in memory of their own: in place it takes twenty times as long."""
    size, zero = g.shape[1] // GROUPS, g.dtype.type(0)
    for row in range(len(g)):
        for group in range(GROUPS):
            total = zero
            for i in range(group * size, (group + 1) * size):
                hidden[row, i] = zero if normed[row, i] <= least[i] else g[row, i]
                total += hidden[row, i] * normed[row, i]
            for i in range(group * size, (group + 1) * size):
                hidden[row, i] = scale[row, group] * (hidden[row, i] - normed[row, i] * total)


@compiled
def _repeat(values, rows):
    """The same in every row. Written out, as all copies here are: an assignment would bring its checks, and some of
    the compiler's seconds, with it.
    """
    for row in range(len(rows)):
        for i in range(rows.shape[1]):
            rows[row, i] = values[i]


@compiled
def forward(x, panels, biases, leasts, eps, normed, scale, out):
    """Fill ``out`` (N, out) from x (N, in), and what ``backward`` needs: of each norm ``normed`` and ``scale``."""
    for begin in range(0, len(x), BLOCK):
        end = min(begin + BLOCK, len(x))
        rows = x[begin:end]
        for index in range(len(normed)):
            y = np.empty_like(normed[index][begin:end])
            _repeat(biases[index], y)
            add_product(rows, panels[index], y)
            rows = np.empty_like(y)
            norm(y, leasts[index], eps, normed[index][begin:end], scale[index][begin:end], rows)
        _repeat(biases[-1], out[begin:end])
        add_product(rows, panels[-1], out[begin:end])


@compiled
def backward(of_out, panels_back, leasts, normed, scale, out):
    """Fill ``out`` (N, in) with the gradient of the input from that of the output (N, out)."""
    for begin in range(0, len(of_out), BLOCK):
        end = min(begin + BLOCK, len(of_out))
        gradient = of_out[begin:end]
        for index in range(len(normed) - 1, -1, -1):
            rows = np.zeros_like(normed[index][begin:end])
            add_product(gradient, panels_back[index + 1], rows)
            gradient = np.empty_like(rows)
            norm_back(rows, normed[index][begin:end], scale[index][begin:end], leasts[index], gradient)
        _repeat(np.zeros_like(out[0]), out[begin:end])
        add_product(gradient, panels_back[0], out[begin:end])
