"""Which loss terms stand in which row of the weights table, and what they add up to there. Knows no optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from viewer.protocol import view_model as vm


class Evaluated(Protocol):
    """A snapshot, an entry of the history, or what was recorded of one."""

    @property
    def evaluation(self) -> Any:
        """See ``optim.objective.objective.Evaluation``."""


@dataclass(frozen=True)
class Members:
    """Terms that share a weight share a row; those that the data has no use for are left out."""

    rows: tuple[vm.Term, ...]
    row_of: Mapping[str, int]
    """Name of a loss term → its row."""
    batch: int
    """Sub-sequences."""

    @property
    def terms(self) -> tuple[str, ...]:
        """All loss terms, by name."""
        return tuple(self.row_of)

    def row(self, term: str) -> int | None:
        """Row of the weights table that a loss term belongs to."""
        return self.row_of.get(term)

    def values(self, at: Evaluated) -> tuple[np.ndarray, np.ndarray]:
        """Raw and weighted value (K,) of every row; NaN where nothing of it was computed."""
        raw, weighted = np.full(len(self.rows), np.nan), np.full(len(self.rows), np.nan)
        for name, value in at.evaluation.terms.items():
            row = self.row_of.get(name)
            if row is not None:
                first = np.isnan(raw[row])
                raw[row] = value.raw + (0.0 if first else raw[row])
                weighted[row] = value.weighted + (0.0 if first else weighted[row])
        return raw, weighted

    def per_frame(self, at: Evaluated) -> np.ndarray:
        """Weighted share (K, B, T) of every row in every frame; NaN where a row belongs to no frame."""
        frames = 0
        parts: dict[int, list[np.ndarray]] = {}
        for name, value in at.evaluation.terms.items():
            if value.per_frame is not None and name in self.row_of and value.raw:
                share = np.asarray(value.per_frame) * (value.weighted / value.raw)
                parts.setdefault(self.row_of[name], []).append(share)
                frames = max(frames, share.shape[1])
        found = np.full((len(self.rows), self.batch, frames), np.nan, np.float32)
        for row, shares in parts.items():
            found[row] = 0.0
            for share in shares:
                found[row, :, : share.shape[1]] += share
        return found
