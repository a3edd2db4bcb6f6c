"""Multiple shooting: the roll-out is cut into segments that run side by side; their defects are to become zero.

The state at every k-th frame is a variable, a *node*. From x_0 and from every node one segment of k steps rolls out.
All segments are one batch, so the sequential part has k steps instead of T - 1. The end of a segment and the next node
should be the same state. Their difference is the *defect*, which a loss term makes small. If all defects are zero, the
motion equals the single roll-out from x_0 except for the order of sums.

A node is stored as a change of a fixed reference state, in the form of the decoder's output (``rollout.apply_change``):
207 numbers, all 0 at the reference. The references are not variables; they are set when shooting begins.
This module needs no weights of the loss. Source of the method: Bock and Plitt, 1984.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from optim.common.rotations import geodesic_angle
from optim.common.timing import timed
from optim.priors.motion_prior import MotionPrior
from optim.priors.rollout import (
    JOINTS,
    JOINTS_VEL,
    POSE,
    ROOT,
    ROOT_VEL,
    TRANS,
    TRANS_VEL,
    Rollout,
    State,
    Turn,
    apply_change,
    canonical_turn,
    canonicalise,
    chained,
    joint_pivot,
    move,
    rolled_out,
    turn_matrix,
)
from optim.schedule.phases import NODES
from optim.schedule.stage3_variants import node_frames

REFERENCE = "node_reference"
"""Name of the states that the variable ``nodes`` (B, N, 207) changes: (B, N, 339) flat, in the prior frame."""
NODE_SIZE = 207
LEVER = 0.2
"""Length [m] that counts as much as one radian, where rotations are compared with positions."""
HORIZON = 0.1
"""Time [s] that turns a velocity into a distance, where the two are compared."""
_TRANS, _TRANS_VEL, _ROOT, _ROOT_VEL = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)
_POSE, _JOINTS, _JOINTS_VEL = slice(12, 75), slice(75, 141), slice(141, 207)
NODE_BLOCKS = (_TRANS, _TRANS_VEL, _ROOT, _ROOT_VEL, _POSE, _JOINTS, _JOINTS_VEL)
"""Blocks of the 207 numbers of a node, in the order of the decoder's output."""


@dataclass(frozen=True)
class Defects:
    """States where segments end (``before``) and the next ones begin (``after``), (B, N, 339) in the prior frame."""

    frames: tuple[int, ...]
    before: Tensor
    after: Tensor

    def roots(self) -> tuple[Tensor, Tensor]:
        """Root joints (B, N, 3) [m] at the ends of segments and at the next nodes, in the prior frame."""
        return self.before[..., JOINTS][..., :3], self.after[..., JOINTS][..., :3]

    def centimetres(self) -> Tensor:
        """Mean distance (B, N) [cm] of the 22 joints."""
        apart = (self.before - self.after)[..., JOINTS].unflatten(-1, (22, 3))
        mean: Tensor = apart.norm(dim=-1).mean(-1)
        return 100.0 * mean

    def degrees(self) -> Tensor:
        """Angle (B, N) [°] between the root orientations."""
        before, after = (side[..., ROOT].unflatten(-1, (3, 3)) for side in (self.before, self.after))
        return torch.rad2deg(geodesic_angle(before, after))

    def residual(self) -> Tensor:
        """½ squared defect (B, N) [m²] per node; all quantities are converted to lengths.

        Rotations (chordal distance) are multiplied by ``LEVER`` [m/rad], velocities by ``HORIZON`` [s], and angular
        velocities by both.
        """
        squared = (self.before - self.after).square()
        rate = HORIZON * HORIZON
        turn = 0.5 * LEVER * LEVER
        share = (
            squared[..., TRANS].sum(-1)
            + squared[..., JOINTS].sum(-1)
            + rate * (squared[..., TRANS_VEL].sum(-1) + squared[..., JOINTS_VEL].sum(-1))
            + turn * (squared[..., ROOT].sum(-1) + squared[..., POSE].sum(-1))
            + LEVER * LEVER * rate * squared[..., ROOT_VEL].sum(-1)
        )
        return 0.5 * share


def node_scale(dtype: torch.dtype) -> Tensor:
    """Factors (207,) from the variable to the decoder's units; 1 in the variable is 1 m in ``Defects.residual``."""
    scale = torch.ones(NODE_SIZE, dtype=dtype)
    scale[_ROOT] = scale[_POSE] = 1.0 / LEVER
    scale[_TRANS_VEL] = scale[_JOINTS_VEL] = 1.0 / HORIZON
    scale[_ROOT_VEL] = 1.0 / (LEVER * HORIZON)
    return scale


