"""Further motions: decoded frame by frame, and sampled from the prior; and the pull of a term on joints."""

from __future__ import annotations

import numpy as np

from optim.diagnostics.drift import teacher_forced
from optim.diagnostics.futures import futures as sampled
from optim.diagnostics.pull import joint_pull as pull
from optim.session.history import Snapshot
from viewer.protocol.findings import Futures, JointPull, OneStep
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


def joint_pull(builder: ViewBuilder, snapshot: Snapshot, *, term: str) -> JointPull | None:
    """The pull of a loss term on every joint; None if the term depends on no joint positions in this phase."""
    found = pull(builder.session.fit, snapshot, term)
    if found is None:
        return None
    return JointPull(term=term, vectors=(found.numpy() @ builder.frame.R_display_input.T).astype(np.float32))
