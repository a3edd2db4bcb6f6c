"""Prior of the first frame of a motion: a Gaussian mixture over joints, their velocities and root velocities."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.common.timing import timed

DIMENSIONS = 138
"""Joints 66, joints_vel 66, trans_vel 3, root_orient_vel 3, all in the prior frame."""


@dataclass(frozen=True)
class InitStatePrior:
    """A mixture of K components with full covariance. Factors for ``log_prob`` are computed once, in double precision.

    Raises:
        InputError: The number of dimensions is not 138.
    """

    weights: Tensor  # (K,)
    means: Tensor  # (K, 138)
    covariances: Tensor  # (K, 138, 138)
    whitening: Tensor = field(init=False, repr=False)  # (K, 138, 138), inverse Cholesky factors
    offsets: Tensor = field(init=False, repr=False)  # (K,), log weight + log normaliser

    def __post_init__(self) -> None:
        if self.means.shape[-1] != DIMENSIONS:
            raise InputError(f"init_state_prior has {self.means.shape[-1]} dimensions; {DIMENSIONS} are expected")
        factor = torch.linalg.cholesky(self.covariances.double())
        eye = torch.eye(factor.shape[-1], dtype=torch.float64).expand_as(factor)
        whitening = torch.linalg.solve_triangular(factor, eye, upper=False)
        log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = 0.5 * self.means.shape[-1] * math.log(2.0 * math.pi)
        offsets = self.weights.double().log() - log_det - constant
        object.__setattr__(self, "whitening", whitening.to(self.means.dtype))
        object.__setattr__(self, "offsets", offsets.to(self.means.dtype))

    def expected(self, state: Tensor, known: Tensor, *, error: Tensor) -> Tensor:
        """Mean of the first frames, given some of their numbers.

        Args:
            state: (N, 138); only the known numbers count.
            known: (N, 138) bool.
            error: (138,) standard deviation of the errors of known numbers.

        Returns:
            (N, 138). Known numbers are smoothed by the mixture too.
        """
        found = torch.empty_like(state)
        masks, kind = known.unique(dim=0, return_inverse=True)
        for index, mask in enumerate(masks):
            rows = kind == index
            found[rows] = self._expected(state[rows][:, mask].double(), mask, error[mask].double()).to(state.dtype)
        return found

    def _expected(self, values: Tensor, mask: Tensor, error: Tensor) -> Tensor:
        """The mean (N, 138) given the values (N, n) of the numbers in the mask (138,), in double precision."""
        means, covariances = self.means.double(), self.covariances.double()
        cross = covariances[:, :, mask]
        factor = torch.linalg.cholesky(cross[:, mask] + torch.diag(error**2))
        off = values - means[:, None, mask]  # (K, N, n)
        solved = torch.cholesky_solve(off.mT, factor)
        distance = (off * solved.mT).sum(-1)
        volume = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        share = (self.weights.double().log()[:, None] - volume[:, None] - 0.5 * distance).softmax(0)
        return (share[..., None] * (means[:, None] + (cross @ solved).mT)).sum(0)

    @timed("priors")
    def log_prob(self, state: Tensor) -> Tensor:
        """Log-density (B,) [nats] of first frames (B, 138)."""
        whitened = torch.einsum("kij,bkj->bki", self.whitening, state[:, None] - self.means)
        return torch.logsumexp(self.offsets - 0.5 * (whitened * whitened).sum(-1), dim=-1)
