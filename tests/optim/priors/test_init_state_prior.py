"""The mixture given some of its numbers: the textbook conditional mean, for several patterns of known numbers."""

import torch

from optim.priors.init_state_prior import DIMENSIONS, InitStatePrior
from tests import fakes

MIXTURE = fakes.init_state_prior(torch.float64)


def states(count: int) -> torch.Tensor:
    return torch.randn(count, DIMENSIONS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_one_component_gives_the_conditional_mean_of_a_normal_distribution():
    single = InitStatePrior(torch.ones(1, dtype=torch.float64), MIXTURE.means[:1], MIXTURE.covariances[:1])
    known = torch.rand(3, DIMENSIONS, generator=torch.Generator().manual_seed(2)) < 0.6
    error, state = torch.full((DIMENSIONS,), 1e-6, dtype=torch.float64), states(3)
    found = single.expected(state, known, error=error)
    precision = torch.linalg.inv(MIXTURE.covariances[0])  # the conditional mean by precisions, not by covariances
    for row in range(3):
        seen, hidden = known[row], ~known[row]
        pull = precision[hidden][:, seen] @ (state[row] - MIXTURE.means[0])[seen]
        mean = MIXTURE.means[0][hidden] - torch.linalg.solve(precision[hidden][:, hidden], pull)
        torch.testing.assert_close(found[row][hidden], mean)
        torch.testing.assert_close(found[row][seen], state[row][seen])


def test_what_is_unknown_does_not_count():
    known = torch.arange(DIMENSIONS)[None].expand(2, -1) < 60
    error, state = torch.full((DIMENSIONS,), 0.1, dtype=torch.float64), states(2)
    other = torch.where(known, state, torch.inf)
    torch.testing.assert_close(MIXTURE.expected(other, known, error=error), MIXTURE.expected(state, known, error=error))


def test_nothing_known_gives_the_mean_of_the_mixture():
    nothing = torch.zeros(1, DIMENSIONS, dtype=torch.bool)
    found = MIXTURE.expected(states(1), nothing, error=torch.ones(DIMENSIONS, dtype=torch.float64))
    torch.testing.assert_close(found[0], MIXTURE.weights @ MIXTURE.means)


def test_the_component_that_fits_what_is_known_counts():
    means = MIXTURE.means + torch.tensor([[3.0], [-3.0]], dtype=torch.float64)
    apart = InitStatePrior(MIXTURE.weights, means, 0.1 * torch.eye(DIMENSIONS, dtype=torch.float64).expand(2, -1, -1))
    known = torch.arange(DIMENSIONS)[None] < 30
    found = apart.expected(means[1:], known, error=torch.full((DIMENSIONS,), 0.1, dtype=torch.float64))
    torch.testing.assert_close(found[0, 30:], means[1, 30:])
