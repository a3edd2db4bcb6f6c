"""The solver of a phase: the module of ``optim.solver`` that the schedule names, and the models that it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from torch import Tensor

from optim.objective.gauss_newton import gauss_newton
from optim.objective.objective import Objective
from optim.objective.rollout_model.model import RolloutModel
from optim.problem.problem import Problem
from optim.problem.variables import Packing, Variables
from optim.schedule.phases import Phase
from optim.solver import lbfgs, levenberg_marquardt, modelled_lbfgs
from optim.solver.solver import Model, Solver

MODULES: Mapping[str, Solver] = {
    "lbfgs": lbfgs,
    "lbfgs-gn": modelled_lbfgs,
    "levenberg-marquardt": levenberg_marquardt,
}
"""Name of a solver (``schedule.solvers.SOLVERS``) → its module."""


def solver_of(phase: Phase) -> Solver:
    """The solver that the schedule gives a phase."""
    return MODULES[phase.solver]


def options_of(phase: Phase) -> Any:
    """The options of the solver in a phase."""
    return solver_of(phase).Options(max_iterations=phase.iterations)


class Models:
    """Answers a solver's requests for models. The last model is kept, because several iterations ask for the same.

    A model follows from the objective and the point alone, so a fit that was rewound or resumed gets the same again.
    It does not follow the strength of planted joints that is held for an outer step, and outlives it.
    """

    def __init__(self) -> None:
        self._known: tuple[Objective, Packing, Tensor, Model | None] | None = None

    def __reduce__(self) -> tuple[type[Models], tuple[()]]:
        """Leave out the model where a session is pickled: it is larger than the rest, and can be made again."""
        return Models, ()

    def at(self, x: Tensor, objective: Objective, variables: Variables, packing: Packing) -> Model | None:
        """The model of an objective at the flat vector x (n,); None where its numbers are not finite."""
        known = self._known
        if known is None or not (known[1] is packing and known[2] is x and alike(known[0], objective)):
            try:
                model: Model | None = _model(objective, x, variables, packing)
            except ValueError:
                model = None
            known = self._known = (objective, packing, x, model)
        return known[3]


def alike(one: Objective, other: Objective) -> bool:
    """Whether two objectives differ in nothing but the strength of planted joints that is held."""
    if one is other:
        return True
    given = [field.name for field in fields(Problem) if field.name != "planted"]
    same = one.phase is other.phase and one.prior_frame is other.prior_frame
    return same and all(getattr(one.problem, name) is getattr(other.problem, name) for name in given)


def _model(objective: Objective, x: Tensor, variables: Variables, packing: Packing) -> Model:
    """The model at the flat vector x (n,); joints are planted in it as strongly as they are there."""
    if objective.phase.stage < 3:
        return gauss_newton(objective, x, variables, packing)
    if objective.problem.planted is not None:
        objective = Objective(replace(objective.problem, planted=None), objective.phase, objective.prior_frame)
    return RolloutModel(objective, variables, packing, x)
