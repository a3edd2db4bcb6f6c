"""The session: stepping equals running, rewinding repeats the same bits, edits are events, held means still."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch

from optim.common.errors import InputError
from optim.diagnostics.quantities import root_distance_cm
from optim.objective.objective import Objective
from optim.problem.variables import packing
from optim.schedule.phases import INITIAL_STATE
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session.causes import CONTACTS
from optim.session.edits import Hold, Release, SetSteps, SetWeight, SkipPhase
from optim.session.fit import Fit
from optim.session.session import Session
from optim.solver import lbfgs
from tests import fakes

SHORT = {"num_iters": (2, 2, 6), "lbfgs_max_iter": 4, "tune_frames": 4, "freeze_start": 2, "freeze_end": 4}
SIXD = replace(PRESETS["humorscope"], rotation="6d")


def new_session(*modalities: str, preset: str = "humorscope", **options) -> Session:
    problem = fakes.problem(*modalities, frames=6)
    kind = "rgb" if problem.has_camera else "3d"
    return Session(problem, schedule=schedule(preset, kind, **(SHORT | options)))


@pytest.fixture(scope="module")
def finished() -> Session:
    """A whole fit of a camera's view; tests that change it rewind it themselves."""
    session = new_session("joints2d")
    session.run()
    return session


def same(a, b) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a) and set(a) == set(b)


def test_a_run_goes_through_every_phase(finished):
    assert finished.fit.end_of_stage(3).done
    names = [phase.name for phase in finished.schedule]
    seen = [finished.schedule[s.phase].name for s in finished.history.snapshots]
    assert [name for name, _ in itertools.groupby(seen)] == names
    for index in range(len(names)):
        of_phase = [s for s in finished.history.snapshots if s.phase == index]
        for _, part in itertools.groupby(of_phase, key=lambda s: id(s.planted)):
            losses = [s.evaluation.total for s in part]
            assert losses == sorted(losses, reverse=True), "the loss never rises while it is the same"
            assert losses[-1] < losses[0]
    counts = [s.evaluations_spent for s in finished.history.snapshots]
    assert counts == sorted(counts)
    trials = sum(len(s.solver.trials) for s in finished.history.snapshots)
    begun = sum(s.cause == CONTACTS for s in finished.history.snapshots)
    assert counts[-1] == trials + len(names) + begun, "one per trial, to enter a phase, and to plant joints anew"


def test_run_step_and_uninterrupted_solver_agree():
    """Single iterations, outer steps and the bare solver pass through the same points with the same evaluations."""
    one, two = new_session(), new_session()
    one.finish_phase()
    while not two.current.phase_done:
        two.step_iteration()
    assert same(one.current.variables, two.current.variables)
    assert one.current.evaluations_spent == two.current.evaluations_spent
    first = two.history[0]
    phase, free = first.schedule[0], first.packing
    objective = Objective(two.problem, phase)
    options = lbfgs.Options(max_iterations=phase.iterations)
    state, asked = first.solver, []

    def evaluate(x):
        asked.append(x)
        return objective.point(x, first.variables, free)

    for _ in range(phase.steps):
        state = lbfgs.begin(state, options=options)
        while state.stop is None:
            state = lbfgs.step(state, evaluate, options=options)
    assert torch.equal(state.point.x, two.current.solver.point.x)
    assert two.current.evaluations_spent == 1 + len(asked), "one to begin with, then those of the bare solver"


def test_step_outer_and_stages():
    session = new_session()
    session.step_outer()
    assert (session.current.step, session.current.stop is not None) == (0, True)
    session.step_outer()
    assert session.current.step == 1 and session.current.phase_done
    assert session.finish_stage().stage == 2
    assert session.current.phase_done
    assert session.finish_stage().done


def test_pausing_costs_nothing():
    """Interrupted before every single evaluation, the fit is the same and no evaluation is repeated."""
    plain, nervous = new_session(), new_session()
    plain.finish_phase()
    asked = []

    def every_other() -> bool:
        asked.append(None)
        return len(asked) % 2 == 1

    calls = 0
    while not nervous.current.phase_done:
        nervous.step_iteration(every_other)
        calls += 1
    assert same(plain.current.variables, nervous.current.variables)
    assert plain.current.evaluations_spent == nervous.current.evaluations_spent
    assert calls > plain.current.total_iterations
    before = nervous.current
    assert nervous.run(lambda: True) is before


