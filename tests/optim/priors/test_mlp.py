"""Derivatives of the networks by hand against automatic differentiation."""

from __future__ import annotations

import pytest
import torch

from optim.priors.motion_prior import LATENT_SIZE, STATE_SIZE, MotionPrior
from tests import fakes


@pytest.fixture(scope="module")
def prior() -> MotionPrior:
    return fakes.motion_prior(torch.float64)


@pytest.mark.parametrize(("name", "size"), [("decoder", STATE_SIZE + LATENT_SIZE), ("prior_net", STATE_SIZE)])
@pytest.mark.parametrize("outputs", [1, 5])
def test_the_jacobian_of_one_input(prior, name, size, outputs):
    """Also with an input that every layer receives again."""
    network = getattr(prior, name)
    x = torch.randn(size, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    found = network(x[None])[0, :outputs]
    rows = [torch.autograd.grad(output, x, retain_graph=True)[0] for output in found]
    with torch.no_grad():
        torch.testing.assert_close(network.jacobian(x, outputs), torch.stack(rows))
