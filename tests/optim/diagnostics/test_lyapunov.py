"""The exponent of systems for which it is known, and of a roll-out against its dense Jacobian."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from optim.common.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from optim.diagnostics.lyapunov import COORDINATES, amplification, lyapunov, of_rollout
from optim.priors.rollout import State, apply_change, joint_pivot, transitions
from tests import fakes


def test_a_linear_map_is_stretched_by_its_largest_singular_value():
    generator = torch.Generator().manual_seed(3)
    maps = torch.randn(2, 7, 5, generator=generator, dtype=torch.float64)
    maps[1] *= 9.0
    start = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    found = amplification(lambda x: (maps @ x[..., None])[..., 0], start, tolerance=1e-8, max_rounds=500)
    assert found.converged
    torch.testing.assert_close(found.gain, torch.linalg.matrix_norm(maps, 2), rtol=1e-5, atol=0)
    torch.testing.assert_close(found.direction.norm(dim=1), torch.ones(2, dtype=torch.float64))
    stretched = (maps @ found.direction[..., None])[..., 0].norm(dim=1)
    torch.testing.assert_close(stretched, found.gain)
    hasty = amplification(lambda x: (maps @ x[..., None])[..., 0], start, tolerance=0.0, max_rounds=1)
    assert not hasty.converged and bool((hasty.gain <= found.gain * (1 + 1e-6)).all())


class Growing(nn.Module):
    """A linear prior: every joint velocity grows by the same factor each frame, nothing else changes."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.decoder = nn.Identity()
        self.factor = factor

    def decode(self, past: Tensor, latent: Tensor) -> Tensor:
        change = past.new_zeros(len(past), 216)
        change[:, 141:207] = (self.factor - 1.0) * past[:, 273:]
        return change


def x_0(batch: int, seed: int = 0) -> State:
    """A canonical first frame, float64."""
    generator = torch.Generator().manual_seed(seed)
    draw = lambda *size: torch.randn(*size, generator=generator, dtype=torch.float64)  # noqa: E731
    right = torch.tensor([0.0, 0.0, math.pi], dtype=torch.float64)
    return State(
        trans=draw(batch, 3) * torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64),
        trans_vel=0.3 * draw(batch, 3),
        root_orient=axis_angle_to_matrix(right).expand(batch, 3, 3),
        root_orient_vel=0.1 * draw(batch, 3),
        pose_body=axis_angle_to_matrix(0.2 * draw(batch, 21, 3)),
        joints=0.4 * draw(batch, 22, 3),
        joints_vel=torch.zeros(batch, 22, 3, dtype=torch.float64),
    )


@pytest.mark.parametrize("factor", [1.0, 1.1, 1.3])
def test_exponent_of_a_linear_prior(factor):
    """Velocities grow by the factor each frame: λ = fps · ln(factor), and every frame shows it."""
    steps = 12
    found = of_rollout(Growing(factor), x_0(2), torch.zeros(2, steps, 48, dtype=torch.float64), tolerance=1e-6)
    assert found.converged
    np.testing.assert_allclose(found.exponent, 30 * math.log(factor), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.growth, factor ** np.arange(steps + 1)[None].repeat(2, 0), rtol=1e-4)
    if factor > 1.0:
        np.testing.assert_allclose(found.share["joints_vel"], 1.0, atol=1e-4)


def test_a_roll_out_against_its_dense_jacobian():
    """All 207 directions as one batch, and the largest singular value of the matrix they make."""
    prior, steps, size = fakes.motion_prior(torch.float64), 3, 1e-5
    start = x_0(2, seed=1)
    latents = torch.randn(2, steps, 48, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    every_way = size * torch.cat((torch.eye(COORDINATES), -torch.eye(COORDINATES))).double()
    sigma = []
    for b in range(2):
        flat = start.flat()[b].expand(len(every_way), -1)
        moved, _ = apply_change(flat, functional.pad(every_way, (0, 9)))
        end = last_frame(prior, moved, latents[b].expand(len(every_way), -1, -1))
        columns = as_change(end[:COORDINATES], end[COORDINATES:]) / (2.0 * size)
        sigma.append(float(torch.linalg.matrix_norm(columns, 2)))
    found = of_rollout(prior, start, latents, tolerance=1e-7, max_rounds=500)
    np.testing.assert_allclose(found.exponent, np.log(sigma) * 30 / steps, rtol=1e-3)
    np.testing.assert_allclose(found.growth[:, -1], sigma, rtol=1e-3)
    np.testing.assert_allclose(sum(found.share.values()), 1.0, rtol=1e-6)


def last_frame(prior, flat: Tensor, latents: Tensor) -> Tensor:
    """(N, 339) → (N, 339), through the readable form of the roll-out."""
    pivot = joint_pivot(State.from_flat(flat).joints)
    return transitions(prior, flat, latents, pivot)[1][:, -1]


def as_change(a: Tensor, b: Tensor) -> Tensor:
    """(N, 339) × 2 → (N, 207): rotations by the logarithm of a bᵀ."""
    x, y = State.from_flat(a), State.from_flat(b)
    root, pose = (
        matrix_to_axis_angle(x.root_orient @ y.root_orient.mT),
        matrix_to_axis_angle(x.pose_body @ y.pose_body.mT),
    )
    return torch.cat(
        (a[:, :6] - b[:, :6], root, a[:, 15:18] - b[:, 15:18], pose.flatten(1), a[:, 207:] - b[:, 207:]), 1
    )


def test_of_a_fit(seen_in_3d, seen_by_camera):
    assert lyapunov(seen_in_3d.fit, seen_in_3d.history[0]) is None
    for session in (seen_in_3d, seen_by_camera):
        found = lyapunov(session.fit)
        assert found.exponent.shape == (2,) and found.growth.shape == (2, 6) and found.converged
        np.testing.assert_allclose(found.growth[:, -1], np.exp(found.exponent * 5 / 30), rtol=2e-3)
        assert lyapunov(session.fit, frames=3).growth.shape == (2, 3)
