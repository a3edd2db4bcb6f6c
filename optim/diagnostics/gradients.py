"""Gradients of single loss terms: by variable, by frame, and the angles between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from optim.objective.objective import Objective
from optim.problem.variables import PER_FRAME, Packing
from optim.session.fit import Fit
from optim.session.history import Snapshot


@dataclass(frozen=True)
class TermGradients:
    """Gradients of the K weighted terms with respect to the entries that move; their sum is the loss's gradient."""

    terms: tuple[str, ...]
    norm: Mapping[str, np.ndarray]
    """Variable → (K,) norm of each term's gradient."""
    per_frame: Mapping[str, np.ndarray]
    """Variable with a time axis → (K, B, F) norm at each of the frames in ``frames``."""
    frames: Mapping[str, np.ndarray]
    """Variable → (F,) frame numbers; a latent belongs to the later frame of its transition."""
    cosine: np.ndarray
    """(K, K) cosine over all moving entries: 1 same direction, −1 opposite, NaN where a gradient is 0."""


def term_gradients(fit: Fit, snapshot: Snapshot | None = None) -> TermGradients:
    """The gradients of the active terms of the snapshot's phase, with one backward pass per term."""
    snapshot = snapshot or fit.current
    phase = snapshot.schedule[snapshot.phase]
    objective, packing = Objective(fit.problem_at(snapshot), phase, snapshot.prior_frame), snapshot.packing
    matrix = _matrix(objective, snapshot)
    pieces = [packing.split(row) for row in matrix]
    names = [block.name for block in packing.blocks]
    over_time = [name for name in names if name in PER_FRAME]
    return TermGradients(
        terms=tuple(term.name for term in objective.terms),
        norm={name: torch.stack([p[name].norm() for p in pieces]).numpy() for name in names},
        per_frame={name: torch.stack([p[name].flatten(2).norm(dim=-1) for p in pieces]).numpy() for name in over_time},
        frames={name: _frames(packing, name) for name in over_time},
        cosine=_cosines(matrix),
    )


def _matrix(objective: Objective, snapshot: Snapshot) -> Tensor:
    """(K, n): the gradient of each weighted term."""
    leaf = snapshot.packing.pack(snapshot.variables).detach().requires_grad_()
    residuals = objective.residuals(objective.predict(snapshot.packing.unpack(leaf, snapshot.variables)))
    rows = []
    for term in objective.terms:
        weighted = objective.phase.weight(term.weight) * objective.scale(term) * residuals[term.name].sum()
        row = None
        if weighted.requires_grad:
            (row,) = torch.autograd.grad(weighted, leaf, retain_graph=True, allow_unused=True)
        rows.append(torch.zeros_like(leaf) if row is None else row)
    return torch.stack(rows).detach()


def _frames(packing: Packing, name: str) -> np.ndarray:
    block = next(block for block in packing.blocks if block.name == name)
    index = np.arange(block.shape[1]) if block.frames is None else block.frames.numpy()
    return index + 1 if name == "latent_motion" else index


def _cosines(matrix: Tensor) -> np.ndarray:
    rows = matrix.double()
    length = rows.norm(dim=1)
    unit = rows / torch.where(length > 0, length, torch.nan)[:, None]
    return (unit @ unit.T).clamp(-1.0, 1.0).numpy()
