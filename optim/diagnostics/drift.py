"""Drift of the first roll-out of stage 3 from stage 2, split into encoding error and accumulation.

Every latent is the posterior mean of its own transition. Decoding it from the true state before it (teacher-forced)
shows the encoding error. Decoding it from the state that the roll-out has reached (free-running) adds accumulated
errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from optim.body.body_model import BodyModel
from optim.diagnostics.metrics import FEET
from optim.diagnostics.quantities import mean_distance_cm, root_distance_cm
from optim.initialise.initialisation import states_in_prior
from optim.objective.prediction import InPrior, turn_of
from optim.priors.motion_prior import MotionPrior
from optim.priors.novelty import Novelty, novelty
from optim.priors.rollout import (
    JOINTS,
    JOINTS_VEL,
    ROOT,
    TRANS,
    State,
    Turn,
    apply_change,
    canonical_pairs,
    canonical_turn,
    joint_pivot,
    move,
    turn_matrix,
)
from optim.problem.frames import PriorFrame
from optim.problem.variables import Trajectory
from optim.session.fit import Fit
from optim.session.history import Snapshot


@dataclass(frozen=True)
class Split:
    """One kind of drift per frame, (B, T) each; ``total = encoding + accumulation``."""

    total: np.ndarray
    """Error of the free-running roll-out."""
    encoding: np.ndarray
    """Error of one decoding from the true frame before; 0 at frame 0."""
    accumulation: np.ndarray
    """Error of the free-running roll-out minus the encoding error."""


@dataclass(frozen=True)
class Drift:
    """Difference of the first roll-out of stage 3 and stage 2: joints of the body model in the prior frame."""

    root_cm: Split
    """Distance [cm] of the root joints."""
    heading_deg: Split
    """Turn [°] of the body's right about z, positive to the left."""
    lowest_foot_cm: Split
    """Difference in height [cm] of the lowest ankle or toe joint, positive where the roll-out is higher."""
    joints_cm: Split
    """Mean distance [cm] of the 22 joints."""


def drift(fit: Fit, snapshot: Snapshot | None = None) -> Drift | None:
    """Drift at the beginning of stage 3 on the branch of a snapshot; None before stage 3."""
    entry = stage3_entry(fit, snapshot or fit.current)
    if entry is None:
        return None
    before, first = entry
    turn = turn_of(first.schedule[first.phase].preset)
    with torch.no_grad():
        begun = fit.prediction(first).in_prior
        assert begun is not None
        motion = states_of(fit, before, first, begun.frame)
        problem, betas = fit.problem, first.variables["betas"]
        return drift_of(
            problem.motion_prior, problem.body, motion, first.variables["latent_motion"], begun, betas=betas, turn=turn
        )


def stage3_entry(fit: Fit, snapshot: Snapshot) -> tuple[Snapshot, Snapshot] | None:
    """The last snapshot before stage 3 and the first one in it, on the branch of ``snapshot``; None before stage 3."""
    after: int | None = None
    for entry in fit.history.path_back(snapshot.id):
        if entry.stage < 3:
            return None if after is None else (fit.history[entry.id], fit.history[after])
        after = entry.id
    return None


def states_of(fit: Fit, before: Snapshot, first: Snapshot, frame: PriorFrame) -> State:
    """The motion of stage 2 (B, T) as the encoder got it: missing frames bridged, in the prior frame."""
    return states_in_prior(fit.problem_at(before), fit.encoded_variables(before, first), frame)


def novelty_of(fit: Fit, snapshot: Snapshot | None = None) -> Novelty | None:
    """How far the motion that stage 3 encodes is outside the motion prior, whether or not a preset weakens it there.

    It is measured on the branch of a snapshot; None before stage 3.
    """
    entry = stage3_entry(fit, snapshot or fit.current)
    if entry is None:
        return None
    before, first = entry
    with torch.no_grad():
        begun = fit.prediction(first).in_prior
        assert begun is not None
        motion = states_of(fit, before, first, begun.frame)
    shown, turn = fit.problem_at(before).observations.shows_body, turn_of(first.schedule[first.phase].preset)
    return novelty(fit.problem.motion_prior, motion, shown=shown, turn=turn)


def drift_of(
    prior: MotionPrior,
    body: BodyModel,
    motion: State,
    latents: Tensor,
    rolled: InPrior,
    *,
    betas: Tensor,
    turn: Turn = canonical_turn,
) -> Drift:
    """Compare a roll-out and single decodings with the motion (B, T) whose latents (B, T-1, 48) were inferred."""
    free = distances(rolled.joints, rolled.rollout.root_orient, motion.joints, motion.root_orient)
    guessed, now = one_step(prior, body, motion, latents, betas=betas, turn=turn)
    forced = distances(guessed.joints, guessed.root_orient, now.joints, now.root_orient)
    splits = {}
    for name, total in free.items():
        encoding = np.pad(forced[name], ((0, 0), (1, 0)))
        splits[name] = Split(total, encoding, total - encoding)
    return Drift(**splits)


