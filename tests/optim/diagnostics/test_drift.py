"""Drift: nothing where the prior loses nothing, and a planted error split into what one step does and what adds up."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import nn

from optim.common.rotations import matrix_to_axis_angle
from optim.diagnostics.drift import Drift, drift, teacher_forced
from optim.diagnostics.quantities import mean_distance_cm, root_distance_cm
from optim.priors.rollout import State
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes

FRAMES = 8
TURN_Z, SHIFT_RIGHT, SHIFT_UP = 8, 0, 2
"""Places in the decoder's output: z of the root's turn, x and z of trans."""


class _StandardNormal(nn.Module):
    """A conditional prior that expects nothing in particular: mean 0 and variance 1."""

    def forward(self, past):
        return torch.zeros(len(past), 2 * 216)


class Lossless(nn.Module):
    """A prior whose latents are the changes themselves; ``error`` is added to every decoding."""

    def __init__(self, error: torch.Tensor | None = None) -> None:
        super().__init__()
        self.decoder = nn.Identity()
        self.prior_net = _StandardNormal()
        self.error = torch.zeros(216) if error is None else error

    def posterior(self, past, now):
        a, b = State.from_flat(past), State.from_flat(now)
        turn = [matrix_to_axis_angle(y @ x.mT) for x, y in ((a.root_orient, b.root_orient), (a.pose_body, b.pose_body))]
        parts = (
            b.trans - a.trans,
            b.trans_vel - a.trans_vel,
            turn[0],
            b.root_orient_vel - a.root_orient_vel,
            turn[1].flatten(1),
            (b.joints - a.joints).flatten(1),
            (b.joints_vel - a.joints_vel).flatten(1),
            torch.zeros(len(past), 9),
        )
        change = torch.cat(parts, dim=1)
        return change, torch.ones_like(change)

    def prior(self, past):
        return torch.zeros(len(past), 216), torch.ones(len(past), 216)

    def decode(self, past, latent):
        return latent + self.error


def entering_stage_3(prior, *, hidden: slice | None = None) -> Session:
    problem = replace(fakes.problem(batch=2, frames=FRAMES), motion_prior=prior)
    if hidden:
        joints = fakes.hide(problem.observations.joints3d, (slice(None), hidden))
        problem = replace(problem, observations=replace(problem.observations, joints3d=joints))
    phases = schedule("humorscope", "3d", num_iters=(1, 2, 1), lbfgs_max_iter=5, tune_init=False)
    session = Session(problem, schedule=phases)
    while session.current.stage < 3:
        session.step_iteration()
    return session


def splits(found: Drift) -> dict:
    return {f.name: getattr(found, f.name) for f in fields(found)}


@pytest.mark.parametrize("hidden", [None, slice(3, 6)])
def test_an_exact_roll_out_does_not_drift(hidden):
    """Where frames were not seen, the motion that stage 3 begins with is stage 2's with the gap bridged."""
    for name, split in splits(drift(entering_stage_3(Lossless(), hidden=hidden).fit)).items():
        for part in (split.total, split.encoding, split.accumulation):
            assert part.shape == (2, FRAMES)
            np.testing.assert_allclose(part, 0.0, atol=5e-3, err_msg=name)


@pytest.mark.parametrize(
    ("where", "size", "names", "per_step"),
    [
        (SHIFT_RIGHT, 0.01, ("root_cm", "joints_cm"), 1.0),
        (SHIFT_UP, 0.02, ("lowest_foot_cm", "root_cm"), 2.0),
        (SHIFT_UP, -0.02, ("lowest_foot_cm",), -2.0),
        (TURN_Z, 0.02, ("heading_deg",), np.rad2deg(0.02)),
    ],
)
def test_an_error_of_every_step_adds_up(where, size, names, per_step):
    """Teacher-forced it is there once in every frame, free-running t times in frame t."""
    error = torch.zeros(216)
    error[where] = size
    found = splits(drift(entering_stage_3(Lossless(error)).fit))
    frames = np.arange(FRAMES)
    for name in names:
        np.testing.assert_allclose(found[name].encoding[:, 1:], per_step, rtol=0.03)
        np.testing.assert_allclose(found[name].encoding[:, 0], 0.0)
        np.testing.assert_allclose(found[name].total, per_step * frames[None].repeat(2, 0), rtol=0.03, atol=5e-3)
        np.testing.assert_allclose(found[name].accumulation, found[name].total - found[name].encoding)


@pytest.mark.parametrize("fixture", ["seen_in_3d", "seen_by_camera"])
def test_agrees_with_the_session_and_starts_at_the_first_step(fixture, request):
    session = request.getfixturevalue(fixture)
    found, compared = drift(session.fit), session.fit.stage3_init
    both = compared.rollout.joints, compared.stage2.joints
    np.testing.assert_allclose(found.root_cm.total, root_distance_cm(*both), atol=1e-3)
    np.testing.assert_allclose(found.joints_cm.total, mean_distance_cm(*both), atol=1e-3)
    for split in splits(found).values():
        np.testing.assert_allclose(split.accumulation[:, :2], 0.0, atol=2e-3)
    assert found.joints_cm.total[:, -1].min() > 1.0


@pytest.mark.parametrize("fixture", ["seen_in_3d", "seen_by_camera"])
def test_the_teacher_forced_motion_is_as_far_off_as_encoding_loses(fixture, request):
    session = request.getfixturevalue(fixture)
    found, forced = drift(session.fit), teacher_forced(session.fit, session.current)
    apart = 100 * (forced.joints - session.fit.stage2_trajectory.joints).norm(dim=-1).numpy()
    np.testing.assert_allclose(apart[..., 0], found.root_cm.encoding, atol=2e-3)
    np.testing.assert_allclose(apart.mean(-1), found.joints_cm.encoding, atol=2e-3)
    body = session.problem.body.joints(forced.trans, forced.root_orient, forced.pose_body, forced.betas)
    np.testing.assert_allclose(forced.joints, body, atol=1e-4)
    assert teacher_forced(session.fit, session.fit.end_of_stage(2)) is None


def test_is_that_of_the_branch(seen_in_3d):
    ended = seen_in_3d.fit.end_of_stage(2)
    assert drift(seen_in_3d.fit, ended) is None
    first = seen_in_3d.history[seen_in_3d.fit.stage3_start.id]
    here, later = drift(seen_in_3d.fit, first), drift(seen_in_3d.fit)
    np.testing.assert_array_equal(here.root_cm.total, later.root_cm.total)