@pytest.mark.parametrize("place", [0.1, 0.35, 0.6, 0.9])
def test_rewinding_repeats_the_same_bits(finished, place):
    snapshots = [s for s in finished.history.branch(finished.fit.end_of_stage(3).id)]
    start = snapshots[int(place * len(snapshots))]
    end = finished.current
    finished.rewind(start.id)
    for expected in snapshots[start.id + 1 : start.id + 8]:
        again = finished.step_iteration()
        assert again.id != expected.id
        assert same(again.variables, expected.variables)
        assert again.evaluation.total == expected.evaluation.total
        assert again.solver.trials == expected.solver.trials
        assert (again.phase, again.step, again.iteration) == (expected.phase, expected.step, expected.iteration)
    finished.rewind(end.id)


def test_branches_keep_apart(finished):
    end, fork = finished.current, finished.history[4]
    weight = fork.schedule[1].weight("joints3d_smooth")
    finished.rewind(fork.id)
    finished.apply(SetWeight("joints3d_smooth", weight + 7.0, stage=2))
    left = finished.step_iteration()
    finished.rewind(fork.id)
    right = finished.step_iteration()
    for branch in (left, right, end):
        ids = [s.id for s in finished.history.branch(branch.id)]
        assert ids[: fork.id + 1] == list(range(fork.id + 1))
    assert left.schedule[1].weight("joints3d_smooth") == weight + 7.0
    assert right.schedule[1].weight("joints3d_smooth") == weight
    finished.rewind(end.id)


def test_variables_that_are_no_snapshot_have_a_motion_of_their_own(finished):
    here, found = finished.current, []
    for by in (0.0, 0.1):
        moved = {**here.variables, "trans": here.variables["trans"] + by}
        found.append(finished.fit.trajectory(replace(here, id=-1, variables=moved)).trans[:, 0])
    torch.testing.assert_close(found[1], found[0] + 0.1)


def test_an_earlier_motion_is_put_on_the_floor_of_now(finished):
    before, plane = finished.fit.end_of_stage(2), finished.fit.trajectory().floor_plane
    assert not torch.allclose(finished.fit.trajectory(before).floor_plane, plane, atol=1e-4), "it has moved since"
    away = torch.linalg.cross(plane[:, :3], torch.tensor([[0.0, 0.0, 1.0]]))
    on_it = (plane[:, :3] * plane[:, 3:])[:, None] + torch.stack((torch.zeros_like(away), away), dim=1)
    height = finished.fit.prior_frame(before).points(on_it)[..., 2]
    torch.testing.assert_close(height, torch.zeros_like(height), atol=1e-5, rtol=0)


def test_snapshots_never_change(finished):
    end, kept = finished.current, finished.history[6]
    copies = {name: value.clone() for name, value in kept.variables.items()}
    gradient, value = kept.solver.point.gradient.clone(), kept.evaluation.total
    finished.rewind(kept.id)
    finished.apply(SetWeight("joints2d", 1.0))
    finished.step_outer()
    assert same(copies, kept.variables)
    assert torch.equal(gradient, kept.solver.point.gradient) and kept.evaluation.total == value
    finished.rewind(end.id)


def test_memory_is_shared_between_snapshots(finished):
    """A step adds its point, gradient and one curvature pair; older pairs and untouched variables are shared."""
    for old, new in zip(finished.history.snapshots[11:], finished.history.snapshots[12:], strict=False):
        if new.parent == old.id and new.cause == "iteration":
            kept = [pair for pair in new.solver.pairs if any(pair is other for other in old.solver.pairs)]
            assert len(kept) == len(old.solver.pairs)
            still = set(old.variables) - {part.name for part in old.packing.blocks}
            assert all(new.variables[name] is old.variables[name] for name in still)


@pytest.mark.parametrize("name", ["x_0", "trans", "betas", "latent_motion", "floor_plane", "latent_motion[1:3]"])
def test_held_variables_do_not_move_even_with_a_warm_history(finished, name):
    end = finished.current
    refining = next(s for s in finished.history.snapshots if s.phase == 4 and len(s.solver.pairs) >= 2)
    finished.rewind(refining.id)
    finished.apply(SetSteps(10))  # so that the fit is not over before the variable is released
    held = finished.apply(Hold(name))
    assert held.cause == f"held {name}" and name in held.held and held.edit == Hold(name)
    for _ in range(2):
        finished.step_iteration()
    now, before = finished.current.variables, refining.variables
    names = INITIAL_STATE if name == "x_0" else (name.split("[")[0],)
    for part in names:
        moved = (now[part] - before[part]).abs()
        assert float((moved[:, 1:3] if "[" in name else moved).max()) == 0.0
        if "[" in name:
            assert float(moved[:, :1].max()) > 0
    assert any(float((now[other] - before[other]).abs().max()) > 0 for other in now)
    released = finished.apply(Release(name))
    assert name not in released.held
    finished.step_iteration()
    assert any(float((finished.current.variables[p] - before[p]).abs().max()) > 0 for p in names)
    finished.rewind(end.id)


