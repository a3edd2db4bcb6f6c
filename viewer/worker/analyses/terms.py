"""Where along the clip the loss comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from viewer.protocol.findings import FrameTerms

if TYPE_CHECKING:
    from optim.session.history import Snapshot
    from viewer.worker.build_view import ViewBuilder


def frame_terms(builder: ViewBuilder, snapshot: Snapshot) -> FrameTerms:
    """Every row of the weights table over the frames of every sub-sequence."""
    return FrameTerms(weighted=builder.members.per_frame(snapshot))