def one_step(
    prior: MotionPrior, body: BodyModel, motion: State, latents: Tensor, *, betas: Tensor, turn: Turn = canonical_turn
) -> tuple[State, State]:
    """Every transition decoded from its true past, and its truth; (B, T-1, …), each in the canonical frame of the past.

    The joints of the first are those of the body model at the decoded pose.
    """
    batch, steps = latents.shape[:2]
    pivot = joint_pivot(motion.joints[:, 0] - motion.trans[:, :1])
    past, now = canonical_pairs(motion.flat(), pivot, turn=turn)
    change = prior.decode(past.flatten(0, 1), latents.flatten(0, 1))
    decoded = State.from_flat(apply_change(past.flatten(0, 1), change)[0].unflatten(0, (batch, steps)))
    joints = body.joints(decoded.trans, decoded.root_orient, decoded.pose_body, betas)
    return State(**{**vars(decoded), "joints": joints}), State.from_flat(now)


def teacher_forced(fit: Fit, snapshot: Snapshot) -> Trajectory | None:
    """Stage 2's motion with every frame decoded from the true frame before it, in the input frame.

    The drift of this motion is the encoding error; the rest of the drift accumulates over the roll-out. Frame 0 is that
    of stage 2. None before stage 3.
    """
    entry = stage3_entry(fit, snapshot)
    if entry is None:
        return None
    before, first = entry
    turn, problem, betas = turn_of(first.schedule[first.phase].preset), fit.problem, first.variables["betas"]
    with torch.no_grad():
        begun = fit.prediction(first).in_prior
        assert begun is not None
        motion = states_of(fit, before, first, begun.frame)
        latents = first.variables["latent_motion"]
        guessed, _ = one_step(problem.motion_prior, problem.body, motion, latents, betas=betas, turn=turn)
        batch, steps = latents.shape[:2]
        pivot = joint_pivot(motion.joints[:, 0] - motion.trans[:, :1])[:, None].expand(batch, steps, 3).flatten(0, 1)
        past = motion.flat()[:, :-1].flatten(0, 1)
        placed = out_of_canonical(guessed.flat().flatten(0, 1), past, pivot, turn=turn).unflatten(0, (batch, steps))
        state = State.from_flat(torch.cat((motion.flat()[:, :1], placed), dim=1))
        return Trajectory(
            trans=begun.frame.trans_back(state.trans, problem.body.rest_joints(betas)[:, 0]),
            root_orient=begun.frame.orient_back(state.root_orient),
            pose_body=state.pose_body,
            betas=betas,
            joints=begun.frame.points_back(state.joints),
        )


def out_of_canonical(flat: Tensor, of: Tensor, pivot: Tensor, *, turn: Turn = canonical_turn) -> Tensor:
    """States (N, 339) from the canonical frames of the states ``of`` (N, 339) to the frame in which those are given."""
    matrix = turn_matrix(*turn(of[:, ROOT].reshape(-1, 3, 3)))
    origin = functional.pad(of[:, :2], (0, 1))
    moved = move(flat, matrix.transpose(1, 2), torch.zeros_like(origin), pivot)
    joints = (moved[:, JOINTS].unflatten(1, (-1, 3)) + origin[:, None]).flatten(1)
    return torch.cat((moved[:, TRANS] + origin, moved[:, 3:207], joints, moved[:, JOINTS_VEL]), dim=1)


def distances(joints: Tensor, root: Tensor, true_joints: Tensor, true_root: Tensor) -> dict[str, np.ndarray]:
    """The fields of ``Drift`` for one motion against another, both in a frame with z up, (B, T) each."""
    turned = heading(root) - heading(true_root)
    feet = [points[:, :, list(FEET), 2].amin(-1) for points in (joints, true_joints)]
    return {
        "root_cm": root_distance_cm(joints, true_joints),
        "joints_cm": mean_distance_cm(joints, true_joints),
        "heading_deg": torch.atan2(turned.sin(), turned.cos()).rad2deg().numpy(),
        "lowest_foot_cm": (100.0 * (feet[0] - feet[1])).numpy(),
    }


def heading(root_orient: Tensor) -> Tensor:
    """Angle [rad] of the x column on the floor, (…, 3, 3) → (…)."""
    return torch.atan2(root_orient[..., 1, 0], root_orient[..., 0, 0])
