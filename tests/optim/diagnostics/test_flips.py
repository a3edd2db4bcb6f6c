"""Flips are found where they are planted and nowhere else."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from optim.common.rotations import axis_angle_to_matrix
from optim.diagnostics.flips import are_flipped, flips
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes


def flipped(vector: torch.Tensor) -> torch.Tensor:
    """The same rotation the other way round."""
    angle = vector.norm(dim=-1, keepdim=True)
    return vector * (1.0 - 2.0 * math.pi / angle)


def test_two_vectors_of_one_rotation():
    vectors = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    other = flipped(vectors)
    torch.testing.assert_close(axis_angle_to_matrix(vectors), axis_angle_to_matrix(other), atol=1e-5, rtol=0)
    nudged = other + 0.05 * torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    assert are_flipped(vectors, other).all() and are_flipped(vectors, nudged).all()
    assert not are_flipped(vectors, vectors + 0.1).any(), "near vectors are no flip"
    a, b = torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([[-2.0, 0.0, 0.0]])
    assert not are_flipped(a, b).any(), "far vectors of far rotations are no flip"
    assert not are_flipped(a, flipped(a) + torch.tensor([0.6, 0.0, 0.0])).any()


def stood_up(preset="humorscope") -> tuple[Session, torch.Tensor]:
    session = Session(fakes.problem(batch=2, frames=6), schedule=schedule(preset, "3d", num_iters=(1, 0, 0)))
    return session, torch.tensor([1.5, 0.1, 0.2]).repeat(2, 6, 1)


def test_planted_between_frames():
    session, root = stood_up()
    clean = flips(session.fit, replace(session.current, variables=session.current.variables | {"root_orient": root}))
    assert not clean.variable.any() and not clean.round_trip.any() and not clean.saved.any()
    root[1, 3] = flipped(root[1, 3])
    found = flips(session.fit, replace(session.current, variables=session.current.variables | {"root_orient": root}))
    assert np.argwhere(found.variable).tolist() == [[1, 3], [1, 4]], "there and back"
    assert np.argwhere(found.round_trip).tolist() == [[1, 3]]
    assert not found.saved.any(), "results go through matrices"


def test_saved_vectors_flip_where_a_rotation_passes_half_a_turn():
    session, root = stood_up()
    root[0] = torch.tensor([1.0, 0.0, 0.0]) * torch.linspace(math.pi - 0.25, math.pi + 0.25, 6)[:, None]
    found = flips(session.fit, replace(session.current, variables=session.current.variables | {"root_orient": root}))
    assert np.argwhere(found.saved).tolist() == [[0, 3, 0]]
    assert not found.variable.any(), "the variable itself goes on smoothly"
    assert found.round_trip[0].tolist() == [False] * 3 + [True] * 3


def test_6d_has_nothing_to_flip():
    session, _ = stood_up(replace(PRESETS["humorscope"], rotation="6d"))
    found = flips(session.fit)
    assert found.variable is None and found.round_trip is None and found.saved.shape == (2, 6, 22)


@pytest.mark.parametrize("fixture", ["seen_in_3d", "seen_by_camera"])
def test_x_0_on_its_way_to_the_prior_frame_and_back(fixture, request):
    session = request.getfixturevalue(fixture)
    root = session.current.variables["root_orient"]
    angle = root.norm(dim=-1, keepdim=True)
    short = torch.where(angle > math.pi, flipped(root), root)
    for vector, expected in ((short, False), (flipped(short), True)):
        variables = session.current.variables | {"root_orient": vector}
        found = flips(session.fit, replace(session.current, variables=variables))
        assert found.round_trip.shape == (2, 1) and (found.round_trip == expected).all()
        assert not found.variable.any(), "one frame has no neighbour"
