"""The flat vector: what is packed comes back, what is held is not in it."""

from __future__ import annotations

import pytest
import torch

from optim.common.errors import InputError
from optim.common.rotations import axis_angle_to_matrix
from optim.problem.variables import packing, parse_held, root_matrix, root_variable
from optim.schedule.phases import INITIAL_STATE
from optim.schedule.stages import schedule
from tests import fakes

PHASES = {phase.name: phase for phase in schedule("humorscope", "rgb", tune_frames=4)}


@pytest.fixture(scope="module")
def problem():
    return fakes.problem("joints2d", batch=2, frames=6)


def moving(problem, name: str, held: tuple[str, ...]) -> tuple[dict, set[str], torch.Tensor]:
    """Variables, the names that change when the whole flat vector changes, and where latents do."""
    phase = PHASES[name]
    variables = fakes.variables(problem, phase)
    free = packing(variables, phase, held=held)
    flat = free.pack(variables)
    assert flat.shape == (free.size,)
    back = free.unpack(flat, variables)
    assert all(torch.equal(back[key], value) for key, value in variables.items())
    moved = free.unpack(flat + 1.0, variables)
    names = {key for key, value in variables.items() if not torch.equal(moved[key], value)}
    assert all(moved[key] is variables[key] for key in set(variables) - names)
    latents = moved.get("latent_motion", torch.zeros(2, 5, 48)) != variables.get("latent_motion", torch.zeros(2, 5, 48))
    return variables, names, latents.any(-1)[0]


@pytest.mark.parametrize("name", PHASES)
def test_all_and_only_the_variables_of_the_phase_move(problem, name):
    _, names, latents = moving(problem, name, ())
    assert names == set(PHASES[name].variables)
    if name == "stage 3 tune":
        assert latents.tolist() == [True, True, True, False, False]


def test_x_0_means_its_six_parts(problem):
    _, names, _ = moving(problem, "stage 3 refine", ("x_0",))
    assert names == set(PHASES["stage 3 refine"].variables) - set(INITIAL_STATE)
    _, names, _ = moving(problem, "stage 2", ("x_0",))
    assert names == set(PHASES["stage 2"].variables)


def test_a_range_of_frames(problem):
    _, names, latents = moving(problem, "stage 3 freeze", ("latent_motion[1:3]", "betas"))
    assert names == {"latent_motion", "floor_plane"}
    assert latents.tolist() == [True, False, False, True, True]
    _, _, latents = moving(problem, "stage 3 freeze", ("latent_motion[4:5]", "latent_motion[0:2]"))
    assert latents.tolist() == [False, False, True, True, False], "several ranges of one variable"


def test_gradients_reach_the_moving_entries_only(problem):
    phase = PHASES["stage 3 tune"]
    variables = fakes.variables(problem, phase)
    free = packing(variables, phase, held=("trans",))
    x = free.pack(variables).requires_grad_()
    total = sum(value.sum() for value in free.unpack(x, variables).values())
    (gradient,) = torch.autograd.grad(total, x)
    assert (gradient == 1).all()
    assert set(free.split(gradient)) == set(phase.variables) - {"trans"}


def test_nothing_left_is_an_error(problem):
    variables = fakes.variables(problem, PHASES["stage 3 freeze"])
    with pytest.raises(InputError, match="betas, floor_plane, latent_motion"):
        packing(variables, PHASES["stage 3 freeze"], held=("latent_motion", "betas", "floor_plane"))


@pytest.mark.parametrize("text", ["x0", "latent_motion[1]", "floor_plane[0:1]", "", "trans[a:b]"])
def test_unknown_names_to_freeze(text):
    with pytest.raises(InputError, match="x_0"):
        parse_held(text)


@pytest.mark.parametrize(("rotation", "size"), [("axis-angle", 3), ("6d", 6)])
def test_root_variable_round_trip(rotation, size):
    matrices = axis_angle_to_matrix(torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0)))
    value = root_variable(matrices, rotation=rotation)
    assert value.shape == (4, 5, size)
    torch.testing.assert_close(root_matrix(value), matrices, atol=1e-5, rtol=0)
