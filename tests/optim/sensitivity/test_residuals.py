"""Signed residuals: they are those of the terms, and their squares pull as the terms do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.objective.objective import Objective
from optim.objective.prediction import detached
from optim.objective.terms.scene import Scene
from optim.priors.init_state_prior import InitStatePrior
from optim.problem.observations import PreviousBatch
from optim.problem.variables import packing
from optim.schedule.stages import schedule
from optim.schedule.terms import TERMS, usable_terms
from optim.sensitivity.residuals import KINK, RESIDUALS, gates_at
from tests import fakes

NOT_SQUARES = ("contact_height", "motion_prior", "pose_prior", "shooting_gap")
"""Terms whose residuals only bend like them: they have a kink, a logarithm or a constant."""


def setting(kind: str, stage: int):
    """Objective with every term that the data offers, variables, and their packing."""
    problem = fakes.problem(kind, frames=6, batch=2, dtype=torch.float64)
    mixture = problem.init_state_prior
    apart = mixture.means + torch.tensor([[0.0], [5.0]], dtype=torch.float64)  # one component is far likelier
    problem = replace(problem, init_state_prior=InitStatePrior(mixture.weights, apart, mixture.covariances))
    if kind == "joints3d":
        legs = torch.arange(22)[:, None] < 9
        problem = replace(problem, expected_joints=torch.where(legs, 1.1 * problem.observations.joints3d, torch.inf))
    if problem.has_camera:
        root = torch.tensor([[2.0, 0.5, -1.0], [0.0, 1.5, 0.3], [0.0, 0.0, 0.7]], dtype=torch.float64)
        problem = replace(problem, floor_metric=(root.mT @ root).expand(2, 3, 3))
        generator = torch.Generator().manual_seed(0)
        points, betas = (torch.randn(shape, dtype=torch.float64, generator=generator) for shape in ((6, 43, 3), (16,)))
        previous = PreviousBatch((-4, 2), points, betas, torch.tensor([0.0, -0.8, 0.6, -1.3], dtype=torch.float64))
        shared = {"seq_interval": torch.tensor([[0, 6], [4, 10]]), "previous": previous}
        problem = replace(problem, observations=replace(problem.observations, **shared))
    phase = [p for p in schedule("direct", "rgb" if problem.has_camera else "3d") if p.stage == stage][-1]
    names = {term.weight: 1.0 for term in usable_terms(problem.offers)}
    phase = replace(phase, weights=names, init_motion_frames=None)
    variables = fakes.variables(problem, phase, dtype=torch.float64)
    return (
        Objective(problem, phase, None if problem.has_camera else _frame(problem)),
        variables,
        packing(variables, phase),
    )


def _frame(problem):
    from optim.problem.frames import identity

    frame = identity(problem.batch)
    return replace(frame, R_prior_input=frame.R_prior_input.double(), offset=frame.offset.double())


@pytest.mark.parametrize(
    ("kind", "stage"), [("joints3d", 2), ("joints3d", 3), ("verts3d", 3), ("joints2d", 3), ("points3d", 3)]
)
def test_squares_pull_as_the_terms_do(kind, stage):
    objective, variables, free = setting(kind, stage)
    leaf = free.pack(variables).detach().requires_grad_()
    prediction = objective.predict(free.unpack(leaf, variables))
    scene = Scene(objective.problem, objective.seen, prediction)
    gates = gates_at(Scene(objective.problem, objective.seen, detached(prediction)))
    raw, checked = objective.residuals(prediction), []
    for term in objective.terms:
        residual = RESIDUALS[term.name](scene, gates)
        if term.name in NOT_SQUARES:
            continue
        if term.name == "contact_vel":
            torch.testing.assert_close(0.5 * residual.square().sum(), raw[term.name].sum())
            continue  # its pull differs, because the probability of contact counts as a constant
        (expected,) = torch.autograd.grad(raw[term.name].sum(), leaf, retain_graph=True, allow_unused=True)
        (found,) = torch.autograd.grad(0.5 * residual.square().sum(), leaf, retain_graph=True, allow_unused=True)
        assert found is not None and expected is not None, term.name
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9, msg=term.name)
        checked.append(term.name)
    assert ("expected_joints" in checked) is (kind == "joints3d")
    assert kind in checked and "shape_prior" in checked
    assert ("floor_reg" in checked) is objective.problem.has_camera
    assert ("init_motion_prior" in checked) is (stage == 3)
    assert ("rgb_overlap_xbatch_floor" in checked) is objective.problem.has_camera


def test_near_its_kink_the_slope_of_contact_height_changes_by_the_probability_of_contact():
    objective, variables, free = setting("joints3d", 3)
    prediction = detached(objective.predict(variables))
    scene = Scene(objective.problem, objective.seen, prediction)
    gates = gates_at(scene)
    near = replace(gates, near_kink=gates.contact)
    height = scene.in_prior.contact_joints[..., 2]
    bend = (RESIDUALS["contact_height"](scene, near) / height) ** 2  # second derivative of half the square
    torch.testing.assert_close(bend * 2 * KINK, gates.contact)


def test_every_term_has_residuals_or_is_known_not_to():
    assert {term.name for term in TERMS} - set(RESIDUALS) == {"shooting_gap"}
