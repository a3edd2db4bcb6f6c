"""The Gauss-Newton Hessian of stage 3's loss with nothing left out, in float64, and its inverse.

A solver is served as well by a model with the networks' mean Jacobian and with each sub-sequence by itself. Where the
minimum moves when the loss changes is not told by that: with the mean Jacobian, predictions were several times off. So
here every step has its own Jacobian, and sub-sequences that overlap are coupled.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optim.objective.objective import Objective
from optim.objective.rollout_model.coupling import coupling
from optim.objective.rollout_model.model import Inverse, factorised, latents_of, quadratic
from optim.objective.rollout_model.rows import Linearised
from optim.objective.terms.scene import Scene
from optim.problem.variables import Packing, Variables


class ExactModel:
    """The Hessian around one point, as an operator on flat vectors (n,) in float64.

    Args:
        x: (n,) the flat vector at which the roll-out is linearised.

    Raises:
        ValueError: The loss or its derivatives are not finite at x.
    """

    def __init__(self, objective: Objective, variables: Variables, packing: Packing, x: Tensor) -> None:
        with torch.no_grad():
            found, self._entry = quadratic(objective, variables, packing, x, averaged=None)
            scene = Scene(objective.problem, objective.seen, objective.predict(packing.unpack(x, variables)))
            self._coupling = coupling(objective, Linearised(scene), self._entry)
        if not found.finite:
            raise ValueError("the Gauss-Newton model is not finite here")
        self._model = found.double()
        self._latents, self._steps = latents_of(packing, found)

    def inverse_apart(self, damping: float) -> Inverse:
        """The inverse for each sub-sequence by itself: of the damped Hessian without the blocks between them."""
        return Inverse(factorised(self._model, damping), self._entry, self._latents, self._steps)

    def times(self, vector: Tensor) -> Tensor:
        """The Hessian times a vector."""
        first, latents = vector[self._entry.places], vector.new_zeros(*self._model.sharpness.shape)
        latents[:, self._steps] = vector[self._latents]
        between = None if self._coupling is None else self._coupling.of_frames
        of_first, of_latents = self._model.product(first, latents, between)
        if self._coupling is not None:
            of_first = of_first + self._coupling.of_first(first)
        found = torch.zeros_like(vector)
        found[self._entry.places], found[self._latents] = of_first, of_latents[:, self._steps]
        return found
