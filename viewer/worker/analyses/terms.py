"""Measures how much each frame of the clip contributes to the loss."""

from __future__ import annotations

from optim.session.history import Snapshot
from viewer.protocol.findings import FrameTerms
from viewer.worker.build_view import ViewBuilder


def frame_terms(builder: ViewBuilder, snapshot: Snapshot) -> FrameTerms:
    """The weighted loss of every row of the weights table, for each frame of each sub-sequence."""
    return FrameTerms(weighted=builder.members.per_frame(snapshot))
