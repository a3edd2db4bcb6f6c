"""Inference-only networks, forward and back, for any number of rows: the layers that ``packed`` makes."""

from __future__ import annotations

import math

import numpy as np

from optim.priors.fast.kernels import compiled
from optim.priors.fast.kernels.products import add_product
from optim.priors.mlp import GROUPS

BLOCK = 64
"""Rows that go through all layers before the next ones do: so many of a layer's stay in the second cache."""


@compiled
def norm(y, weights, eps, normed, scale, x):
    """Group norm and ReLU of rows (B, n), with the gain and offset that ``packed`` makes: y → x.

    ``normed`` and ``scale`` (B, GROUPS) are kept for the gradient.
    """
    gain, offset = weights[0], weights[1]
    size, zero = y.shape[1] // GROUPS, y.dtype.type(0)
    for row in range(len(y)):
        for group in range(GROUPS):
            mean = total = zero
            for i in range(group * size, (group + 1) * size):
                mean += y[row, i]
            mean /= y.dtype.type(size)
            for i in range(group * size, (group + 1) * size):
                total += (y[row, i] - mean) * (y[row, i] - mean)
            inverse = y.dtype.type(1 / math.sqrt(total + size * eps))
            scale[row, group] = inverse
            for i in range(group * size, (group + 1) * size):
                normed[row, i] = (y[row, i] - mean) * inverse
                above = gain[i] * normed[row, i] + offset[i]
                x[row, i] = zero if above <= zero else above


@compiled
def norm_back(g, normed, scale, weights, hidden):
    """Gradients of ``norm``'s x → of its y, in memory of their own: in place it takes twenty times as long."""
    gain, offset = weights[0], weights[1]
    size, zero = g.shape[1] // GROUPS, g.dtype.type(0)
    for row in range(len(g)):
        for group in range(GROUPS):
            mean = total = zero
            for i in range(group * size, (group + 1) * size):
                hidden[row, i] = zero if gain[i] * normed[row, i] + offset[i] <= zero else gain[i] * g[row, i]
                mean += hidden[row, i]
                total += hidden[row, i] * normed[row, i]
            mean /= g.dtype.type(size)
            for i in range(group * size, (group + 1) * size):
                hidden[row, i] = scale[row, group] * (hidden[row, i] - mean - normed[row, i] * total)


@compiled
def _repeat(values, rows):
    """The same in every row. Written out, as all copies here are: an assignment would bring its checks, and some of
    the compiler's seconds, with it.
    """
    for row in range(len(rows)):
        for i in range(rows.shape[1]):
            rows[row, i] = values[i]


@compiled
def forward(x, panels, biases, norms, eps, normed, scale, out):
    """Fill ``out`` (N, out) from x (N, in), and what ``backward`` needs: of each norm ``normed`` and ``scale``."""
    for begin in range(0, len(x), BLOCK):
        end = min(begin + BLOCK, len(x))
        rows = x[begin:end]
        for index in range(len(normed)):
            y = np.empty_like(normed[index][begin:end])
            _repeat(biases[index], y)
            add_product(rows, panels[index], y)
            rows = np.empty_like(y)
            kept = normed[index][begin:end], scale[index][begin:end]
            norm(y, norms[index], eps, kept[0], kept[1], rows)
        _repeat(biases[-1], out[begin:end])
        add_product(rows, panels[-1], out[begin:end])


@compiled
def backward(of_out, panels_back, norms, normed, scale, out):
    """Fill ``out`` (N, in) with the gradient of the input from that of the output (N, out)."""
    for begin in range(0, len(of_out), BLOCK):
        end = min(begin + BLOCK, len(of_out))
        gradient = of_out[begin:end]
        for index in range(len(normed) - 1, -1, -1):
            rows = np.zeros_like(normed[index][begin:end])
            add_product(gradient, panels_back[index + 1], rows)
            gradient = np.empty_like(rows)
            kept = normed[index][begin:end], scale[index][begin:end]
            norm_back(rows, kept[0], kept[1], norms[index], gradient)
        _repeat(np.zeros_like(out[0]), out[begin:end])
        add_product(gradient, panels_back[0], out[begin:end])
