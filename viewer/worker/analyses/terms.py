"""Where along the clip the loss comes from."""

from __future__ import annotations

from optim.session.history import Snapshot
from viewer.protocol.findings import FrameTerms
from viewer.worker.build_view import ViewBuilder


def frame_terms(builder: ViewBuilder, snapshot: Snapshot) -> FrameTerms:
    """Every row of the weights table over the frames of every sub-sequence."""
    return FrameTerms(weighted=builder.members.per_frame(snapshot))
