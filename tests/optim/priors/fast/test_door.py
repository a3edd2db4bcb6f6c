"""The compiled way of the motion prior against the plain torch one, through the functions that a fit calls."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import fields

import pytest
import torch

from optim.priors import fast
from optim.priors.motion_prior import MotionPrior
from optim.priors.rollout import Rollout, State, canonical_turn, published_turn, rollout
from tests.optim.priors.fast.test_chain import arguments, prior_of

WAYS = (nullcontext, fast.plain_torch)


def rolled(prior: MotionPrior, turn) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """What a roll-out of two sub-sequences gives, and the gradients of its start and its latents."""
    start, latents, _ = arguments(2, 5, prior.decoder.linears[0].weight.dtype)
    motion = rollout(prior, State.from_flat(start), latents, turn=turn)
    found = {f.name: getattr(motion, f.name) for f in fields(Rollout)}
    generator = torch.Generator().manual_seed(4)
    seeds = [torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x.dtype) for x in found.values()]
    gradients = torch.autograd.grad(list(found.values()), (start, latents), seeds)
    return found, dict(zip(("start", "latents"), gradients, strict=True))


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float64, 1e-8), (torch.float32, 2e-3)])
@pytest.mark.parametrize("turn", [canonical_turn, published_turn])
def test_both_ways_give_the_same_roll_out_and_gradients(kind, tolerance, turn):
    (motion, gradients), (plain_motion, plain_gradients) = _both(prior_of(kind), turn)
    for name, plain in (plain_motion | plain_gradients).items():
        scale = float(plain.detach().abs().max())
        own = (motion | gradients)[name]
        torch.testing.assert_close(own, plain, rtol=0, atol=tolerance * scale, msg=name)
    assert any(not torch.equal(motion[name], plain) for name, plain in plain_motion.items())


def _both(prior: MotionPrior, turn) -> list[tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]]:
    found = []
    for way in WAYS:
        with way():
            found.append(rolled(prior, turn))
    return found


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_both_ways_give_the_same_conditional_prior_and_gradient(kind, tolerance):
    prior = prior_of(kind)
    past = torch.randn(70, 339, generator=torch.Generator().manual_seed(5), dtype=torch.float64).to(kind)
    past.requires_grad_(True)
    found = []
    for way in WAYS:
        with way():
            mean, variance = fast.conditional_prior(prior, past)
        gradient = torch.autograd.grad((mean * mean).sum() + variance.sum(), past)[0]
        found.append((mean, variance, gradient))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def test_plain_torch_is_the_module_itself_and_ends_with_the_block():
    prior, (start, latents, pivot) = prior_of(torch.float32), arguments(1, 2, torch.float32)
    with fast.plain_torch():
        assert fast.transitions(prior, start, latents, pivot) is None
        mean, variance = fast.conditional_prior(prior, start)
    assert torch.equal(mean, prior.prior(start)[0]) and torch.equal(variance, prior.prior(start)[1])
    assert fast.transitions(prior, start, latents, pivot) is not None


def test_weights_that_are_trained_take_the_plain_way():
    prior, (start, latents, pivot) = prior_of(torch.float32), arguments(1, 2, torch.float32)
    prior.requires_grad_(True)
    assert fast.transitions(prior, start, latents, pivot) is None
    fast.conditional_prior(prior, start)[0].sum().backward()
    assert all(weight.grad is not None for weight in prior.prior_net.linears[0].parameters())
