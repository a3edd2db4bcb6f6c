"""Packed networks against the modules they are made from."""

import pytest
import torch

from optim.priors.fast.packed import PackedMlp, made_once, packed, run
from optim.priors.mlp import GROUPS, GroupNorm16, Mlp


def network_of(dtype=torch.float64, *, skip: int = 0) -> Mlp:
    torch.manual_seed(0)
    network = Mlp((23, 64, 32, 7), skip=skip).to(dtype).requires_grad_(False)
    for norm in network.norms:
        norm.weight.uniform_(-0.5, 1.5)
        norm.bias.uniform_(-0.2, 0.2)
    return network


@pytest.mark.parametrize("rows", [1, 2, 5, 60])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_same_values_and_gradients_as_the_module(rows, dtype, tolerance):
    network = network_of(dtype)
    x = torch.randn(rows, 23, dtype=dtype, requires_grad=True)
    fast, plain = run(network, x), network(x)
    torch.testing.assert_close(fast, plain, rtol=tolerance, atol=tolerance)
    seed = torch.randn_like(plain)
    one, other = (torch.autograd.grad(y, x, seed)[0] for y in (fast, plain))
    torch.testing.assert_close(one, other, rtol=tolerance, atol=10 * tolerance)


def test_gradient_matches_finite_differences():
    x = torch.randn(3, 23, dtype=torch.float64, requires_grad=True)
    layers = made_once(network_of(), packed)
    assert torch.autograd.gradcheck(lambda x: PackedMlp.apply(x, layers), x)


def test_a_gain_of_zero_lets_only_the_offset_through():
    network = network_of()
    network.norms[0].weight.zero_()
    x = torch.randn(4, 23, dtype=torch.float64)
    torch.testing.assert_close(run(network, x), network(x), rtol=1e-12, atol=1e-12)


def test_weights_that_are_trained_keep_their_gradient():
    network = network_of()
    assert made_once(network, packed) is made_once(network, packed)
    network.requires_grad_(True)
    run(network, torch.randn(2, 23, dtype=torch.float64)).sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


def test_the_norm_is_the_one_that_is_packed():
    assert isinstance(network_of().norms[0], GroupNorm16) and network_of().norms[0].num_groups == GROUPS


@pytest.mark.parametrize("x", [torch.zeros(3, 22, dtype=torch.float64), torch.zeros(3, 23)])
def test_rows_of_another_size_or_type_are_refused(x):
    with pytest.raises(ValueError, match="the network takes 23 float64"):
        run(network_of(), x)
