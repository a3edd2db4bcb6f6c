"""Figures with a gradient: they are those of a whole fit, and their gradients are those of differences."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.diagnostics.quantities import ROUGH, TUNED
from optim.diagnostics.tuned import tuned_figures
from optim.objective.objective import Objective
from optim.schedule.stages import schedule
from optim.sensitivity.figures import NOISE, NOISE_IN_IMAGES, angle, figures_of, noise_floor, planted
from optim.session.session import Session
from tests import fakes

OVERLAP = "rgb_overlap_consist"
SMOOTH = ("planted_share", "mean_skate_mm", "toe_depth_cm")
"""Figures with a smooth gate in place of a comparison."""


@pytest.fixture(scope="module")
def fitted() -> Session:
    """Two overlapping sub-sequences before a camera, in stage 3."""
    problem = fakes.problem("joints2d", frames=6, batch=2)
    problem = replace(problem, observations=replace(problem.observations, seq_interval=torch.tensor([[0, 6], [4, 10]])))
    phases = schedule("direct", "rgb", num_iters=(1, 1, 1), lbfgs_max_iter=1)
    session = Session(problem, schedule=tuple(replace(p, weights={**p.weights, OVERLAP: 1.0}) for p in phases))
    session.run()
    return session


def test_values_are_those_of_a_whole_fit(fitted):
    fit, here = fitted.fit, fitted.current
    objective = Objective(fit.problem, here.schedule[here.phase], here.prior_frame)
    prediction = objective.predict(here.variables)
    found = figures_of(fit.problem, prediction, fit.stage2_trajectory)
    known = tuned_figures(fit, encoded=fit.stage2_trajectory)
    assert {"floor_tilt", "overlap_cm", "planted_share", "observed_px"} <= set(found)
    for name, figure in found.items():
        if name not in SMOOTH:
            assert float(figure(prediction)) == pytest.approx(known[name], rel=1e-3, abs=1e-3), name


def test_the_gradient_of_the_overlap_is_that_of_differences(fitted):
    fit, here = fitted.fit, fitted.current
    objective = Objective(fit.problem, here.schedule[here.phase], here.prior_frame)

    def value(x):
        prediction = objective.predict(here.packing.unpack(x, here.variables))
        return figures_of(fit.problem, prediction, None)["overlap_cm"](prediction)

    x = here.packing.pack(here.variables).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(value(x), x)
    way, step = gradient / gradient.norm(), 1e-3
    with torch.no_grad():
        numeric = float(value(x + step * way) - value(x - step * way)) / (2 * step)
    assert numeric == pytest.approx(float(gradient.norm()), rel=0.05)


def test_the_angle_of_floors_has_its_gradient_down_to_none():
    floors = torch.tensor([[0.05, -0.99, 0.08], [0.0, -1.0, 0.1]], dtype=torch.float64, requires_grad=True)
    others = torch.tensor([[0.0, -2.0, 0.0], [0.3, -1.0, 0.0]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: angle(x, others), floors)
    same = angle(others.requires_grad_(), others.detach())
    assert same.item() == pytest.approx(0.0, abs=1e-5)
    assert torch.autograd.grad(same, others)[0].isfinite().all()


def test_feet_are_planted_where_they_stay_near_the_floor():
    joints = torch.zeros(1, 5, 22, 3)
    assert float(planted(joints)) > 99.0
    joints[..., 2] = 1.0
    assert float(planted(joints)) < 0.1
    joints[:, 2:, 7, 2] = 0.0  # one ankle from frame 2 on: near in frames 3 and 4 and in those before them
    assert float(planted(joints)) == pytest.approx(50.0, abs=1.0)
    height = torch.tensor(0.1, requires_grad=True)
    joints = torch.zeros(1, 5, 22, 3) + torch.stack((torch.zeros(()), torch.zeros(()), height))
    (gradient,) = torch.autograd.grad(planted(joints), height)
    assert gradient < 0.0


def test_every_figure_has_a_noise_floor(fitted):
    assert set(NOISE) == set(TUNED) and set(ROUGH) < set(TUNED) and set(NOISE_IN_IMAGES) < set(NOISE)
    assert noise_floor(fitted.problem, "truth_cm") == NOISE_IN_IMAGES["truth_cm"] > NOISE["truth_cm"]
    assert noise_floor(fakes.problem(frames=6), "truth_cm") == NOISE["truth_cm"]
