"""Predictions, each in the canonical frame of the frame before, brought into the frame of the first, all at once.

A canonical frame differs from the next by a turn about z and a shift over the floor. x and y of a vector are one
complex number here, and a turn is another that it is multiplied by; z and local rotations stay as they are.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_ABOUT_PIVOT, _SHIFTED = slice(1, 23), slice(0, 23)
"""Among the 50 complex numbers of a state: the joints, and the joints with trans."""
_X = torch.tensor([0, *range(207, 273, 3), 3, 15, *range(273, 339, 3), 6, 7, 8])
_Y = torch.tensor([1, *range(208, 273, 3), 4, 16, *range(274, 339, 3), 9, 10, 11])
"""Flat positions of the x and y of trans, joints, velocities, and of the first two rows of the root's rotation."""


class _Place(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, local: Tensor, turns: Tensor, pivot: Tensor) -> Tensor:
        own = _gathered(local)
        own[..., _ABOUT_PIVOT] += torch.complex(pivot[:, 0], pivot[:, 1])[:, None, None]
        angle = torch.atan2(turns[..., 1], turns[..., 0]).cumsum(1)
        turn = torch.polar(torch.ones_like(angle), -_later(angle))[..., None]  # of entry s, back to the first frame
        turned = own * turn
        ctx.save_for_backward(turns, turn, turned)
        placed = turned.clone()
        placed[..., _ABOUT_PIVOT] -= torch.complex(pivot[:, 0], pivot[:, 1])[:, None, None]
        placed[..., _SHIFTED] += _later(turned[..., :1].cumsum(1))
        return _scattered(local, placed)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        turns, turn, turned = ctx.saved_tensors
        given = _gathered(gradient)
        of_turned = given.clone()
        of_turned[..., :1] += _earlier(given[..., _SHIFTED].sum(-1, keepdim=True))
        of_own = of_turned * turn.conj()
        of_angle = _earlier((turned * of_turned.conj()).imag.sum(-1))  # turn s goes back by all angles before it
        cos, sin = turns.unbind(-1)
        of_turns = torch.stack((-sin, cos), dim=-1) * (of_angle / (cos * cos + sin * sin))[..., None]
        of_pivot = (of_own[..., _ABOUT_PIVOT] - given[..., _ABOUT_PIVOT]).sum((1, 2))
        of_pivot = torch.stack((of_pivot.real, of_pivot.imag, torch.zeros_like(of_pivot.real)), dim=-1)
        return _scattered(gradient, of_own), of_turns, of_pivot


def place(local: Tensor, turns: Tensor, pivot: Tensor) -> Tensor:
    """Put predictions, each in the canonical frame of the frame before, into the frame of the first.

    Args:
        local: (B, S, 339); entry s is given in the canonical frame of the state before it.
        turns: (B, S, 2) cosine and sine that canonicalise entry s.
        pivot: (B, 3), see ``rollout.joint_pivot``.

    Returns:
        (B, S, 339).
    """
    return _Place.apply(local, turns, pivot)


def _gathered(flat: Tensor) -> Tensor:
    """(B, S, 339) → (B, S, 50) complex."""
    return torch.complex(flat[..., _X], flat[..., _Y])


def _scattered(flat: Tensor, own: Tensor) -> Tensor:
    """A copy of flat states with the numbers that ``_gathered`` takes from them replaced."""
    flat = flat.clone()
    flat[..., _X], flat[..., _Y] = own.real, own.imag
    return flat


def _later(values: Tensor) -> Tensor:
    """One step later along axis 1, 0 first."""
    return torch.cat((torch.zeros_like(values[:, :1]), values[:, :-1]), dim=1)


def _earlier(values: Tensor) -> Tensor:
    """For every step the sum over all later ones, along axis 1: the transpose of ``_later(values.cumsum(1))``."""
    return values.sum(1, keepdim=True) - values.cumsum(1)
