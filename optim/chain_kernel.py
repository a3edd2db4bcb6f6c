"""What ``chain`` does between the decoder's products, and its whole loop for one sub-sequence, compiled.

One row at a time the matrix products are bound by reading the weights. Compiled, a product leaves out those rows of a
layer that a ReLU has silenced, forward and backward. Several sub-sequences are faster by products that read the weights
once for all of them, which ``chain`` calls.

What is compiled is kept in the user's cache folder: the first roll-out on a machine waits some seconds for it. The
layout of states and saved arrays is that of ``chain``; weights are (in, out) here.
"""

from __future__ import annotations

import math
import os
import tempfile
from pathlib import Path

import numba
import numpy as np

from optim.frozen import GROUPS


def _cache_folder() -> Path:
    """Where this user keeps what can be made again; a passing folder where that cannot be written."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "humorscope" / "numba"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError:
        return Path(tempfile.mkdtemp(prefix="humorscope-numba-"))


if "NUMBA_CACHE_DIR" not in os.environ:
    numba.config.CACHE_DIR = str(_cache_folder())  # type: ignore[attr-defined]
# Reassociation for vector instructions; not the rest of "fast": what is not finite must stay so.
compiled = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy")


@compiled
def _times(weights, x, y):
    """y += xᵀ weights, over the entries of x that are not 0, eight rows at a time."""
    count = 0
    chosen = np.empty(len(x), np.int64)
    for j in range(len(x)):
        if x[j] != 0:
            chosen[count] = j
            count += 1
    q = 0
    while q + 8 <= count:
        a, b, c, d = chosen[q], chosen[q + 1], chosen[q + 2], chosen[q + 3]
        e, f, g, h = chosen[q + 4], chosen[q + 5], chosen[q + 6], chosen[q + 7]
        xa, xb, xc, xd, xe, xf, xg, xh = x[a], x[b], x[c], x[d], x[e], x[f], x[g], x[h]
        wa, wb, wc, wd = weights[a], weights[b], weights[c], weights[d]
        we, wf, wg, wh = weights[e], weights[f], weights[g], weights[h]
        for i in range(len(y)):
            y[i] += (
                xa * wa[i] + xb * wb[i] + xc * wc[i] + xd * wd[i] + xe * we[i] + xf * wf[i] + xg * wg[i] + xh * wh[i]
            )
        q += 8
    while q < count:
        row, factor = weights[chosen[q]], x[chosen[q]]
        for i in range(len(y)):
            y[i] += factor * row[i]
        q += 1


@compiled
def _times_back(weights, g, wanted, out):
    """out = weights g where ``wanted`` is not 0, elsewhere 0."""
    for j in range(len(out)):
        total = g.dtype.type(0)
        if wanted[j] != 0:
            row = weights[j]
            for i in range(len(g)):
                total += row[i] * g[i]
        out[j] = total


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
    """Gradients of ``norm``'s x → of its y."""
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
def _rotate(angles, before, change, after):
    """after = exp(angles) before; the matrix of the change is kept."""
    x, y, z = angles
    angle = math.sqrt(x * x + y * y + z * z + 1e-16)
    w, share = math.cos(0.5 * angle), math.sin(0.5 * angle) / angle
    x, y, z = x * share, y * share, z * share
    change[0, 0], change[1, 1], change[2, 2] = (
        w * w + x * x - y * y - z * z, w * w - x * x + y * y - z * z, w * w - x * x - y * y + z * z,
    )  # fmt: skip
    change[0, 1], change[1, 0] = 2 * (x * y - w * z), 2 * (x * y + w * z)
    change[0, 2], change[2, 0] = 2 * (x * z + w * y), 2 * (x * z - w * y)
    change[1, 2], change[2, 1] = 2 * (y * z - w * x), 2 * (y * z + w * x)
    for i in range(3):
        for k in range(3):
            after[i, k] = change[i, 0] * before[0, k] + change[i, 1] * before[1, k] + change[i, 2] * before[2, k]


