"""Compiles all kernels before the first fit needs them: ``python -m optim.priors.fast.compiling``.

The compiled code is kept in the folder that ``cache`` chooses; a file in it marks that all kernels are compiled.
"""

from __future__ import annotations

import torch

from optim.priors import fast
from optim.priors.fast.cache import compile_here, marker
from optim.priors.motion_prior import LATENT_SIZE, STATE_SIZE, MotionPrior

_FRAMES = 3


def compile_all() -> None:
    """Run every compiled function once, forward and backward, on priors of random weights in both precisions."""
    prior = MotionPrior().eval().requires_grad_(False)
    _run(prior)
    for weights in prior.decoder.parameters():
        weights.copy_(weights.half())
    _run(prior)
    marker().parent.mkdir(parents=True, exist_ok=True)
    marker().touch()


def _run(prior: MotionPrior) -> None:
    start = torch.eye(3).reshape(1, 9).repeat(1, 38)[:, :STATE_SIZE].requires_grad_()
    latents = torch.zeros(1, _FRAMES, LATENT_SIZE, requires_grad=True)
    outputs = fast.transitions(prior, start, latents, torch.zeros(1, 3))
    assert outputs is not None
    mean, variance = fast.conditional_prior(prior, start)
    torch.autograd.backward([output.sum() for output in (*outputs, mean, variance)])


if __name__ == "__main__":
    compile_here()
    compile_all()
