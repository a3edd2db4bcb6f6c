"""The solvers that a stage can have, as data; their modules are in ``optim.session.solvers``. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from optim.common.errors import InputError

SolverName = Literal["lbfgs", "lbfgs-gn", "levenberg-marquardt"]


MODELLED: SolverName = "lbfgs-gn"
"""The solver that needs a model of the loss, or a measured diagonal where there is none."""


@dataclass(frozen=True)
class SolverChoice:
    """One row of the table of solvers."""

    name: SolverName
    label: str
    """Short name for the window."""
    stages: tuple[int, ...]
    """The stages that it can solve."""
    help: str
    """What it does, as one sentence without a full stop; shown by the window."""


SOLVERS: dict[str, SolverChoice] = {
    choice.name: choice
    for choice in (
        SolverChoice(
            "lbfgs", "L-BFGS", (1, 2, 3), "a line search along a direction from past gradients; the public code has it"
        ),
        SolverChoice(
            "lbfgs-gn",
            "GN",
            (3,),
            "L-BFGS that begins from the inverse of a Gauss-Newton model of the roll-out, with a few times fewer"
            " iterations",
        ),
        SolverChoice(
            "levenberg-marquardt",
            "LM",
            (1, 2),
            "Levenberg–Marquardt: damped steps to the minimum of squares whose derivatives are known",
        ),
    )
}
"""Name of a solver → its row."""


def solvers_of(stage: int) -> tuple[str, ...]:
    """Names of the solvers that a stage can have."""
    return tuple(name for name, choice in SOLVERS.items() if stage in choice.stages)


def checked_solver(name: str, stage: int) -> SolverName:
    """The name, if it is that of a solver that the stage can have.

    Raises:
        InputError: There is no such solver, or it cannot solve the stage.
    """
    if name not in SOLVERS:
        raise InputError(f"solver {name!r} is not known; there are {', '.join(SOLVERS)}")
    if stage not in SOLVERS[name].stages:
        raise InputError(f"solver {name} cannot solve stage {stage}; it takes {', '.join(solvers_of(stage))}")
    return SOLVERS[name].name


def checked_solvers(names: Sequence[str]) -> tuple[SolverName, SolverName, SolverName]:
    """The solvers of stages 1, 2, 3.

    Raises:
        InputError: There are not three names, or one of them is not that of a solver of its stage.
    """
    if len(names) != 3:
        raise InputError(f"solvers are {', '.join(names)}; give three, one per stage")
    first, second, third = (checked_solver(name, stage) for stage, name in enumerate(names, 1))
    return first, second, third