@compiled
def _turn(x, y, published):
    """Cosine and sine of the turn, from the root's first column."""
    if published:
        cosine = min(max(-x / (math.sqrt(x * x + y * y) + 1e-6), -1), 1)
        angle = y / (abs(y) + 1e-6) * math.acos(cosine)
        return math.cos(angle), math.sin(angle)
    length = max(math.sqrt(x * x + y * y), 1e-8)
    return -x / length, y / length


@compiled
def advance(state, out, here, after, change, turn, published):
    """Apply the decoder's output to states, all (B, …): the predictions ``here``, and made canonical ``after``."""
    for row in range(len(state)):
        for i in range(141):
            here[row, i] = state[row, i] + out[row, i]
        before, rotated = state[row, 141:].reshape(22, 3, 3), here[row, 141:].reshape(22, 3, 3)
        for joint in range(22):
            angles = out[row, 141 + 3 * joint : 144 + 3 * joint]
            _rotate(angles, before[joint], change[row, joint], rotated[joint])
        cos, sin = _turn(here[row, 141], here[row, 144], published)
        turn[row, 0], turn[row, 1], turn[row, 2], turn[row, 3] = cos, -sin, sin, cos
        after[row] = here[row]
        for i in range(47):
            x, y = here[row, 47 + i], here[row, 94 + i]
            if i < 23:
                x, y = x - here[row, 47], y - here[row, 94]
            after[row, 47 + i], after[row, 94 + i] = cos * x - sin * y, sin * x + cos * y
        for i in range(141, 144):
            x, y = here[row, i], here[row, i + 3]
            after[row, i], after[row, i + 3] = cos * x - sin * y, sin * x + cos * y


@compiled
def forward(weights, leasts, eps, from_latent, states, local, decoded, change, turns, normed, scale, published):
    """Fill states[1:] and the rest from states[0]: arrays of ``chain._Run`` with one sub-sequence."""
    first, second, third, last = weights
    one, two, three = np.empty_like(normed[0][0]), np.empty_like(normed[1][0]), np.empty_like(normed[2][0])
    for step in range(len(local)):
        y = from_latent[0][step]
        _times(first, states[step, 0], y[0])
        norm(y, leasts[0], eps, normed[0][step], scale[0][step], one)
        y = from_latent[1][step]
        _times(second, one[0], y[0])
        norm(y, leasts[1], eps, normed[1][step], scale[1][step], two)
        y = from_latent[2][step]
        _times(third, two[0], y[0])
        norm(y, leasts[2], eps, normed[2][step], scale[2][step], three)
        decoded[step] = from_latent[3][step]
        _times(last, three[0], decoded[step, 0])
        advance(states[step], decoded[step], local[step], states[step + 1], change[step], turns[step], published)


@compiled
def _rotate_back(angles, change, rotated, g, of_angles):
    """Gradient g of the rotated matrix → of the axis-angle, and in place of the matrix before."""
    s0 = s1 = s2 = g.dtype.type(0)
    for k in range(3):
        s0 += g[2, k] * rotated[1, k] - g[1, k] * rotated[2, k]
        s1 += g[0, k] * rotated[2, k] - g[2, k] * rotated[0, k]
        s2 += g[1, k] * rotated[0, k] - g[0, k] * rotated[1, k]
    x, y, z = angles
    squared = x * x + y * y + z * z + 1e-16
    angle = math.sqrt(squared)
    half = math.sin(0.5 * angle)
    a, b = math.sin(angle) / angle, 2 * half * half / squared
    c = (x * s0 + y * s1 + z * s2) * (1 / 6 if squared < 1e-6 else (1 - a) / squared)
    of_angles[0] = a * s0 - b * (y * s2 - z * s1) + c * x
    of_angles[1] = a * s1 - b * (z * s0 - x * s2) + c * y
    of_angles[2] = a * s2 - b * (x * s1 - y * s0) + c * z
    for k in range(3):
        u, v, w = g[0, k], g[1, k], g[2, k]
        for i in range(3):
            g[i, k] = change[0, i] * u + change[1, i] * v + change[2, i] * w


