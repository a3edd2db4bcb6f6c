"""Measures how well neighbouring sub-sequences agree in shared frames, and the jumps at the seams."""

from __future__ import annotations

from optim.diagnostics.agreement import overlap_disagreement
from optim.session.history import Snapshot
from optim.split.batches import clips_of
from optim.split.stitching import Jump, stitch
from viewer.protocol.findings import OverlapPair, Overlaps, Seam
from viewer.worker.build_view import ViewBuilder


def overlaps(builder: ViewBuilder, snapshot: Snapshot) -> Overlaps | None:
    """Distances over the shared frames and jumps at the seams; None for a sub-sequence without neighbours."""
    fit = builder.session.fit
    seen = fit.problem_at(snapshot).observations
    interval = seen.seq_interval
    if interval is None or (len(interval) < 2 and seen.previous is None):
        return None
    first = int(interval[:, 0].min())
    pairs = tuple(
        OverlapPair(
            before=pair.before,
            frames=pair.frames - first,
            position_cm=pair.position_cm,
            velocity_cm=pair.velocity_cm,
            betas=pair.betas,
            floor_angle_deg=pair.floor_angle_deg,
            floor_offset_cm=pair.floor_offset_cm,
            curves=dict(pair.curves),
        )
        for pair in overlap_disagreement(fit, snapshot)
    )
    how = snapshot.schedule[snapshot.phase].preset.stitching
    clips = clips_of(fit.trajectory(snapshot), [(int(start), int(end)) for start, end in interval.tolist()])
    stitched = stitch(clips, body=fit.problem.body, how=how)
    seams = tuple(
        Seam(
            frame=seam.frame - first,
            shared=seam.shared,
            apart=_jump(seam.apart),
            cut=_jump(seam.before),
            stitched=_jump(seam.after),
        )
        for seam in stitched.seams
    )
    return Overlaps(pairs=pairs, seams=seams, how=how)


def _jump(jump: Jump | None) -> tuple[float, float] | None:
    return None if jump is None else (jump.cm, jump.deg)
