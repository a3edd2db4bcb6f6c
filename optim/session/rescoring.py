"""The loss of past iterations under other weights, from stored raw terms; nothing is evaluated again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optim.common.errors import InputError
from optim.objective.objective import Evaluation
from optim.schedule.terms import TERMS
from optim.schedule.weights import check_weight
from optim.session.history import History

_WEIGHT_OF = {term.name: term.weight for term in TERMS}


@dataclass(frozen=True)
class Rescored:
    """The result of one evaluation under other weights."""

    total: float
    """Sum of the known terms. Two totals are comparable only if they miss the same terms."""
    terms: Mapping[str, float]
    """Term → share of the total."""
    missing: tuple[str, ...]
    """Terms that have a weight now but were not evaluated then, so that their raw values are unknown."""


def rescore(evaluation: Evaluation, weights: Mapping[str, float], *, wanted: tuple[str, ...] = ()) -> Rescored:
    """An evaluation's loss under other weights.

    Args:
        weights: Name of a weight (``rgb_overlap_consist`` for all overlap terms) → value; other weights are 0.
        wanted: Terms that should be in the total; those that have a weight but were not evaluated become ``missing``.

    Raises:
        InputError: A weight or term is unknown, or a weight is negative or not finite.
    """
    for name, value in weights.items():
        check_weight(name, value)
    terms = {
        name: term.raw * term.scale * weights.get(_WEIGHT_OF[name], 0.0) for name, term in evaluation.terms.items()
    }
    for name in wanted:
        if name not in _WEIGHT_OF:
            raise InputError(f"no term is called {name!r}; there are {', '.join(_WEIGHT_OF)}")
    unknown = [name for name in wanted if name not in terms and weights.get(_WEIGHT_OF[name], 0.0) > 0]
    return Rescored(sum(terms.values()), terms, tuple(unknown))


def rescored_path(
    history: History, snapshot_id: int, *, weights: Mapping[str, float] | None = None
) -> list[tuple[int, Rescored]]:
    """The losses of the current phase up to a snapshot under the same weights: a curve without jumps at edits.

    Args:
        weights: The weights to use; None means those of the snapshot.

    Returns:
        Pairs of snapshot id and loss, in order. The scales of the terms (frames observed) are those of each snapshot.
    """
    last = history[snapshot_id]
    weights = last.weights if weights is None else weights
    wanted = tuple(last.evaluation.terms)
    path = [entry for entry in history.path(snapshot_id) if entry.phase == last.phase]
    return [(entry.id, rescore(entry.evaluation, weights, wanted=wanted)) for entry in path]
