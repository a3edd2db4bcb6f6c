"""The numbers of a solver's state as JSON, under the names that run files use; its vectors are stored elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from torch import Tensor

from optim.solver import levenberg_marquardt
from optim.solver.lbfgs import LbfgsState, Pair, Trial
from optim.solver.levenberg_marquardt import LevenbergMarquardtState
from optim.solver.modelled_lbfgs import Made, ModelledState
from optim.solver.solver import Point, State

_MADE = tuple(field.name for field in fields(Made) if field.name != "x")
_COMMON = tuple(field.name for field in fields(State) if field.name != "point")

_DAMPED = "levenberg-marquardt"


def pairs_of(solver: State) -> tuple[Pair, ...]:
    """The curvature pairs of a state; only L-BFGS has any."""
    return solver.pairs if isinstance(solver, LbfgsState) else ()


def modelled_at(solver: State) -> Tensor | None:
    """The point (n,) where the solver's model was made; None if it has none."""
    return solver.made.x if isinstance(solver, ModelledState) and solver.made is not None else None


def solver_text(solver: State, *, model: int | None = None) -> str:
    """The state as JSON without vectors, pairs and preconditioner.

    A state of L-BFGS has no name of its solver, because the first run files knew no other.

    Args:
        model: Id of the point where its model was made.

    Raises:
        TypeError: Run files do not know the states of this solver.
    """
    known: dict[str, Any] = {name: getattr(solver, name) for name in _COMMON}
    known["value"] = solver.point.value
    if isinstance(solver, LbfgsState):
        known["scale"] = solver.scale
        known["trials"] = [[t.step_length, t.value, t.slope, t.armijo, t.wolfe, t.search] for t in solver.trials]
        if isinstance(solver, ModelledState):
            made = solver.made
            known["made"] = made and {**{name: getattr(made, name) for name in _MADE}, "x": model}
    elif isinstance(solver, LevenbergMarquardtState):
        known["solver"] = _DAMPED
        known["damping"], known["small_gains"] = solver.damping, solver.small_gains
        known["trials"] = [[t.damping, t.value, t.promised, t.gain, t.accepted] for t in solver.trials]
    else:
        raise TypeError(f"a {type(solver).__name__} cannot be kept in a run file")
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
    point = Point(x, known["value"], gradient)
    if known.get("solver") == _DAMPED:
        steps = tuple(levenberg_marquardt.Trial(*trial) for trial in known["trials"])
        damping, small_gains = known["damping"], known["small_gains"]
        return LevenbergMarquardtState(point, damping=damping, small_gains=small_gains, trials=steps, **common)
    trials = tuple(Trial(*trial) for trial in known["trials"])
    rest = {"pairs": pairs, "scale": known["scale"], "trials": trials}
    if "made" not in known:
        return LbfgsState(point, **rest, **common)
    made = known["made"]
    if made is not None:
        made = Made(vector(made["x"]), **{name: made[name] for name in _MADE})
    return ModelledState(point, **rest, **common, made=made)
