"""The inverse of the Gauss-Newton Hessian by a backward sweep over the steps of a roll-out (a Riccati recursion).

From the last frame to the first, the latent of each transition is eliminated. What remains is a Hessian of the first
frame's deviation and of what all frames share. The work grows with the number of steps; the dense Hessian of all
variables would cost its cube. Knows no bodies and no terms: rows and transitions are given.
Source: Rao, Wright and Rawlings, Application of interior-point methods to model predictive control, 1998.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

Between = Callable[[Tensor], Tensor]
LEAST = 1e-9
"""Added to the diagonal of the Hessian of the first frame's variables, some of which may have no curvature at all."""


@dataclass(frozen=True)
class Quadratic:
    """A quadratic model of a loss over B sub-sequences of N steps, in deviations of D numbers and latents of L.

    ½ Σ_t d_tᵀ Q_t d_t + ½ Σ_t ‖later_t d_{t+1} − earlier_t d_t‖² + ½ Σ_t ‖(l_t − mean_t d_t) · sharpness_t‖², where
    d_{t+1} = by_state_t d_t + by_latent_t l_t and d_0 = entry v + …, plus ½ vᵀ own v.
    """

    hessians: Tensor  # (B, N + 1, D, D): Q
    later: Tensor  # (B, N, M, D)
    earlier: Tensor  # (B, N, M, D)
    by_state: Tensor  # (B, N, S, D); the numbers of a deviation beyond S are the same in all frames
    by_latent: Tensor  # (B, N, S, L)
    mean: Tensor  # (B, N, L, D)
    sharpness: Tensor  # (B, N, L) ≥ 0
    entry: Tensor  # (B, D, n)
    own: Tensor  # (B, n, n), positive semidefinite
    moving: tuple[bool, ...]
    """For each of the N latents, whether it moves."""

    @property
    def finite(self) -> bool:
        """Whether all numbers are finite, and their sums too."""
        parts = [value for value in vars(self).values() if isinstance(value, Tensor)]
        return all(math.isfinite(float(part.sum())) for part in parts)

    def double(self) -> Quadratic:
        """The same in float64."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        doubled: dict[str, Any] = {name: value.double() for name, value in known.items() if isinstance(value, Tensor)}
        return replace(self, **doubled)

    def product(self, first: Tensor, latents: Tensor, between: Between | None = None) -> tuple[Tensor, Tensor]:
        """The Hessian times changes of the first frame's variables (B, n) and of the latents (B, N, L).

        Args:
            between: Further blocks of the Hessian between deviations: their product with deviations (B, N + 1, D).
        """
        steps, moved = self.by_state.shape[1:3]
        along = [_times(self.entry, first)]
        for t in range(steps):
            after = _times(self.by_state[:, t], along[-1]) + _times(self.by_latent[:, t], latents[:, t])
            along.append(torch.cat((after, along[-1][:, moved:]), dim=1))
        here = torch.stack(along, dim=1)
        rows = _times(self.later, here[:, 1:]) - _times(self.earlier, here[:, :-1])
        unlikely = (latents - _times(self.mean, here[:, :-1])) * self.sharpness**2
        force = _times(self.hessians, here)
        force[:, 1:] += _times(self.later.mT, rows)
        force[:, :-1] -= _times(self.earlier.mT, rows) + _times(self.mean.mT, unlikely)
        if between is not None:
            force += between(here)
        of_latents, back = unlikely.clone(), force[:, steps]
        for t in reversed(range(steps)):
            of_latents[:, t] += _times(self.by_latent[:, t].mT, back[:, :moved])
            through = _times(self.by_state[:, t].mT, back[:, :moved])
            through[:, moved:] += back[:, moved:]
            back = through + force[:, t]
        return _times(self.entry.mT, back) + _times(self.own, first), of_latents

    def curvature(self, first: Tensor, latents: Tensor) -> float:
        """Twice the model's value at changes of the first frame's variables (B, n) and of the latents (B, N, L)."""
        here, found = first[:, None] @ self.entry.mT, (first[:, None] @ self.own * first[:, None]).sum()
        for t in range(self.by_state.shape[1]):
            found = found + (here @ self.hessians[:, t] * here).sum()
            unlikely = (latents[:, t, None] - here @ self.mean[:, t].mT) * self.sharpness[:, t, None]
            before = here @ self.earlier[:, t].mT
            moved = here @ self.by_state[:, t].mT + latents[:, t, None] @ self.by_latent[:, t].mT
            here = torch.cat((moved, here[..., moved.shape[2] :]), dim=2)
            rows = here @ self.later[:, t].mT - before
            found = found + unlikely.square().sum() + rows.square().sum()
        return float(found + (here @ self.hessians[:, -1] * here).sum())


def _times(matrices: Tensor, vectors: Tensor) -> Tensor:
    return (matrices @ vectors[..., None])[..., 0]


@dataclass(frozen=True)
class Factors:
    """The eliminated system: enough to solve with the Hessian for any gradient."""

    steps: Tensor  # (B, N, D, D + L): next deviation from deviation and latent
    gains: Tensor  # (B, N, L, D): L⁻¹ times the mixed block, where L Lᵀ is the latent's own block
    inverses: Tensor  # (B, N, L, L): L⁻¹
    first: Tensor  # (B, n, n): the inverse of the Cholesky factor of the first frame's variables
    entry: Tensor  # (B, D, n)
    moving: tuple[bool, ...]
    added: tuple[Tensor, Tensor]
    """Damping that was added to the diagonal: of the latents (B, N, L) and of the first frame's variables (B, n)."""

    def solve(self, of_first: Tensor, of_latents: Tensor) -> tuple[Tensor, Tensor]:
        """The damped Hessian's inverse times a gradient of the first frame's variables (B, n) and latents (B, N, L).

        Products of matrices with one vector take numpy less than half of torch's time.
        """
        first, latents = torch.zeros_like(of_first), torch.zeros_like(of_latents)
        for b in range(len(of_first)):
            parts = (self.steps, self.gains, self.inverses, self.first, self.entry, of_first, of_latents)
            found = _solved(*(part[b].numpy() for part in parts), moving=self.moving)
            first[b], latents[b] = (torch.from_numpy(part) for part in found)
        return first, latents


