"""Multiple shooting: segments without defects are the single roll-out; a phase like any other; frozen means still."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.common.errors import InputError
from optim.objective.prediction import initial_state
from optim.objective.shooting import HORIZON, LEVER, NODE_SIZE, Defects, node_states, shoot, states_of
from optim.priors.rollout import JOINTS, State, published_turn, rollout
from optim.problem import frames
from optim.recording.recording import recorded_session
from optim.schedule.phases import INITIAL_STATE, NODES, Phase
from optim.schedule.stage3_variants import DEFECT, node_frames
from optim.schedule.stages import schedule
from optim.session.edits import Hold, Perturb, Plan, Reset, SetSteps, SetWeight, SkipPhase
from optim.session.session import Session
from tests import fakes

FRAMES, SEGMENT = 9, 3


def phases(kind: str = "3d", **options) -> tuple[Phase, ...]:
    """The preset's, with segments short enough for short motions."""
    given = {"num_iters": (1, 1, 6), "lbfgs_max_iter": 3, "tune_frames": 4} | options
    return tuple(replace(p, segment=p.segment and SEGMENT) for p in schedule("shooting", kind, **given))


def new_session(*modalities: str, batch: int = 1) -> Session:
    problem = fakes.problem(*modalities, frames=FRAMES, batch=batch)
    return Session(problem, schedule=phases("rgb" if problem.has_camera else "3d"))


def shooting_session(*modalities: str) -> Session:
    """Where stage 3 begins."""
    session = new_session(*modalities)
    while session.current.stage < 3:
        session.step_iteration()
    return session


def start_of(batch: int) -> tuple:
    """Prior, x_0 and latents in double precision."""
    problem = fakes.problem(frames=FRAMES, batch=batch, dtype=torch.float64)
    variables = fakes.variables(problem, schedule("humorscope")[-1], dtype=torch.float64)
    pelvis = problem.body.rest_joints(variables["betas"])[:, 0]
    start, _ = initial_state(problem, variables, frame=frames.identity(batch, dtype=torch.float64), pelvis=pelvis)
    return problem.motion_prior, start, variables["latent_motion"]


@pytest.mark.parametrize("segment", [1, 3, 4, 20])
def test_without_gaps_it_is_the_single_roll_out(segment):
    prior, start, latents = start_of(2)
    whole = rollout(prior, start, latents)
    nodes = states_of(whole, None)[:, node_frames(FRAMES, segment)]
    found, defects = shoot(prior, start, nodes, latents, segment=segment)
    for name in whole.__dataclass_fields__:
        torch.testing.assert_close(getattr(found, name), getattr(whole, name), atol=1e-10, rtol=1e-8)
    assert defects.frames == tuple(node_frames(FRAMES, segment))
    assert defects.centimetres().sum() < 1e-9 and float(defects.residual().sum()) < 1e-20


def test_the_published_turn_is_met_as_far_as_it_is_idempotent():
    prior, start, latents = start_of(1)
    whole = rollout(prior, start, latents, turn=published_turn)
    nodes = states_of(whole, None)[:, node_frames(FRAMES, SEGMENT)]
    found, _ = shoot(prior, start, nodes, latents, segment=SEGMENT, turn=published_turn)
    assert float((found.joints - whole.joints).abs().max()) < 2e-3


def test_a_node_moves_its_own_segment_and_nothing_else():
    prior, start, latents = start_of(1)
    nodes = states_of(rollout(prior, start, latents), None)[:, node_frames(FRAMES, SEGMENT)]
    moved = nodes.clone()
    moved[:, 0, :2] += 0.5
    moved[:, 0, JOINTS] += torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64).repeat(22)
    before, _ = shoot(prior, start, nodes, latents, segment=SEGMENT)
    after, defects = shoot(prior, start, moved, latents, segment=SEGMENT)
    shift = (after.joints - before.joints)[0, :, :, :2]
    torch.testing.assert_close(shift[4:7], torch.full_like(shift[4:7], 0.5), atol=1e-9, rtol=0)
    assert shift[:4].abs().max() < 1e-9 and shift[7:].abs().max() < 1e-9
    torch.testing.assert_close(defects.centimetres()[0], torch.tensor([50 * 2**0.5, 50 * 2**0.5], dtype=torch.float64))


