"""Motion as a chain of transitions: canonical frames, roll-out through the prior, and latents inferred from a motion.

``canonical_turn`` defines the canonical frame for training, inference and roll-out. The prior frame has z up and the
floor at z = 0. A canonical frame is a prior frame that is turned about z and moved over the floor, so that the body's
right (minus the x column of the root rotation) points along +x and ``trans`` is at x = y = 0.

Canonical frames differ only by a turn about z and a shift over the floor. The loop below therefore works in local
frames only, and all frames are transformed to the prior frame in one operation after it.
Source: HuMoR, Rempe et al., ICCV 2021, and its public implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from optim.common.rotations import axis_angle_to_matrix
from optim.common.timing import timed
from optim.priors import fast
from optim.priors.motion_prior import LATENT_SIZE, MotionPrior
from optim.priors.placing import place

TRANS, TRANS_VEL, ROOT, ROOT_VEL = slice(0, 3), slice(3, 6), slice(6, 15), slice(15, 18)
POSE, JOINTS, JOINTS_VEL = slice(18, 207), slice(207, 273), slice(273, 339)
"""Blocks of a state in its flat form of 339 numbers."""


@dataclass(frozen=True)
class State:
    """One frame (leading axes (B,)) or a motion (B, T) in the prior's representation; units are m, m/s, rad/s."""

    trans: Tensor  # (..., 3)
    trans_vel: Tensor  # (..., 3)
    root_orient: Tensor  # (..., 3, 3)
    root_orient_vel: Tensor  # (..., 3), angular velocity in the frame the state is given in
    pose_body: Tensor  # (..., 21, 3, 3)
    joints: Tensor  # (..., 22, 3)
    joints_vel: Tensor  # (..., 22, 3)

    def flat(self) -> Tensor:
        """(..., 339) in the order of the networks' input."""
        lead = self.trans.shape[:-1]
        return torch.cat([getattr(self, f.name).reshape(*lead, -1) for f in fields(self)], dim=-1)

    @staticmethod
    def from_flat(flat: Tensor) -> State:
        """The inverse of ``flat``."""
        trans, trans_vel, root, root_vel, pose, joints, joints_vel = flat.split((3, 3, 9, 3, 189, 66, 66), dim=-1)
        return State(
            trans=trans,
            trans_vel=trans_vel,
            root_orient=root.unflatten(-1, (3, 3)),
            root_orient_vel=root_vel,
            pose_body=pose.unflatten(-1, (21, 3, 3)),
            joints=joints.unflatten(-1, (22, 3)),
            joints_vel=joints_vel.unflatten(-1, (22, 3)),
        )

    def at(self, frame: int) -> State:
        """The state (B, …) at one frame of a motion (B, T, …)."""
        return State(**{f.name: getattr(self, f.name)[:, frame] for f in fields(self)})

    def until(self, frame: int) -> State:
        """The states (B, frame, …) before one frame of a motion (B, T, …)."""
        return State(**{f.name: getattr(self, f.name)[:, :frame] for f in fields(self)})


@dataclass(frozen=True)
class Rollout:
    """A motion that the prior predicts, in the prior frame; frame 0 is the given x_0."""

    trans: Tensor  # (B, T, 3)
    trans_vel: Tensor
    root_orient: Tensor  # (B, T, 3, 3)
    root_orient_vel: Tensor
    pose_body: Tensor  # (B, T, 21, 3, 3)
    joints: Tensor  # (B, T, 22, 3), regressed by the decoder, not the body model's
    joints_vel: Tensor
    contact_logits: Tensor  # (B, T-1, 9) in the order of CONTACT_JOINTS
    prior_mean: Tensor  # (B, T-1, 48)
    prior_var: Tensor


