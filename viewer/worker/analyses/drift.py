"""Measures how far roll-outs drift from the motion that they encode, and from which causes."""

from __future__ import annotations

from optim.diagnostics.drift import drift
from optim.session.history import Snapshot
from viewer.protocol.findings import DriftCurves
from viewer.worker.build_view import ViewBuilder

_CURVES = ("root_cm", "joints_cm", "heading_deg", "lowest_foot_cm")


def drift_curves(builder: ViewBuilder, snapshot: Snapshot) -> DriftCurves | None:
    """Drift of the first roll-out of stage 3 on the snapshot's branch; None before stage 3."""
    found = drift(builder.session.fit, snapshot)
    if found is None:
        return None
    curves = {name: getattr(found, name) for name in _CURVES}
    return DriftCurves(
        total={name: curve.total for name, curve in curves.items()},
        encoding={name: curve.encoding for name, curve in curves.items()},
        accumulation={name: curve.accumulation for name, curve in curves.items()},
    )
