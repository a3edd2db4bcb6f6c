"""The numbers of a solver's state as JSON, under the names that run files use; its vectors are stored elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from torch import Tensor

from optim.solver.lbfgs import LbfgsState, Pair, Trial
from optim.solver.modelled_lbfgs import Made, ModelledState
from optim.solver.solver import Point, State

_MADE = tuple(field.name for field in fields(Made) if field.name != "x")
_COMMON = tuple(field.name for field in fields(State) if field.name != "point")


def pairs_of(solver: State) -> tuple[Pair, ...]:
    """The curvature pairs of a state; only L-BFGS has any."""
    return solver.pairs if isinstance(solver, LbfgsState) else ()


def modelled_at(solver: State) -> Tensor | None:
    """The point (n,) where the solver's model was made; None if it has none."""
    return solver.made.x if isinstance(solver, ModelledState) and solver.made is not None else None


def solver_text(solver: State, *, model: int | None = None) -> str:
    """The state as JSON without vectors, pairs and preconditioner.

    Args:
        model: Id of the point where its model was made.

    Raises:
        TypeError: Run files do not know the states of this solver.
    """
    known: dict[str, Any] = {name: getattr(solver, name) for name in _COMMON}
    known["value"] = solver.point.value
    if not isinstance(solver, LbfgsState):
        raise TypeError(f"a {type(solver).__name__} cannot be kept in a run file")
    known["scale"] = solver.scale
    known["trials"] = [[t.step_length, t.value, t.slope, t.armijo, t.wolfe, t.search] for t in solver.trials]
    if isinstance(solver, ModelledState):
        known["made"] = None if solver.made is None else {name: getattr(solver.made, name) for name in _MADE}
        if known["made"] is not None:
            known["made"]["x"] = model
    return json.dumps(known, separators=(",", ":"))


def read_solver(
    known: dict[str, Any],
    x: Tensor,
    gradient: Tensor,
    pairs: tuple[Pair, ...],
    *,
    vector: Callable[[int], Tensor],
) -> State:
    """The state from what ``solver_text`` wrote; the caller adds the preconditioner, which is in ``stretches``.

    Args:
        vector: Reads the vector with an id.
    """
    common = {name: known[name] for name in _COMMON}
    trials = tuple(Trial(*trial) for trial in known["trials"])
    point, rest = Point(x, known["value"], gradient), {"pairs": pairs, "scale": known["scale"], "trials": trials}
    if "made" not in known:
        return LbfgsState(point, **rest, **common)
    made = known["made"]
    if made is not None:
        made = Made(vector(made["x"]), **{name: made[name] for name in _MADE})
    return ModelledState(point, **rest, **common, made=made)
