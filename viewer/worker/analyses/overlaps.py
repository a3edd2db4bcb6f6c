"""Measures how well neighbouring sub-sequences agree in shared frames, the jumps at the seams, and the stitched motion.

All batches up to that of the snapshot count: earlier ones as they ended, this one as it is.
"""

from __future__ import annotations

from optim.diagnostics.agreement import overlap_disagreement
from optim.session.history import Snapshot
from optim.split.batches import clips_so_far
from optim.split.stitching import stitch
from viewer.protocol.findings import Overlaps, Stitched
from viewer.worker.build_view import ViewBuilder
from viewer.worker.joined import overlaps_of, stitched_of


def overlaps(builder: ViewBuilder, snapshot: Snapshot) -> Overlaps | None:
    """Distances over the shared frames and jumps at the seams; None for a sub-sequence without neighbours."""
    fit, clips = builder.session.fit, clips_so_far(builder.session.fit, snapshot)
    if not clips or (len(clips) < 2 and fit.problem_at(snapshot).observations.previous is None):
        return None
    how = snapshot.schedule[snapshot.phase].preset.stitching
    seams = stitch(clips, body=fit.problem.body, how=how).seams
    first = builder.scene_at(snapshot).first_frame
    return overlaps_of(overlap_disagreement(fit, snapshot), seams, how=how, first=first, frame=builder.frame)


def stitched(builder: ViewBuilder, snapshot: Snapshot) -> Stitched | None:
    """The sub-sequences joined by a hard cut and by blending; None for a single one."""
    fit, clips = builder.session.fit, clips_so_far(builder.session.fit, snapshot)
    if len(clips) < 2:
        return None
    scene = builder.scene_at(snapshot)
    return stitched_of(clips, body=fit.problem.body, mesh=scene.body, first=scene.first_frame, frame=builder.frame)