@compiled
def _turned_back(g, after, turn, of_turn, slope, here):
    """Add to ``here`` the gradient of the prediction that became the canonical state ``after``, of which g is."""
    cos, sin = turn[0], turn[2]
    angle, to_x, to_y = of_turn, g.dtype.type(0), g.dtype.type(0)
    for i in range(47):
        x, y = g[47 + i], g[94 + i]
        angle += y * after[47 + i] - x * after[94 + i]
        back_x, back_y = cos * x + sin * y, cos * y - sin * x
        if i < 23:
            to_x, to_y = to_x - back_x, to_y - back_y
        if i > 0:
            here[47 + i] += back_x
            here[94 + i] += back_y
        else:
            to_x, to_y = to_x + back_x, to_y + back_y
        here[i] += g[i]
    here[47] += to_x
    here[94] += to_y
    for i in range(141, 144):
        x, y = g[i], g[i + 3]
        angle += y * after[i] - x * after[i + 3]
        here[i] += cos * x + sin * y
        here[i + 3] += cos * y - sin * x
    for i in range(147, 339):
        here[i] += g[i]
    here[141] += angle * slope[0]
    here[144] += angle * slope[1]


@compiled
def retreat(gradient, after, turn, of_turn, slope, here, decoded, change, local, out):
    """Gradients of canonical states ``after`` and, in ``here``, of predictions → of the decoder's output in ``out``.

    Those of the contacts are left alone. What passes by the decoder to the states before is left in ``here``.
    """
    for row in range(len(gradient)):
        _turned_back(gradient[row], after[row], turn[row], of_turn[row], slope[row], here[row])
        out[row, :141] = here[row, :141]
        rotated, of_rotated = local[row, 141:].reshape(22, 3, 3), here[row, 141:].reshape(22, 3, 3)
        for joint in range(22):
            place = slice(141 + 3 * joint, 144 + 3 * joint)
            _rotate_back(decoded[row, place], change[row, joint], rotated[joint], of_rotated[joint], out[row, place])


@compiled
def backward(
    weights, leasts, states, local, decoded, change, turns, normed, scale, inputs, of_local, of_turn, slope, hidden
):
    """Gradient of states[0]. Leaves those of all layers in ``hidden``, where the contacts' are given.

    ``of_local`` is used up.
    """
    first, second, third, last = weights
    one, two, three = np.empty_like(normed[0][0]), np.empty_like(normed[1][0]), np.empty_like(normed[2][0])
    always, gradient = np.ones_like(states[0, 0]), np.zeros_like(states[0])
    for step in range(len(local) - 1, -1, -1):
        here, out = of_local[step], hidden[3][step]
        retreat(
            gradient, states[step + 1], turns[step], of_turn[step], slope[step], here,
            decoded[step], change[step], local[step], out,
        )  # fmt: skip
        _times_back(last, out[0], normed[2][step, 0] > leasts[2], three[0])
        norm_back(three, normed[2][step], scale[2][step], leasts[2], hidden[2][step])
        _times_back(third, hidden[2][step, 0], normed[1][step, 0] > leasts[1], two[0])
        norm_back(two, normed[1][step], scale[1][step], leasts[1], hidden[1][step])
        _times_back(second, hidden[1][step, 0], normed[0][step, 0] > leasts[0], one[0])
        norm_back(one, normed[0][step], scale[0][step], leasts[0], hidden[0][step])
        _times_back(first, hidden[0][step, 0], always, gradient[0])
        for i in range(339):
            gradient[0, i] += here[0, i] + inputs[step, 0, i]
    return gradient
