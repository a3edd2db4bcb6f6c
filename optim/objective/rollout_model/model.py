"""The Gauss-Newton model of the loss of stage 3 at one point, and its inverse as an operator on gradients.

It is not a step of its own: near the minimum the curvature that it leaves out (contact probabilities, the variance of
the motion prior, kinks) makes full Gauss-Newton steps crawl. As the initial inverse Hessian of L-BFGS it saves most of
the iterations (docs/optimiser.md). Knows no solver.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from optim.common.threads import together
from optim.common.timing import section
from optim.objective.objective import Objective
from optim.objective.prediction import turn_of
from optim.objective.rollout_model.deviations import SIZE
from optim.objective.rollout_model.entry import LATENTS, Entry, entry
from optim.objective.rollout_model.networks import AVERAGED, network_jacobians
from optim.objective.rollout_model.rows import FIRST_ROWS, FRAME_ROWS, OWN_CURVATURE, STEP_ROWS, Linearised
from optim.objective.rollout_model.sweep import Factors, Quadratic, factorise
from optim.objective.rollout_model.transitions import canonical_states, headings, states_of, transitions
from optim.objective.terms.scene import Scene
from optim.objective.unknown_motion import weighed
from optim.priors.motion_prior import LATENT_SIZE
from optim.problem.variables import Packing, Variables
from optim.schedule.terms import Term

MOTION_PRIOR = "motion_prior"
"""The term of the latents themselves, which the sweep treats by itself."""
KEPT = 256
"""Number of gradients whose answers are kept: more than two for each curvature pair of L-BFGS."""
LEAST_DAMPING, MOST_DAMPING = 1e-4, 1e6
"""Dampings that are tried first and last where the model without damping is not positive definite."""
Row = TypeVar("Row")


@dataclass(frozen=True)
class Inverse:
    """The inverse of the damped Hessian of the model, as a map of flat vectors (n,)."""

    factors: Factors
    entry: Entry
    latents: Tensor  # (B, N', L) int: place in the flat vector of each moving latent
    steps: Tensor  # (N',) int: their steps

    def __call__(self, vector: Tensor) -> Tensor:
        """The result for one vector. It does not depend on which other vectors were asked for."""
        inner = vector.new_zeros(*self.factors.inverses.shape[:3])
        inner[:, self.steps] = vector[self.latents]
        first, latents = self.factors.solve(vector[self.entry.places], inner)
        found = torch.zeros_like(vector)
        found[self.entry.places], found[self.latents] = first, latents[:, self.steps]
        return found

    def added(self, vector: Tensor) -> Tensor:
        """What the damping adds to the Hessian, times a vector."""
        of_latents, of_first = self.factors.added
        found = torch.zeros_like(vector)
        found[self.entry.places] = of_first * vector[self.entry.places]
        found[self.latents] = of_latents[:, self.steps] * vector[self.latents]
        return found


def reasons_against(objective: Objective) -> tuple[str, ...]:
    """Why there is no model of an objective, as phrases; empty where there is one."""
    if objective.phase.stage < 3:
        return ("only stage 3 has a roll-out",)
    reasons = () if objective.phase.segment is None else ("multiple shooting has its own blocks of variables",)
    return reasons + tuple(f"{name} has no rows in it" for name in _without_rows(objective))


class RolloutModel:
    """The model of the loss of stage 3 around one point, as a ``solver.Model``.

    Args:
        x: (n,) the flat vector at which the roll-out is linearised.

    Raises:
        ValueError: The loss or its derivatives are not finite at x.
    """

    def __init__(self, objective: Objective, variables: Variables, packing: Packing, x: Tensor) -> None:
        with torch.no_grad(), section("model"):
            self.quadratic, self.entry = quadratic(objective, variables, packing, x)
        if not self.quadratic.finite:
            raise ValueError("the Gauss-Newton model is not finite here")
        self._latents, self._steps = latents_of(packing, self.quadratic)
        self._inverses: dict[float, Inverse] = {}
        self._answers: OrderedDict[tuple[int, float], tuple[Tensor, Tensor]] = OrderedDict()

    def inverse(self, damping: float) -> Inverse:
        """The inverse of the damped Hessian; if it is not positive definite, the damping grows until it is."""
        if damping not in self._inverses:
            with section("model"):
                factors = factorised(self.quadratic, damping)
            self._inverses = {damping: Inverse(factors, self.entry, self._latents, self._steps)}
        return self._inverses[damping]

    def step(self, gradient: Tensor, damping: float) -> Tensor:
        """The step (n,) to the minimum of the damped model; the answers to the latest gradients are kept."""
        key = id(gradient), damping
        if key not in self._answers:
            self._answers[key] = gradient, -self.inverse(damping)(gradient)
            if len(self._answers) > KEPT:
                self._answers.popitem(last=False)
        return self._answers[key][1]

    def curvature(self, step: Tensor) -> float:
        """Second derivative of the undamped model along a step (n,)."""
        model, latents = self.quadratic, step.new_zeros(*self.quadratic.sharpness.shape)
        latents[:, self._steps] = step[self._latents]
        return model.curvature(step[self.entry.places], latents)


def latents_of(packing: Packing, model: Quadratic) -> tuple[Tensor, Tensor]:
    """Place in the flat vector of each moving latent (B, N', 48), and their steps (N',)."""
    empty = torch.zeros(len(model.own), 0, LATENT_SIZE, dtype=torch.long)
    places = packing.split(torch.arange(packing.size)).get(LATENTS, empty)
    return places, torch.tensor(model.moving).nonzero()[:, 0]


def factorised(model: Quadratic, damping: float) -> Factors:
    """The factors of the damped model; if it is not positive definite, the damping grows until it is.

    Raises:
        ArithmeticError: It is not positive definite with the largest damping either.
    """
    while (factors := factorise(model, damping=damping)) is None:
        if damping >= MOST_DAMPING:
            raise ArithmeticError("the Gauss-Newton model is not positive definite with any damping")
        damping = max(10.0 * damping, LEAST_DAMPING)
    return factors


def quadratic(
    objective: Objective, variables: Variables, packing: Packing, x: Tensor, *, averaged: int | None = AVERAGED
) -> tuple[Quadratic, Entry]:
    """The model at the flat vector x (n,) before elimination; ``averaged`` as in ``networks.network_jacobians``."""
    problem, there = objective.problem, packing.unpack(x, variables)
    prediction = objective.predict(there)
    scene = Scene(problem, objective.seen, prediction)
    here, steps = Linearised(scene), objective.seen.frames - 1
    states = states_of(scene.in_prior.rollout)
    before = states.until(steps)
    heading = headings(before.root_orient, turn=turn_of(objective.phase.preset))
    inputs = canonical_states(before, heading)
    networks = network_jacobians(problem.motion_prior, inputs, there[LATENTS][:, :steps], averaged=averaged)

    def of_terms() -> tuple[Entry, dict[str, Tensor]]:
        first = entry(problem, there, packing, frame=objective.prior_frame)
        return first, _of_terms(objective, here, first)

    moves, (first, parts) = together(lambda: transitions(states, heading, networks), of_terms)
    moving = torch.zeros(steps, dtype=torch.bool)
    for block in packing.blocks:
        if block.name == LATENTS:
            moving[slice(None) if block.frames is None else block.frames] = True
    model = Quadratic(
        by_state=moves.by_state,
        by_latent=moves.by_latent,
        mean=moves.mean,
        entry=first.jacobian,
        moving=tuple(moving.tolist()),
        **parts,
    )
    return model, first


def _sharpness(objective: Objective, scene: Scene) -> Tensor:
    """Roots (B, T-1, 48) of the curvature of the motion prior along its latents; 0 where the term is not active."""
    variance = scene.in_prior.rollout.prior_var
    for term in objective.terms:
        if term.name == MOTION_PRIOR:
            sharp = (objective.phase.weight(term.weight) / variance).sqrt()
            return weighed(sharp, objective.factor(term), squares=True)
    return torch.zeros_like(variance)


def _of_terms(objective: Objective, here: Linearised, first: Entry) -> dict[str, Tensor]:
    """The fields of ``Quadratic`` that the loss terms fill."""
    later, earlier = _stacked(_step_rows(objective, here), here)
    return {
        "hessians": _hessians(objective, here),
        "later": later,
        "earlier": earlier,
        "sharpness": _sharpness(objective, here.scene),
        "own": _own(objective, here, first),
    }


def _own(objective: Objective, here: Linearised, first: Entry) -> Tensor:
    """Curvature (B, n, n) of the terms of single variables of the first frame."""
    batch, _, size = first.jacobian.shape
    own = first.jacobian.new_zeros(batch, size, size)
    for _, weight, (name, curvature) in _weighted(objective, OWN_CURVATURE):
        columns = first.columns.get(name)
        if columns is not None:
            found = curvature(here)
            eye = torch.eye(columns.stop - columns.start, dtype=own.dtype)
            own[:, columns, columns] += weight * (found if found.ndim == 3 else found[:, None, None] * eye)
    return own


def _weighted(objective: Objective, table: Mapping[str, Row]) -> Iterator[tuple[Term, float, Row]]:
    """Each active term that a table has, its weight and its entry in the table."""
    for term in objective.terms:
        if term.name in table:
            yield term, objective.phase.weight(term.weight) * objective.scale(term), table[term.name]


def _hessians(objective: Objective, here: Linearised) -> Tensor:
    """Hessians (B, T, SIZE, SIZE) of the terms of single frames."""
    empty = here.scene.joints.new_zeros(*here.scene.joints.shape[:2], 0, SIZE)
    rows = [
        weight**0.5 * weighed(make(here), objective.factor(term), squares=True).flatten(2, -2)
        for term, weight, make in _weighted(objective, FRAME_ROWS)
    ]
    stacked = torch.cat([empty, *rows], dim=2)
    found = stacked.mT @ stacked
    for _, weight, make in _weighted(objective, FIRST_ROWS):
        first = make(here)
        found[:, 0] += weight * first.mT @ first
    return found


def _step_rows(objective: Objective, here: Linearised) -> Iterator[tuple[Tensor, Tensor]]:
    for term, weight, make in _weighted(objective, STEP_ROWS):
        later, earlier = (weighed(rows, objective.factor(term), squares=True) for rows in make(here))
        yield weight**0.5 * later.flatten(2, -2), weight**0.5 * earlier.flatten(2, -2)


def _stacked(rows: Iterator[tuple[Tensor, Tensor]], here: Linearised) -> tuple[Tensor, Tensor]:
    batch, frames = here.scene.joints.shape[:2]
    empty = here.scene.joints.new_zeros(batch, frames - 1, 0, SIZE)
    found = [(empty, empty), *rows]
    return torch.cat([later for later, _ in found], dim=2), torch.cat([earlier for _, earlier in found], dim=2)


def _without_rows(objective: Objective) -> list[str]:
    known = {MOTION_PRIOR, *FRAME_ROWS, *STEP_ROWS, *FIRST_ROWS, *OWN_CURVATURE}
    return [term.name for term in objective.terms if term.name not in known]
