"""What other weights would do to a fit: all weights for one figure, one weight by a large factor, and a trial.

Measured on a few clips (docs/lab/effects.md): signs are mostly right where the effect is above the noise floor, sizes
within a factor of two for observations, joints, acceleration and floor tilt. The other figures are rougher, so only
their directions are worth showing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from optim.common.errors import InputError
from optim.diagnostics.tuned import tuned_figures
from optim.objective.objective import Objective
from optim.problem.variables import Trajectory
from optim.schedule.phases import Phase
from optim.sensitivity.curvature import SOLVES, BrokenOffError, Curvature, Interrupt, weights_apart
from optim.sensitivity.figures import Figure, figures_of, noise_floor
from optim.session.causes import ITERATION
from optim.session.edits import SetWeight
from optim.session.fit import Fit
from optim.session.history import Snapshot
from optim.session.session import Session

STEP = 1.3
"""Factor by which every weight is raised in the overview."""
LOOK_BACK = 100
"""Number of iterations whose change of a figure counts as noise."""
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
    """Predict how every weight of the phase of a snapshot moves one figure, by one solve.

    Weights that count only where the motion is unknown are left out: after an edit they count everywhere.

    Raises:
        InputError: The fit does not have the figure.
        BrokenOffError: ``interrupt`` said so.
    """
    fit, snapshot = session.fit, snapshot or session.current
    curvature = Curvature(_objective(fit, snapshot), snapshot, interrupt=interrupt)
    function = _figure(fit, snapshot, curvature, figure)
    solved = curvature.solve(curvature.gradient(function(curvature.prediction)))
    found = weights_apart(curvature.term_gradients(), solved)
    phase = snapshot.schedule[snapshot.phase]
    return Effects(
        figure=figure,
        value=tuned_figures(fit, snapshot, encoded=fit.stage2_trajectory)[figure],
        floor=max(noise_floor(fit.problem, figure), _recent_change(fit, snapshot, figure)),
        changes={name: math.log(STEP) * change for name, change in found.items() if not phase.is_joining(name)},
    )


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
    the curvature H of the latter. It may be many decades where the terms under the weight are weak.

    Raises:
        InputError: The phase does not use the weight.
        BrokenOffError: ``interrupt`` said so.
    """
    fit, snapshot = session.fit, snapshot or session.current
    here, there = _objective(fit, snapshot), _objective(fit, snapshot, **{weight: factor})
    if all(term.weight != weight for term in here.terms):
        raise InputError(f"{weight} has no weight in {here.phase.name}; give it one first")
    curvature = Curvature(there, snapshot, interrupt=interrupt)
    now, then = (
        curvature.gradient(objective.total(objective.residuals(curvature.prediction))) for objective in (here, there)
    )
    x = curvature.leaf.detach()
    moved = x + curvature.solve(now - then, iterations=SOLVES)
    with torch.no_grad():
        prediction = curvature.predict(moved)
        before, after = (float(there.total(there.residuals(p))) for p in (curvature.prediction, prediction))
        named = figures_of(here.problem, curvature.prediction, fit.stage2_trajectory)
        changes = {name: float(of(prediction) - of(curvature.prediction)) for name, of in named.items()}
        variables = snapshot.packing.unpack(moved, snapshot.variables)
    predicted = replace(snapshot, id=-1, variables=variables)
    return Probe(trajectory=fit.trajectory(predicted), gain=before - after, changes=changes)


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


def _recent_change(fit: Fit, snapshot: Snapshot, figure: str) -> float:
    """By how much a figure has changed in the last iterations of the phase of a snapshot."""
    path = [entry for entry in fit.history.path(snapshot.id) if entry.phase == snapshot.phase]
    iterations = [entry for entry in path if entry.cause == ITERATION]
    earlier = fit.history[(iterations[-LOOK_BACK:] or path)[0].id]
    encoded = fit.stage2_trajectory
    values = [tuned_figures(fit, one, encoded=encoded).get(figure, 0.0) for one in (earlier, snapshot)]
    return abs(values[1] - values[0])
