"""Derivatives of the body's points and of decoded poses, against finite differences."""

from __future__ import annotations

import pytest
import torch

from optim.body.derivatives import PosedBody
from optim.common.rotations import axis_angle_to_matrix
from tests import fakes

FLOAT, STEP = torch.float64, 1e-6


@pytest.fixture
def posed() -> PosedBody:
    torch.manual_seed(0)
    root, pose = (axis_angle_to_matrix(torch.randn(2, 3, n, 3, dtype=FLOAT)) for n in (1, 21))
    return PosedBody(fakes.body(dtype=FLOAT), root[:, :, 0], pose, torch.randn(2, 16, dtype=FLOAT))


@pytest.mark.parametrize("corrected", [True, False], ids=["pose corrections", "plain skinning"])
def test_turns_and_shape_move_the_points_as_the_derivatives_say(posed, corrected):
    if not corrected:
        posed.body.__dict__["pose_directions"] = None
    ids, still = torch.tensor([0, 5, 9, 11]), torch.zeros(2, 3, 3, dtype=FLOAT)
    turns, shape = torch.randn(2, 3, 22, 3, dtype=FLOAT), torch.randn(2, 16, dtype=FLOAT)

    def points(size: float):
        local = torch.cat((posed.root_orient[:, :, None], posed.pose_body), dim=2)
        turned = axis_angle_to_matrix(size * turns) @ local
        joints, vertices = posed.body.joints_and_vertices(
            still, turned[:, :, 0], turned[:, :, 1:], posed.betas + size * shape, ids
        )
        return joints[:, :, :22], vertices

    moved = [(a - b) / (2 * STEP) for a, b in zip(points(STEP), points(-STEP), strict=True)]
    for derivatives, expected in zip((posed.joints, posed.vertices(ids)), moved, strict=True):
        found = torch.einsum("btkxjc,btjc->btkx", derivatives.turn, turns)
        found += torch.einsum("btkxs,bs->btkx", derivatives.shape, shape)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


def test_vertices_can_differ_from_frame_to_frame(posed):
    ids = torch.randint(0, len(posed.body.template), (2, 3, 5))
    found = posed.vertices(ids)
    for b in range(2):
        for frame in range(3):
            alone = posed.vertices(ids[b, frame])
            torch.testing.assert_close(found.turn[b, frame], alone.turn[b, frame])
            torch.testing.assert_close(found.shape[b, frame], alone.shape[b, frame])


def test_decoded_poses_turn_as_the_derivatives_say():
    prior = fakes.pose_prior(dtype=FLOAT)
    torch.manual_seed(1)
    latent, change = torch.randn(2, 2, 3, 32, dtype=FLOAT).unbind()
    spin = (prior.turns(latent) @ change[..., None, :, None])[..., 0]
    rotation = prior.decode(latent)
    expected = (prior.decode(latent + STEP * change) - prior.decode(latent - STEP * change)) / (2 * STEP)
    found = torch.linalg.cross(spin[..., None].expand_as(rotation), rotation, dim=-2)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)
