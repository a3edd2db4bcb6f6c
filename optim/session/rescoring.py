"""Past iterations under other weights, from the raw terms that were kept; nothing is evaluated again."""

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
    """What one evaluation would have been under other weights."""

    total: float
    """Of the terms that are known; comparable with another one's only if both miss the same terms."""
    terms: Mapping[str, float]
    """Term → share of the total."""
    missing: tuple[str, ...]
    """Terms that have a weight now but were not evaluated then, so that their raw value is not known."""


def rescore(evaluation: Evaluation, weights: Mapping[str, float], *, wanted: tuple[str, ...] = ()) -> Rescored:
    """An evaluation's loss under other weights.

    Args:
        weights: By weight name (``rgb_overlap_consist`` for all terms of the overlap); what is not named is 0.
        wanted: Terms that should be in the total; those with a weight that the evaluation lacks are ``missing``.

    Raises:
        InputError: A weight that is unknown, negative or not finite.
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
    """Snapshots of one phase on the way to a snapshot, all under the same weights: a curve without jumps at edits.

    Args:
        weights: Default: those that hold at the snapshot.

    Returns:
        Snapshot → its loss, in the order of the path. Scales (frames observed) are those of each snapshot's own time.
    """
    last = history[snapshot_id]
    weights = last.weights if weights is None else weights
    wanted = tuple(last.evaluation.terms)
    path = [entry for entry in history.path(snapshot_id) if entry.phase == last.phase]
    return [(entry.id, rescore(entry.evaluation, weights, wanted=wanted)) for entry in path]
