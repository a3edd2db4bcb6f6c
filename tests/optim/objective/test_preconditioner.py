"""Measured units: the curvature of each block of variables; what L-BFGS makes of it."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from optim.objective.preconditioner import LEAST_CURVATURE, measured_preconditioner
from optim.problem.variables import Block, Packing
from optim.schedule.stages import schedule
from optim.session.edits import Hold, SetWeight
from optim.session.session import Session
from optim.solver import lbfgs
from optim.solver.lbfgs import Options
from optim.solver.solver import Point
from tests import fakes

CURVATURES = {"trans": 2000.0, "latent_motion": 0.01, "betas": 0.0}
PACKING = Packing(tuple(Block(name, (1, 4), None) for name in CURVATURES))


class Bowl:
    """½ Σ c x², another c for each variable."""

    phase = SimpleNamespace(preconditioned=True, solver="lbfgs")
    curvature = torch.tensor(list(CURVATURES.values())).repeat_interleave(4).double()

    def point(self, x, variables, packing) -> Point:
        return Point(x, float(0.5 * (self.curvature * x * x).sum()), self.curvature * x)


def minimised(evaluate, start: Point, *, preconditioner=None, iterations: int) -> list[torch.Tensor]:
    options = Options(max_iterations=iterations, max_evaluations=10 * iterations)
    state = lbfgs.init(start, options=options, preconditioner=preconditioner)
    places = []
    while state.stop is None:
        state = lbfgs.step(state, evaluate, options=options)
        places.append(state.point.x)
    return places


def test_curvature_is_measured_variable_by_variable():
    bowl, x = Bowl(), torch.linspace(-1, 1, 12).double()
    preconditioner, asked = measured_preconditioner(bowl, bowl.point(x, {}, PACKING), {}, PACKING)
    assert asked == 3
    expected = [1 / max(c, LEAST_CURVATURE) for c in CURVATURES.values()]
    torch.testing.assert_close(preconditioner.view(3, 4).mean(1), torch.tensor(expected).double(), rtol=1e-6, atol=0)


def test_phases_that_do_not_ask_for_it_are_not_measured():
    bowl = Bowl()
    bowl.phase = SimpleNamespace(preconditioned=False, solver="lbfgs")
    assert measured_preconditioner(bowl, None, {}, PACKING) == (None, 0)


def test_a_metric_is_a_change_of_units():
    """Minimising f(x) under M passes through the points of minimising f(√M u)."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(6, 6, generator=generator).double()
    unit = torch.tensor([0.1, 3.0, 1.0, 20.0, 0.5, 2.0]).double()

    def curved(x) -> Point:
        y = root @ x
        return Point(x, float(0.5 * y @ y + (x**4).sum()), root.T @ y + 4 * x**3)

    def in_units(u) -> Point:
        point = curved(unit * u)
        return Point(u, point.value, unit * point.gradient)

    start = torch.ones(6).double()
    ours = minimised(curved, curved(start), preconditioner=unit**2, iterations=6)
    theirs = minimised(in_units, in_units(start / unit), iterations=6)
    assert len(ours) == len(theirs)
    for x, u in zip(ours, theirs, strict=True):
        torch.testing.assert_close(x, unit * u, rtol=1e-8, atol=1e-10)


def test_a_stage_3_with_measured_units_gets_further_in_as_many_iterations():
    reached = {}
    for preset in ("humorscope", "humorscope-measured-units"):
        phases = schedule(preset, num_iters=(3, 5, 4), tune_init=False, lbfgs_max_iter=10)
        session = Session(fakes.problem(frames=8), schedule=phases)
        while session.current.stage < 3:
            session.step_iteration()
        begun = session.current
        assert (begun.solver.preconditioner is None) == (preset == "humorscope")
        reached[preset] = session.run().evaluation.total
        assert session.current.evaluations_spent > begun.evaluations_spent
    assert reached["humorscope-measured-units"] < reached["humorscope"]


def test_edits_measure_anew_what_moves():
    session = Session(fakes.problem(frames=6), schedule=schedule("shooting", num_iters=(1, 1, 3), lbfgs_max_iter=2))
    while session.current.stage < 3:
        session.step_iteration()
    frozen = session.apply(Hold("betas"))
    assert frozen.solver.preconditioner.shape == frozen.solver.point.x.shape
    session.step_iteration()
    kept = session.apply(SetWeight("joints3d", 1.1, keep_memory=True))
    assert torch.equal(kept.solver.preconditioner, frozen.solver.preconditioner)
    assert float(kept.solver.preconditioner.min()) > 0
