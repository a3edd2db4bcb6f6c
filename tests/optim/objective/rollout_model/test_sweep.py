"""The elimination against a dense solve of the same least-squares problem."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from optim.objective.rollout_model.model import factorised
from optim.objective.rollout_model.sweep import Quadratic, factorise
from tests.optim.objective.rollout_model.dense import hessian

BATCH, STEPS, MOVED, SIZE, LATENTS, FIRST = 2, 5, 6, 8, 3, 4


def random_model(seed: int, *, dtype: torch.dtype = torch.float64) -> Quadratic:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(BATCH, *shape, generator=generator, dtype=torch.float64).to(dtype)

    root = draw(STEPS + 1, SIZE, SIZE)
    return Quadratic(
        hessians=root.mT @ root,
        later=draw(STEPS, 2, SIZE),
        earlier=draw(STEPS, 2, SIZE),
        by_state=draw(STEPS, MOVED, SIZE) / SIZE**0.5,
        by_latent=draw(STEPS, MOVED, LATENTS),
        mean=draw(STEPS, LATENTS, SIZE),
        sharpness=draw(STEPS, LATENTS).abs(),
        entry=draw(SIZE, FIRST),
        own=draw(FIRST).abs().diag_embed(),
        moving=(True,) * STEPS,
    )


def dense(model: Quadratic, damping: tuple[Tensor, Tensor]) -> Tensor:
    """The damped Hessian (B, V, V) of the moving variables."""
    latents, first = damping
    whole = hessian(model) + torch.cat((first, latents.flatten(1)), dim=1).diag_embed()
    moves = torch.tensor([True] * FIRST + [moving for moving in model.moving for _ in range(LATENTS)])
    return whole[:, moves][:, :, moves]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-3)])
@pytest.mark.parametrize("moving", [(True,) * STEPS, (True, False, True, True, False), (False,) * STEPS])
@pytest.mark.parametrize("damping", [0.0, 1.0])
def test_solves_as_the_dense_hessian_does(damping, moving, dtype, tolerance):
    model = replace(random_model(1, dtype=dtype), moving=moving)
    factors = factorise(model, damping=damping)
    exact = replace(random_model(1), moving=moving)
    whole = dense(exact, tuple(part.double() for part in factors.added))
    generator = torch.Generator().manual_seed(2)
    first = torch.randn(BATCH, FIRST, generator=generator, dtype=torch.float64)
    latents = torch.randn(BATCH, STEPS, LATENTS, generator=generator, dtype=torch.float64)
    kept = latents[:, list(moving)].flatten(1)
    expected = torch.linalg.solve(whole, torch.cat((first, kept), dim=1))
    found, of_latents = factors.solve(first.to(dtype), latents.to(dtype))
    assert not of_latents[:, [not moves for moves in moving]].any()
    found = torch.cat((found, of_latents[:, list(moving)].flatten(1)), dim=1)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=tolerance * float(expected.abs().max()))


def test_without_variables_of_the_first_frame_only_latents_move():
    model = random_model(3)
    model = replace(model, entry=model.entry[..., :0], own=model.own[:, :0, :0])
    factors = factorise(model, damping=0.0)
    latents = torch.ones(BATCH, STEPS, LATENTS, dtype=torch.float64)
    found, of_latents = factors.solve(latents.new_zeros(BATCH, 0), latents)
    assert found.shape == (BATCH, 0)
    expected = torch.linalg.solve(hessian(model), latents.flatten(1))
    torch.testing.assert_close(of_latents.flatten(1), expected, rtol=1e-8, atol=1e-10)


def test_damping_shortens_what_it_gives():
    model = random_model(4)
    first = torch.ones(BATCH, FIRST, dtype=torch.float64)
    latents = torch.ones(BATCH, STEPS, LATENTS, dtype=torch.float64)
    works = []
    for damping in (0.0, 0.1, 10.0):
        given = factorise(model, damping=damping).solve(first, latents)
        works.append(float((given[0] * first).sum() + (given[1] * latents).sum()))
    assert works[0] > works[1] > works[2] > 0


def test_says_where_there_is_no_inverse():
    model = random_model(5)
    indefinite = replace(model, hessians=-1e3 * model.hessians)
    assert factorise(indefinite, damping=0.0) is None
    assert factorise(replace(model, mean=model.mean * float("nan")), damping=0.0) is None


@pytest.mark.parametrize("name", [field.name for field in fields(Quadratic) if field.name != "moving"])
def test_one_number_that_is_not_finite_is_noticed(name):
    model = random_model(6)
    assert model.finite
    part = getattr(model, name).clone()
    part.view(-1)[0] = float("nan")
    assert not replace(model, **{name: part}).finite


def test_damping_grows_until_there_is_an_inverse_but_not_for_ever():
    model = random_model(7)
    slightly = replace(model, hessians=model.hessians - 1e-3 * torch.eye(model.hessians.shape[-1], dtype=torch.float64))
    assert factorised(slightly, 0.0) is not None
    with pytest.raises(ArithmeticError):
        factorised(replace(model, hessians=-1e3 * model.hessians), 0.0)
