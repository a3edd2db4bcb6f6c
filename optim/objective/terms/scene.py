"""What the functions of loss terms are given, and how the function of a row of the table is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

from torch import Tensor

from optim.common.errors import InputError
from optim.objective.prediction import InPrior, Prediction
from optim.problem.observations import Observations, PreviousBatch
from optim.problem.problem import Problem
from optim.schedule.terms import Term

T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """What a loss term may look at: the problem, what was observed in the frames rolled out, and the prediction.

    A term may ask only for what its row promises (``Term.needs``, ``points`` and ``stage``).
    """

    problem: Problem
    seen: Observations
    predicted: Prediction

    @property
    def joints(self) -> Tensor:
        """(B, T, 22, 3) joints of the body [m] in the frame of the input."""
        return self.predicted.points.joints

    @property
    def verts3d(self) -> Tensor:
        """(B, T, 43, 3) key vertices [m] in the frame of the input; of a term with ``points="verts3d"``."""
        return there(self.predicted.points.verts3d)

    @property
    def betas(self) -> Tensor:
        """(B, 16) coefficients of the body's shape."""
        return self.predicted.variables["betas"]

    @property
    def floor(self) -> Tensor:
        """(B, 3) normal · offset of the floor [m] in the frame of the camera."""
        return self.predicted.variables["floor_plane"]

    @property
    def in_prior(self) -> InPrior:
        """Joints, roll-out and contacts in the prior frame (z up, floor at z = 0); from stage 3 on."""
        return there(self.predicted.in_prior)

    @property
    def previous(self) -> PreviousBatch:
        """The fitted sub-sequence before this batch; of a term that needs ``previous``."""
        return there(self.seen.previous)


Residual = Callable[[Scene], Tensor]
"""A loss term's function: unreduced residuals, whose first axes are as ``Term.axis`` says."""


def residual_of(term: Term) -> Residual:
    """The function of a row of the table: it has the term's name and is in the module that the row names.

    Raises:
        InputError: There is no such module or function; says where it was looked for.
    """
    where = f"optim.objective.terms.{term.module}"
    try:
        return getattr(import_module(where), term.name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"loss term {term.name}: a function {term.name} is expected in {where} ({error})") from None


def there(value: T | None) -> T:
    """The value, which the term's row promises not to be None."""
    assert value is not None
    return value
