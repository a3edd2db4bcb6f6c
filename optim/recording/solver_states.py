"""The numbers of a solver's state as JSON, under the names that run files use; its vectors are stored elsewhere."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

from torch import Tensor

from optim.solver.lbfgs import LbfgsState, Pair, Trial
from optim.solver.solver import Point, State

_COMMON = tuple(field.name for field in fields(State) if field.name != "point")


def pairs_of(solver: State) -> tuple[Pair, ...]:
    """The curvature pairs of a state; only L-BFGS has any."""
    return solver.pairs if isinstance(solver, LbfgsState) else ()


def solver_text(solver: State) -> str:
    """The state as JSON without vectors, pairs and preconditioner.

    Raises:
        TypeError: Run files do not know the states of this solver.
    """
    known: dict[str, Any] = {name: getattr(solver, name) for name in _COMMON}
    known["value"] = solver.point.value
    if not isinstance(solver, LbfgsState):
        raise TypeError(f"a {type(solver).__name__} cannot be kept in a run file")
    known["scale"] = solver.scale
    known["trials"] = [[t.step_length, t.value, t.slope, t.armijo, t.wolfe, t.search] for t in solver.trials]
    return json.dumps(known, separators=(",", ":"))


def read_solver(known: dict[str, Any], x: Tensor, gradient: Tensor, pairs: tuple[Pair, ...]) -> State:
    """The state from what ``solver_text`` wrote; the caller adds the preconditioner, which is in ``stretches``."""
    common = {name: known[name] for name in _COMMON}
    trials = tuple(Trial(*trial) for trial in known["trials"])
    return LbfgsState(Point(x, known["value"], gradient), pairs=pairs, scale=known["scale"], trials=trials, **common)
