"""The solver of each phase: a choice in the schedule, made from a flag, and edited in the middle of a fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.schedule.solvers import SOLVERS, solvers_of
from optim.schedule.stages import schedule
from optim.session.edits import DropFrames, Hold, Release, SetSolver, SetWeight
from optim.session.session import Session
from optim.session.solvers import MODULES
from optim.solver.lbfgs import LbfgsState
from optim.solver.levenberg_marquardt import LevenbergMarquardtState
from tests import fakes

DAMPED = "levenberg-marquardt"
"""Its name in the schedule."""


def damped(*modalities: str, frames: int = 6, iterations: int = 20, batch: int = 1) -> Session:
    """A session whose stages 1 and 2 are solved by Levenberg–Marquardt."""
    problem = fakes.problem(*modalities, frames=frames, batch=batch)
    phases = schedule(
        "humorscope",
        problem.data_type,
        num_iters=(3, 6, 1),
        lbfgs_max_iter=iterations,
        solvers=(DAMPED, DAMPED, "lbfgs"),
    )
    return Session(problem, schedule=phases)


def test_every_solver_of_the_table_has_a_module():
    assert set(MODULES) == set(SOLVERS)
    assert all("lbfgs" in solvers_of(stage) for stage in (1, 2, 3))


def test_the_flag_gives_each_stage_its_solver():
    phases = parse(["--preset", "humorscope", "--solvers", "lbfgs", "levenberg-marquardt", "lbfgs"]).schedule()
    assert [phase.solver for phase in phases] == ["lbfgs", "levenberg-marquardt", *["lbfgs"] * 3]
    with pytest.raises(InputError, match="cannot solve stage 3"):
        parse(["--solvers", *[DAMPED] * 3]).schedule()


def test_a_solver_that_cannot_be_is_refused_and_nothing_changes():
    session = Session(fakes.problem(frames=4), schedule=schedule(num_iters=(1, 1, 1), lbfgs_max_iter=2))
    before = session.current
    for edit, part in ((SetSolver("newton"), "lbfgs"), (SetSolver("lbfgs", phase=99), "no phase 99")):
        with pytest.raises(InputError, match=part):
            session.apply(edit)
    assert session.current is before


def test_the_same_solver_again_changes_nothing_of_the_fit():
    session = Session(fakes.problem(frames=4), schedule=schedule(num_iters=(1, 1, 1), lbfgs_max_iter=2))
    before = session.step_iteration()
    after = session.apply(SetSolver("lbfgs"))
    assert after.solver is before.solver and after.schedule == before.schedule


# Levenberg–Marquardt


@pytest.mark.parametrize("modality", ["joints3d", "verts3d", "points3d", "joints2d"])
def test_it_lowers_the_loss_with_every_iteration_and_ends_no_higher_than_lbfgs(modality):
    session, other = damped(modality), damped(modality)
    for phase in (0, 1):
        other.apply(SetSolver("lbfgs", phase=phase))
    session.finish_stage()
    for _ in range(40):
        before, after = session.current, session.step_iteration()
        if after.phase != before.phase:
            continue
        assert after.evaluation.total <= before.evaluation.total
        if after.phase_done:
            break
    assert isinstance(session.current.solver, LevenbergMarquardtState) and session.current.stage == 2
    other.finish_stage()
    reference = other.finish_stage()
    assert isinstance(reference.solver, LbfgsState)
    assert session.current.evaluation.total <= 1.02 * reference.evaluation.total
    assert session.current.evaluations_spent < reference.evaluations_spent


def test_stage_3_begins_from_its_end():
    session = damped()
    assert session.run().stage == 3
    assert isinstance(session.current.solver, LbfgsState) and session.done


def test_going_back_and_stepping_on_gives_the_same_bits():
    session = damped()
    session.finish_stage()
    path = [session.step_iteration() for _ in range(4)]
    session.rewind(path[0].id)
    for expected in path[1:]:
        again = session.step_iteration()
        assert again.id != expected.id and torch.equal(again.solver.point.x, expected.solver.point.x)
        assert again.solver.tried == expected.solver.tried and again.solver.damping == expected.solver.damping
        assert again.evaluation.total == expected.evaluation.total


def test_it_waits_between_two_evaluations_and_repeats_none():
    session, other = damped(), damped()
    asked = iter([False, True] * 100)
    for _ in range(3):
        expected = other.step_iteration()
        here = session.current
        while session.step_iteration(lambda: next(asked)) is here:
            pass
        assert torch.equal(session.current.solver.point.x, expected.solver.point.x)
        assert session.current.evaluations_spent == expected.evaluations_spent


def test_what_is_held_does_not_move_and_moves_again():
    session = damped()
    session.finish_stage()
    session.step_iteration()
    for name in ("betas", "trans[0:2]", "latent_pose[3:4]"):
        session.apply(Hold(name))
    before = session.step_iteration().variables
    after = session.step_iteration().variables
    assert torch.equal(after["betas"], before["betas"])
    assert torch.equal(after["trans"][:, :2], before["trans"][:, :2])
    assert torch.equal(after["latent_pose"][:, 3], before["latent_pose"][:, 3])
    assert not torch.equal(after["trans"][:, 2:], before["trans"][:, 2:])
    session.apply(Release("betas"))
    assert not torch.equal(session.step_iteration().variables["betas"], after["betas"])


def test_weights_and_observations_can_be_edited_in_the_middle():
    session = damped()
    session.finish_stage()
    for _ in range(4):
        session.step_iteration()
    damping = session.current.solver.damping
    assert session.apply(SetWeight("joints3d", 2.0)).solver.damping == damping, "the loss changes little"
    assert session.apply(SetWeight("joints3d", 500.0)).solver.damping != damping
    edited = session.apply(DropFrames(2, 4))
    assert session.step_iteration().evaluation.total < edited.evaluation.total
    session.undo()
    assert session.current.evaluation.total != edited.evaluation.total


def test_the_solver_can_change_in_the_middle_of_a_phase():
    session = damped()
    session.finish_stage()
    for solver, kind in ((None, LevenbergMarquardtState), ("lbfgs", LbfgsState), (DAMPED, LevenbergMarquardtState)):
        if solver is not None:
            session.apply(SetSolver(solver))
        before = session.step_iteration()
        assert isinstance(before.solver, kind)
        assert session.step_iteration().evaluation.total < before.evaluation.total
    assert session.current.iteration == 5, "the first of the six steps entered the phase"


def test_overlapping_sub_sequences_are_fitted_together():
    problem = fakes.problem("joints3d", frames=6, batch=2)
    seen = replace(problem.observations, seq_interval=torch.tensor([[0, 6], [4, 10]]))
    weights = {"rgb_overlap_consist": (1.0, 1.0, 1.0)}
    phases = schedule(num_iters=(2, 2, 0), weights=weights, solvers=(DAMPED, DAMPED, "lbfgs"))
    session = Session(replace(problem, observations=seen), schedule=phases)
    end = session.run()
    assert end.stage == 2 and end.evaluation.terms["rgb_overlap_consist_verts3d_pos"].raw > 0
    assert end.solver.stalled and end.solver.stop
