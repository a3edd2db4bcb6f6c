"""Transform of all predictions of a roll-out into the frame of the first one, in one operation.

Each prediction is given in the canonical frame of the frame before it. Canonical frames differ by a turn about z and a
shift over the floor. Here x and y of a vector are one complex number, and a turn is a multiplication by another one; z
and local rotations do not change. This is the readable form of ``fast.kernels.chain.place``, in plain autograd.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

_X = torch.tensor([0, *range(207, 273, 3), 3, 15, *range(273, 339, 3), 6, 7, 8])
_Y = torch.tensor([1, *range(208, 273, 3), 4, 16, *range(274, 339, 3), 9, 10, 11])
"""Flat positions of the x and y of trans, joints, velocities, and of the first two rows of the root's rotation."""
_SHIFTED, _ABOUT_PIVOT = torch.arange(50) < 23, (torch.arange(50) < 23) & (torch.arange(50) > 0)
"""Masks over these 50 complex numbers: trans and the joints, and only the joints."""


def place(local: Tensor, turns: Tensor, pivot: Tensor) -> Tensor:
    """Transform predictions into the frame of the first one.

    Args:
        local: (B, S, 339) flat states; entry s is given in the canonical frame of the state before it.
        turns: (B, S, 2) cosine and sine of the turn that canonicalises entry s.
        pivot: (B, 3), see ``rollout.joint_pivot``.

    Returns:
        Flat states (B, S, 339) in the frame of the first one.
    """
    x, y, shifted, about_pivot = _tables(local.device)
    about = about_pivot * torch.complex(pivot[:, 0], pivot[:, 1])[:, None, None]
    angle = torch.atan2(turns[..., 1], turns[..., 0]).cumsum(1)
    turn = torch.polar(torch.ones_like(angle), -_later(angle))[..., None]  # of entry s, back to the first frame
    turned = (torch.complex(local[..., x], local[..., y]) + about) * turn
    placed = turned - about + shifted * _later(turned[..., :1].cumsum(1))
    return local.index_copy(-1, x, placed.real).index_copy(-1, y, placed.imag)


@cache
def _tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _X.to(device), _Y.to(device), _SHIFTED.to(device), _ABOUT_PIVOT.to(device)


def _later(values: Tensor) -> Tensor:
    """The values moved one step later along axis 1, with 0 first."""
    return torch.cat((torch.zeros_like(values[:, :1]), values[:, :-1]), dim=1)
