"""Weights by name, derived from the table of terms: flags, default values, and checks of values that users give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from optim.common.errors import InputError
from optim.schedule.data_types import DATA_TYPES
from optim.schedule.terms import TERMS, Need, Triple, Weights

WEIGHTS: dict[str, Weights] = {term.weight: term.weights for term in TERMS}
"""Name of a weight → its default values."""
MOST = 1e9
"""Largest weight. The largest in HuMoR's configurations is 2,000; above 1e9 sums of squares overflow float32."""
WEIGHT_NAMES = tuple(WEIGHTS)
WEIGHT_FLAGS = {term.flag: term.weight for term in TERMS}
"""Flag of the command line → name of the weight."""
WEIGHT_HELP = {term.weight: term.help for term in TERMS}


def weights_that_need(need: Need) -> frozenset[str]:
    """Names of the weights of terms that need a given input (``Term.needs``)."""
    return frozenset(term.weight for term in TERMS if need in term.needs)


def weights_that_join(phase: str) -> tuple[str, ...]:
    """Names of the weights of terms that join in a phase of stage 3 (``Term.joins``), in the order of ``TERMS``."""
    return tuple(dict.fromkeys(term.weight for term in TERMS if term.joins == phase))


_WITH_NODES = weights_that_need("nodes")
PUBLIC_WEIGHTS: dict[str, dict[str, Triple]] = {
    data_type: {
        name: weights.public[data_type]
        for name, weights in WEIGHTS.items()
        if data_type in weights.public and name not in _WITH_NODES
    }
    for data_type in DATA_TYPES
}
"""Data type → name of a weight → its values in stages 1, 2, 3 in the public configurations; other weights are 0."""


def default_weights(data_type: str, *, own: bool, nodes: bool, planted: bool = False) -> dict[str, Triple]:
    """Default weights of a data type; weights that are not named are 0.

    Args:
        data_type: A name in ``DATA_TYPES``.
        own: Use our own values in place of the public ones where they exist.
        nodes: Include the weights of multiple shooting.
        planted: Use the terms of planted joints in place of the public contact terms.
    """
    table = dict(PUBLIC_WEIGHTS[data_type])
    for name, weights in WEIGHTS.items():
        if own and data_type in weights.own:
            table[name] = weights.own[data_type]
        if planted and data_type in weights.planted:
            table[name] = weights.planted[data_type]
        if nodes and name in _WITH_NODES and data_type in weights.public:
            table[name] = weights.public[data_type]
    return table


def split_weights(data_type: str) -> dict[str, Triple]:
    """Weights that differ from the public ones where a clip is split into sub-sequences."""
    return {name: weights.split[data_type] for name, weights in WEIGHTS.items() if data_type in weights.split}


def check_weight(name: str, value: float) -> None:
    """Raise ``InputError`` unless ``name`` is a term's weight and ``value`` a number from 0 to ``MOST``."""
    if name not in WEIGHTS:
        raise InputError(f"no weight is called {name!r}; there are {', '.join(WEIGHTS)}")
    if not (0 <= value <= MOST):
        raise InputError(f"weight {name} is {value}; a finite number of at least 0 and at most {MOST:g} is needed")


def checked_weights(weights: Mapping[str, Sequence[float]]) -> dict[str, Triple]:
    """Weights in stages 1, 2, 3 as a user gave them, after checks.

    Raises:
        InputError: A name is unknown, there are not three values, or a value is negative or not finite.
    """
    checked: dict[str, Triple] = {}
    for name, values in weights.items():
        if len(values) != 3:
            raise InputError(f"weight {name} has {len(values)} values; give three, one per stage")
        for value in values:
            check_weight(name, value)
        checked[name] = (float(values[0]), float(values[1]), float(values[2]))
    return checked
