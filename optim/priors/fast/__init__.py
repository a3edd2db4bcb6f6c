"""Evaluates the networks of the motion prior in a packed and compiled form. Only this package uses numba.

Up to rounding, the results are those of the plain torch modules in ``optim.priors``, in a fraction of the time. The
compiled form is used if the weights are inference-only and on the CPU, except within ``plain_torch``, with which tests
compare the two forms.
"""

from __future__ import annotations

from torch import Tensor

from optim.common.timing import timed
from optim.priors.fast.chain import Chain, decoder_layers
from optim.priors.fast.packed import plain_torch, run
from optim.priors.motion_prior import MotionPrior, gaussian

__all__ = ["conditional_prior", "plain_torch", "transitions"]


@timed("priors")
def conditional_prior(prior: MotionPrior, past: Tensor) -> tuple[Tensor, Tensor]:
    """``prior.prior(past)``: mean and variance (N, 48) of p(z | x_{t-1}), past (N, 339).

    For a prior that is not a ``MotionPrior``, its own method is called.
    """
    return gaussian(run(prior.prior_net, past)) if isinstance(prior, MotionPrior) else prior.prior(past)


def transitions(
    prior: MotionPrior, state: Tensor, latents: Tensor, pivot: Tensor, *, published: bool = False
) -> tuple[Tensor, Tensor, Tensor] | None:
    """``rollout.transitions``, or None where only plain torch can compute it.

    Args:
        state: x_0 flat (B, 339); the decoder gets it without canonicalisation.
        latents: (B, S, 48).
        pivot: (B, 3), see ``rollout.joint_pivot``.
        published: Use ``rollout.published_turn`` instead of ``rollout.canonical_turn``.

    Returns:
        Inputs of the decoder (B, S, 339), its predictions in the frame of x_0 (B, S, 339), contact logits (B, S, 9).
    """
    layers = decoder_layers(prior)
    return None if layers is None else Chain.apply(state, latents, pivot, layers, published)