def test_holding_x_0_early_waits_for_stage_3():
    session = new_session()
    before = session.current
    waiting = session.apply(Hold("x_0"))
    assert waiting.evaluations_spent == before.evaluations_spent
    session.finish_stage()
    assert not torch.equal(session.current.variables["trans"], before.variables["trans"])
    session.finish_stage()
    start = session.step_iteration()
    session.finish_phase()
    assert start.stage == 3
    assert all(torch.equal(start.variables[name], session.current.variables[name]) for name in INITIAL_STATE)


def test_weight_edits_take_hold_at_once_and_can_be_undone():
    session = new_session()
    session.finish_phase()
    session.step_iteration()
    session.step_outer()
    before = session.current
    edited = session.apply(SetWeight("joints3d_smooth", 1000.0, keep_memory=False))
    assert edited.solver.pairs == () and before.solver.pairs
    assert edited.evaluation.terms["joints3d_smooth"].weighted == pytest.approx(
        100 * before.evaluation.terms["joints3d_smooth"].weighted
    )
    assert same(edited.variables, before.variables)
    after = session.step_iteration()
    assert session.undo() is before
    assert session.redo() is after
    assert session.undo() is before
    kept = session.apply(SetWeight("joints3d_smooth", 5.0, keep_memory=True))
    assert kept.solver.pairs == before.solver.pairs
    assert session.redo() is kept, "a new edit ends what could be redone"


def test_the_memory_is_dropped_when_the_loss_becomes_another_by_far():
    session = new_session()
    session.step_iteration()
    before = session.step_iteration()
    assert before.solver.pairs
    assert session.apply(SetWeight("joints3d", 5.0)).solver.pairs == before.solver.pairs
    assert session.apply(SetWeight("joints3d", 0.1)).solver.pairs == before.solver.pairs
    assert session.apply(SetWeight("joints3d", 2.0)).solver.pairs == ()
    session.rewind(before.id)
    assert session.apply(SetWeight("joints3d", 20.0)).solver.pairs == ()


def test_every_evaluation_is_counted(monkeypatch):
    """Those that enter a phase, that an edit needs and that measure a preconditioner, as well as those of searches."""
    asked, point = [], Objective.point

    def counted(self, *given):
        asked.append(self.phase.name)
        return point(self, *given)

    monkeypatch.setattr(Objective, "point", counted)
    session = new_session(preset="humorscope-measured-units")
    while session.current.stage < 3:
        session.step_iteration()
    assert session.current.solver.preconditioner is not None
    for edit in (Hold("betas"), SetWeight("joints3d", 1.1, keep_memory=True), SkipPhase()):
        session.step_iteration()
        session.apply(edit)
        assert session.current.evaluations_spent == len(asked), edit


def test_editing_a_later_stage_costs_nothing():
    session = new_session()
    before = session.current
    edited = session.apply(SetWeight("planted_vel", 5.0, stage=3))
    assert edited.evaluations_spent == before.evaluations_spent
    assert edited.solver is before.solver
    session.step_outer()
    assert session.schedule[-1].weight("planted_vel") == 5.0


def test_bad_requests_leave_the_session_usable():
    session = new_session()
    before = session.current
    everything = ("trans", "root_orient")
    for request, part in (
        (lambda: session.apply(SetWeight("joints", 1.0)), "joints3d"),
        (lambda: session.apply(SetWeight("joints3d", -1.0)), "at least 0"),
        (lambda: session.apply(SetWeight("joints3d", float("nan"))), "finite"),
        (lambda: session.apply(SetWeight("joints3d", 1.0, stage=7)), "stage 7"),
        (lambda: session.apply(Hold("knees")), "latent_motion"),
        (lambda: session.apply(Hold("betas[1:2]")), "cannot hold"),
        (lambda: session.apply(Release("betas")), "not held"),
        (lambda: session.rewind(99), "no snapshot 99"),
        (lambda: (session.apply(Hold(everything[0])), session.apply(Hold(everything[1]))), "nothing is left"),
    ):
        with pytest.raises(InputError, match=part):
            request()
    session.rewind(before.id)
    assert session.step_iteration().evaluation.total < before.evaluation.total
    with pytest.raises(InputError, match="num_iters"):
        Session(session.problem, schedule=())


