"""Roll-out and inference: frames of reference are consistent, and what is inferred can be rolled out again."""

import math
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from optim.common.rotations import axis_angle_to_matrix
from optim.priors.fast.chain import Chain, decoder_layers
from optim.priors.motion_prior import STATE_SIZE, MotionPrior
from optim.priors.rollout import (
    JOINTS,
    ROOT,
    TRANS,
    State,
    angular_velocity,
    canonical_pairs,
    canonicalise,
    central_difference,
    estimate_states,
    infer_latents,
    joint_pivot,
    move,
    rollout,
    sample,
    turn_matrix,
)

B, T = 2, 7
ROOT_OFFSET = torch.tensor([0.0, -0.24, 0.03])


def walking(*, yaw: float = 0.0, dtype=torch.float64) -> State:
    """A made-up motion that turns while it goes; the root joint keeps SMPL's fixed offset from trans."""
    time = torch.arange(T, dtype=dtype) / 30
    heading = math.pi / 2 + yaw + time + torch.tensor([[0.0], [1.0]], dtype=dtype)
    trans = (
        torch.stack((heading.cos(), heading.sin(), 0.9 + 0.05 * time.sin().expand(B, T)), dim=-1) * time[None, :, None]
    )
    trans[..., 2] += 0.9
    upright = axis_angle_to_matrix(torch.tensor([math.pi / 2, 0.0, 0.0], dtype=dtype))
    lean = axis_angle_to_matrix(0.1 * torch.stack((time.sin(), time.cos(), time), dim=-1))
    root = turn_matrix(heading.cos(), heading.sin()) @ lean @ upright
    generator = torch.Generator().manual_seed(0)
    pose = axis_angle_to_matrix(0.3 * torch.randn(B, T, 21, 3, generator=generator, dtype=dtype))
    bones = 0.4 * torch.randn(22, 3, generator=generator, dtype=dtype)
    bones[0] = 0
    joints = trans[..., None, :] + ROOT_OFFSET.to(dtype) + (root[:, :, None] @ bones[None, None, :, :, None])[..., 0]
    return estimate_states(trans, root, pose, joints, fps=30.0)


@pytest.fixture(scope="module")
def prior() -> MotionPrior:
    torch.manual_seed(0)
    prior = MotionPrior().double().requires_grad_(False)
    prior.decoder.net[-1].weight.mul_(0.05)
    return prior


def pivot_of(motion: State) -> torch.Tensor:
    return joint_pivot(motion.joints[:, 0] - motion.trans[:, 0, None])


def test_flat_round_trip():
    motion = walking()
    flat = motion.flat()
    assert flat.shape == (B, T, STATE_SIZE)
    again = State.from_flat(flat)
    for name in State.__dataclass_fields__:
        torch.testing.assert_close(getattr(again, name), getattr(motion, name))


