"""The Gauss-Newton model written out: every deviation as a matrix over all variables, and the dense Hessian."""

from __future__ import annotations

import torch
from torch import Tensor

from optim.objective.rollout_model.sweep import Quadratic


def deviations(model: Quadratic) -> list[Tensor]:
    """Per frame the deviation (B, D, n + N · L) by the first frame's variables and the latents, all of which move."""
    batch, steps, moved, size = model.by_state.shape
    count, width = model.entry.shape[2], model.by_latent.shape[3]
    here = torch.cat((model.entry, model.entry.new_zeros(batch, size, steps * width)), dim=2)
    found = [here]
    for t in range(steps):
        later = here.clone()
        later[:, :moved] = model.by_state[:, t] @ here
        start = count + t * width
        later[:, :moved, start : start + width] += model.by_latent[:, t]
        found.append(here := later)
    return found


def hessian(model: Quadratic) -> Tensor:
    """The Hessian (B, V, V) of the model, V = n + N · L."""
    found = deviations(model)
    batch, count = model.own.shape[:2]
    width = model.by_latent.shape[3]
    total = torch.zeros(batch, found[0].shape[2], found[0].shape[2], dtype=model.own.dtype)
    total[:, :count, :count] += model.own
    for here, square in zip(found, model.hessians.unbind(1), strict=True):
        total += here.mT @ square @ here
    for t, (here, there) in enumerate(zip(found[:-1], found[1:], strict=True)):
        rows = model.later[:, t] @ there - model.earlier[:, t] @ here
        unlikely = -model.mean[:, t] @ here
        start = count + t * width
        unlikely[:, range(width), range(start, start + width)] += 1.0
        for part in (rows, unlikely * model.sharpness[:, t, :, None]):
            total += part.mT @ part
    return total
