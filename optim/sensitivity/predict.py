"""What other weights would do to a fit: all weights for one figure, one weight by a large factor, and a trial.

Measured on two clips (docs/lab/effects.md): where an effect is above the noise floor, signs are mostly right, and sizes
within a factor of two for joints, observations, acceleration and the overlap distance. Of foot skate, planted feet, toe
depth, end drift and floor tilt only the directions are worth showing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch

from optim.common.errors import InputError
from optim.diagnostics.tuned import tuned_figures
from optim.objective.objective import Objective
from optim.objective.prediction import Prediction
from optim.problem.variables import Trajectory
from optim.schedule.phases import Phase
from optim.sensitivity.curvature import BrokenOffError, Curvature, Interrupt, weights_apart
from optim.sensitivity.figures import Figure, figures_of, noise_floor
from optim.session.causes import ITERATION
from optim.session.edits import SetWeight
from optim.session.fit import Fit
from optim.session.history import Snapshot
from optim.session.session import Session

STEP = 1.3
"""Factor by which every weight is raised in the overview."""
MORE_DAMPING = (1.0, 10.0)
"""Dampings that a probe tries besides the usual one."""
LOOK_BACK, LAST_SHARE = 100, 0.25
"""Number of iterations whose change of a figure counts as noise, and the share of a phase's iterations that they are at
most: with the solvers of ``fast`` a phase has about fifty, and its beginning says nothing about its end."""
TRIAL = 30
"""Number of iterations of a trial."""


@dataclass(frozen=True)
class Effects:
    """Predicted changes of one figure."""

    figure: str
    """Name in ``quantities.TUNED``."""
    value: float
    """Its value now."""
    floor: float
    """Change that could be noise: the larger of the noise floor and the change over the last iterations."""
    changes: Mapping[str, float]
    """Name of a weight → change of the figure if that weight is multiplied by ``STEP``."""


@dataclass(frozen=True)
class Probe:
    """The predicted result of one weight times a factor."""

    trajectory: Trajectory
    gain: float
    """How much lower the loss with the new weight is at the predicted motion than at the present one."""
    changes: Mapping[str, float]
    """Name in ``quantities.TUNED`` → predicted change."""


def effects(
    session: Session, figure: str, snapshot: Snapshot | None = None, *, interrupt: Interrupt | None = None
) -> Effects:
    """Predict how every weight of the phase of a snapshot moves one figure; see ``all_effects``."""
    (found,) = all_effects(session, [figure], snapshot, interrupt=interrupt)
    return found


def all_effects(
    session: Session,
    figures: Iterable[str],
    snapshot: Snapshot | None = None,
    *,
    interrupt: Interrupt | None = None,
) -> list[Effects]:
    """Predict how every weight of the phase of a snapshot moves each of some figures, by one solution for each figure.

    Weights that count only where the motion is unknown are left out: after an edit they count everywhere.

    Raises:
        InputError: The fit does not have one of the figures, or nothing can be predicted in the phase.
        BrokenOffError: ``interrupt`` said so.
    """
    fit, snapshot = session.fit, snapshot or session.current
    curvature = Curvature(_objective(fit, snapshot), snapshot, interrupt=interrupt)
    phase, pulls = snapshot.schedule[snapshot.phase], curvature.term_gradients()
    values, earlier = (
        tuned_figures(fit, one, encoded=fit.stage2_trajectory) for one in (snapshot, _earlier(fit, snapshot))
    )
    found = []
    for figure in figures:
        function = _figure(fit, snapshot, curvature, figure)
        changes = weights_apart(pulls, curvature.solve(curvature.gradient(function(curvature.prediction))))
        found.append(
            Effects(
                figure=figure,
                value=values[figure],
                floor=max(noise_floor(fit.problem, figure), abs(values[figure] - earlier.get(figure, 0.0))),
                changes={name: math.log(STEP) * x for name, x in changes.items() if not phase.is_joining(name)},
            )
        )
    return found


def probe(
    session: Session,
    weight: str,
    factor: float,
    snapshot: Snapshot | None = None,
    *,
    interrupt: Interrupt | None = None,
) -> Probe:
    """Predict the fit with one weight times a factor, whose curvature changes with it.

    The step dx solves H dx = g - g', with the gradients g of the loss now and g' of the loss under the new weight, and
    the curvature H of the latter. It may be many decades where the terms under the weight are weak. Several dampings of
    H are tried, because a roll-out soon leaves the range in which it is linear; the lowest loss is taken.

    Raises:
        InputError: The phase does not use the weight, or nothing can be predicted.
        BrokenOffError: ``interrupt`` said so.
    """
    fit, snapshot = session.fit, snapshot or session.current
    here, there = _objective(fit, snapshot), _objective(fit, snapshot, **{weight: factor})
    if all(term.weight != weight for term in here.terms):
        raise InputError(f"{weight} has no weight in {here.phase.name}, or nothing to act on there; give it one first")
    curvature = Curvature(there, snapshot, interrupt=interrupt)
    now, then = (
        curvature.gradient(objective.total(objective.residuals(curvature.prediction))) for objective in (here, there)
    )
    x = curvature.leaf.detach()
    points = [x + curvature.solve(now - then, damping=damping) for damping in (None, *MORE_DAMPING)]
    with torch.no_grad():

        def loss(prediction: Prediction) -> float:
            value: float = there.total(there.residuals(prediction)).item()
            return value if math.isfinite(value) else math.inf

        tried = [(loss(prediction), moved, prediction) for moved in points for prediction in [curvature.predict(moved)]]
        after, moved, prediction = min(tried, key=lambda one: one[0])
        if math.isinf(after):
            raise InputError(f"{weight} × {factor:g} cannot be predicted here: the loss there is not finite; try it")
        named = figures_of(here.problem, curvature.prediction, fit.stage2_trajectory)
        changes = {name: float(of(prediction) - of(curvature.prediction)) for name, of in named.items()}
        variables = snapshot.packing.unpack(moved, snapshot.variables)
    predicted = replace(snapshot, id=-1, variables=variables)
    gain = loss(curvature.prediction) - after
    return Probe(trajectory=fit.trajectory(predicted), gain=gain, changes=changes)


def trial(
    session: Session,
    weight: str,
    factor: float,
    snapshot: Snapshot | None = None,
    *,
    iterations: int = TRIAL,
    interrupt: Interrupt | None = None,
) -> dict[str, float]:
    """Try a weight: the change of each figure in a short re-fit apart, less its change in one under the same weight.

    Returns:
        Name in ``quantities.TUNED`` → change that the weight makes.

    Raises:
        InputError: The weight is unknown.
        BrokenOffError: ``interrupt`` said so.
    """
    ends, encoded = [], session.fit.stage2_trajectory
    for times in (1.0, factor):
        other = session.apart(snapshot)
        other.apply(SetWeight(weight, times * other.current.weights.get(weight, 0.0)))
        for _ in range(iterations):
            if interrupt is not None and interrupt():
                raise BrokenOffError
            other.step_on()
        ends.append(tuned_figures(other.fit, encoded=encoded))
    control, tried = ends
    return {name: value - control[name] for name, value in tried.items() if name in control}


def _objective(fit: Fit, snapshot: Snapshot, **factors: float) -> Objective:
    """The objective at a snapshot, with some weights times factors, over all frames."""
    phase: Phase = snapshot.schedule[snapshot.phase]
    weights = {name: value * factors.get(name, 1.0) for name, value in phase.weights.items()}
    return Objective(fit.problem_at(snapshot), replace(phase, weights=weights), snapshot.prior_frame)


def _figure(fit: Fit, snapshot: Snapshot, curvature: Curvature, name: str) -> Figure:
    phase = snapshot.schedule[snapshot.phase]
    if phase.frames is not None:
        raise InputError(f"{phase.name} rolls out only {phase.frames} frames; effects are predicted where all are")
    named = figures_of(curvature.objective.problem, curvature.prediction, fit.stage2_trajectory)
    if name not in named:
        raise InputError(f"this fit has no figure {name!r} to predict; there are {', '.join(named)}")
    return named[name]


def _earlier(fit: Fit, snapshot: Snapshot) -> Snapshot:
    """The snapshot after which changes count as noise; see ``LOOK_BACK``."""
    path = [entry for entry in fit.history.path(snapshot.id) if entry.phase == snapshot.phase]
    iterations = [entry for entry in path if entry.cause == ITERATION]
    back = min(LOOK_BACK, math.ceil(LAST_SHARE * len(iterations)))
    return fit.history[(iterations[-back:] or path)[0].id]
