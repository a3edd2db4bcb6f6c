"""How the deviations of the first frame depend on the variables that are not latents: x_0, shape and floor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from optim.objective.prediction import initial_state
from optim.objective.rollout_model.deviations import turn_between
from optim.priors.rollout import State, joint_pivot
from optim.problem.frames import PriorFrame
from optim.problem.problem import Problem
from optim.problem.variables import Packing, Variables

LATENTS = "latent_motion"


@dataclass(frozen=True)
class Entry:
    """The moving variables besides the latents, n of each sub-sequence."""

    jacobian: Tensor  # (B, SIZE, n) of the first frame's deviation and of what all frames share
    places: Tensor  # (B, n) int: where each entry is in the flat vector
    columns: Mapping[str, slice]
    """Name of a variable → its columns."""


def entry(problem: Problem, variables: Variables, packing: Packing, *, frame: PriorFrame | None) -> Entry:
    """The derivative at given variables, by automatic differentiation.

    Args:
        frame: As for ``prediction.initial_state``.
    """
    batch, found, columns, moving, start = problem.batch, [], {}, {}, 0
    for name, piece in packing.split(torch.arange(packing.size)).items():
        if name != LATENTS:
            found.append(piece.flatten(1))
            columns[name] = slice(start, start + found[-1].shape[1])
            moving[name] = variables[name].detach()
            start = columns[name].stop
    if not moving:
        empty = variables["betas"].new_zeros(batch, len(_deviation(problem, variables, variables, frame)[0]), 0)
        return Entry(empty, torch.zeros(batch, 0, dtype=torch.long), {})
    size = _deviation(problem, variables, variables, frame).shape[1]
    rows = [_jacobian(problem, variables, moving, frame, b, size) for b in range(batch)]
    return Entry(torch.stack(rows), torch.cat(found, dim=1), columns)


def _jacobian(
    problem: Problem, variables: Variables, moving: Variables, frame: PriorFrame | None, row: int, size: int
) -> Tensor:
    """Jacobian (size, n) of one sub-sequence: as many copies of it as there are outputs, in one backward pass."""

    def copies(value: Tensor) -> Tensor:
        return value[row : row + 1].expand(size, *value.shape[1:]).contiguous()

    leaves = {name: copies(value).requires_grad_() for name, value in moving.items()}
    reference = {name: copies(value.detach()) for name, value in variables.items()}
    here = None if frame is None else PriorFrame(copies(frame.R_prior_input), copies(frame.offset))
    with torch.enable_grad():
        picked = _deviation(problem, {**reference, **leaves}, reference, here).diagonal().sum()
    gradients = torch.autograd.grad(picked, list(leaves.values()), allow_unused=True, materialize_grads=True)
    return torch.cat([gradient.flatten(1) for gradient in gradients], dim=1)


def _deviation(problem: Problem, variables: Variables, reference: Variables, frame: PriorFrame | None) -> Tensor:
    """Deviation (B, SIZE) of the first frame's state, and of what all frames share, from those of ``reference``."""
    states = [_first(problem, values, frame) for values in (variables, reference)]
    (state, placed), (at, placed_at) = states
    turned = turn_between(placed.R_prior_input, placed_at.R_prior_input.detach())
    parts = (
        state.trans,
        state.trans_vel,
        turn_between(state.root_orient, at.root_orient.detach()),
        state.root_orient_vel,
        turn_between(state.pose_body, at.pose_body.detach()),
        state.joints,
        state.joints_vel,
        variables["betas"],
        joint_pivot(state.joints)[:, :2],
        turned,
        placed.offset,
    )
    return torch.cat([part.flatten(1) for part in parts], dim=1)


def _first(problem: Problem, variables: Variables, frame: PriorFrame | None) -> tuple[State, PriorFrame]:
    pelvis = problem.body.rest_joints(variables["betas"])[:, 0]
    return initial_state(problem, variables, frame=frame, pelvis=pelvis)
