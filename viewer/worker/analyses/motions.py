"""Further motions: decoded frame by frame, sampled from the prior, and stitched; and the pull of a term on joints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from optim.diagnostics.drift import teacher_forced
from optim.diagnostics.futures import futures as sampled
from optim.diagnostics.pull import joint_pull as pull
from optim.results.results import constant_shape
from optim.session.history import Snapshot
from optim.split.batches import clips_of
from optim.split.stitching import stitch
from viewer.protocol.findings import Futures, JointPull, OneStep, Stitched, StitchedSeam
from viewer.worker.build_view import ViewBuilder


def one_step(builder: ViewBuilder, snapshot: Snapshot) -> OneStep | None:
    """The stage-2 motion with every frame decoded from the true frame before it; None before stage 3."""
    found = teacher_forced(builder.session.fit, snapshot)
    return None if found is None else OneStep(motion=builder.motion(found))


def futures(
    builder: ViewBuilder, snapshot: Snapshot, *, frame: int, samples: int, frames: int, seed: int
) -> Futures | None:
    """Motions that the prior samples after a frame of the clip; None if no sub-sequence has that frame."""
    scene = builder.scene
    reached = {b: scene.local_frame(b, frame) for b in range(len(scene.starts))}
    begin = {b: local for b, local in reached.items() if local is not None}
    if not begin:
        return None
    found = sampled(builder.session.fit, snapshot, frames_from=begin, samples=samples, frames=frames, seed=seed)
    motions = tuple(builder.motion(future.motion) for future in found)
    return Futures(frame=frame, sequences=tuple(begin), motions=motions)


def stitched(builder: ViewBuilder, snapshot: Snapshot) -> Stitched | None:
    """The sub-sequences joined by a hard cut and by blending; None for a single one."""
    fit = builder.session.fit
    interval = fit.problem_at(snapshot).observations.seq_interval
    if interval is None or len(interval) < 2:
        return None
    first = int(interval[:, 0].min())
    clips = clips_of(fit.trajectory(snapshot), [(int(start), int(end)) for start, end in interval.tolist()])
    cut, blend = (stitch(clips, body=fit.problem.body, how=how) for how in ("cut", "blend"))
    whole = constant_shape(blend, fit.problem.body)[0]
    per_frame = {name: getattr(whole, name)[:, first:] for name in ("trans", "root_orient", "pose_body", "joints")}
    joints = [builder.frame.points(motion.joints.numpy()[first:]) for motion in (cut, blend)]
    seams = tuple(
        StitchedSeam(
            frame=seam.frame - first,
            shared=seam.shared,
            cut_cm=None if seam.before is None else seam.before.cm,
            blend_cm=None if seam.after is None else seam.after.cm,
        )
        for seam in blend.seams
    )
    motion = builder.motion(replace(whole, **per_frame, contacts=None))
    return Stitched(cut=joints[0], blend=joints[1], seams=seams, motion=motion)


def joint_pull(builder: ViewBuilder, snapshot: Snapshot, *, term: str) -> JointPull | None:
    """The pull of a loss term on every joint; None if the term depends on no joint positions in this phase."""
    found = pull(builder.session.fit, snapshot, term)
    if found is None:
        return None
    return JointPull(term=term, vectors=(found.numpy() @ builder.frame.R_display_input.T).astype(np.float32))
