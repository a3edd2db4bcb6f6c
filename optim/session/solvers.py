"""The solver of a phase: the module of ``optim.solver`` that the schedule names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optim.schedule.phases import Phase
from optim.solver import lbfgs
from optim.solver.solver import Solver

MODULES: Mapping[str, Solver] = {"lbfgs": lbfgs}
"""Name of a solver (``schedule.solvers.SOLVERS``) → its module."""


def solver_of(phase: Phase) -> Solver:
    """The solver that the schedule gives a phase."""
    return MODULES[phase.solver]


def options_of(phase: Phase) -> Any:
    """The options of the solver in a phase."""
    return solver_of(phase).Options(max_iterations=phase.iterations)
