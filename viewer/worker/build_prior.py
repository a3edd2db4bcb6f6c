"""Values of an iteration that only the motion prior has, in the display frame; runs in the worker's process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from viewer.protocol import view_model as vm

if TYPE_CHECKING:
    from optim.session.history import Snapshot
    from viewer.worker.build_view import ViewBuilder


def prior_frames(builder: ViewBuilder, snapshot: Snapshot) -> np.ndarray:
    """(B, 4, 4) from the display frame to the prior frame of each sub-sequence."""
    found, display = builder.session.fit.prior_frame(snapshot), builder.frame
    turn = np.asarray(found.R_prior_input) @ display.R_display_input.T
    matrices = np.tile(np.eye(4), (len(turn), 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = turn, np.asarray(found.offset) - turn @ display.t
    return matrices


def regressed_joints(builder: ViewBuilder, snapshot: Snapshot) -> np.ndarray | None:
    """Joints (B, T, 22, 3) [m] that the decoder predicts, in the display frame; None before stage 3."""
    found = builder.session.fit.prediction(snapshot).in_prior
    return None if found is None else builder.frame.points(np.asarray(found.frame.points_back(found.rollout.joints)))


def shooting_nodes(builder: ViewBuilder, snapshot: Snapshot) -> vm.Nodes | None:
    """The nodes at which the segments of multiple shooting should meet; None in a single roll-out."""
    found = builder.session.fit.prediction(snapshot).in_prior
    if found is None or found.defects is None:
        return None
    from optim.priors.rollout import JOINTS

    sides = (found.defects.before, found.defects.after)
    joints = [found.frame.points_back(side[..., JOINTS].unflatten(-1, (-1, 3))) for side in sides]
    before, after = (builder.frame.points(np.asarray(points)) for points in joints)
    return vm.Nodes(frames=found.defects.frames, before=before, after=after)
