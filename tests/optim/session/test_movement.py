"""What is held is reported with how far it moved, and everything with its way since the stage began."""

from __future__ import annotations

import pytest
import torch

from optim.problem.variables import NAMES
from optim.schedule.phases import INITIAL_STATE
from optim.schedule.stages import schedule
from optim.session.edits import Hold, Release
from optim.session.movement import held, moved
from optim.session.session import Session
from tests import fakes


@pytest.fixture
def session() -> Session:
    phases = schedule("humorscope", "rgb", num_iters=(1, 1, 6), lbfgs_max_iter=4, tune_frames=4, freeze_start=2)
    session = Session(fakes.problem("joints2d", frames=6), schedule=phases)
    session.finish_stage()
    session.finish_stage()
    session.step_iteration()
    return session


def test_held_variables_moved_nothing_since(session):
    session.step_outer()
    frozen_at = session.apply(Hold("betas"))
    session.apply(Hold("latent_motion[0:2]"))
    session.step_outer()
    betas, latents = held(session.fit)
    assert (betas.name, betas.by, betas.since, betas.moved) == ("betas", "freeze", frozen_at.id, 0.0)
    assert (latents.name, latents.moved) == ("latent_motion[0:2]", 0.0)
    assert str(betas) == f"betas: moved 0 since iteration {frozen_at.total_iterations} (held by freeze)"
    assert moved(session.fit)["trans"].largest > 0
    session.apply(Release("betas"))
    assert [one.name for one in held(session.fit)] == ["latent_motion[0:2]"]


def test_x_0_held_early_is_held_from_stage_3_on():
    phases = schedule("humorscope", "3d", num_iters=(1, 1, 1), lbfgs_max_iter=3, tune_init=False)
    session = Session(fakes.problem(frames=5), schedule=phases)
    session.apply(Hold("x_0"))
    session.step_iteration()
    assert "x_0" not in [one.name for one in held(session.fit)]
    session.run()
    (only,) = held(session.fit)
    assert (only.name, only.moved, only.since) == ("x_0", 0.0, session.fit.stage3_start.id)


def test_the_schedule_holds_too(session):
    tuned, start = {one.name for one in held(session.fit)}, session.fit.stage_start()
    assert tuned == set()
    session.finish_phase()
    session.step_outer()
    assert session.fit.stage_start() is start, "another phase of the same stage"
    report = {one.name: one for one in held(session.fit)}
    assert set(report) == set(INITIAL_STATE)
    assert all(one.moved == 0.0 and one.by == "stage 3 freeze" for one in report.values())


def test_nodes_of_segments_move_while_there_are_any():
    phases = schedule("shooting", "3d", num_iters=(1, 1, 8), lbfgs_max_iter=2)
    session = Session(fakes.problem(frames=16), schedule=phases)
    found = []
    while not session.done:
        session.step_iteration()
        found.append("nodes" in moved(session.fit))
        assert {one.name for one in held(session.fit)} <= set(NAMES)
        assert found[-1] == ("nodes" in session.current.variables)
    assert any(found) and not found[-1]


def test_ways_are_differences_to_the_start_of_the_stage(session):
    start = session.fit.stage3_start
    session.step_outer()
    ways = moved(session.fit)
    for name, value in session.current.variables.items():
        change = value - start.variables[name]
        assert ways[name].largest == pytest.approx(float(change.abs().max()))
        assert ways[name].rms == pytest.approx(float(change.square().mean().sqrt()))
    assert ways["betas"].per_frame is None
    torch.testing.assert_close(ways["latent_motion"].per_frame.square().mean().sqrt().item(), ways["latent_motion"].rms)
    assert all(way.largest == 0.0 for way in moved(session.fit, start).values())
