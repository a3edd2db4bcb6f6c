"""Gauss-Newton curvature of a loss at a snapshot, and its inverse by conjugate gradients.

The exact Hessian is of no use where a fit ends: the loss has kinks there (the decoder's ReLUs, ``contact_height``), and
differences of its gradient grow without bound as their step shrinks. The residuals are continuous, so J v is a central
difference of them, and Jᵀ one backward pass. A product costs two roll-outs without gradients and one backward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from optim.objective.objective import Objective
from optim.objective.preconditioner import measured_diagonal
from optim.objective.prediction import Prediction, detached
from optim.objective.terms.scene import Scene
from optim.objective.unknown_motion import weighed
from optim.sensitivity.residuals import RESIDUALS, Gates, gates_at
from optim.session.history import Snapshot
from optim.solver.solver import Point

DAMPING = 1e-4
"""Least curvature; a latent under its prior alone has about that."""
PROBE = 0.03
"""Length of the step of the central difference, in the units of the diagonal preconditioner."""
SOLVES = 20
"""Number of conjugate gradient iterations."""
Interrupt = Callable[[], bool]


class BrokenOffError(Exception):
    """A computation was broken off because something else was asked for."""


class Curvature:
    """The curvature at one snapshot under one objective.

    Args:
        objective: The loss; its weights may differ from those of the snapshot.
        preconditioner: (n,) diagonal preconditioner; None measures it.
        interrupt: Asked between two products; if it returns true, ``BrokenOffError`` is raised.
    """

    def __init__(
        self,
        objective: Objective,
        snapshot: Snapshot,
        *,
        preconditioner: Tensor | None = None,
        interrupt: Interrupt | None = None,
    ) -> None:
        self.objective, self.snapshot = objective, snapshot
        self._interrupt = interrupt
        self.leaf = snapshot.packing.pack(snapshot.variables).detach().requires_grad_()
        self.prediction = self.predict(self.leaf)
        with torch.no_grad():
            self._gates: Gates = gates_at(self._scene(detached(self.prediction)))
        self._residuals = self._scaled(self.prediction)
        if preconditioner is None:
            x, variables, packing = self.leaf.detach(), snapshot.variables, snapshot.packing
            gradient = self.gradient(objective.total(objective.residuals(self.prediction)))
            preconditioner, _ = measured_diagonal(objective, Point(x, 0.0, gradient), variables, packing)
        self.preconditioner = preconditioner

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
        """The damped curvature times a vector (n,)."""
        if self._interrupt is not None and self._interrupt():
            raise BrokenOffError
        length = float((v * v / self.preconditioner).sum().sqrt())
        if length == 0.0:
            return torch.zeros_like(v)
        step, x = PROBE / length, self.leaf.detach()
        with torch.no_grad():
            ahead, behind = (self._scaled(self.predict(x + sign * step * v)) for sign in (1.0, -1.0))
        along = [(a - b) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
        (back,) = torch.autograd.grad(self._residuals, self.leaf, grad_outputs=along, retain_graph=True)
        return back + DAMPING * v

    def solve(self, b: Tensor, *, iterations: int = SOLVES) -> Tensor:
        """The inverse curvature times a vector (n,), by so many preconditioned conjugate gradients."""
        return conjugate_gradients(self.times, b, partial(torch.mul, self.preconditioner), iterations=iterations)

    def _scene(self, prediction: Prediction) -> Scene:
        return Scene(self.objective.problem, self.objective.seen, prediction)

    def _scaled(self, prediction: Prediction) -> list[Tensor]:
        """The residuals of all terms under the roots of weight and scale."""
        scene, found = self._scene(prediction), []
        for term in self.objective.terms:
            if term.name in RESIDUALS:
                factor = self.objective.phase.weight(term.weight) * self.objective.scale(term)
                residual = RESIDUALS[term.name](scene, self._gates)
                found.append(factor**0.5 * weighed(residual, self.objective.factor(term), squares=True).flatten())
        return found


def conjugate_gradients(
    times: Callable[[Tensor], Tensor], b: Tensor, precondition: Callable[[Tensor], Tensor], *, iterations: int
) -> Tensor:
    """Approximate solution x (n,) of A x = b for a positive definite A, after at most so many iterations.

    Source: Nocedal and Wright, algorithm 5.3.
    """
    x, residual = torch.zeros_like(b), b.clone()
    scaled = precondition(residual)
    direction, size = scaled.clone(), float(residual @ scaled)
    for _ in range(iterations):
        if size <= 0.0:
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
