"""Sampled futures begin where the fit stands, go on as the prior says, and come out the same for the same seed."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from optim.common.errors import InputError
from optim.diagnostics.futures import futures
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes


def sampled(session, *, frames_from=None, samples=3, frames=5, seed=0):
    begin = frames_from or {0: 2, 1: 4}
    return futures(session.fit, session.current, frames_from=begin, samples=samples, frames=frames, seed=seed)


@pytest.mark.parametrize("fixture", ["seen_in_3d", "seen_by_camera"])
def test_they_begin_where_the_fit_is(request, fixture):
    session = request.getfixturevalue(fixture)
    motion = session.fit.trajectory()
    for future, (b, frame) in zip(sampled(session), {0: 2, 1: 4}.items(), strict=True):
        assert future.sub_sequence == b
        assert future.motion.joints.shape == (3, 5, 22, 3)
        expected = motion.joints[b, frame].expand(3, -1, -1)
        torch.testing.assert_close(future.motion.joints[:, 0], expected, atol=2e-5, rtol=0)
        torch.testing.assert_close(future.motion.root_orient[0, 0], motion.root_orient[b, frame], atol=2e-5, rtol=0)


def test_same_seed_same_futures(seen_in_3d):
    first, again, other = (sampled(seen_in_3d, seed=seed)[0].motion.joints for seed in (0, 0, 1))
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    assert (first[:, 1:] - other[:, 1:]).abs().max() > 1e-4
    assert (first[0, 1:] - first[1, 1:]).abs().max() > 1e-4


def test_before_stage_3_too(seen_in_3d):
    stage2 = seen_in_3d.fit.end_of_stage(2)
    (future,) = futures(seen_in_3d.fit, stage2, frames_from={1: 3}, samples=2, frames=4, seed=0)
    expected = seen_in_3d.fit.trajectory(stage2).joints[1, 3].expand(2, -1, -1)
    torch.testing.assert_close(future.motion.joints[:, 0], expected, atol=2e-5, rtol=0)


class ToTheRight(nn.Module):
    """A prior that is sure of the next step: a centimetre to the body's right."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.Identity()

    def prior(self, past):
        change = torch.zeros(len(past), 216)
        change[:, 0] = 0.01
        return change, torch.zeros_like(change)

    def decode(self, past, latent):
        return latent


def test_the_prior_is_asked_in_the_frame_of_the_body():
    problem = replace(fakes.problem(frames=6), motion_prior=ToTheRight())
    session = Session(problem, schedule=schedule("humorscope", "3d", num_iters=(1, 1, 1), lbfgs_max_iter=3))
    (future,) = futures(session.fit, session.current, frames_from={0: 3}, samples=1, frames=4, seed=0)
    right = -session.fit.trajectory().root_orient[0, 3, :2, 0]
    expected = 0.01 * right / right.norm()
    steps = future.motion.joints[0, 1:, 0] - future.motion.joints[0, :-1, 0]
    torch.testing.assert_close(steps[:, :2], expected.expand(3, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(steps[:, 2], torch.zeros(3), atol=1e-5, rtol=0)


@pytest.mark.parametrize("wrong", [{"frames_from": {0: 6}}, {"frames_from": {2: 0}}, {"samples": 0}, {"frames": 1}])
def test_bad_input_is_named(seen_in_3d, wrong):
    with pytest.raises(InputError):
        sampled(seen_in_3d, **wrong)
