"""Measures foot skate, penetration and the tilt of the floor, and guesses a floor from the feet."""

from __future__ import annotations

import numpy as np

from optim.body.joints import CONTACT_JOINTS, JOINT_NAMES
from optim.diagnostics.ground import floor_height_cm, floor_tilt, ground
from optim.diagnostics.resting import resting
from optim.initialise.floor_from_feet import feet_evidence, guess_floor
from optim.session.history import Snapshot
from viewer.protocol.findings import FloorGuess, GroundCurves
from viewer.worker.build_view import ViewBuilder


def ground_curves(builder: ViewBuilder, snapshot: Snapshot) -> GroundCurves:
    """Skate, penetration, contacts, held joints and the tilt of the floor over all frames; poses the whole mesh."""
    fit = builder.session.fit
    found, held = ground(fit, snapshot), resting(fit, snapshot)
    observed = fit.problem_at(snapshot).floor
    assert found.depth_cm is not None
    return GroundCurves(
        skate_mm=found.skate_mm,
        depth_cm=found.depth_cm,
        lowest_vertex_cm=found.lowest_vertex_cm,
        contacts=found.contact_probability,
        contact_names=tuple(JOINT_NAMES[joint].replace("_", " ") for joint in CONTACT_JOINTS),
        tilt_deg=floor_tilt(fit, snapshot),
        height_cm=floor_height_cm(fit, snapshot),
        estimated=builder.floors(fit.trajectory(snapshot)),
        observed=None if observed is None else builder.frame.planes(observed.numpy()),
        held=None if held is None else held.strength,
        joint_height_cm=None if held is None else held.height_cm,
        joint_value=None if held is None else held.value,
    )


def floor_guesses(builder: ViewBuilder, snapshot: Snapshot) -> tuple[FloorGuess, ...] | None:
    """Floors that the feet may stand on, the likeliest first; None without a camera."""
    fit = builder.session.fit
    problem = fit.problem_at(snapshot)
    if problem.camera is None:
        return None
    found = guess_floor(fit.trajectory(snapshot), problem.body, **feet_evidence(problem.observations))
    planes = builder.frame.planes(np.stack([guess.plane for guess in found])).tolist()
    return tuple(
        FloorGuess(name=guess.name, text=str(guess), confidence=guess.confidence, plane=(x, y, z, offset))
        for guess, (x, y, z, offset) in zip(found, planes, strict=True)
    )
