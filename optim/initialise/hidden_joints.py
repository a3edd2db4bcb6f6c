"""Places at which the prior of the first state expects hidden joints, given the visible part of a free motion.

Nothing in stage 2 says where hidden legs are: they get the mean pose, stand still and hang above the floor, and stage 3
then begins so far from the motion that it ends in a worse minimum (docs/lab/starts.md). The mixture of the prior of the
first state knows how joints, their velocities and those of the root belong together, in any frame of a motion.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from optim.initialise.initialisation import prior_frame_of, states_in_prior
from optim.objective.prediction import BODY_JOINTS
from optim.priors.rollout import (
    JOINTS,
    JOINTS_VEL,
    ROOT_VEL,
    TRANS_VEL,
    canonicalise,
    joint_pivot,
    turn_matrix,
)
from optim.problem.missing_frames import seen_frames
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.problem.variables import Variables
from optim.schedule.phases import Phase
from optim.schedule.presets import Preset
from optim.schedule.stages import FOLLOWING_SHARE

PLACE_ERROR, VELOCITY_ERROR, ROOT_VELOCITY_ERROR = 0.02, 0.2, 0.1
"""Standard deviations of what is known of a motion: places [m] and velocities [m/s] of visible joints, and velocities
of the root [m/s, rad/s]. Half and a quarter of the first two give the same results within 0.5 cm."""
OFTEN = 0.5
"""Share of the frames of a sub-sequence that must hide a quarter of the body, for it to count as hidden."""

NOISE = 0.005
"""Noise [m] up to which the smoothing keeps its weight."""
MEDIAN_NORM = 1.538
"""Median length of a vector of three standard normal numbers."""
SMOOTHING = "joints3d_smooth"


def hides_body(observations: Observations) -> bool:
    """Whether 3D observations hide a quarter of the body or more in many frames of a sub-sequence."""
    seen = seen_frames(observations)
    hidden = seen & (observations.shows_body == 0)
    return bool((hidden.sum(1) >= OFTEN * seen.sum(1).clamp_min(1)).any())


def noise_of(*joints: Tensor) -> float:
    """Standard deviation [m] of the noise of observed joints (B, T, 22, 3), from their second differences in time.

    The acceleration of a motion without noise counts as 0.2 to 0.5 cm.
    """
    known = torch.cat([_bends(part) for part in joints])
    return float(known.median()) / (MEDIAN_NORM * 6.0**0.5) if len(known) else 0.0


def _bends(joints: Tensor) -> Tensor:
    """Lengths of the second differences of joints that are seen in three frames after each other."""
    seen = torch.isfinite(joints).all(-1)
    bends = (joints[:, 2:] - 2.0 * joints[:, 1:-1] + joints[:, :-2]).norm(dim=-1)
    return bends[seen[:, 2:] & seen[:, 1:-1] & seen[:, :-2]]


def suited(phases: tuple[Phase, ...], parts: Iterable[Observations]) -> tuple[Phase, ...]:
    """The schedule with the phases for hidden joints as the observations need them.

    Where these show the body, the phases are left out. Where the joints are noisy, their smoothing grows with the
    variance of the noise, up to that of stage 2. A smoothing that differs from the planned one already is kept.

    Args:
        parts: Observations of every batch, since all batches go through the same phases. They are asked for only where
            the schedule has such phases.
    """
    if not any(phase.for_hidden for phase in phases):
        return phases
    parts = list(parts)
    joints = [part.joints3d for part in parts if part.joints3d is not None]
    stage_2 = next((phase for phase in phases if phase.stage == 2 and not phase.for_hidden), None)
    if not joints or stage_2 is None or not any(hides_body(part) for part in parts):
        return tuple(phase for phase in phases if not phase.for_hidden)
    factor = min(max((noise_of(*joints) / NOISE) ** 2, 1.0), 1.0 / FOLLOWING_SHARE)
    base = FOLLOWING_SHARE * stage_2.weight(SMOOTHING)
    return tuple(
        replace(phase, weights={**phase.weights, SMOOTHING: factor * base})
        if phase.for_hidden and phase.weight(SMOOTHING) == base
        else phase
        for phase in phases
    )


def expected_joints(problem: Problem, variables: Variables, preset: Preset) -> Tensor:
    """``Problem.expected_joints`` (B, T, 22, 3) for a free motion; +inf in missing frames too.

    Args:
        problem: A problem with observed 3D joints.
        variables: Variables of stage 2 that follow the visible joints.
    """
    with torch.no_grad():
        frame = prior_frame_of(problem, variables, preset)
        motion = states_in_prior(problem, variables, frame)
        batch, count = motion.trans.shape[:2]
        flat = motion.flat().flatten(0, 1)
        pivot = joint_pivot(motion.joints[:, 0] - motion.trans[:, :1]).repeat_interleave(count, dim=0)
        local, cos, sin = canonicalise(flat, pivot)
        visible = problem.observations.visible["joints3d"]
        places = _expected(problem, local, visible.flatten(0, 1))
        shift = functional.pad(-flat[:, :2], (0, 1))
        back = (places + pivot[:, None]) @ turn_matrix(cos, sin) - (shift + pivot)[:, None]
        found = frame.points_back(back.unflatten(0, (batch, count)))
    wanted = seen_frames(problem.observations)[..., None] & ~visible
    return torch.where(wanted[..., None], found, torch.inf)


def _expected(problem: Problem, local: Tensor, visible: Tensor) -> Tensor:
    """Expected joints (N, 22, 3) of flat states (N, 339) in their own canonical frames, of which joints (N, 22) are
    visible."""
    parts = (JOINTS, JOINTS_VEL, TRANS_VEL, ROOT_VEL)
    state = torch.cat([local[:, part] for part in parts], dim=1)
    joints = visible.repeat_interleave(3, dim=1)
    known = torch.cat((joints, joints, torch.ones_like(joints[:, :6])), dim=1)
    widths = (3 * BODY_JOINTS, 3 * BODY_JOINTS, 6)
    errors = (PLACE_ERROR, VELOCITY_ERROR, ROOT_VELOCITY_ERROR)
    error = torch.cat([state.new_full((width,), value) for width, value in zip(widths, errors, strict=True)])
    found = problem.init_state_prior.expected(state, known, error=error)
    return found[:, : 3 * BODY_JOINTS].unflatten(1, (BODY_JOINTS, 3))
