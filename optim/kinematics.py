"""Where the joints of a tree stand and how they are turned, as one function with a hand-derived gradient.

In autograd a tree of 22 joints is some seventy operations forward and twice that backward, each on a few hundred
numbers; here it is one small product a joint and a few over all joints. Knows no body: parents and bones are given.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


class Kinematics(torch.autograd.Function):
    """``apply(bones, local, parents)`` → world rotations (B, T, J, 3, 3) and positions (B, T, J, 3).

    Args:
        bones: (B, J, 3) from the parent to the joint, in the parent's frame at rest; of the root, where it stands.
        local: (B, T, J, 3, 3) rotations relative to the parent.
        parents: (J,), each smaller than its own index but the root's, which comes first and is -1.
    """

    @staticmethod
    def forward(ctx: Any, bones: Tensor, local: Tensor, parents: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        batch, frames, joints = local.shape[:3]
        local = local.flatten(0, 1).transpose(0, 1).contiguous()  # (J, N, 3, 3), N = B · T
        world = torch.empty_like(local)
        world[0] = local[0]
        for joint, parent in list(enumerate(parents))[1:]:
            torch.bmm(world[parent], local[joint], out=world[joint])
        above, ways = _tables(parents, local.dtype, local.device)
        by_frame = bones.transpose(0, 1)[:, :, None].expand(joints, batch, frames, 3).flatten(1, 2)
        carrier = world.index_select(0, above)
        offsets = torch.cat((by_frame[:1], (carrier @ by_frame[1:, ..., None])[..., 0]))
        positions = (ways @ offsets.flatten(1)).view(joints, batch, frames, 3)
        ctx.parents, ctx.local, ctx.world, ctx.carrier, ctx.bones = parents, local, world, carrier, by_frame
        ctx.lead = batch, frames
        return world.view(joints, batch, frames, 3, 3).movedim(0, 2), positions.movedim(0, 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_world: Tensor | None, of_positions: Tensor | None) -> tuple[Tensor, Tensor, None]:
        parents, local, world, joints = ctx.parents, ctx.local, ctx.world, len(ctx.parents)
        turned = torch.zeros_like(world) if of_world is None else _joints_first(of_world).clone()
        of_bones = torch.zeros_like(ctx.bones)
        if of_positions is not None:
            above, ways = _tables(parents, local.dtype, local.device)
            of_offsets = (ways.T @ _joints_first(of_positions).flatten(1)).view_as(of_bones)
            of_bones = torch.cat((of_offsets[:1], (ctx.carrier.mT @ of_offsets[1:, ..., None])[..., 0]))
            by_child = of_offsets[1:, ..., None] * ctx.bones[1:, :, None]
            turned.index_add_(0, above, by_child)
        of_local = torch.empty_like(local)
        for joint in range(joints - 1, 0, -1):
            torch.bmm(world[parents[joint]].mT, turned[joint], out=of_local[joint])
            turned[parents[joint]].baddbmm_(turned[joint], local[joint].mT)
        of_local[0] = turned[0]
        of_bones = of_bones.view(joints, *ctx.lead, 3).sum(2).transpose(0, 1)
        return of_bones, of_local.view(joints, *ctx.lead, 3, 3).movedim(0, 2), None


def _joints_first(value: Tensor) -> Tensor:
    """(B, T, J, …) → (J, N, …)."""
    return value.flatten(0, 1).transpose(0, 1)


@lru_cache(maxsize=8)
def _tables(parents: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Parents of all joints but the root, (J-1,), and (J, J): 1 where the second joint is on the way to the first.

    The way starts at the root and ends with the joint itself.
    """
    ways = torch.eye(len(parents), dtype=dtype)
    for joint, parent in list(enumerate(parents))[1:]:
        ways[joint] += ways[parent]
    return torch.tensor(parents[1:], device=device), ways.to(device)
