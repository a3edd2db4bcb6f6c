"""Placing predictions: against one transition after the other, and its gradient against finite differences."""

import torch

from optim.common.rotations import axis_angle_to_matrix
from optim.priors.placing import place
from optim.priors.rollout import canonical_turn, canonicalise, move, turn_matrix


def arguments(batch: int = 2, steps: int = 4) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    local, turn, pivot, root = (
        torch.randn(*size, generator=generator, dtype=torch.float64)
        for size in ((batch, steps, 339), (batch, steps), (batch, 2), (batch, steps, 3))
    )
    local[..., 6:15] = axis_angle_to_matrix(root).flatten(-2)
    turns = torch.stack((turn.cos(), turn.sin()), dim=-1)
    return [x.requires_grad_() for x in (local, turns, torch.nn.functional.pad(pivot, (0, 1)))]


def test_every_entry_goes_back_through_the_frames_before_it():
    local, _, pivot = arguments()
    turns = torch.stack(canonical_turn(local[..., 6:15].unflatten(-1, (3, 3))), dim=-1)
    placed = place(local, turns, pivot)
    torch.testing.assert_close(placed[:, 0], local[:, 0])
    for step in range(1, local.shape[1]):
        state = local[:, step]
        for cos, sin, before in reversed(
            list(zip(turns.unbind(1), turns.unbind(1), local.unbind(1), strict=True))[:step]
        ):
            back = turn_matrix(cos[:, 0], -sin[:, 1])
            state = move(state, back, torch.zeros_like(pivot), pivot)
            shift = torch.nn.functional.pad(before[:, :2], (0, 1))
            state = move(state, torch.eye(3, dtype=state.dtype).expand_as(back), shift, pivot)
        torch.testing.assert_close(placed[:, step], state)


def test_placing_undoes_canonicalising():
    local, _, pivot = arguments(steps=2)
    after, cos, sin = canonicalise(local[:, 0], pivot)
    both = torch.stack((local[:, 0], after), dim=1)
    turns = torch.stack((cos, sin), dim=-1)[:, None].expand(-1, 2, -1)
    torch.testing.assert_close(place(both, turns, pivot)[:, 1], local[:, 0])


def test_gradient_matches_finite_differences():
    local, turns, pivot = arguments(1, 3)
    assert torch.autograd.gradcheck(place, (local, turns, pivot), fast_mode=True)
    assert torch.autograd.gradcheck(lambda turns, pivot: place(local.detach(), turns, pivot), (turns, pivot))


def test_on_another_device():
    assert place(*(x.to("meta") for x in arguments())).shape == (2, 4, 339)
