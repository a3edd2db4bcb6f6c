"""The exact Hessian: what overlap terms couple is in it, and without them its inverse is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.objective.rollout_model import model as model_module
from optim.objective.rollout_model.exact import ExactModel
from optim.objective.rollout_model.model import quadratic
from optim.problem.variables import packing
from optim.schedule.terms import TERMS
from tests.optim.objective.rollout_model.test_model import in_full, small
from tests.optim.objective.rollout_model.test_rows import STEP, WEIGHT, alone, known_jacobians
from tests.optim.objective.test_objective import everything_seen

COUPLED = {
    "rgb_overlap_consist_verts3d_pos": lambda p: p.points.verts3d[0, 2:5] - p.points.verts3d[1, :3],
    "rgb_overlap_consist_verts3d_vel": lambda p: (p.points.verts3d[0, 2:5] - p.points.verts3d[1, :3]).diff(dim=0),
    "rgb_overlap_consist_betas": lambda p: p.variables["betas"][0] - p.variables["betas"][1],
    "rgb_overlap_consist_floor": lambda p: p.variables["floor_plane"][0] - p.variables["floor_plane"][1],
}
"""Term → what it makes small; the sub-sequences are frames 2 to 7 and 4 to 9."""


@pytest.fixture(scope="module")
def seen():
    problem = everything_seen(camera=True)
    return replace(problem, body=replace(problem.body, pose_directions=None))


@pytest.mark.parametrize("term", [term for term in TERMS if term.name in COUPLED], ids=lambda term: term.name)
def test_sub_sequences_are_coupled_by_what_compares_them(term, seen, monkeypatch):
    """vᵀ H u is the product of the changes of the difference along v and u, also where both move together."""
    monkeypatch.setattr(model_module, "network_jacobians", known_jacobians("humorscope", seen))
    objective, variables = alone(seen, term, preset="humorscope")
    free = packing(variables, objective.phase)
    x = free.pack(variables)
    generator = torch.Generator().manual_seed(4)
    ways = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for _ in range(2)]

    def change(way):
        ahead, behind = (objective.predict(free.unpack(x + step * way, variables)) for step in (STEP, -STEP))
        return (COUPLED[term.name](ahead) - COUPLED[term.name](behind)) / (2 * STEP)

    found = ExactModel(objective, variables, free, x).times(ways[0])
    scale = objective.scale(term)
    for way in ways:
        expected = WEIGHT * scale * float((change(ways[0]) * change(way)).sum())
        assert float(way @ found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("held", [(), ("latent_motion[1:3]",)])
def test_it_is_the_written_out_hessian_and_apart_its_inverse(held):
    objective, variables, free, x = small(held)
    found = ExactModel(objective, variables, free, x)
    quadratic_of = quadratic(objective, variables, free, x, averaged=None)
    vector = torch.randn(free.size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    if not held:
        torch.testing.assert_close(found.times(vector), in_full(*quadratic_of, free) @ vector)
    inverse = found.inverse_apart(0.1)
    damped = found.times(vector) + inverse.added(vector)
    torch.testing.assert_close(inverse(damped), vector, rtol=0, atol=1e-6 * float(vector.abs().max()))


def test_what_is_not_finite_is_told():
    objective, variables, free, x = small()
    with pytest.raises(ValueError, match="not finite"):
        ExactModel(objective, variables, free, x * float("nan"))
