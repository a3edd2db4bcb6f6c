"""What the overlap terms couple between sub-sequences of a batch: the blocks that a model of each one leaves out.

The rows of a sub-sequence hold the other one still. Then a move of both together looks as stiff as one against the
other, which a solver can live with, but not a prediction of where a minimum moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from optim.objective.objective import Objective
from optim.objective.rollout_model.entry import Entry
from optim.objective.rollout_model.rows import Linearised
from optim.objective.terms.overlap import shared_frames

POSITIONS, MOVES = "rgb_overlap_consist_verts3d_pos", "rgb_overlap_consist_verts3d_vel"
OWN = {"betas": "rgb_overlap_consist_betas", "floor_plane": "rgb_overlap_consist_floor"}
"""Variable → the term that compares it between neighbours."""


@dataclass(frozen=True)
class Overlap:
    """Derivatives of the same points in the frames that two sub-sequences share, along the axes of the input frame."""

    first: int
    """The earlier sub-sequence; the other one is the next."""
    before: Tensor
    """(F, K, D) of the earlier one."""
    after: Tensor
    """(F, K, D) of the next one."""


@dataclass(frozen=True)
class Coupling:
    """The blocks of the Gauss-Newton Hessian between neighbouring sub-sequences."""

    overlaps: tuple[Overlap, ...]
    positions: float
    """Weight of the squared distance between points."""
    moves: float
    """Weight of the squared difference between moves from frame to frame."""
    own: tuple[tuple[slice, float], ...]
    """Columns of the first frame's variables, and the weight of their squared difference."""

    def of_frames(self, deviations: Tensor) -> Tensor:
        """The blocks between frames times deviations (B, T, D)."""
        found = torch.zeros_like(deviations)
        for overlap in self.overlaps:
            frames, b = len(overlap.before), overlap.first
            last, next_first = deviations[b, -frames:], deviations[b + 1, :frames]
            found[b, -frames:] -= _forces(overlap.before, self._pull(_moved(overlap.after, next_first)))
            found[b + 1, :frames] -= _forces(overlap.after, self._pull(_moved(overlap.before, last)))
        return found

    def of_first(self, first: Tensor) -> Tensor:
        """The blocks between the first frame's variables times changes of them (B, n)."""
        found = torch.zeros_like(first)
        for columns, weight in self.own:
            found[1:, columns] -= weight * first[:-1, columns]
            found[:-1, columns] -= weight * first[1:, columns]
        return found

    def _pull(self, apart: Tensor) -> Tensor:
        """The weighted pull (F, K) of points that are apart by (F, K), and whose moves differ accordingly."""
        found, moved = self.positions * apart, self.moves * apart.diff(dim=0)
        found[1:] += moved
        found[:-1] -= moved
        return found


def coupling(objective: Objective, here: Linearised, entry: Entry) -> Coupling | None:
    """The coupling at a prediction; None where no active term compares sub-sequences of the batch."""
    weights = {term.name: objective.phase.weight(term.weight) * objective.scale(term) for term in objective.terms}
    positions, moves = weights.get(POSITIONS, 0.0), weights.get(MOVES, 0.0)
    own = tuple((entry.columns[name], weights[term]) for name, term in OWN.items() if _both(name, term, entry, weights))
    if not (positions or moves or own):
        return None
    overlaps = []
    if positions or moves:
        back = here.scene.in_prior.frame.R_prior_input.mT[:, None, None]
        points = (back @ here.verts3d).flatten(2, 3).double()
        for b, frames in enumerate(shared_frames(here.scene)):
            if frames:
                overlaps.append(Overlap(b, points[b, -frames:], points[b + 1, :frames]))
    return Coupling(tuple(overlaps), positions, moves, own)


def _both(name: str, term: str, entry: Entry, weights: dict[str, float]) -> bool:
    return name in entry.columns and weights.get(term, 0.0) > 0


def _moved(derivatives: Tensor, deviations: Tensor) -> Tensor:
    return torch.einsum("fkd,fd->fk", derivatives, deviations)


def _forces(derivatives: Tensor, pulls: Tensor) -> Tensor:
    return torch.einsum("fkd,fk->fd", derivatives, pulls)