@pytest.mark.parametrize("modality", ["joints3d", "joints2d"])
@pytest.mark.parametrize("preset", ["humorscope", "reference", SIXD], ids=["ours", "reference", "6d"])
def test_stage_3_starts_from_stage_2(modality, preset):
    """Its first frame is stage 2's; later ones drift; everything is in the frame of the input."""
    session = new_session(modality, preset=preset, num_iters=(1, 1, 3), freeze_start=1, freeze_end=2)
    assert session.fit.stage3_init is None and session.fit.rollout() is None
    session.finish_stage()
    session.finish_stage()
    ended = session.fit.trajectory()
    session.step_iteration()
    compared = session.fit.stage3_init
    torch.testing.assert_close(compared.stage2.joints, ended.joints)
    torch.testing.assert_close(compared.rollout.trans[:, 0], ended.trans[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(compared.rollout.root_orient[:, 0], ended.root_orient[:, 0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(compared.rollout.joints[:, 0], ended.joints[:, 0], atol=1e-5, rtol=1e-5)
    drift_cm = root_distance_cm(compared.rollout.joints, compared.stage2.joints)
    assert drift_cm.shape == (1, 6)
    assert float(drift_cm[:, 0].max()) < 1e-3 < float(drift_cm[:, -1].max())
    assert session.fit.rollout().trans.shape == (1, 6, 3), "all frames, although only some are tuned"
    session.run()
    assert session.current.done
    torch.testing.assert_close(session.fit.stage2_trajectory.joints, ended.joints)


def test_prior_frame_of_world_data():
    """x_0 stands canonical in the prior frame, heights are kept, and the way back is exact."""
    session = new_session(num_iters=(1, 1, 1), tune_init=False)
    session.finish_stage()
    session.finish_stage()
    ended = session.fit.trajectory()
    session.step_iteration()
    inside = session.fit.prior_trajectory()
    torch.testing.assert_close(inside.trans[:, 0, :2], torch.zeros(1, 2), atol=1e-5, rtol=0)
    right = -inside.root_orient[:, 0, :, 0]
    assert float(right[0, 1].abs()) < 1e-5 and float(right[0, 0]) > 0
    torch.testing.assert_close(inside.joints[:, 0, :, 2], ended.joints[:, 0, :, 2], atol=1e-5, rtol=0)
    torch.testing.assert_close(inside.joints, session.fit.prior_frame().points(session.fit.trajectory().joints))


def test_evaluations_under_a_phase_are_those_of_its_objective(finished):
    snapshot = finished.history.snapshots[-3]
    phase = snapshot.schedule[snapshot.phase]
    free = packing(snapshot.variables, phase, held=snapshot.held)
    point = Objective(finished.problem, phase).point(free.pack(snapshot.variables), snapshot.variables, free)
    assert point.value == snapshot.evaluation.total
    assert torch.equal(point.gradient, snapshot.solver.point.gradient)


@pytest.mark.parametrize("index", [3, -1])
def test_what_an_evaluation_saw_is_what_its_snapshot_says(index):
    """The prediction kept from an accepted evaluation equals one made from the snapshot's variables."""
    session = new_session("joints2d", num_iters=(1, 1, 1), tune_init=False)
    session.run()
    snapshot = session.history.snapshots[index]
    kept = session.fit.trajectory(snapshot)
    again = Fit(session.problem, session.history, snapshot).trajectory()
    for name in ("trans", "root_orient", "pose_body", "joints", "floor_plane"):
        torch.testing.assert_close(getattr(kept, name), getattr(again, name), rtol=0, atol=1e-5)
        assert not getattr(kept, name).requires_grad


def test_without_iterations_only_the_ends_are_kept():
    problem, phases = fakes.problem(frames=6), schedule("humorscope", "3d", **SHORT)
    whole, short = (Session(problem, schedule=phases, keep_iterations=keep) for keep in (True, False))
    for session in (whole, short):
        session.run()
    assert len(short.history) == 2 * len(phases) < len(whole.history)
    assert same(whole.current.variables, short.current.variables)
    assert [s.id for s in short.history.snapshots] == list(range(len(short.history)))
    for name in ("stage2", "rollout"):
        one, other = (getattr(session.fit.stage3_init, name).joints for session in (whole, short))
        torch.testing.assert_close(one, other)
    assert short.current.total_iterations == whole.current.total_iterations
