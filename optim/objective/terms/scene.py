"""The input of the functions of loss terms, and the look-up of the function of a row of the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

from torch import Tensor

from optim.common.errors import InputError
from optim.objective.prediction import InPrior, Prediction
from optim.problem.observations import Masked, Observations, PreviousBatch
from optim.problem.problem import Problem
from optim.schedule.terms import Term

T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """The input of a loss term: the problem, the observations in the frames rolled out, and the prediction.

    A term may use only what its row declares (``Term.needs``, ``points`` and ``stage``).
    """

    problem: Problem
    seen: Observations
    predicted: Prediction

    @property
    def joints(self) -> Tensor:
        """Joints of the body (B, T, 22, 3) [m] in the input frame."""
        return self.predicted.points.joints

    @property
    def verts3d(self) -> Tensor:
        """Key vertices (B, T, 43, 3) [m] in the input frame; for terms with ``points="verts3d"``."""
        return there(self.predicted.points.verts3d)

    @property
    def betas(self) -> Tensor:
        """Shape coefficients (B, 16)."""
        return self.predicted.variables["betas"]

    @property
    def floor(self) -> Tensor:
        """The floor as normal · offset (B, 3) [m] in the camera frame."""
        return self.predicted.variables["floor_plane"]

    @property
    def expected(self) -> Masked:
        """Expected places of hidden joints in the frames rolled out; for terms that need ``expected``."""
        known, frames = self.problem.expected, self.seen.frames
        return Masked(known.values[:, :frames], known.mask[:, :frames])

    @property
    def in_prior(self) -> InPrior:
        """Joints, roll-out and contacts in the prior frame (z up, floor at z = 0); only in stage 3."""
        return there(self.predicted.in_prior)

    @property
    def previous(self) -> PreviousBatch:
        """The fitted sub-sequence before this batch; for terms that need ``previous``."""
        return there(self.seen.previous)


Residual = Callable[[Scene], Tensor]
"""A loss term's function. It returns unreduced residuals; ``Term.axis`` says what their first axes are."""


def residual_of(term: Term) -> Residual:
    """The function of a row of the table. It has the term's name and is in the module that the row names.

    Raises:
        InputError: There is no such module or function; the message names the expected place.
    """
    where = f"optim.objective.terms.{term.module}"
    try:
        residual: Residual = getattr(import_module(where), term.name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise InputError(f"loss term {term.name}: a function {term.name} is expected in {where} ({error})") from None
    return residual


def there(value: T | None) -> T:
    """The value, which is not None because the term's row declares that it needs it."""
    assert value is not None
    return value
