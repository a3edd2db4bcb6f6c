"""Which joints a fit holds on the floor, at which height, and what the contact terms cost there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from optim.body.joints import CONTACT_JOINTS, RESTING_JOINTS
from optim.objective.objective import Objective
from optim.objective.terms import planted
from optim.objective.terms.scene import Scene, residual_of
from optim.objective.unknown_motion import weighed
from optim.session.fit import Fit
from optim.session.history import Snapshot

JOINTS_OF = {"contact": CONTACT_JOINTS, "planted": RESTING_JOINTS}
"""Module of contact terms in ``optim/objective/terms`` → the joints that are the last axis of their residuals."""


@dataclass(frozen=True)
class Resting:
    """Joints that can touch the floor, in the order of ``RESTING_JOINTS``; (B, T, 16) each."""

    strength: np.ndarray
    """Strength from 0 to 1 with which ``planted_vel`` and ``planted_height`` hold a joint, or would hold it."""
    height_cm: np.ndarray
    """Height [cm] of the joint's centre above the floor."""
    value: np.ndarray
    """Share of the loss of all active contact terms at the joint; 0 in frames that the phase does not observe."""


def resting(fit: Fit, snapshot: Snapshot | None = None) -> Resting | None:
    """The joints at a snapshot; None before stage 3."""
    snapshot = snapshot or fit.current
    inside = fit.prediction(snapshot).in_prior
    if inside is None:
        return None
    held = fit.problem_at(snapshot).planted
    return Resting(
        strength=(planted.measured_strength(inside) if held is None else held).numpy(),
        height_cm=(100.0 * planted.resting_joints(inside)[..., 2]).numpy(),
        value=_values(fit, snapshot),
    )


def _values(fit: Fit, snapshot: Snapshot) -> np.ndarray:
    problem, phase = fit.problem_at(snapshot), snapshot.schedule[snapshot.phase]
    objective = Objective(problem, phase, snapshot.prior_frame)
    found = torch.zeros(problem.batch, problem.frames, len(RESTING_JOINTS))
    terms = [term for term in objective.terms if term.module in JOINTS_OF]
    if terms:
        with torch.no_grad():
            scene = Scene(problem, objective.seen, objective.predict(snapshot.variables))
            for term in terms:
                value = weighed(residual_of(term)(scene), objective.factor(term))
                residual = phase.weight(term.weight) * objective.scale(term) * value
                frames = functional.pad(residual, (0, 0, int(term.axis == "steps"), 0))
                places = [RESTING_JOINTS.index(joint) for joint in JOINTS_OF[term.module]]
                if frames.shape[2] == len(places):  # a term of a user's own may have other joints
                    found[:, : frames.shape[1], places] += frames
    return found.numpy()
