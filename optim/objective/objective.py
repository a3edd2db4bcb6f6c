"""The loss of one phase: the weighted sum of its terms, with the gradient. See ``optim/schedule/terms.py``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from optim.common.errors import InputError
from optim.common.timing import section, timed
from optim.objective.prediction import Parts, Prediction, detached, predict_free, predict_rollout, turn_of
from optim.objective.terms.planted import measured_strength
from optim.objective.terms.scene import Scene, residual_of
from optim.objective.unknown_motion import absent, factor, weighed
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.problem.variables import Packing, Variables
from optim.schedule.phases import Phase
from optim.schedule.terms import Term, usable_terms
from optim.solver.solver import Point


@dataclass(frozen=True)
class TermValue:
    """The value of one term at one point."""

    raw: float
    """Value without weight and scale."""
    weighted: float
    """Share of the loss: raw · scale · weight."""
    per_frame: np.ndarray | None
    """(B, T) raw value of each frame; None where the term does not belong to frames."""
    scale: float = 1.0
    """Factor besides the weight (``Term.scale``)."""


@dataclass(frozen=True)
class Evaluation:
    """The numbers of the objective at one point."""

    total: float
    terms: Mapping[str, TermValue]
    gradient_norm: Mapping[str, float]
    """Variable → norm of the gradient over its moving entries."""

    @property
    def size(self) -> float:
        """Size of the loss: the sum of the absolute values of its terms, some of which may be negative."""
        return sum(abs(term.weighted) for term in self.terms.values())


@dataclass(frozen=True)
class Seen:
    """Intermediate results of an evaluation, detached from the graph."""

    residuals: Mapping[str, Tensor]
    """Residuals as ``Objective.residuals`` returns them."""
    prediction: Prediction


@dataclass(frozen=True)
class Objective:
    """The loss of one phase. ``prior_frame`` is None before stage 3, and where it follows from x_0."""

    problem: Problem
    phase: Phase
    prior_frame: PriorFrame | None = None

    @cached_property
    def seen(self) -> Observations:
        """The observations in the frames of the phase."""
        return self.problem.observations.first(self.phase.frames)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The active terms: those with a weight above 0, in their stage, whose inputs are there."""
        return tuple(
            term
            for term in usable_terms(self.problem.offers | self.phase.offers)
            if self.phase.weight(term.weight) > 0
            and self.phase.stage >= term.stage
            and not (self.phase.stage == 3 and absent(term, self.problem, self.phase))
        )

    @cached_property
    def parts(self) -> Parts:
        """Points of the body that the terms compare, besides its joints."""
        return Parts(**{term.points: True for term in self.terms if term.points is not None})

    def scale(self, term: Term) -> float:
        """Factor of a term besides its weight."""
        if term.scale == "frames":
            return float(self.seen.frames)
        if term.scale == "init" and self.phase.init_motion_frames is not None:
            return self.problem.frames / min(self.problem.frames, self.phase.init_motion_frames)
        return 1.0

    def factor(self, term: Term) -> Tensor | None:
        """Factor of a term in each frame or step, see ``unknown_motion.factor``; before stage 3 there is none."""
        if self.phase.stage < 3:
            return None
        return factor(term, self.problem, self.phase, self.seen.frames)

    @property
    def sees_all(self) -> bool:
        """Whether a prediction covers all frames and, in stage 3, has the conditional prior along them."""
        return self.seen.frames == self.problem.frames and (self.phase.stage < 3 or self._with_prior)

    @cached_property
    def _with_prior(self) -> bool:
        return any(term.name == "motion_prior" for term in self.terms)

    def held_strength(self, variables: Variables) -> Tensor | None:
        """The strength of planted joints in all frames, to be held from here on (``Problem.planted``).

        None where no active term holds one.
        """
        if not any(term.holds for term in self.terms):
            return None
        whole = replace(self, phase=replace(self.phase, frames=None))
        with torch.no_grad():
            inside = whole.predict(variables).in_prior
        assert inside is not None  # such terms are those of stage 3
        return measured_strength(inside)

    def predict(self, variables: Variables) -> Prediction:
        """The motion that the variables stand for, with the points that the active terms need."""
        if self.phase.stage < 3:
            return predict_free(self.problem, variables, self.parts)
        return predict_rollout(
            self.problem,
            variables,
            self.parts,
            frame=self.prior_frame,
            frames=self.seen.frames,
            with_prior=self._with_prior,
            segment=self.phase.segment,
            turn=turn_of(self.phase.preset),
        )

    @timed("terms")
    def residuals(self, prediction: Prediction) -> dict[str, Tensor]:
        """Raw value of each term per frame (B, T), or its sum where it does not belong to frames; gradients flow."""
        scene = Scene(self.problem, self.seen, prediction)
        return {
            term.name: _per_frame(term, weighed(residual_of(term)(scene), self.factor(term))) for term in self.terms
        }

    @timed("terms")
    def total(self, residuals: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the residuals.

        Raises:
            InputError: No term is active.
        """
        shares = [self.phase.weight(term.weight) * self.scale(term) * residuals[term.name].sum() for term in self.terms]
        if not shares:
            raise InputError(f"{self.phase.name}: no term with a weight has anything to act on; give one a weight")
        return torch.stack(shares).sum()

    def point(self, x: Tensor, variables: Variables, packing: Packing) -> Point:
        """Value and gradient (n,) at the flat vector x (n,); ``extra`` is a ``Seen``."""
        leaf = x.detach().requires_grad_()
        prediction = self.predict(packing.unpack(leaf, variables))
        residuals = self.residuals(prediction)
        total = self.total(residuals)
        with section("backward"):
            (gradient,) = torch.autograd.grad(total, leaf)
        residuals = {name: value.detach() for name, value in residuals.items()}
        return Point(x, total.item(), gradient, Seen(residuals, detached(prediction)))

    def evaluation(self, point: Point, packing: Packing) -> Evaluation:
        """Numbers per term and per variable at a point of this objective."""
        values = {}
        for term in self.terms:
            residual = point.extra.residuals[term.name]
            raw = residual.sum().item()
            per_frame = residual.numpy() if residual.ndim == 2 else None
            scale = self.scale(term)
            values[term.name] = TermValue(raw, raw * self.phase.weight(term.weight) * scale, per_frame, scale)
        norms = {name: piece.norm().item() for name, piece in packing.split(point.gradient).items()}
        return Evaluation(point.value, values, norms)


def _per_frame(term: Term, residual: Tensor) -> Tensor:
    if term.axis == "frames":
        return residual if residual.ndim == 2 else residual.flatten(2).sum(-1)
    if term.axis == "steps":
        return functional.pad(residual if residual.ndim == 2 else residual.flatten(2).sum(-1), (1, 0))
    return residual.sum()
