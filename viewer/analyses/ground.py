"""The feet and the floor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.findings import GroundCurves

if TYPE_CHECKING:
    from optim.history import Snapshot
    from viewer.build_view import ViewBuilder


def ground_curves(builder: ViewBuilder, snapshot: Snapshot) -> GroundCurves:
    """Skate, penetration, contacts and the tilt of the floor over all frames; poses the whole mesh."""
    from optim.body import JOINT_NAMES
    from optim.diagnostics.ground import floor_tilt, ground
    from optim.motion_prior import CONTACT_JOINTS

    fit = builder.session
    found = ground(fit, snapshot)
    observed = fit.problem_at(snapshot).floor
    assert found.depth_cm is not None
    return GroundCurves(
        skate_mm=found.skate_mm,
        depth_cm=found.depth_cm,
        contacts=found.contact_probability,
        contact_names=tuple(JOINT_NAMES[joint].replace("_", " ") for joint in CONTACT_JOINTS),
        tilt_deg=floor_tilt(fit, snapshot),
        estimated=builder.floors(fit.trajectory(snapshot)),
        observed=None if observed is None else builder.frame.planes(observed.numpy()),
    )