def node_states(nodes: Tensor, reference: Tensor) -> Tensor:
    """Flat states (B, N, 339) in the prior frame, from the variable (B, N, 207) and its reference (B, N, 339)."""
    change = functional.pad(nodes * node_scale(nodes.dtype), (0, 9))
    moved, _ = apply_change(reference.flatten(0, 1), change.flatten(0, 1))
    return moved.view_as(reference)


def cut(variables: Mapping[str, Tensor], states: Tensor, segment: int | None) -> dict[str, Tensor]:
    """The variables with nodes at a motion's states (B, T, 339) in the prior frame; without nodes if no ``segment``."""
    rest = {name: value for name, value in variables.items() if name not in (NODES, REFERENCE)}
    if segment is None:
        return rest
    reference = states[:, node_frames(states.shape[1], segment)]
    return rest | {NODES: reference.new_zeros(*reference.shape[:2], NODE_SIZE), REFERENCE: reference}


def states_of(motion: Rollout, defects: Defects | None) -> Tensor:
    """Flat states (B, T, 339) of a roll-out; where segments meet, the state of the node."""
    state = State(**{f.name: getattr(motion, f.name) for f in fields(State)}).flat()
    if defects is None:
        return state
    return state.index_copy(1, torch.tensor(defects.frames, dtype=torch.long), defects.after)


@timed("roll-out")
def shoot(
    prior: MotionPrior,
    start: State,
    nodes: Tensor,
    latents: Tensor,
    *,
    segment: int,
    with_prior: bool = True,
    turn: Turn = canonical_turn,
) -> tuple[Rollout, Defects]:
    """Roll out from x_0 and from every node, all in one batch.

    Args:
        start: x_0 (B, …) in the prior frame; the decoder gets it without canonicalisation.
        nodes: (B, N, 339) flat states at ``node_frames``, in the prior frame.
        latents: (B, T-1, 48).
        segment: Number of steps from node to node.
        with_prior, turn: As in ``rollout.rollout``.

    Returns:
        The motion of T frames in the prior frame, and the defects. The frame of a node shows the end of the segment
        before it.
    """
    batch, steps = latents.shape[:2]
    frames = node_frames(steps + 1, segment)
    count, nodes = len(frames) + 1, nodes[:, : len(frames)]
    first, pivot = start.flat(), joint_pivot(start.joints)
    pivots = pivot[:, None].expand(batch, count, 3)
    local, cos, sin = canonicalise(nodes.flatten(0, 1), pivots[:, 1:].flatten(0, 1), turn=turn)
    starts = torch.cat((first[:, None], local.unflatten(0, (batch, count - 1))), dim=1)
    padded = functional.pad(latents, (0, 0, 0, count * segment - steps)).unflatten(1, (count, segment))
    rows = (starts.flatten(0, 1), padded.flatten(0, 1), pivots.flatten(0, 1))
    inputs, moved, contacts = chained(prior, *rows, turn=turn)

    def end_to_end(rolled: Tensor) -> Tensor:
        whole: Tensor = rolled.unflatten(0, (batch, count)).flatten(1, 2)
        return whole[:, :steps]

    placed = moved.unflatten(0, (batch, count))
    back = _back(placed[:, 1:], cos.view(batch, -1), -sin.view(batch, -1), nodes, pivot)
    motion = torch.cat((first[:, None], placed[:, 0], back.flatten(1, 2)), dim=1)[:, : steps + 1]
    rolled = rolled_out(prior, motion, end_to_end(inputs), end_to_end(contacts), with_prior=with_prior)
    return rolled, Defects(tuple(frames), motion[:, frames], nodes)


def _back(local: Tensor, cos: Tensor, sin: Tensor, nodes: Tensor, pivot: Tensor) -> Tensor:
    """Segments (B, N, k, 339) from the canonical frames of their nodes to the prior frame."""
    batch, count, length = local.shape[:3]

    def spread(value: Tensor) -> Tensor:
        return value[:, :, None].expand(batch, count, length, *value.shape[2:]).flatten(0, 2)

    turn = spread(turn_matrix(cos, sin))
    about = pivot[:, None, None].expand(batch, count, length, 3).flatten(0, 2)
    moved = move(local.flatten(0, 2), turn, torch.zeros_like(about), about).unflatten(0, (batch, count, length))
    origin = functional.pad(nodes[..., :2], (0, 1))[:, :, None]
    joints = (moved[..., JOINTS].unflatten(-1, (22, 3)) + origin[..., None, :]).flatten(-2)
    return torch.cat((moved[..., TRANS] + origin, moved[..., 3:207], joints, moved[..., JOINTS_VEL]), dim=-1)
