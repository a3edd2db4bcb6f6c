"""Breakpoints are hit exactly when their condition is met, say why, and name a good snapshot to go back to."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from optim.common.errors import InputError
from optim.diagnostics.breakpoints import (
    DEFAULT_BREAKPOINTS,
    Flip,
    FloorTilt,
    LineSearchFailed,
    LossUp,
    NotFinite,
    Penetration,
    PhaseBoundary,
    Skate,
    TermAbove,
    check,
    not_finite,
    run_to_breakpoint,
)
from optim.schedule.stages import schedule
from optim.session.fit import Fit
from optim.session.history import History, Snapshot
from optim.session.session import Session
from optim.solver.lbfgs import Trial
from tests import fakes

FRAMES = 6
SHORT = {"num_iters": (2, 2, 3), "lbfgs_max_iter": 3, "tune_frames": 4, "freeze_start": 1, "freeze_end": 2}


def new_session(modality: str = "joints3d") -> Session:
    problem = fakes.problem(modality, frames=FRAMES)
    return Session(problem, schedule=schedule("humorscope", "rgb" if problem.has_camera else "3d", **SHORT))


@pytest.fixture(scope="module")
def finished() -> Session:
    session = new_session()
    session.run()
    return session


def with_variables(snapshot: Snapshot, **variables) -> Snapshot:
    return replace(snapshot, variables=snapshot.variables | variables)


def crossings(condition, session: Session, low: Snapshot, high: Snapshot) -> list[bool]:
    """Whether it is hit on the way up, beyond, on the way down, and below."""
    pairs = ((low, high), (high, high), (high, low), (low, low))
    return [condition.why(session.fit, before, after) is not None for before, after in pairs]


ON_THE_WAY_UP = [True, False, False, False]


def test_a_healthy_run_is_not_disturbed(finished):
    session = new_session()
    assert run_to_breakpoint(session, DEFAULT_BREAKPOINTS) is None
    assert session.done
    one, other = session.current, finished.current
    assert one.id == other.id and torch.equal(one.solver.point.x, other.solver.point.x)


def test_interrupted_runs_hit_no_breakpoint():
    session = new_session()
    assert run_to_breakpoint(session, DEFAULT_BREAKPOINTS, lambda: True) is None
    assert not session.done and session.current.id == 0


def test_every_phase_is_announced_once():
    session, names = new_session(), []
    while hit := run_to_breakpoint(session, (PhaseBoundary(),)):
        assert hit.snapshot == session.current.id and session.current.iteration == 0
        assert hit.last_good == session.current.parent
        names += [reason for _, reason in hit.reasons]
    assert names == [f"{phase.name} begins" for phase in session.schedule[1:]]
    assert session.done


def test_a_term_springs_when_it_crosses_its_bound(finished):
    """The pose prior starts at 0 in stage 2 and grows; a bound in between is crossed at one iteration of the run."""
    values = [s.evaluation.terms.get("pose_prior") for s in finished.history.snapshots]
    raw = [0.0 if value is None else value.raw for value in values]
    bound = 0.5 * max(raw)
    first = next(i for i, value in enumerate(raw) if value > bound)
    later = [i for i in range(first + 1, len(raw)) if raw[i] > bound >= raw[i - 1]]
    session = new_session()
    condition = TermAbove(bound, "pose_prior", of="raw")
    hit = run_to_breakpoint(session, (condition,))
    assert hit.snapshot == session.current.id == first > 0
    ((reasons, reason),) = hit.reasons
    assert reasons is condition and "pose_prior" in reason and f"{bound:g}" in reason
    again = run_to_breakpoint(session, (condition,))
    assert (None if again is None else again.snapshot) == (later[0] if later else None), "not at every step beyond it"


def test_rewinding_to_the_offered_snapshot_repeats_the_same_bits(finished):
    session = new_session()
    boundaries = (PhaseBoundary(),)
    run_to_breakpoint(session, boundaries)
    hit = run_to_breakpoint(session, boundaries)
    before = session.current
    session.rewind(hit.last_good)
    again = run_to_breakpoint(session, boundaries)
    assert again.snapshot != hit.snapshot and again.reasons == hit.reasons
    assert torch.equal(session.current.solver.point.x, before.solver.point.x)


class Breaking:
    """A pose prior whose decoder can be made to put out NaN."""

    def __init__(self, sound) -> None:
        self.sound, self.broken, self.latent_dim = sound, False, sound.latent_dim

    def decode(self, latent):
        pose = self.sound.decode(latent)
        return pose * math.nan if self.broken else pose

    def encode(self, pose):
        return self.sound.encode(pose)


def test_a_model_that_breaks_down_is_caught_in_the_iteration_in_which_it_does():
    prior = Breaking(fakes.pose_prior())
    problem = replace(fakes.problem(frames=FRAMES), pose_prior=prior)
    session = Session(problem, schedule=schedule("humorscope", "3d", **SHORT))
    for _ in range(3):
        session.step_iteration()
    good = session.current
    prior.broken = True
    hit = run_to_breakpoint(session, DEFAULT_BREAKPOINTS)
    assert hit.snapshot == good.id + 1 and hit.last_good == good.id
    kinds = [type(condition) for condition, _ in hit.reasons]
    assert kinds == [NotFinite, LineSearchFailed], "every point tried was NaN, so none was better"
    assert not_finite(session.current, trials=False) == [], "the line search stayed where it was"


def test_the_last_good_snapshot_has_finite_numbers(finished):
    """With two bad snapshots on end, the one before both is offered."""
    first, second, third, fourth = finished.history.snapshots[:4]
    third = with_variables(third, betas=torch.full((1, 16), math.nan))
    fourth = with_variables(fourth, trans=torch.tensor(math.inf))
    history = History()
    for snapshot in (first, second, third, fourth):
        history.add(snapshot)
    hit = check(Fit(finished.problem, history, fourth), (NotFinite(),), third, fourth)
    assert (hit.snapshot, hit.last_good) == (fourth.id, second.id)
    assert hit.reasons[0][1] == "not finite: trans"


def test_not_finite_names_all_that_is(finished):
    snapshot = finished.current
    assert not_finite(snapshot) == [] and NotFinite().why(finished.fit, snapshot, snapshot) is None
    evaluation, solver = snapshot.evaluation, snapshot.solver
    term = replace(evaluation.terms["bone_length"], raw=math.inf)
    bad = replace(
        evaluation,
        total=math.nan,
        terms={**evaluation.terms, "bone_length": term},
        gradient_norm={**evaluation.gradient_norm, "betas": math.nan},
    )
    tried = replace(
        solver, trials=(Trial(1.0, 1.0, 1.0, True, True, "bracket"), Trial(2.0, math.inf, 0.0, False, False, "zoom"))
    )
    spoilt = replace(snapshot, evaluation=bad, solver=tried)
    assert not_finite(spoilt) == ["loss", "term bone_length", "gradient of betas", "trial 2"]
    assert NotFinite().why(finished.fit, spoilt, spoilt) is not None, "not only when it begins"


def test_loss_up(finished):
    before = finished.current
    loss = before.evaluation.total

    def at(total: float, **changes) -> Snapshot:
        return replace(before, evaluation=replace(before.evaluation, total=total), **changes)

    condition = LossUp(3.0)
    assert loss > 0
    assert condition.why(finished.fit, before, at(2.9 * loss)) is None
    assert "went up" in condition.why(finished.fit, before, at(3.1 * loss))
    assert (
        condition.why(finished.fit, at(-2.0), at(-2.5)) is None
        and condition.why(finished.fit, at(-2.0), at(1.0)) is None
    )
    assert condition.why(finished.fit, at(-2.0), at(2.5)) is not None, "by more than twice its size"
    entered = at(10 * loss, phase=before.phase - 1)
    assert condition.why(finished.fit, before, entered) is None, "another objective"
    assert LossUp(3.0, across_phases=True).why(finished.fit, before, entered) is not None


def test_line_search(finished):
    condition = LineSearchFailed()
    stepped = next(s for s in finished.history.snapshots if s.solver.trials and s.solver.slope < -0.1)
    assert condition.why(finished.fit, stepped, stepped) is None
    stuck = replace(stepped, solver=replace(stepped.solver, step_length=0.0))
    assert "none of" in condition.why(finished.fit, stepped, stuck)
    converged = replace(stuck, solver=replace(stuck.solver, slope=-1e-7 * stepped.evaluation.total))
    assert condition.why(finished.fit, stepped, converged) is None, "less was promised than float32 can tell"
    uphill = replace(stepped, solver=replace(stepped.solver, slope=1.0, trials=()))
    assert "uphill" in condition.why(finished.fit, stepped, uphill)
    assert condition.why(finished.fit, stepped, finished.history[0]) is None


def test_flips_that_appear():
    session = new_session()
    root = torch.tensor([1.5, 0.1, 0.2]).repeat(1, FRAMES, 1)
    clean = with_variables(session.current, root_orient=root)
    turned = root.clone()
    turned[0, 2] *= 1.0 - 2.0 * math.pi / root[0, 2].norm()
    flipped = with_variables(session.current, root_orient=turned)
    assert crossings(Flip(), session, clean, flipped) == ON_THE_WAY_UP


def test_flips_of_x_0(finished):
    last = finished.current
    root = last.variables["root_orient"]
    assert float(root.norm()) < math.pi
    other = with_variables(last, root_orient=root * (1.0 - 2.0 * math.pi / root.norm()))
    assert crossings(Flip("round_trip"), finished, last, other) == ON_THE_WAY_UP
    assert crossings(Flip(), finished, last, other) == [False] * 4, "one frame has no neighbour"


def standing(session: Session, *, height: float, slide: float = 0.0) -> Snapshot:
    """An upright body whose toes are at a height, sliding along."""
    root = torch.tensor([torch.pi / 2, 0.0, 0.0]).expand(1, FRAMES, 3)
    trans = torch.zeros(1, FRAMES, 3)
    joints = session.fit.trajectory(with_variables(session.current, root_orient=root, trans=trans)).joints
    trans = trans + torch.tensor([0.0, 0.0, 1.0]) * (height - joints[0, 0, [10, 11], 2].max())
    trans[..., 1] += slide * torch.arange(FRAMES)
    return with_variables(session.current, root_orient=root, trans=trans)


def test_skate_and_penetration():
    session = new_session()
    still, sliding = standing(session, height=0.02), standing(session, height=0.02, slide=0.02)
    assert crossings(Skate(19.0), session, still, sliding) == ON_THE_WAY_UP
    assert crossings(Skate(21.0), session, still, sliding) == [False] * 4
    above, below = standing(session, height=0.5), standing(session, height=-0.3)
    assert crossings(Penetration(25.0), session, above, below) == ON_THE_WAY_UP
    assert crossings(Penetration(100.0), session, above, below) == [False] * 4
    assert "below the floor" in Penetration(25.0).why(session.fit, above, below)


def test_floor_tilt(finished):
    session = new_session("joints2d")
    level = session.problem.observed_floor
    tilted = level + torch.tensor([[0.0, 0.0, math.tan(math.radians(10.0)) * float(level.norm())]])
    low, high = (with_variables(session.current, floor_plane=floor) for floor in (level, tilted))
    assert crossings(FloorTilt(8.0), session, low, high) == ON_THE_WAY_UP
    assert crossings(FloorTilt(12.0), session, low, high) == [False] * 4
    assert FloorTilt(0.0).why(finished.fit, finished.current, finished.current) is None, "no camera, no floor to lean"


def test_inactive_terms_never_spring(finished):
    first = finished.history[0]
    assert TermAbove(0.0, "contact_vel").why(finished.fit, first, first) is None


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: TermAbove(1.0, "contacts"), "contact_vel"),
        (lambda: Skate(-1.0), "at least 0"),
        (lambda: FloorTilt(math.nan), "finite"),
        (lambda: LossUp(math.inf), "finite"),
    ],
)
def test_bad_breakpoints(make, part):
    with pytest.raises(InputError, match=part):
        make()
