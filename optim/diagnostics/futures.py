"""Futures that the motion prior expects: motions sampled from it that begin at any frame of a fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from optim.common.errors import InputError
from optim.diagnostics.drift import out_of_canonical
from optim.priors.rollout import State, canonicalise, estimate_states, joint_pivot, sample
from optim.problem.frames import PriorFrame
from optim.problem.variables import Trajectory
from optim.session.fit import Fit
from optim.session.history import Snapshot


@dataclass(frozen=True)
class Future:
    """K samples of F frames from one sub-sequence."""

    sub_sequence: int
    motion: Trajectory
    """(K, F, …) in the input frame; frame 0 is that of the fit."""


def futures(
    fit: Fit, snapshot: Snapshot, *, frames_from: dict[int, int], samples: int, frames: int, seed: int
) -> tuple[Future, ...]:
    """Motions that continue from a frame of the fit, with every latent drawn from the conditional prior.

    Args:
        frames_from: Sub-sequence → its own frame number to begin at.
        samples: Number of motions per sub-sequence, at least 1.
        frames: Length of each motion, the first frame included, at least 2.
        seed: Seed of the random numbers; the same seed gives the same futures.

    Raises:
        InputError: A frame or sub-sequence does not exist, or a number is too small.
    """
    if samples < 1 or frames < 2:
        raise InputError(f"{samples} samples of {frames} frames; at least 1 of 2 frames is needed")
    with torch.no_grad():
        motion = _states(fit, snapshot)
        return tuple(
            _of_one(fit, snapshot, motion, b, frame, samples=samples, frames=frames, seed=seed)
            for b, frame in frames_from.items()
        )


def _states(fit: Fit, snapshot: Snapshot) -> State:
    """The motion in the prior frame: as rolled out, or before stage 3 with velocities by finite differences."""
    rolled = fit.rollout(snapshot)
    if rolled is not None:
        return State(**{name: getattr(rolled, name) for name in State.__dataclass_fields__})
    seen = fit.prior_trajectory(snapshot)
    return estimate_states(seen.trans, seen.root_orient, seen.pose_body, seen.joints, fps=fit.problem.fps)


def _of_one(
    fit: Fit, snapshot: Snapshot, motion: State, b: int, frame: int, *, samples: int, frames: int, seed: int
) -> Future:
    batch, count = motion.trans.shape[:2]
    if not (0 <= b < batch and 0 <= frame < count):
        raise InputError(f"frame {frame} of sub-sequence {b}; there are {count} frames of {batch}")
    here = motion.at(frame).flat()[b : b + 1]
    pivot = joint_pivot((motion.joints - motion.trans[:, :, None])[b : b + 1, frame])
    local = canonicalise(here, pivot)[0].expand(samples, -1)
    rolled, _ = sample(
        fit.problem.motion_prior, State.from_flat(local), frames, generator=torch.Generator().manual_seed(seed)
    )
    flat = State(**{name: getattr(rolled, name) for name in State.__dataclass_fields__}).flat()
    rows = samples * frames
    placed = out_of_canonical(flat.flatten(0, 1), here.expand(rows, -1), pivot.expand(rows, -1))
    state = State.from_flat(placed.unflatten(0, (samples, frames)))
    betas = snapshot.variables["betas"][b : b + 1].expand(samples, -1)
    frame_of_prior = fit.prior_frame(snapshot)
    turn, offset = frame_of_prior.R_prior_input[b], frame_of_prior.offset[b]
    back = PriorFrame(turn.expand(samples, 3, 3), offset.expand(samples, 3))
    body = fit.problem.body
    trans = back.trans_back(state.trans, body.rest_joints(betas)[:, 0])
    root = back.orient_back(state.root_orient)
    joints = body.joints(trans, root, state.pose_body, betas)
    return Future(b, Trajectory(trans=trans, root_orient=root, pose_body=state.pose_body, betas=betas, joints=joints))
