"""HuMoR's conditional VAE: encoder (posterior), conditional prior and decoder over one-frame transitions.

Knows nothing of frames of reference or roll-outs (see ``rollout.py``); inputs are canonical already.
Source: HuMoR, Rempe et al., ICCV 2021; layer sizes and state-dict keys as in the public checkpoints.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from optim.common.timing import timed
from optim.priors.fast import folded as frozen

STATE_SIZE = 339
"""trans 3, trans_vel 3, root_orient 9, root_orient_vel 3, pose_body 189, joints 66, joints_vel 66."""
DECODED_SIZE = 216
"""The same list as a delta with rotations as axis-angle (207), then 9 contact logits."""
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


class GroupNorm16(nn.GroupNorm):
    """Group normalisation with 16 groups on (N, C), as a layer norm over each group.

    The same numbers and the same parameters; forward and backward take less than half the time from 64 rows on.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(16, channels)

    def forward(self, x: Tensor) -> Tensor:
        groups = x.unflatten(1, (16, -1))
        normed = functional.layer_norm(groups, groups.shape[2:], eps=self.eps).flatten(1)
        return torch.addcmul(self.bias, normed, self.weight)


class Mlp(nn.Module):
    """Linear → GroupNorm(16) → ReLU blocks; the last Linear stands alone.

    With ``skip`` the trailing part of the input is fed again to every Linear after the first.
    """

    def __init__(self, sizes: tuple[int, ...], *, skip: int = 0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (fan_in, fan_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
            layers.append(nn.Linear(fan_in + (skip if index else 0), fan_out))
            if index < len(sizes) - 2:
                layers += [GroupNorm16(fan_out), nn.ReLU()]
        self.net = nn.ModuleList(layers)
        self.skip = skip

    @property
    def linears(self) -> list[nn.Linear]:
        """The linear layers, first to last."""
        return [layer for layer in self.net if isinstance(layer, nn.Linear)]

    @property
    def norms(self) -> list[nn.GroupNorm]:
        """The norms, one after each linear layer but the last."""
        return [layer for layer in self.net if isinstance(layer, nn.GroupNorm)]

    def forward(self, x: Tensor) -> Tensor:
        """(N, in) → (N, out)."""
        again = x[:, x.shape[1] - self.skip :] if self.skip else None
        for index, layer in enumerate(self.net):
            if again is not None and index and isinstance(layer, nn.Linear):
                x = torch.cat((x, again), dim=1)
            x = layer(x)
        return x


class MotionPrior(nn.Module):
    """The three networks, 9,725,976 parameters.

    All methods take canonical states flattened in the order of ``STATE_SIZE`` and work on a batch axis N.
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
        mean, log_var = self.encoder(torch.cat((past, now), dim=1)).split(LATENT_SIZE, dim=1)
        return mean, log_var.exp()

    @timed("priors")
    def prior(self, past: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (N, 48) of the conditional prior p(z | x_{t-1}), past (N, 339)."""
        mean, log_var = frozen.run(self.prior_net, past).split(LATENT_SIZE, dim=1)
        return mean, log_var.exp()

    def decode(self, past: Tensor, latent: Tensor) -> Tensor:
        """The change from x_{t-1} to x_t and the contact logits, (N, 339), (N, 48) → (N, 216)."""
        return self.decoder(torch.cat((past, latent), dim=1))