def test_where_segments_do_not_meet_the_state_is_the_node_s():
    prior, start, latents = start_of(1)
    nodes = states_of(rollout(prior, start, latents), None)[:, node_frames(FRAMES, SEGMENT)] + 0.01
    found, defects = shoot(prior, start, nodes, latents, segment=SEGMENT)
    assert float(defects.centimetres().min()) > 0.05
    torch.testing.assert_close(states_of(found, defects)[:, list(defects.frames)], nodes)


def test_rows_of_a_batch_do_not_see_each_other():
    prior, start, latents = start_of(2)
    nodes = states_of(rollout(prior, start, latents), None)[:, node_frames(FRAMES, SEGMENT)]
    nodes = nodes + 0.01 * torch.sin(torch.arange(nodes.numel(), dtype=torch.float64)).view_as(nodes)
    both, _ = shoot(prior, start, nodes, latents, segment=SEGMENT)
    for row in range(2):
        one = State(**{name: getattr(start, name)[row : row + 1] for name in State.__dataclass_fields__})
        alone, _ = shoot(prior, one, nodes[row : row + 1], latents[row : row + 1], segment=SEGMENT)
        torch.testing.assert_close(alone.joints[0], both.joints[row], atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("entry", "unit"),
    [(0, 1.0), (3, HORIZON), (7, LEVER), (10, LEVER * HORIZON), (40, LEVER), (80, 1.0), (150, HORIZON)],
)
def test_a_unit_of_any_entry_of_a_node_is_a_metre_of_gap(entry, unit):
    """``unit`` metres are one m, m/s, rad or rad/s; the variable counts in metres throughout."""
    reference = states_of(rollout(*start_of(1)), None)[:, 3:4]
    nodes = torch.zeros(1, 1, NODE_SIZE, dtype=torch.float64)
    torch.testing.assert_close(node_states(nodes, reference), reference)
    nodes[..., entry] = 1e-3
    moved = node_states(nodes, reference)
    gap = Defects((3,), reference, moved).residual()
    assert float(gap) == pytest.approx(0.5e-6, rel=1e-4)
    if unit in (1.0, HORIZON):
        assert float((moved - reference).abs().max()) == pytest.approx(1e-3 / unit)


@pytest.mark.parametrize("modality", ["joints3d", "joints2d"])
def test_it_is_a_phase_like_any_other(modality):
    session = new_session(modality)
    session.run()
    seen = [session.schedule[s.phase].name for s in session.history.snapshots]
    assert list(dict.fromkeys(seen)) == [phase.name for phase in session.schedule]
    for snapshot in session.history.snapshots:
        inside = session.schedule[snapshot.phase].segment is not None
        assert (NODES in snapshot.variables) == (DEFECT in snapshot.evaluation.terms) == inside
    for index in range(len(session.schedule)):
        losses = [s.evaluation.total for s in session.history.snapshots if s.phase == index]
        assert losses == sorted(losses, reverse=True)


def test_gaps_close_as_their_weight_rises_and_the_last_phase_has_none():
    session = shooting_session("joints3d")
    first = session.fit.node_defects()
    heavy = session.current.weights[DEFECT] * 1000
    session.apply(SetWeight(DEFECT, heavy))
    session.apply(SetSteps(10))
    session.finish_phase()
    last = session.fit.node_defects()
    assert first.frames == last.frames == (3, 6)
    assert last.distance_cm.sum() < 0.2 * first.distance_cm.sum()
    session.run()
    assert session.fit.node_defects() is None


