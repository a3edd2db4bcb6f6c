"""HuMoR's conditional VAE: encoder (posterior), conditional prior and decoder over one-frame transitions.

Inputs are in canonical frames already; frames of reference and roll-outs are in ``rollout.py``.
Source: HuMoR, Rempe et al., ICCV 2021; layer sizes and state-dict keys as in the public checkpoints.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from optim.common.timing import timed
from optim.priors.mlp import Mlp

STATE_SIZE = 339
"""Length of a flat state: trans 3, trans_vel 3, root_orient 9, root_orient_vel 3, pose_body 189, joints 66, joints_vel
66."""
DECODED_SIZE = 216
"""Length of the decoder's output: a change of the state with rotations as axis-angle (207), then 9 contact logits."""
CHANGE_PARTS = {
    "trans": slice(0, 3),
    "trans_vel": slice(3, 6),
    "root_orient": slice(6, 9),
    "root_orient_vel": slice(9, 12),
    "pose_body": slice(12, 75),
    "joints": slice(75, 141),
    "joints_vel": slice(141, 207),
}
"""Where each part of the state lies among the 207 numbers of a change."""
LATENT_SIZE = 48


class MotionPrior(nn.Module):
    """The three networks, with 9,725,976 parameters.

    All methods take flat canonical states (N, 339) in the order given at ``STATE_SIZE``.
    """

    WIDTHS: ClassVar[tuple[int, ...]] = (1024, 1024, 1024, 1024)

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Mlp((2 * STATE_SIZE, *self.WIDTHS, 2 * LATENT_SIZE))
        self.prior_net = Mlp((STATE_SIZE, *self.WIDTHS, 2 * LATENT_SIZE))
        self.decoder = Mlp((STATE_SIZE + LATENT_SIZE, 1024, 1024, 512, DECODED_SIZE), skip=LATENT_SIZE)

    @timed("priors")
    def posterior(self, past: Tensor, now: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (N, 48) of z given x_{t-1}, x_t (N, 339), both in the canonical frame of x_{t-1}."""
        return gaussian(self.encoder(torch.cat((past, now), dim=1)))

    @timed("priors")
    def prior(self, past: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (N, 48) of the conditional prior p(z | x_{t-1}), past (N, 339)."""
        return gaussian(self.prior_net(past))

    def decode(self, past: Tensor, latent: Tensor) -> Tensor:
        """The change from x_{t-1} to x_t and the contact logits, (N, 339), (N, 48) → (N, 216)."""
        return self.decoder(torch.cat((past, latent), dim=1))


def gaussian(output: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (N, 48) that the encoder or the conditional prior means by its output (N, 96), half each."""
    mean, log_variance = output.chunk(2, dim=1)
    return mean, log_variance.exp()