def _solved(
    steps: np.ndarray,
    gains: np.ndarray,
    inverses: np.ndarray,
    first: np.ndarray,
    entry: np.ndarray,
    of_first: np.ndarray,
    of_latents: np.ndarray,
    *,
    moving: tuple[bool, ...],
) -> tuple[np.ndarray, np.ndarray]:
    """``Factors.solve`` for one sub-sequence: back from the last step to the first, and forward again."""
    size = steps.shape[1]
    along, kept, latents = np.zeros(size, steps.dtype), np.zeros_like(of_latents), np.zeros_like(of_latents)
    for t in reversed(range(len(steps))):
        through = along @ steps[t]
        along = through[:size]
        if moving[t]:
            kept[t] = inverses[t] @ (of_latents[t] + through[size:])
            along = along - kept[t] @ gains[t]
    found = (first @ (of_first + along @ entry)) @ first
    here = entry @ found
    for t in range(len(steps)):
        if moving[t]:
            latents[t] = (kept[t] - gains[t] @ here) @ inverses[t]
        here = steps[t] @ np.concatenate((here, latents[t]))
    return found, latents


def factorise(model: Quadratic, *, damping: float) -> Factors | None:
    """Eliminate the latents; None if the Hessian is not positive definite to the precision of the numbers.

    Args:
        damping: Share by which the diagonal is made larger, of each latent's own block and of the first frame's.
    """
    batch, steps, moved, size = model.by_state.shape
    width = model.by_latent.shape[-1]
    along = model.by_state.new_zeros(batch, steps, size, size + width)
    along[:, :, :moved, :size], along[:, :, :moved, size:] = model.by_state, model.by_latent
    shared = torch.arange(moved, size)
    along[:, :, shared, shared] = 1.0
    gains, inverses = along.new_zeros(batch, steps, width, size), along.new_zeros(batch, steps, width, width)
    added = along.new_zeros(batch, steps, width)
    eye, ok = torch.eye(width, dtype=along.dtype).expand(batch, width, width), True
    unlikely = torch.cat((-model.mean, eye[:, None].expand(batch, steps, width, width)), dim=3)
    unlikely *= model.sharpness[..., None]
    rest = model.hessians[:, steps]
    for t in range(steps - 1, -1, -1):
        rows = model.later[:, t] @ along[:, t]
        rows[..., :size] -= model.earlier[:, t]
        rows = torch.cat((rows, unlikely[:, t]), dim=1)
        whole = torch.baddbmm(rows.mT @ rows, along[:, t].mT, rest @ along[:, t])
        rest = whole[:, :size, :size] + model.hessians[:, t]
        if not model.moving[t]:
            continue
        own = whole[:, size:, size:]
        added[:, t] = damping * own.diagonal(dim1=1, dim2=2)
        factor, failed = torch.linalg.cholesky_ex(own + added[:, t].diag_embed())
        ok = ok and not bool(failed.any())
        inverses[:, t] = torch.linalg.solve_triangular(factor, eye, upper=False)
        gains[:, t] = inverses[:, t] @ whole[:, size:, :size]
        rest = torch.baddbmm(rest, gains[:, t].mT, gains[:, t], alpha=-1.0)
        rest = 0.5 * (rest + rest.mT)
    first = model.entry.mT @ rest @ model.entry + model.own
    added_first = damping * first.diagonal(dim1=1, dim2=2) + LEAST
    factor, failed = torch.linalg.cholesky_ex(first + added_first.diag_embed())
    eye = torch.eye(first.shape[1], dtype=first.dtype).expand_as(first)
    inverse = torch.linalg.solve_triangular(factor, eye, upper=False)
    if not ok or bool(failed.any()) or not bool(torch.isfinite(inverse).all()):
        return None
    return Factors(along, gains, inverses, inverse, model.entry, model.moving, (added, added_first))
