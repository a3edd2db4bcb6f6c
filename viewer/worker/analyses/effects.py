"""Predicts what other weights would change: one figure under all weights, the motion under one, and a trial."""

from __future__ import annotations

from optim.diagnostics.quantities import ROUGH
from optim.sensitivity.predict import STEP, TRIAL, effects, probe, trial
from optim.session.history import Snapshot
from viewer.protocol.findings import WeightEffects, WeightProbe, WeightTrial
from viewer.worker.build_view import ViewBuilder


def weight_effects(builder: ViewBuilder, snapshot: Snapshot, figure: str) -> WeightEffects:
    """The overview for one figure; a command that waits breaks it off."""
    found = effects(builder.session, figure, snapshot, interrupt=builder.interrupted)
    return WeightEffects(
        figure=figure,
        value=found.value,
        floor=found.floor,
        factor=STEP,
        changes=dict(found.changes),
        rough=figure in ROUGH,
    )


def weight_probe(builder: ViewBuilder, snapshot: Snapshot, weight: str, factor: float) -> WeightProbe:
    """The predicted motion under one weight times a factor; without the motion where it would not lower the loss."""
    found = probe(builder.session, weight, factor, snapshot, interrupt=builder.interrupted)
    motion = builder.motion(found.trajectory) if found.gain > 0 else None
    return WeightProbe(weight=weight, factor=factor, motion=motion, gain=found.gain, changes=dict(found.changes))


def weight_trial(builder: ViewBuilder, snapshot: Snapshot, weight: str, factor: float) -> WeightTrial:
    """A short re-fit with the weight less one without it, both apart from the session."""
    found = trial(builder.session, weight, factor, snapshot, interrupt=builder.interrupted)
    return WeightTrial(weight=weight, factor=factor, iterations=TRIAL, changes=found)
