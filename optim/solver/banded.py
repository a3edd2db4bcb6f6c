"""A symmetric matrix that is a band with a dense border, and damped solutions with it by Cholesky in float64.

The border holds the few unknowns that all others are coupled with. With N unknowns in the band, a half width W and M
unknowns in the border, a solution takes about N · W · (W + 4 M) multiplications. Knows no variables.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cho_solve_banded, cholesky_banded
from scipy.linalg.blas import get_blas_funcs
from torch import Tensor

LEAST_DIAGONAL = 1e-12
"""Share of the largest diagonal entry below which an unknown counts as having no curvature of its own."""


@dataclass(frozen=True, eq=False)
class BorderedBand:
    """The curvature of a quadratic model (``solver.Model``) over the n moving unknowns of a flat vector."""

    band: np.ndarray
    """(W + 1, N) lower band: entry [i - j, j] is H[i, j]."""
    border: np.ndarray
    """(N, M): H between the band and the border."""
    corner: np.ndarray
    """(M, M)."""
    place: np.ndarray
    """(n,) row of H of each entry of the flat vector; rows of the border follow those of the band."""
    longest: np.ndarray | None = None
    """(n,) largest step of each entry for which the model holds; None: of any length."""

    def step(self, gradient: Tensor, damping: float) -> Tensor:
        """The step (n,) that solves (H + damping · diag H) step = -gradient.

        Unknowns that are not in the flat vector do not move.

        Raises:
            ArithmeticError: The damped matrix is not positive definite, a number is not finite, or the step is too
                long; more damping makes it shorter.
        """
        size = len(self.border)
        band, border, corner = self._moving
        band, corner = band.copy(), corner.copy()
        diagonal = np.concatenate((band[0], np.diag(corner)))
        least = LEAST_DIAGONAL * max(float(diagonal.max()), 1e-300)
        more = damping * np.maximum(diagonal, least) + least
        band[0] += more[:size]
        corner[np.diag_indices_from(corner)] += more[size:]
        right = np.zeros(len(diagonal))
        right[self.place] = -gradient.detach().double().numpy()
        try:
            found = _solve(band, border, corner, right)
        except (LinAlgError, ValueError) as error:
            raise ArithmeticError(f"the model has no minimum: {error}") from error
        step = found[self.place]
        if self.longest is not None and (np.abs(step) > self.longest).any():
            raise ArithmeticError("the step is longer than the model holds")
        return torch.from_numpy(step).to(gradient.dtype)

    def curvature(self, step: Tensor) -> float:
        """stepᵀ H step."""
        step = step.detach().double()
        return float(step.dot(self.product(step)))

    def product(self, step: Tensor) -> Tensor:
        """H step (n,) in float64."""
        band, border, corner = self._moving
        whole = np.zeros(len(border) + len(corner))
        whole[self.place] = step.detach().double().numpy()
        inner, outer = whole[: len(border)], whole[len(border) :]
        (multiply,) = get_blas_funcs(("sbmv",), (band,))
        along = multiply(k=len(band) - 1, alpha=1.0, a=band, x=inner, lower=1)
        found = np.concatenate((along + border @ outer, border.T @ inner + corner @ outer))
        return torch.from_numpy(found[self.place])

    @cached_property
    def _moving(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Band, border and corner without coupling to unknowns that are not in the flat vector."""
        still = np.ones(len(self.border) + len(self.corner), bool)
        still[self.place] = False
        if not still.any():
            return self.band, self.border, self.corner
        band, border, corner = self.band.copy(), self.border.copy(), self.corner.copy()
        rows, others = np.flatnonzero(still[: len(border)]), still[len(border) :]
        band[:, rows] = 0.0
        for below in range(1, len(band)):
            inside = rows[rows >= below]
            band[below, inside - below] = 0.0
        band[0, rows] = 1.0
        border[rows] = 0.0
        border[:, others] = 0.0
        corner[others] = 0.0
        corner[:, others] = 0.0
        corner[others, others] = 1.0
        return band, border, corner


def bordered_band(
    blocks: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    border: np.ndarray,
    corner: np.ndarray,
    place: np.ndarray,
) -> BorderedBand:
    """A matrix from blocks of rows and columns of the band.

    Args:
        blocks: Triples of first rows (R,), first columns (R,) and values (R, c, c), which are added. A block on the
            diagonal is given once, whole; another one is given once, on either side of the diagonal.
        border, corner, place: See ``BorderedBand``.
    """
    placed = []
    width, size = 0, len(border)
    for rows, columns, values in blocks:
        swap = rows < columns
        values = np.where(swap[:, None, None], values.transpose(0, 2, 1), values)
        rows, columns = np.where(swap, columns, rows), np.where(swap, rows, columns)
        inside = np.arange(values.shape[1])
        i, j = np.broadcast_arrays(rows[:, None, None] + inside[:, None], columns[:, None, None] + inside)
        lower = i >= j
        i, j = i[lower], j[lower]
        placed.append((i - j, j, values[lower]))
        width = max(width, int((i - j).max(initial=0)))
    band = np.zeros((width + 1, size))
    for below, column, value in placed:
        np.add.at(band, (below, column), value)
    return BorderedBand(band, border, corner, place)


def _solve(band: np.ndarray, border: np.ndarray, corner: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solution of the whole system by elimination of the band."""
    size = len(border)
    factor = cholesky_banded(band, overwrite_ab=True, lower=True)
    if not len(corner):
        return np.asarray(cho_solve_banded((factor, True), right, overwrite_b=True))
    solved = cho_solve_banded((factor, True), np.column_stack((border, right[:size])), overwrite_b=True)
    through, inner = solved[:, :-1], solved[:, -1]
    schur = cho_factor(corner - border.T @ through, lower=True)
    outer = cho_solve(schur, right[size:] - border.T @ inner)
    return np.concatenate((inner - through @ outer, outer))
