"""Factors of the loss terms in frames whose motion the prior does not know: terms of the prior weaken, smoothing joins.

One definition for the loss, its Gauss-Newton model and the predicted effects of weights. What is unknown is measured
once, when stage 3 begins (``Problem.novelty``); the factors do not depend on the variables.
"""

from __future__ import annotations

from torch import Tensor

from optim.problem.problem import Problem
from optim.schedule.phases import Phase
from optim.schedule.terms import Term

LEAST = 0.01
"""Factor of a weakened term in a frame that is unknown altogether. It is a choice (docs/lab/unknown_motion.md)."""


def factor(term: Term, problem: Problem, phase: Phase, frames: int) -> Tensor | None:
    """Factor (B, frames), or (B, frames-1) for a term of steps, of a term in each of the first frames.

    None where it is 1 everywhere: for other presets, for terms that do not depend on what the prior knows, and for a
    term that joins whose weight was given.
    """
    unknown = problem.novelty
    if phase.preset.unknown_motion == "ignored" or term.where_unknown == "same" or unknown is None:
        return None
    if term.where_unknown == "joins" and not phase.is_joining(term.weight):
        return None
    unknown = unknown[:, 1:frames] if term.axis == "steps" else unknown[:, :frames]
    return unknown if term.where_unknown == "joins" else 1.0 - (1.0 - LEAST) * unknown


def absent(term: Term, problem: Problem, phase: Phase) -> bool:
    """Whether a term has no frame in which it counts: it joins where the motion is unknown, and all of it is known."""
    weakens = phase.preset.unknown_motion != "ignored"
    return weakens and term.where_unknown == "joins" and phase.is_joining(term.weight) and problem.novelty is None


def weighed(residual: Tensor, factors: Tensor | None, *, squares: bool = False) -> Tensor:
    """A residual or rows (B, T, ...) times factors (B, T); with ``squares`` times their roots, as its square counts."""
    if factors is None:
        return residual
    factors = factors.to(residual.dtype)
    return residual * (factors.sqrt() if squares else factors).view(*factors.shape, *(1,) * (residual.ndim - 2))
