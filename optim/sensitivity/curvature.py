"""Gauss-Newton curvature of a loss at a snapshot, and solutions with it.

The exact Hessian is of no use where a fit ends: the loss has kinks there (the decoder's ReLUs, ``contact_height``), and
differences of its gradient grow without bound as their step shrinks. The matrix is that of ``gauss_newton`` in stages 1
and 2 and of ``rollout_model.exact`` in stage 3. Conjugate gradients with a diagonal preconditioner in the place of the
latter need some hundred iterations for what one sweep does (docs/lab/effects.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.objective.gauss_newton import gauss_newton
from optim.objective.objective import Objective
from optim.objective.prediction import Prediction
from optim.objective.rollout_model.exact import ExactModel
from optim.objective.rollout_model.model import Inverse, reasons_against
from optim.session.history import Snapshot
from optim.solver.banded import BorderedBand

DAMPING = 0.1
"""Share by which the diagonal is made larger, for the curvature that the model leaves out: kinks, contact probabilities
and the variance of the motion prior. With less, changes are predicted up to twice too large (docs/lab/effects.md)."""
TOLERANCE = 0.01
"""Error at which a solution ends, as a share of the first one; both measured by the preconditioner."""
SOLVES = 40
"""Largest number of conjugate gradient iterations. One is enough but where sub-sequences overlap."""
Interrupt = Callable[[], bool]
Map = Callable[[Tensor], Tensor]


class BrokenOffError(Exception):
    """A computation was broken off because something else was asked for."""


class Curvature:
    """The curvature at one snapshot under one objective.

    Args:
        objective: The loss; its weights may differ from those of the snapshot.
        interrupt: Asked between the parts of a solution; if it returns true, ``BrokenOffError`` is raised.

    Raises:
        InputError: There is no model of the curvature in this phase.
    """

    def __init__(self, objective: Objective, snapshot: Snapshot, *, interrupt: Interrupt | None = None) -> None:
        if objective.phase.stage == 3 and (reasons := reasons_against(objective)):
            why = ", ".join(reasons)
            raise InputError(f"effects cannot be predicted in {objective.phase.name}: {why}; try a weight instead")
        self.objective, self.snapshot = objective, snapshot
        self._interrupt = interrupt
        self._inverses: dict[float, Inverse] = {}
        self.leaf = snapshot.packing.pack(snapshot.variables).detach().requires_grad_()
        self.prediction = self.predict(self.leaf)

    def predict(self, x: Tensor) -> Prediction:
        """The motion at a flat vector (n,)."""
        return self.objective.predict(self.snapshot.packing.unpack(x, self.snapshot.variables))

    def gradient(self, value: Tensor) -> Tensor:
        """Gradient (n,) of a number that was computed from ``prediction``."""
        (found,) = torch.autograd.grad(value, self.leaf, retain_graph=True, allow_unused=True)
        return torch.zeros_like(self.leaf) if found is None else found.detach()

    def term_gradients(self) -> dict[str, Tensor]:
        """Name of a weight → gradient (n,) of all terms under it, weighted."""
        raw, found = self.objective.residuals(self.prediction), dict[str, Tensor]()
        for term in self.objective.terms:
            factor = self.objective.phase.weight(term.weight) * self.objective.scale(term)
            pull = self.gradient(factor * raw[term.name].sum())
            found[term.weight] = found[term.weight] + pull if term.weight in found else pull
        return found

    def times(self, v: Tensor) -> Tensor:
        """The curvature times a vector (n,)."""
        model = self._model
        return (model.product(v) if isinstance(model, BorderedBand) else model.times(v.double())).to(v.dtype)

    def solve(self, b: Tensor, *, damping: float | None = None) -> Tensor:
        """The inverse of the damped curvature times a vector (n,).

        Args:
            damping: Share by which the diagonal is made larger; None means ``DAMPING`` in stage 3, and none before.
        """
        model = self._model
        self._ask()
        if isinstance(model, BorderedBand):
            try:
                return -model.step(b, damping or 0.0)
            except ArithmeticError as error:
                raise InputError(f"effects cannot be predicted here: {error}") from error
        inverse = self._inverse(model, DAMPING if damping is None else damping)

        def times(v: Tensor) -> Tensor:
            self._ask()
            return model.times(v) + inverse.added(v)

        return conjugate_gradients(times, b.double(), inverse).to(b.dtype)

    def _inverse(self, model: ExactModel, damping: float) -> Inverse:
        """The latest one is kept, for several figures."""
        if damping not in self._inverses:
            try:
                self._inverses = {damping: model.inverse_apart(damping)}
            except ArithmeticError as error:
                raise InputError(f"effects cannot be predicted here: {error}") from error
        return self._inverses[damping]

    @cached_property
    def _model(self) -> BorderedBand | ExactModel:
        here, x = self.snapshot, self.leaf.detach()
        self._ask()
        try:
            if self.objective.phase.stage < 3:
                return replace(gauss_newton(self.objective, x, here.variables, here.packing), longest=None)
            return ExactModel(self.objective, here.variables, here.packing, x)
        except (ValueError, ArithmeticError) as error:
            raise InputError(f"effects cannot be predicted here: {error}") from error

    def _ask(self) -> None:
        if self._interrupt is not None and self._interrupt():
            raise BrokenOffError


def conjugate_gradients(
    times: Map, b: Tensor, precondition: Map, *, iterations: int = SOLVES, tolerance: float = TOLERANCE
) -> Tensor:
    """Approximate solution x (n,) of A x = b for a positive definite A.

    It ends when no more than the tolerance is left of the error, or after so many iterations.
    Source: Nocedal and Wright, algorithm 5.3.
    """
    x, residual = torch.zeros_like(b), b.clone()
    scaled = precondition(residual)
    direction, size = scaled.clone(), float(residual @ scaled)
    enough = tolerance**2 * size
    for _ in range(iterations):
        if size <= enough:
            break
        bent = times(direction)
        curvature = float(direction @ bent)
        if curvature <= 0.0:
            break
        length = size / curvature
        x, residual = x + length * direction, residual - length * bent
        scaled = precondition(residual)
        size, before = float(residual @ scaled), size
        direction = scaled + (size / before) * direction
    return x


def weights_apart(gradients: Mapping[str, Tensor], solved: Tensor) -> dict[str, float]:
    """Name of a weight → change of a figure for a change of the logarithm of that weight by 1.

    Args:
        gradients: ``Curvature.term_gradients``.
        solved: (n,) inverse curvature times the gradient of the figure.
    """
    return {name: -float(solved @ pull) for name, pull in gradients.items()}