def canonical_turn(root_orient: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine (...) of the turn about z that brings the body's right onto +x.

    Args:
        root_orient: (..., 3, 3).

    The public code uses ``arccos(r_x / (|r| + 1e-6))``, which approximates this angle. The gradient is finite except
    for a body whose right is vertical.
    """
    right = -root_orient[..., :2, 0]
    unit = right / right.norm(dim=-1, keepdim=True).clamp_min(1e-8)
    return unit[..., 0], -unit[..., 1]


def published_turn(root_orient: Tensor) -> tuple[Tensor, Tensor]:
    """``canonical_turn`` exactly as the public code computes it, for runs that must reproduce its numbers.

    Near alignment it overshoots by up to 1.4e-3 rad, because of the 1e-6 in the norm inside arccos, and its gradient
    vanishes or jumps there. It differs from ``canonical_turn`` by up to 1.4e-4 m in a roll-out and 2 % in gradients.
    """
    right = -root_orient[..., :2, 0]
    cosine = (right[..., 0] / (right.norm(dim=-1) + 1e-6)).clamp(-1.0, 1.0)
    axis = -right[..., 1]
    angle = axis / (axis.abs() + 1e-6) * torch.acos(cosine)
    return angle.cos(), angle.sin()


Turn = Callable[[Tensor], tuple[Tensor, Tensor]]


def turn_matrix(cos: Tensor, sin: Tensor) -> Tensor:
    """Rotation about z (..., 3, 3) from cosine and sine (...)."""
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    return torch.stack((cos, -sin, zero, sin, cos, zero, zero, zero, one), dim=-1).unflatten(-1, (3, 3))


def joint_pivot(joints: Tensor) -> Tensor:
    """The point (B, 3) about which the joints (B, 22, 3) of frame 0 turn: minus x and y of the root joint, and 0.

    SMPL's ``trans`` is not at the root joint. The offset between them keeps its direction while the body turns.
    """
    return functional.pad(-joints[:, 0, :2], (0, 1))


def move(flat: Tensor, turn: Tensor, shift: Tensor, pivot: Tensor) -> Tensor:
    """Flat states (N, 339) in another frame: add ``shift`` (N, 3), then apply ``turn`` (N, 3, 3) about z.

    Vectors only turn, joints turn about ``pivot``, and local rotations (pose_body) do not change.
    """
    n = flat.shape[0]
    root = flat[:, ROOT].reshape(n, 3, 3).transpose(1, 2)
    offset = (shift + pivot)[:, None]
    rows = torch.cat(
        (
            (flat[:, TRANS] + shift)[:, None],
            flat[:, TRANS_VEL, None].transpose(1, 2),
            root,
            flat[:, ROOT_VEL, None].transpose(1, 2),
            flat[:, JOINTS].reshape(n, 22, 3) + offset,
            flat[:, JOINTS_VEL].reshape(n, 22, 3),
        ),
        dim=1,
    )
    rows = rows @ turn.transpose(1, 2)
    return torch.cat(
        (
            rows[:, :2].flatten(1),
            rows[:, 2:5].transpose(1, 2).flatten(1),
            rows[:, 5],
            flat[:, POSE],
            (rows[:, 6:28] - pivot[:, None]).flatten(1),
            rows[:, 28:].flatten(1),
        ),
        dim=1,
    )


def canonicalise(flat: Tensor, pivot: Tensor, *, turn: Turn = canonical_turn) -> tuple[Tensor, Tensor, Tensor]:
    """Flat states (N, 339), each in its own canonical frame, and the cosine and sine (N,) of the turns."""
    cos, sin = turn(flat[:, ROOT].reshape(-1, 3, 3))
    shift = functional.pad(-flat[:, :2], (0, 1))
    return move(flat, turn_matrix(cos, sin), shift, pivot), cos, sin


def apply_change(flat: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
    """x_{t-1} (N, 339) and the decoder's output (N, 216) → x_t in the same frame (N, 339), contact logits (N, 9)."""
    n = flat.shape[0]
    turns = axis_angle_to_matrix(torch.cat((change[:, 6:9], change[:, 12:75]), dim=1).reshape(n, 22, 3))
    rotations = turns @ torch.cat((flat[:, ROOT], flat[:, POSE]), dim=1).reshape(n, 22, 3, 3)
    rotations = rotations.flatten(1)
    moved = torch.cat(
        (
            flat[:, :6] + change[:, :6],
            rotations[:, :9],
            flat[:, ROOT_VEL] + change[:, 9:12],
            rotations[:, 9:],
            flat[:, 207:] + change[:, 75:207],
        ),
        dim=1,
    )
    return moved, change[:, 207:]


@timed("roll-out")
def rollout(
    prior: MotionPrior, start: State, latents: Tensor, *, with_prior: bool = True, turn: Turn = canonical_turn
) -> Rollout:
    """Run the prior from x_0 through the latents.

    Args:
        start: x_0 (B, …) in the prior frame; the decoder gets it without canonicalisation.
        latents: (B, T-1, 48).
        with_prior: Also evaluate the conditional prior along the roll-out; the motion does not depend on it.
        turn: ``canonical_turn`` or ``published_turn``.

    Returns:
        A motion of T frames in the prior frame.
    """
    first = start.flat()
    pivot = joint_pivot(start.joints)
    inputs, predicted, contacts = chained(prior, first, latents, pivot, turn=turn)
    motion = torch.cat((first[:, None], predicted), dim=1)
    return rolled_out(prior, motion, inputs, contacts, with_prior=with_prior)


def rolled_out(prior: MotionPrior, motion: Tensor, inputs: Tensor, contacts: Tensor, *, with_prior: bool) -> Rollout:
    """A ``Rollout`` from flat states (B, T, 339), decoder inputs (B, T-1, 339) and contact logits (B, T-1, 9)."""
    batch, steps = inputs.shape[:2]
    if with_prior:
        mean, variance = fast.conditional_prior(prior, inputs.flatten(0, 1))
    else:
        mean = variance = inputs.new_zeros(batch * steps, LATENT_SIZE)
    state = State.from_flat(motion)
    return Rollout(
        **{f.name: getattr(state, f.name) for f in fields(State)},
        contact_logits=contacts,
        prior_mean=mean.unflatten(0, (batch, steps)),
        prior_var=variance.unflatten(0, (batch, steps)),
    )


def chained(
    prior: MotionPrior, state: Tensor, latents: Tensor, pivot: Tensor, *, turn: Turn = canonical_turn
) -> tuple[Tensor, Tensor, Tensor]:
    """``transitions``, with compiled code where that is possible."""
    if turn in (canonical_turn, published_turn):
        found = fast.transitions(prior, state, latents, pivot, published=turn is published_turn)
        if found is not None:
            return found
    return transitions(prior, state, latents, pivot, turn=turn)


def transitions(
    prior: MotionPrior, state: Tensor, latents: Tensor, pivot: Tensor, *, turn: Turn = canonical_turn
) -> tuple[Tensor, Tensor, Tensor]:
    """The chain of decodings from a flat state, in plain autograd; arguments and results as ``fast.transitions``."""
    inputs, local, contacts, turns = [], [], [], []
    for latent in latents.unbind(1):
        inputs.append(state)
        predicted, logits = apply_change(state, prior.decode(state, latent))
        local.append(predicted)
        contacts.append(logits)
        state, cos, sin = canonicalise(predicted, pivot, turn=turn)
        turns.append(torch.stack((cos, sin), dim=-1))
    placed = place(torch.stack(local, 1), torch.stack(turns, 1), pivot)
    return torch.stack(inputs, 1), placed, torch.stack(contacts, 1)


def sample(prior: MotionPrior, start: State, frames: int, *, generator: torch.Generator) -> tuple[Rollout, Tensor]:
    """A future drawn from the prior: every latent is drawn from the conditional prior of the state before it.

    Args:
        start: x_0 (B, …) in the prior frame.
        frames: Length of the motion, x_0 included.
        generator: Source of the random numbers.

    Returns:
        The roll-out of ``frames`` frames and the latents (B, frames-1, 48) that give it.
    """
    state, pivot, latents = start.flat(), joint_pivot(start.joints), []
    for _ in range(frames - 1):
        mean, variance = fast.conditional_prior(prior, state)
        latents.append(mean + variance.sqrt() * torch.randn(mean.shape, generator=generator).to(mean.device))
        predicted, _ = apply_change(state, prior.decode(state, latents[-1]))
        state = canonicalise(predicted, pivot)[0]
    drawn = torch.stack(latents, dim=1)
    return rollout(prior, start, drawn), drawn


def canonical_pairs(flat: Tensor, pivot: Tensor, *, turn: Turn = canonical_turn) -> tuple[Tensor, Tensor]:
    """Both states (B, T-1, 339) of every transition of a motion (B, T, 339), in the first one's canonical frame."""
    batch, steps = flat.shape[0], flat.shape[1] - 1
    past, now = flat[:, :-1].flatten(0, 1), flat[:, 1:].flatten(0, 1)
    pivot = pivot[:, None].expand(batch, steps, 3).flatten(0, 1)
    matrix = turn_matrix(*turn(past[:, ROOT].reshape(-1, 3, 3)))
    shift = functional.pad(-past[:, :2], (0, 1))
    past, now = move(past, matrix, shift, pivot), move(now, matrix, shift, pivot)
    return past.unflatten(0, (batch, steps)), now.unflatten(0, (batch, steps))


def infer_latents(prior: MotionPrior, motion: State, *, turn: Turn = canonical_turn) -> Tensor:
    """The posterior mean (B, T-1, 48) of every transition of a motion (B, T, …).

    Each latent fits its own transition. A roll-out from x_0 drifts, because the errors of the transitions add up.
    """
    pivot = joint_pivot(motion.joints[:, 0] - motion.trans[:, :1])  # trans need not stand at the origin here
    past, now = canonical_pairs(motion.flat(), pivot, turn=turn)
    mean, _ = prior.posterior(past.flatten(0, 1), now.flatten(0, 1))
    return mean.unflatten(0, past.shape[:2])


def central_difference(values: Tensor, *, fps: float) -> Tensor:
    """Velocity (B, T, …) of values: central differences, but forward at the first and backward at the last frame."""
    inner = (values[:, 2:] - values[:, :-2]) * (0.5 * fps)
    ends = (values[:, 1:] - values[:, :-1]) * fps
    return torch.cat((ends[:, :1], inner, ends[:, -1:]), dim=1)


def angular_velocity(rotation: Tensor, *, fps: float) -> Tensor:
    """Angular velocity (B, T, 3) [rad/s] of rotations R (B, T, 3, 3): skew part of (dR/dt) Rᵀ, in R's target frame."""
    skew = central_difference(rotation, fps=fps) @ rotation.transpose(-1, -2)
    pairs = ((2, 1), (0, 2), (1, 0))
    return torch.stack([0.5 * (skew[..., i, j] - skew[..., j, i]) for i, j in pairs], dim=-1)


def estimate_states(trans: Tensor, root_orient: Tensor, pose_body: Tensor, joints: Tensor, *, fps: float) -> State:
    """A motion with velocities from finite differences.

    Args:
        trans: (B, T, 3); root_orient: (B, T, 3, 3); pose_body: (B, T, 21, 3, 3); joints: (B, T, 22, 3), T ≥ 2.
    """
    return State(
        trans=trans,
        trans_vel=central_difference(trans, fps=fps),
        root_orient=root_orient,
        root_orient_vel=angular_velocity(root_orient, fps=fps),
        pose_body=pose_body,
        joints=joints,
        joints_vel=central_difference(joints, fps=fps),
    )
