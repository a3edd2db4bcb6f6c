"""The inverse as an operator on flat vectors: held variables, frames of a phase, and what has no model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.common import threads
from optim.objective.objective import Objective
from optim.objective.rollout_model.entry import Entry
from optim.objective.rollout_model.model import RolloutModel, quadratic, reasons_against
from optim.objective.rollout_model.sweep import Quadratic
from optim.problem import frames
from optim.problem.variables import Packing, packing
from optim.schedule.stages import schedule
from tests import fakes
from tests.optim.objective.rollout_model.dense import hessian

HELD = {
    "nothing": (),
    "x_0": ("x_0",),
    "shape and root": ("betas", "root_orient"),
    "some latents": ("latent_motion[1:3]",),
    "all latents": ("latent_motion",),
    "all but latents": ("x_0", "betas"),
}


def small(held=(), *, first: int | None = None):
    """A phase of two sub-sequences in float64: the objective, variables, packing and the flat vector."""
    problem = fakes.problem("joints3d", batch=2, frames=6, dtype=torch.float64)
    phase = replace(schedule("humorscope", "3d")[-1], frames=first)
    variables = fakes.variables(problem, phase, dtype=torch.float64)
    free = packing(variables, phase, held=held)
    return Objective(problem, phase, frames.identity(2, dtype=torch.float64)), variables, free, free.pack(variables)


def in_full(model: Quadratic, entry: Entry, free: Packing) -> torch.Tensor:
    """The Hessian (n, n) of all sub-sequences in the order of the flat vector."""
    latents = free.split(torch.arange(free.size))["latent_motion"].flatten(1)
    places = torch.cat((entry.places, latents), dim=1)
    found = torch.zeros(free.size, free.size, dtype=model.own.dtype)
    for where, part in zip(places, hessian(model), strict=True):
        found[where[:, None], where] = part
    return found


@pytest.mark.parametrize("first", [None, 4])
@pytest.mark.parametrize("held", HELD)
def test_is_the_inverse_of_the_models_hessian(held, first):
    """A held variable drops its rows and columns from the Hessian of all variables."""
    objective, variables, free, x = small(HELD[held], first=first)
    found = RolloutModel(objective, variables, free, x).inverse(0.1)
    _, _, whole, all_of = small(first=first)
    numbers = torch.arange(sum(value.numel() for value in variables.values()))
    sizes = [value.numel() for value in variables.values()]
    numbered = {
        name: part.view(value.shape)
        for (name, value), part in zip(variables.items(), numbers.split(sizes), strict=True)
    }
    kept = torch.isin(whole.pack(numbered), free.pack(numbered))
    assert int(kept.sum()) == free.size
    damping = torch.zeros(free.size, dtype=torch.float64)
    of_latents, of_first = found.factors.added
    damping[found.entry.places], damping[found.latents] = of_first, of_latents[:, found.steps]
    dense = in_full(*quadratic(objective, variables, whole, all_of), whole)[kept][:, kept] + damping.diag()
    vector = torch.randn(free.size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    curvature = RolloutModel(objective, variables, free, x).curvature(vector)
    assert curvature == pytest.approx(float(vector @ (dense - damping.diag()) @ vector))
    expected = torch.linalg.solve(dense, vector)
    torch.testing.assert_close(found(vector), expected, rtol=0, atol=1e-8 * float(expected.abs().max()))


def test_one_vector_does_not_depend_on_others():
    objective, variables, free, x = small()
    found = RolloutModel(objective, variables, free, x).inverse(0.1)
    again = RolloutModel(objective, variables, free, x.clone()).inverse(0.1)
    vectors = [torch.randn(free.size, generator=torch.Generator().manual_seed(k), dtype=x.dtype) for k in range(3)]
    first = [found(vector) for vector in vectors]
    assert all(torch.equal(a, again(vector)) for a, vector in zip(reversed(first), reversed(vectors), strict=True))


def test_says_what_it_has_no_model_of():
    objective, *_ = small()
    assert reasons_against(objective) == ()
    shooting = replace(objective, phase=replace(objective.phase, segment=3))
    assert "shooting" in " ".join(reasons_against(shooting))
    first = replace(objective, phase=schedule("humorscope", "3d")[0])
    assert "stage 3" in " ".join(reasons_against(first))


def test_what_is_not_finite_is_told():
    objective, variables, free, x = small()
    with pytest.raises(ValueError, match="not finite"):
        RolloutModel(objective, variables, free, x * float("nan"))


def test_two_threads_make_the_same_model(monkeypatch):
    objective, variables, free, x = small()
    answers = []
    for number in (1, 2):
        monkeypatch.setattr(threads, "_count", number)
        answers.append(RolloutModel(objective, variables, free, x).step(x, 0.1))
    assert torch.equal(*answers)
