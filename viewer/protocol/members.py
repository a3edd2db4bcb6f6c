"""Assigns the loss terms to the rows of the weights table and adds up their values there.

Does not know the optimiser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from viewer.protocol import view_model as vm


class Evaluated(Protocol):
    """Something that has been evaluated: a snapshot, an entry of the history, or a recorded iteration."""

    @property
    def evaluation(self) -> Any:
        """An ``optim.objective.objective.Evaluation``, or a value with the same fields."""


@dataclass(frozen=True)
class Members:
    """The rows of the weights table and their loss terms.

    Terms that share a weight share a row. Terms that the data does not allow are left out.
    """

    rows: tuple[vm.Term, ...]
    row_of: Mapping[str, int]
    """Name of a loss term → index of its row."""
    batch: int
    """Number of sub-sequences of the first batch."""

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of all loss terms."""
        return tuple(self.row_of)

    def row(self, term: str) -> int | None:
        """Index of the row that a loss term belongs to; None for a term that is left out."""
        return self.row_of.get(term)

    def values(self, at: Evaluated) -> tuple[np.ndarray, np.ndarray]:
        """Raw and weighted value of every row, two arrays (K,); NaN where no term of the row was computed."""
        raw, weighted = np.full(len(self.rows), np.nan), np.full(len(self.rows), np.nan)
        for name, value in at.evaluation.terms.items():
            row = self.row_of.get(name)
            if row is not None:
                first = np.isnan(raw[row])
                raw[row] = value.raw + (0.0 if first else raw[row])
                weighted[row] = value.weighted + (0.0 if first else weighted[row])
        return raw, weighted

    def per_frame(self, at: Evaluated) -> np.ndarray:
        """Weighted loss (K, B, T) of every row in every frame; NaN where a row belongs to no frame."""
        batch, frames = self.batch, 0
        parts: dict[int, list[np.ndarray]] = {}
        for name, value in at.evaluation.terms.items():
            if value.per_frame is not None and name in self.row_of and value.raw:
                share = np.asarray(value.per_frame) * (value.weighted / value.raw)
                parts.setdefault(self.row_of[name], []).append(share)
                batch, frames = share.shape[0], max(frames, share.shape[1])
        found = np.full((len(self.rows), batch, frames), np.nan, np.float32)
        for row, shares in parts.items():
            found[row] = 0.0
            for share in shares:
                found[row, :, : share.shape[1]] += share
        return found
