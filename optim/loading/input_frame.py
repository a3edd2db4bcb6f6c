"""Between the frame of the input and the frame that a problem is stated in, where the two differ.

They differ only for 3D data without a camera under presets whose prior works in the frame of its observations
(``Preset.prior_frame``). The public loader brings such data into the canonical frame of the true first frame. What is
saved, exported or shown is brought back with the functions of this module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from optim.body.body_model import BodyModel
from optim.loading.clip import moved
from optim.problem.frames import PriorFrame, canonical_frame
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory


def canonicalised(
    observations: Observations, truth: Trajectory, body: BodyModel
) -> tuple[Observations, Trajectory, PriorFrame]:
    """3D observations and the true motion in the canonical frame of its first frame. Missing data stays missing.

    Returns:
        Observations, truth, and the transform that they went through, for ``Problem.from_input``.
    """
    pelvis = body.rest_joints(truth.betas)[:, 0]
    frame = canonical_frame(truth.trans[:, 0], truth.root_orient[:, 0], pelvis)
    return _observations(observations, frame.points), moved(truth, frame, body), frame


def motion_of_input(motion: Trajectory, problem: Problem) -> Trajectory:
    """A motion of a problem's sub-sequences, expressed in the frame of the input."""
    frame = problem.from_input
    return motion if frame is None else moved(motion, frame.inverse, problem.body)


def problem_of_input(problem: Problem) -> Problem:
    """The same problem with its observations and truth expressed in the frame of the input."""
    frame = problem.from_input
    if frame is None:
        return problem
    truth = problem.ground_truth
    return replace(
        problem,
        observations=_observations(problem.observations, frame.points_back),
        ground_truth=None if truth is None else motion_of_input(truth, problem),
        from_input=None,
    )


def _observations(seen: Observations, points: Callable[[Tensor], Tensor]) -> Observations:
    """The observations with their 3D points transformed."""

    def move(value: Tensor | None) -> Tensor | None:
        if value is None:
            return None
        finite = torch.isfinite(value)
        return torch.where(finite, points(torch.where(finite, value, 0.0)), torch.inf)

    return replace(seen, joints3d=move(seen.joints3d), verts3d=move(seen.verts3d), points3d=move(seen.points3d))
