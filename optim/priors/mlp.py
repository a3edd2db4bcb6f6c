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

    def jacobian(self, x: Tensor, outputs: int) -> Tensor:
        """Derivatives (outputs, in) of the first outputs for one input (in,), from the last layer back to the first."""
        rows, normed, scales = x[None], [], []
        again = rows[:, rows.shape[1] - self.skip :]
        for index, (linear, norm) in enumerate(zip(self.linears, self.norms, strict=False)):
            groups = linear(torch.cat((rows, again), dim=1) if index else rows).unflatten(1, (GROUPS, -1))
            variance, mean = torch.var_mean(groups, dim=2, correction=0, keepdim=True)
            scales.append((variance + norm.eps).rsqrt())
            normed.append((groups - mean) * scales[-1])
            rows = torch.addcmul(norm.bias, normed[-1].flatten(1), norm.weight).relu()
        found = self.linears[-1].weight[:outputs]
        by_skipped = found.new_zeros(outputs, self.skip)
        for linear, norm, groups, scale in zip(
            self.linears[-2::-1], self.norms[::-1], normed[::-1], scales[::-1], strict=True
        ):
            width = linear.out_features
            by_skipped += found[:, width:]
            alive = norm.weight * (torch.addcmul(norm.bias, groups.flatten(1), norm.weight) > 0)
            inner = (found[:, :width] * alive).unflatten(1, (GROUPS, -1))
            along = (inner * groups).mean(2, keepdim=True)
            inner = (inner - inner.mean(2, keepdim=True)).addcmul_(groups, along, value=-1.0).mul_(scale)
            found = inner.flatten(1) @ linear.weight
        found[:, found.shape[1] - self.skip :] += by_skipped
        return found
