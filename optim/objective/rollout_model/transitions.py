"""Derivatives of the transitions of a roll-out with respect to deviations, in the prior frame.

A transition turns a state into its canonical frame, decodes a change, and turns the change back. All of this except the
network is block-diagonal and is written down here; the Jacobians of the networks are given.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from optim.common.rotations import axis_angle_to_matrix, cross_matrix, matrix_to_axis_angle
from optim.objective.rollout_model.deviations import (
    JOINTS,
    JOINTS_VEL,
    PIVOT,
    POSE,
    ROOT,
    ROOT_VEL,
    SIZE,
    STATE,
    TRANS,
    TRANS_VEL,
    left_jacobian,
)
from optim.objective.rollout_model.networks import NetworkJacobians
from optim.priors import rollout as flat
from optim.priors.motion_prior import STATE_SIZE
from optim.priors.rollout import Rollout, State, Turn, joint_pivot, move, turn_matrix

VECTORS = ((flat.TRANS_VEL, TRANS_VEL), (flat.ROOT_VEL, ROOT_VEL), (flat.JOINTS_VEL, JOINTS_VEL))
"""Blocks of vectors that only turn: in the flat state, and in its deviation."""


@dataclass(frozen=True)
class Transitions:
    """N transitions to first order: next deviation = by_state @ deviation + by_latent @ change of the latent."""

    by_state: Tensor  # (B, N, 207, SIZE)
    by_latent: Tensor  # (B, N, 207, 48)
    mean: Tensor  # (B, N, 48, SIZE): derivative of the conditional prior's mean


@dataclass(frozen=True)
class Headings:
    """The canonical frames of the states that transitions begin from."""

    to_prior: Tensor  # (B, N, 3, 3): turn from the canonical frame to the prior frame
    by_root: Tensor  # (B, N, 3): derivative of its angle with respect to a turn of the root
    live: Tensor  # (B, N): 0 in the first step, whose state the decoder gets as it is; 1 in all others


def headings(root: Tensor, *, turn: Turn) -> Headings:
    """Canonical frames of root orientations (B, N, 3, 3), by the formula ``turn``.

    The derivative is that of ``rollout.canonical_turn``, which ``published_turn`` approximates.
    """
    cos, sin = turn(root)
    live = torch.ones_like(cos)
    live[:, 0] = 0.0
    back = turn_matrix(torch.where(live > 0, cos, live + 1.0), -sin * live)
    x, y, z = root[..., 0].unbind(-1)
    squared = (x * x + y * y).clamp_min(1e-16)
    by_root = torch.stack((-z * x / squared, -z * y / squared, torch.ones_like(x)), dim=-1)
    return Headings(back, by_root * live[..., None], live)


def states_of(motion: Rollout) -> State:
    """The states (B, T, ...) of a roll-out."""
    return State(**{field.name: getattr(motion, field.name) for field in fields(State)})


def canonical_states(states: State, heading: Headings) -> Tensor:
    """Flat inputs of the decoder (B, N, 339), for the states (B, N, ...) that transitions begin from."""
    rows, live = states.flat(), heading.live[..., None]
    batch, steps = rows.shape[:2]
    shift = states.trans * _level(states.trans) * -live
    pivot = joint_pivot(states.joints[:, 0])[:, None] * live
    parts = [part.flatten(0, 1) for part in (rows, heading.to_prior.mT, shift, pivot)]
    found: Tensor = move(*parts).unflatten(0, (batch, steps))
    return found


def canonical_jacobian(states: State, heading: Headings) -> Tensor:
    """Derivative (B, N, 339, SIZE) of ``canonical_states`` with respect to deviations."""
    found = states.trans.new_zeros(*heading.live.shape, STATE_SIZE, SIZE)
    back, live, eye = heading.to_prior.mT, heading.live[..., None, None], torch.eye(3, dtype=found.dtype)
    level = torch.diag(_level(found))
    shift = joint_pivot(states.joints[:, 0])[:, None] - states.trans * _level(found)
    joints = states.joints + shift[:, :, None] * live
    vectors = (states.trans_vel[:, :, None], states.root_orient_vel[:, :, None], states.joints_vel)
    for (rows, columns), values in zip(((flat.JOINTS, JOINTS), *VECTORS), (joints, *vectors), strict=True):
        blocks(found, rows, columns).copy_(back[:, :, None])
        found[..., rows, ROOT] = -_by_heading(values, heading.by_root, turned=back)
    found[..., flat.TRANS, TRANS] = back @ (eye - level * live)
    found[..., flat.JOINTS, TRANS] = (-back @ level * live).repeat(1, 1, 22, 1)
    found[..., flat.JOINTS, PIVOT] = ((back - eye) * live)[..., :2].repeat(1, 1, 22, 1)
    beside_heading = eye.expand_as(back).clone()
    beside_heading[..., 2, :] -= heading.by_root
    found[..., flat.ROOT, ROOT] = _turned_entries(states.root_orient, back) @ beside_heading
    blocks(found, flat.POSE, POSE, height=9).copy_(_turned_entries(states.pose_body, eye))
    return found


def transitions(states: State, heading: Headings, networks: NetworkJacobians) -> Transitions:
    """The transitions between the states (B, N + 1, ...) of a roll-out; headings of the first N."""
    before = states.until(heading.live.shape[1])
    inner = torch.cat((networks.change, networks.mean), dim=2) @ canonical_jacobian(before, heading)
    rotations = torch.cat((states.root_orient[:, :, None], states.pose_body), dim=2)
    turns = matrix_to_axis_angle(rotations[:, 1:] @ rotations[:, :-1].mT)  # (B, N, 22, 3) in the prior frame
    jacobian, back = left_jacobian(turns), heading.to_prior[:, :, None]
    triples = back.repeat(1, 1, STATE // 3, 1, 1)
    triples[:, :, _triples(ROOT)] = jacobian[:, :, :1] @ back
    triples[:, :, _triples(POSE)] = jacobian[:, :, 1:]
    by_state = _apply(triples, inner[..., :STATE, :])
    whole = torch.arange(STATE)
    by_state[..., whole, whole] += 1.0
    kept = axis_angle_to_matrix(turns) - torch.eye(3, dtype=turns.dtype)
    blocks(by_state, ROOT, ROOT).add_(kept[:, :, :1])
    blocks(by_state, POSE, POSE).add_(kept[:, :, 1:])
    for name, columns in (("trans", TRANS), ("trans_vel", TRANS_VEL), ("root_orient_vel", ROOT_VEL),
                          ("joints", JOINTS), ("joints_vel", JOINTS_VEL)):  # fmt: skip
        value = getattr(states, name)
        change = (value[:, 1:] - value[:, :-1]).reshape(*heading.live.shape, -1, 3)
        by_state[..., columns, ROOT] += _by_heading(change, heading.by_root)
    by_state[..., ROOT, ROOT] += jacobian[:, :, 0] @ _by_heading(turns[:, :, :1], heading.by_root)
    return Transitions(by_state, _apply(triples, networks.change_by_latent), inner[..., STATE:, :])


def blocks(matrix: Tensor, rows: slice, columns: slice, *, height: int = 3) -> Tensor:
    """View (..., K, height, 3) of the diagonal blocks of a part of matrices (..., R, C)."""
    part = matrix[..., rows, columns].unflatten(-2, (-1, height)).unflatten(-1, (-1, 3))
    view: Tensor = part.diagonal(dim1=-4, dim2=-2).movedim(-1, -3)
    return view


def _level(like: Tensor) -> Tensor:
    return like.new_tensor([1.0, 1.0, 0.0])


def _triples(columns: slice) -> slice:
    return slice(columns.start // 3, columns.stop // 3)


def _apply(triples: Tensor, matrix: Tensor) -> Tensor:
    """Multiply triples of rows of (B, S, 207, C) by (B, N, 69, 3, 3), where S is N or 1; (B, N, 207, C)."""
    found: Tensor = (triples @ matrix.unflatten(-2, (-1, 3))).flatten(-3, -2)
    return found


def _by_heading(values: Tensor, by_root: Tensor, *, turned: Tensor | None = None) -> Tensor:
    """Derivative (B, N, 3 K, 3) of vectors (B, N, K, 3) that turn about z with the heading; by a turn of the root."""
    x, y, _ = values.unbind(-1)
    across = torch.stack((-y, x, torch.zeros_like(x)), dim=-1)
    if turned is not None:
        across = across @ turned.mT
    return across.flatten(-2)[..., None] * by_root[..., None, :]


def _turned_entries(rotation: Tensor, outer: Tensor) -> Tensor:
    """Derivative (..., 9, 3) of the entries of ``outer @ rotation`` with respect to a turn of the rotation."""
    by_column = outer[..., None, :, :] @ -cross_matrix(rotation.mT)  # (..., column, row, 3)
    return by_column.transpose(-3, -2).flatten(-3, -2)
