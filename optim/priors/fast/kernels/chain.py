"""The loop of a roll-out, forward and back, for any number of sub-sequences side by side.

The layout of states and saved arrays is that of ``optim.priors.fast.chain``: steps first, then sub-sequences.
"""

from __future__ import annotations

import math

import numpy as np

from optim.priors.fast.kernels import compiled
from optim.priors.fast.kernels.layers import norm, norm_back
from optim.priors.fast.kernels.products import add_product


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
        for i in range(339):
            after[row, i] = here[row, i]
        for i in range(47):
            x, y = here[row, 47 + i], here[row, 94 + i]
            if i < 23:
                x, y = x - here[row, 47], y - here[row, 94]
            after[row, 47 + i], after[row, 94 + i] = cos * x - sin * y, sin * x + cos * y
        for i in range(141, 144):
            x, y = here[row, i], here[row, i + 3]
            after[row, i], after[row, i + 3] = cos * x - sin * y, sin * x + cos * y


@compiled
def forward(panels, norms, eps, from_latent, states, local, decoded, change, turns, normed, scale, published):
    """Fill states[1:] and the rest from states[0]: arrays of ``optim.priors.fast.chain``'s run.

    ``from_latent`` is used up; ``decoded`` begins as the same of the last layer.
    """
    for step in range(len(local)):
        x = states[step]
        for index in range(len(normed)):
            y = from_latent[index][step]
            add_product(x, panels[index], y)
            x = np.empty_like(y)
            norm(y, norms[index], eps, normed[index][step], scale[index][step], x)
        add_product(x, panels[-1], decoded[step])
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
        for i in range(141):
            out[row, i] = here[row, i]
        rotated, of_rotated = local[row, 141:].reshape(22, 3, 3), here[row, 141:].reshape(22, 3, 3)
        for joint in range(22):
            place = slice(141 + 3 * joint, 144 + 3 * joint)
            _rotate_back(decoded[row, place], change[row, joint], rotated[joint], of_rotated[joint], out[row, place])


@compiled
def backward(
    panels_back, norms, states, local, decoded, change, turns, normed, scale, inputs, of_local, of_turn, slope, hidden
):
    """Gradient of states[0]. Leaves those of all layers in ``hidden``, where the contacts' are given.

    ``of_local`` is used up.
    """
    gradient = np.zeros_like(states[0])
    for step in range(len(local) - 1, -1, -1):
        here, out = of_local[step], hidden[-1][step]
        retreat(
            gradient, states[step + 1], turns[step], of_turn[step], slope[step], here,
            decoded[step], change[step], local[step], out,
        )  # fmt: skip
        for index in range(len(normed) - 1, -1, -1):
            rows = np.zeros_like(normed[index][step])
            add_product(out, panels_back[index + 1], rows)
            out = hidden[index][step]
            norm_back(rows, normed[index][step], scale[index][step], norms[index], out)
        for row in range(len(gradient)):
            for i in range(339):
                gradient[row, i] = here[row, i] + inputs[step, row, i]
        add_product(out, panels_back[0], gradient)
    return gradient


@compiled
def flatten(own, order, pivot, flat):
    """States or predictions (S, B, 339) as held here → (B, S, 339) as the networks have them."""
    for step in range(len(own)):
        for row in range(own.shape[1]):
            for i in range(339):
                flat[row, step, order[i]] = own[step, row, i]
            for i in range(1, 23):
                flat[row, step, order[47 + i]] -= pivot[row, 0]
                flat[row, step, order[94 + i]] -= pivot[row, 1]


@compiled
def _back_to_first(turns, row, cos, sin):
    """Cosine and sine (S,) of the turn from the first frame to that of every step, all turns before it together."""
    along, across = 1.0, 0.0
    for step in range(len(cos)):
        cos[step], sin[step] = along, across
        c, s = turns[step, row, 0], turns[step, row, 2]
        along, across = along * c - across * s, across * c + along * s


@compiled
def place(local, turns, order, pivot, flat):
    """Predictions, each in the canonical frame of the state before → in the first one's, (B, S, 339), flat.

    A canonical frame differs from the next by a turn about z and a shift over the floor.
    """
    flatten(local, order, pivot, flat)
    all_cos, all_sin = np.empty(len(local)), np.empty(len(local))
    for row in range(local.shape[1]):
        _back_to_first(turns, row, all_cos, all_sin)
        to_x = to_y = 0.0
        for step in range(len(local)):
            own, placed, kind = local[step, row], flat[row, step], local.dtype.type
            cos, sin = kind(all_cos[step]), kind(all_sin[step])
            shift_x, shift_y = kind(to_x), kind(to_y)
            for i in range(47):
                x, y = own[47 + i], own[94 + i]
                turned_x, turned_y = cos * x + sin * y, cos * y - sin * x
                if i == 0:
                    to_x, to_y = to_x + turned_x, to_y + turned_y
                elif i < 23:
                    turned_x, turned_y = turned_x - pivot[row, 0], turned_y - pivot[row, 1]
                if i < 23:
                    turned_x, turned_y = turned_x + shift_x, turned_y + shift_y
                placed[order[47 + i]], placed[order[94 + i]] = turned_x, turned_y
            for i in range(141, 144):
                x, y = own[i], own[i + 3]
                placed[order[i]], placed[order[i + 3]] = cos * x + sin * y, cos * y - sin * x


@compiled
def place_back(of_placed, local, turns, order, of_local, of_turn):
    """Gradient of ``place``'s result → of its predictions (S, B, 339), as held here, and of the turns' angles (S, B).

    The pivot's is minus the sum over all joints.
    """
    all_cos, all_sin = np.empty(len(local)), np.empty(len(local))
    for row in range(local.shape[1]):
        _back_to_first(turns, row, all_cos, all_sin)
        later_x = later_y = later_angle = 0.0
        for step in range(len(local) - 1, -1, -1):
            own, given, found, kind = local[step, row], of_placed[row, step], of_local[step, row], local.dtype.type
            cos, sin = kind(all_cos[step]), kind(all_sin[step])
            of_turn[step, row] = later_angle
            for i in range(339):
                found[i] = given[order[i]]
            sum_x = sum_y = 0.0
            for i in range(23):
                sum_x, sum_y = sum_x + found[47 + i], sum_y + found[94 + i]
            found[47] += kind(later_x)
            found[94] += kind(later_y)
            later_x, later_y = later_x + sum_x, later_y + sum_y
            for i in range(50):
                at_x, at_y = (47 + i, 94 + i) if i < 47 else (94 + i, 97 + i)
                x, y, to_x, to_y = own[at_x], own[at_y], found[at_x], found[at_y]
                later_angle += (cos * y - sin * x) * to_x - (cos * x + sin * y) * to_y
                found[at_x], found[at_y] = cos * to_x - sin * to_y, cos * to_y + sin * to_x
