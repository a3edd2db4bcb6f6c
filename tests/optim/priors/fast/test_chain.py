"""The hand-derived chain against autograd and finite differences."""

import numpy as np
import pytest
import torch

from optim.common.rotations import axis_angle_to_matrix
from optim.priors.fast import cache
from optim.priors.fast.chain import Chain, _Decoder, decoder_layers
from optim.priors.fast.kernels.products import CONVERTS_HALF
from optim.priors.fast.packed import kernel
from optim.priors.motion_prior import MotionPrior
from optim.priors.rollout import canonical_turn, published_turn, transitions

SHAPES = [(1, 4), (3, 4)]


def prior_of(dtype=torch.float64) -> MotionPrior:
    torch.manual_seed(0)
    prior = MotionPrior().to(dtype).requires_grad_(False)
    for norm in prior.decoder.net[1::3]:
        norm.weight.uniform_(-0.5, 1.5)
        norm.bias.uniform_(-0.2, 0.2)
    prior.decoder.net[-1].weight.mul_(0.3)
    return prior


def arguments(batch: int, steps: int, dtype=torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    draw = lambda *size: torch.randn(*size, generator=generator, dtype=torch.float64)  # noqa: E731
    turns = axis_angle_to_matrix(draw(batch, 22, 3)).flatten(1)
    start = torch.cat((draw(batch, 6), turns[:, :9], draw(batch, 3), turns[:, 9:], draw(batch, 132)), dim=1)
    pivot = torch.nn.functional.pad(draw(batch, 2), (0, 1))
    return [x.to(dtype).requires_grad_(True) for x in (start, draw(batch, steps, 48), pivot)]


@pytest.mark.parametrize("turn", [canonical_turn, published_turn])
@pytest.mark.parametrize(("batch", "steps"), SHAPES)
def test_values_and_gradients_equal_autograd(batch, steps, turn):
    prior = prior_of()
    given = arguments(batch, steps)
    fast = Chain.apply(*given, decoder_layers(prior), turn is published_turn)
    plain = transitions(prior, given[0], given[1], given[2], turn=turn)
    for one, other in zip(fast, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    generator = torch.Generator().manual_seed(2)
    seeds = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in plain]
    exact = torch.autograd.grad(plain, given, seeds)
    by_hand = torch.autograd.grad(fast, given, seeds)
    for name, one, other in zip(("start", "latents", "pivot"), by_hand, exact, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-9, msg=name)


@pytest.mark.parametrize("batch", [1, 2])
def test_gradient_matches_finite_differences(batch):
    prior = prior_of()
    given = arguments(batch, 3)

    def value(*x):
        return sum((y.sin()).sum() for y in Chain.apply(*x, decoder_layers(prior)))

    gradients = torch.autograd.grad(value(*given), given)
    generator = torch.Generator().manual_seed(3)
    for index, gradient in enumerate(gradients):
        way = torch.randn(gradient.shape, generator=generator, dtype=gradient.dtype)
        moved = [[x + (sign * 1e-6 * way if i == index else 0) for i, x in enumerate(given)] for sign in (1, -1)]
        numeric = (value(*moved[0]) - value(*moved[1])) / 2e-6
        assert (gradient * way).sum().item() == pytest.approx(numeric.item(), rel=1e-5, abs=1e-6)


def test_a_result_does_not_depend_on_its_neighbours_in_the_batch():
    prior = prior_of(torch.float32)
    given = [x.detach() for x in arguments(4, 6, torch.float32)]
    together = Chain.apply(*given, decoder_layers(prior))
    alone = Chain.apply(*(x[1:2] for x in given), decoder_layers(prior))
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one[1:2], other)


def test_weights_of_half_precision_are_kept_as_such_without_a_change_of_any_bit(monkeypatch):
    prior = prior_of(torch.float32)
    given, kinds, found = arguments(2, 5, torch.float32), [], []
    for weight in (linear.weight for linear in prior.decoder.linears):
        weight.copy_(weight.half())
    for converts in (True, False):
        monkeypatch.setattr(kernel("products"), "CONVERTS_HALF", converts and CONVERTS_HALF)
        layers = _Decoder(prior.decoder)
        kinds.append({panels.dtype for panels in (*layers.layers.panels, *layers.layers.panels_back)})
        results = Chain.apply(*given, layers)
        found.append((*results, *torch.autograd.grad(sum(x.square().sum() for x in results), given)))
    assert kinds == [{np.dtype(np.uint16 if CONVERTS_HALF else np.float32)}, {np.dtype(np.float32)}]
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_weights_that_half_precision_would_change_are_kept_in_single_precision():
    prior = prior_of(torch.float32)
    for weight in (linear.weight for linear in prior.decoder.linears):
        weight.copy_(weight.half())
    prior.decoder.linears[-1].weight[0, 0] = 0.1
    assert {panels.dtype for panels in decoder_layers(prior).layers.panels} == {np.dtype(np.float32)}


def test_no_step_is_no_motion():
    prior = prior_of()
    given = arguments(2, 0)
    motion = Chain.apply(*given, decoder_layers(prior))
    assert [x.shape for x in motion] == [(2, 0, 339), (2, 0, 339), (2, 0, 9)]
    for gradient in torch.autograd.grad(sum(x.sum() for x in motion), given):
        assert not gradient.any()


def test_a_start_that_is_not_finite_is_seen_in_the_result():
    prior = prior_of(torch.float32)
    given = [x.detach() for x in arguments(1, 2, torch.float32)]
    given[0][0, 0] = torch.nan
    assert Chain.apply(*given, decoder_layers(prior))[1].isnan().any()


def test_the_compiled_loop_is_kept_in_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.choose_folder() == tmp_path / "humorscope" / "numba" / cache.fingerprint()
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert cache.choose_folder().is_dir()


def test_only_inference_only_weights_take_this_way_and_new_weights_are_noticed():
    prior = prior_of()
    first = decoder_layers(prior)
    assert decoder_layers(prior) is first
    prior.decoder.net[0].weight.mul_(2)
    assert decoder_layers(prior) is not first
    prior.requires_grad_(True)
    assert decoder_layers(prior) is None