@pytest.mark.parametrize("modality", ["joints3d", "joints2d"])
def test_gaps_are_given_in_the_frame_of_the_trajectory(modality):
    session = shooting_session(modality)
    defects, motion = session.fit.node_defects(), session.fit.trajectory()
    assert motion.joints.shape == (1, FRAMES, 22, 3) and session.fit.rollout().trans.shape == (1, FRAMES, 3)
    regressed = session.fit.prior_frame().points_back(session.fit.rollout().joints)
    torch.testing.assert_close(defects.before, regressed[:, list(defects.frames), 0])
    stage2 = session.fit.stage2_trajectory.joints[:, list(defects.frames), 0]
    torch.testing.assert_close(defects.after, stage2, atol=1e-4, rtol=0)
    assert defects.distance_cm.shape == defects.angle_deg.shape == (1, 2) and float(defects.angle_deg.max()) > 0


def test_frozen_x_0_does_not_move_and_frozen_nodes_neither():
    session = shooting_session("joints3d")
    session.step_outer()
    session.apply(Hold("x_0"))
    session.apply(Hold("nodes[0:1]"))
    held = session.current.variables
    session.finish_phase()
    now = session.current.variables
    assert all(torch.equal(held[name], now[name]) for name in INITIAL_STATE)
    assert torch.equal(held[NODES][:, 0], now[NODES][:, 0]) and not torch.equal(held[NODES][:, 1], now[NODES][:, 1])
    session.finish_phase()
    session.finish_phase()
    assert all(torch.equal(held[name], session.current.variables[name]) for name in INITIAL_STATE)


def test_rewinding_repeats_the_same_bits_and_nodes_can_be_perturbed_and_reset():
    session = shooting_session("joints3d")
    start = session.current
    ahead = [session.step_iteration() for _ in range(2)]
    session.rewind(start.id)
    for expected in ahead:
        found = session.step_iteration()
        assert all(torch.equal(found.variables[name], expected.variables[name]) for name in expected.variables)
    moved = session.apply(Perturb(NODES, scale=0.05))
    assert moved.evaluation.terms[DEFECT].raw > found.evaluation.terms[DEFECT].raw
    assert float(session.apply(Reset(NODES)).variables[NODES].abs().max()) == 0.0


def test_from_the_single_roll_out_into_segments_and_back_nothing_jumps():
    session = new_session("joints3d")
    shooting, exact = phases()[2], phases()[-1]
    session.finish_stage()
    session.finish_stage()
    session.apply(Plan((exact, replace(shooting, name="again"), replace(exact, name="once more"))))
    session.finish_phase()
    before = session.current
    entered = session.step_iteration()
    assert entered.evaluation.total == pytest.approx(before.evaluation.total, rel=1e-4)
    assert entered.evaluation.terms[DEFECT].raw < 1e-8
    assert float(session.step_iteration().variables[NODES].abs().max()) > 0.0
    assert float(session.apply(Reset(NODES)).variables[NODES].abs().max()) == 0.0, "where shooting began, in mid-stage"
    session.rewind(entered.id)
    session.apply(SkipPhase())
    assert session.current.evaluation.total == pytest.approx(before.evaluation.total, rel=1e-4)
    with pytest.raises(InputError, match="stages come in order"):
        session.apply(Plan(phases()[:1]))


def test_a_recorded_session_comes_back_in_the_middle_of_it(tmp_path):
    session = shooting_session("joints3d")
    recording = recorded_session(session, path=tmp_path / "a.run")
    session.step_iteration()
    recording.follow(session)
    again = new_session("joints3d")
    recorded_session(again, path=tmp_path / "a.run")
    assert again.current.id == session.current.id
    one, two = session.step_iteration(), again.step_iteration()
    assert one.evaluation.total == two.evaluation.total
    assert all(torch.equal(one.variables[name], two.variables[name]) for name in one.variables)


def test_a_clip_shorter_than_a_segment_has_no_nodes():
    problem = fakes.problem("joints3d", frames=5)
    session = Session(problem, schedule=schedule("shooting", num_iters=(1, 1, 3), lbfgs_max_iter=2))
    assert session.run().done