def test_canonical_frame_is_what_it_says():
    motion = walking()
    flat = motion.flat()[:, 3]
    local, _, _ = canonicalise(flat, pivot_of(motion))
    right = -local[:, ROOT].reshape(B, 3, 3)[:, :, 0]
    assert (right[:, 0] > 0).all()
    torch.testing.assert_close(right[:, 1], torch.zeros(B, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(local[:, :2], torch.zeros(B, 2, dtype=torch.float64))
    torch.testing.assert_close(local[:, 2], flat[:, 2])
    root_joint = local[:, JOINTS].unflatten(1, (22, 3))[:, 0]
    torch.testing.assert_close(root_joint - local[:, TRANS], ROOT_OFFSET.double().expand(B, 3))


def test_canonical_again_changes_nothing():
    motion = walking()
    pivot = pivot_of(motion)
    once, _, _ = canonicalise(motion.flat()[:, 2], pivot)
    twice, cos, sin = canonicalise(once, pivot)
    torch.testing.assert_close(twice, once)
    torch.testing.assert_close(torch.stack((cos, sin)), torch.tensor([[1.0, 1.0], [0.0, 0.0]], dtype=torch.float64))


def test_pairs_do_not_depend_on_where_the_motion_stands_or_faces():
    straight, turned = walking(), walking(yaw=2.0)
    pairs = [canonical_pairs(m.flat(), pivot_of(m)) for m in (straight, turned)]
    for one, other in zip(*pairs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_training_and_roll_out_canonicalise_alike(prior):
    """Pairs cut from a motion are the very inputs a roll-out through the same motion feeds to the decoder."""
    motion = walking()
    start = State.from_flat(canonicalise(motion.flat()[:, 0], pivot_of(motion))[0])
    latents = torch.randn(B, T - 1, 48, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    pivot = joint_pivot(start.joints)
    inputs = Chain.apply(start.flat(), latents, pivot, decoder_layers(prior))[0]
    rolled = rollout(prior, start, latents)
    placed = State(**{name: getattr(rolled, name) for name in State.__dataclass_fields__})
    past, _ = canonical_pairs(placed.flat(), pivot)
    torch.testing.assert_close(inputs, past, rtol=0, atol=1e-9)


class ExactDecoder(nn.Module):
    """Answers with the change that leads to the true next state, whatever the latent."""

    def __init__(self, past: torch.Tensor, now: torch.Tensor) -> None:
        super().__init__()
        self.past, self.now, self.step = past, now, 0

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        from optim.common.rotations import matrix_to_axis_angle

        past, now = self.past[:, self.step], self.now[:, self.step]
        self.step += 1
        torch.testing.assert_close(given[:, :STATE_SIZE], past, rtol=0, atol=1e-8)
        turns = [
            matrix_to_axis_angle(now[:, part].reshape(B, -1, 3, 3) @ past[:, part].reshape(B, -1, 3, 3).mT).flatten(1)
            for part in (ROOT, slice(18, 207))
        ]
        change = now - past
        contacts = torch.zeros(B, 9, dtype=given.dtype)
        return torch.cat((change[:, :6], turns[0], change[:, 15:18], turns[1], change[:, 207:], contacts), dim=1)


def test_exact_transitions_roll_out_to_the_motion_itself(prior):
    motion = walking()
    pivot = pivot_of(motion)
    local = move(
        motion.flat().flatten(0, 1),
        *(x[:, None].expand(B, T, *x.shape[1:]).flatten(0, 1) for x in _first_frame_transform(motion)),
        pivot[:, None].expand(B, T, 3).flatten(0, 1),
    ).unflatten(0, (B, T))
    past, now = canonical_pairs(local, pivot)
    exact = MotionPrior().double()
    exact.prior_net = prior.prior_net
    exact.decoder = ExactDecoder(past, now)
    start = State.from_flat(local[:, 0])
    rolled = rollout(exact, start, torch.zeros(B, T - 1, 48, dtype=torch.float64))
    truth = State.from_flat(local)
    for name in State.__dataclass_fields__:
        torch.testing.assert_close(getattr(rolled, name), getattr(truth, name), rtol=0, atol=1e-7, msg=name)


def _first_frame_transform(motion: State) -> tuple[torch.Tensor, torch.Tensor]:
    from optim.priors.rollout import canonical_turn

    cos, sin = canonical_turn(motion.root_orient[:, 0])
    shift = -motion.trans[:, 0].clone()
    shift[:, 2] = 0
    return turn_matrix(cos, sin), shift


def test_infer_latents_is_the_posterior_of_each_pair(prior):
    motion = walking()
    latents = infer_latents(prior, motion)
    past, now = canonical_pairs(motion.flat(), pivot_of(motion))
    expected, _ = prior.posterior(past[:, 2], now[:, 2])
    torch.testing.assert_close(latents[:, 2], expected)


def test_inferred_latents_do_not_depend_on_where_the_motion_stands_or_faces(prior):
    motion, away = walking(), torch.tensor([3.0, -2.0, 0.0], dtype=torch.float64)
    moved = replace(motion, trans=motion.trans + away, joints=motion.joints + away)
    expected = infer_latents(prior, motion)
    for same in (moved, walking(yaw=2.0)):
        torch.testing.assert_close(infer_latents(prior, same), expected, rtol=0, atol=1e-9)


def test_sample_is_the_roll_out_of_its_latents(prior):
    motion = walking()
    start = State.from_flat(canonicalise(motion.flat()[:, 0], pivot_of(motion))[0])
    drawn, latents = sample(prior, start, 5, generator=torch.Generator().manual_seed(0))
    again, _ = sample(prior, start, 5, generator=torch.Generator().manual_seed(0))
    assert drawn.joints.shape == (B, 5, 22, 3)
    torch.testing.assert_close(rollout(prior, start, latents).joints, drawn.joints)
    torch.testing.assert_close(again.joints, drawn.joints)


def test_samples_spread_as_the_conditional_prior_says(prior):
    wide, start = deepcopy(prior), State.from_flat(canonicalise(walking().flat()[:, 0], pivot_of(walking()))[0])
    wide.prior_net.net[-1].bias[48:] += math.log(9.0)
    drawn, latents = sample(wide, start, 6, generator=torch.Generator().manual_seed(0))
    assert float(drawn.prior_var.min()) > 2.0
    spread = (latents - drawn.prior_mean) / drawn.prior_var.sqrt()
    assert float(spread.std()) == pytest.approx(1.0, abs=0.15) and float(spread.mean()) == pytest.approx(0.0, abs=0.15)


def test_gradients_reach_the_first_state_and_every_latent(prior):
    motion = walking()
    latents = torch.zeros(B, 3, 48, dtype=torch.float64, requires_grad=True)
    start = State.from_flat(canonicalise(motion.flat()[:, 0], pivot_of(motion))[0].requires_grad_(True))
    rolled = rollout(prior, start, latents)
    assert torch.autograd.grad(rolled.joints[:, -1].sum(), latents)[0].abs().amax(dim=(0, 2)).gt(0).all()

    def last_joint(z):
        return rollout(prior, start, z).joints[:, -1, 3]

    probe = 0.1 * torch.randn(1, 3, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    direction = probe.expand(B, 3, 48)
    slope = (torch.autograd.grad(last_joint(latents).sum(), latents)[0] * direction).sum()
    numeric = (last_joint(1e-5 * direction) - last_joint(-1e-5 * direction)).sum() / 2e-5
    torch.testing.assert_close(slope, numeric, rtol=1e-4, atol=1e-7)


def test_velocities_of_a_steady_turn():
    time = torch.arange(9, dtype=torch.float64) / 30
    turning = turn_matrix((2 * time).cos(), (2 * time).sin())[None]
    rate = angular_velocity(turning, fps=30.0)
    expected = torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64).expand(1, 7, 3)
    torch.testing.assert_close(rate[:, 1:-1], expected, rtol=0, atol=2e-3)
    line = central_difference(3 * time[None, :, None], fps=30.0)
    torch.testing.assert_close(line, torch.full_like(line, 3.0))
