"""The multi-layer perceptrons of HuMoR's networks, in plain torch; state-dict keys are those of its checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 16
"""Number of groups of each group normalisation."""


class GroupNorm16(nn.GroupNorm):
    """Group normalisation with 16 groups on (N, C), computed as a layer norm over each group.

    Numbers and parameters are those of ``nn.GroupNorm``. From 64 rows on, forward and backward take less than half the
    time.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(GROUPS, channels)

    def forward(self, x: Tensor) -> Tensor:
        groups = x.unflatten(1, (GROUPS, -1))
        normed = functional.layer_norm(groups, groups.shape[2:], eps=self.eps).flatten(1)
        return torch.addcmul(self.bias, normed, self.weight)


class Mlp(nn.Module):
    """Blocks of Linear → GroupNorm(16) → ReLU, and a last Linear without norm and ReLU.

    The last ``skip`` columns of the input are also an input of every Linear after the first.
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
        """The norms, one after each linear layer except the last."""
        return [layer for layer in self.net if isinstance(layer, nn.GroupNorm)]

    def forward(self, x: Tensor) -> Tensor:
        """The output (N, out) for inputs (N, in)."""
        again = x[:, x.shape[1] - self.skip :] if self.skip else None
        for index, layer in enumerate(self.net):
            if again is not None and index and isinstance(layer, nn.Linear):
                x = torch.cat((x, again), dim=1)
            x = layer(x)
        return x
