"""Edits: each one is an event with its cause, takes hold at once, can be undone, and refuses what makes no sense."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from optim.checks.contradictions import FACTOR, JUMP
from optim.common.errors import InputError
from optim.schedule.phases import INITIAL_STATE
from optim.schedule.preset_change import AS_STARTED
from optim.schedule.stages import schedule
from optim.session.edits import (
    Bookmark,
    DropFrames,
    Hold,
    NameBranch,
    Perturb,
    RemoveBookmark,
    Reset,
    ScaleConfidence,
    SetFloor,
    SetFrames,
    SetSteps,
    SetWeight,
    SkipPhase,
    TrustKeypoints,
    UsePreset,
)
from optim.session.session import Session
from tests import fakes

SHORT = {"num_iters": (2, 1, 3), "lbfgs_max_iter": 3, "tune_frames": 4}


def new_session(*modalities: str, **options) -> Session:
    problem = fakes.problem(*modalities, frames=6, batch=2)
    kind = "rgb" if problem.has_camera else "3d"
    return Session(problem, schedule=schedule("humorscope", kind, **(SHORT | options)))


def in_stage_3(*modalities: str, **options) -> Session:
    session = new_session(*modalities, **options)
    session.finish_stage()
    session.finish_stage()
    session.step_iteration()
    return session


def same(a, b) -> bool:
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


# Schedule


def test_more_steps_prolong_a_phase_and_fewer_end_it():
    session = new_session()
    session.step_outer()
    session.apply(SetSteps(3))
    while not session.current.phase_done:
        session.step_outer()
    assert (session.current.step, session.current.stage) == (2, 1)
    session.rewind(0)
    session.step_outer()
    edited = session.apply(SetSteps(1))
    assert edited.phase_done and edited.cause == "1 steps of stage 1"
    assert session.step_iteration().stage == 2


def test_a_preset_does_not_take_away_a_step_that_has_begun():
    session = new_session()
    session.apply(SetSteps(5))
    for _ in range(3):
        session.step_outer()
    assert session.apply(UsePreset(AS_STARTED)).schedule[0].steps == 3


def test_a_later_phase_can_be_left_out():
    session = new_session(tune_init=False)
    session.apply(SetSteps(0, phase=2))
    session.run()
    assert session.done and session.current.stage == 2
    other = new_session(num_iters=(1, 1, 1), tune_init=False)
    other.apply(SetSteps(0, phase=1))
    other.run()
    assert [s.stage for s in other.history.snapshots if s.cause == "phase"] == [3]


def test_skipping_enters_the_next_phase_and_can_be_undone():
    session = new_session()
    before = session.step_iteration()
    skipped = session.apply(SkipPhase())
    assert (skipped.stage, skipped.cause) == (2, "skipped the rest of stage 1")
    assert same(skipped.variables, before.variables) and skipped.solver.pairs == ()
    assert session.undo() is before
    session.run()
    with pytest.raises(InputError, match="last phase"):
        session.apply(SkipPhase())


def test_frames_observed_change_at_once():
    session = in_stage_3()
    before = session.current
    assert before.evaluation.terms["joints3d"].per_frame.shape == (2, 4)
    edited = session.apply(SetFrames(5))
    assert edited.evaluation.terms["joints3d"].per_frame.shape == (2, 5)
    assert session.apply(SetFrames(None)).evaluation.terms["joints3d"].per_frame.shape == (2, 6)
    latents = next(part for part in session.current.packing.blocks if part.name == "latent_motion")
    assert latents.frames is None, "all transitions move"
    session.step_iteration()
    session.undo()
    session.undo()
    assert session.undo() is before


@pytest.mark.parametrize(
    ("request_of", "words"),
    [
        (lambda s: s.apply(SetSteps(0)), "in step 1"),
        (lambda s: s.apply(SetSteps(-1, phase=1)), "at least 0"),
        (lambda s: s.apply(SetSteps(3, phase=9)), "no phase 9"),
        (lambda s: s.apply(SetFrames(4)), "stage 3"),
        (lambda s: s.apply(SetFrames(1, phase=2)), "2 to 6"),
        (lambda s: s.apply(SetFrames(7, phase=2)), "2 to 6"),
        (lambda s: s.apply(Perturb("latent_motion", scale=0.0)), "above 0"),
        (lambda s: s.apply(Perturb("latent_motion", scale=math.nan)), "finite"),
        (lambda s: s.apply(Perturb("knees")), "latent_motion"),
        (lambda s: s.apply(Perturb("x_0")), "stage 3"),
        (lambda s: s.apply(DropFrames(0, 6)), "nothing is visible"),
        (lambda s: s.apply(DropFrames(4, 9)), "end <= 6"),
        (lambda s: s.apply(DropFrames(0, 1, modality="joints2d")), "not observed"),
        (lambda s: s.apply(DropFrames(0, 1, sub_sequence=2)), "0 to 1"),
        (lambda s: s.apply(ScaleConfidence(0.5, 0, 2)), "only joints2d"),
        (lambda s: s.apply(SetFloor((0.0, -1.0, 0.0, -1.0))), "without a camera"),
        (lambda s: s.apply(NameBranch("  ")), "empty"),
        (lambda s: s.apply(Bookmark("here", snapshot=99)), "no snapshot 99"),
        (lambda s: s.apply(RemoveBookmark()), "no bookmark"),
    ],
)
def test_bad_edits_change_nothing(request_of, words):
    session = new_session()
    before = session.step_iteration()
    with pytest.raises(InputError, match=words):
        request_of(session)
    assert session.current is before and len(session.history) == 2 and not session.can_undo
    assert session.step_iteration().evaluation.total < before.evaluation.total


# Variables


def test_perturbing_moves_what_was_asked_and_nothing_else():
    session = in_stage_3(num_iters=(1, 1, 9))
    before = session.step_iteration()
    after = session.apply(Perturb("x_0", scale=0.02))
    for name, value in after.variables.items():
        change = (value - before.variables[name]).abs().max()
        assert (0 < change < 0.2) if name in INITIAL_STATE else change == 0.0
    assert after.solver.pairs == () and after.evaluation.total != before.evaluation.total
    session.undo()
    assert same(session.apply(Perturb("x_0", scale=0.02)).variables, after.variables)
    ranged = session.apply(Perturb("latent_motion[1:3]"))
    change = (ranged.variables["latent_motion"] - before.variables["latent_motion"]).abs().amax((0, 2))
    assert (change > 0).tolist() == [False, True, True, False, False]
    start = session.current.evaluation.total
    assert session.step_iteration().evaluation.total < start


def test_noise_is_not_repeated_from_one_edit_to_the_next():
    session = new_session()
    places = [session.current.variables["trans"], *(session.apply(Perturb("trans")).variables["trans"] for _ in "ab")]
    assert not torch.allclose(places[1] - places[0], places[2] - places[1], atol=1e-4)


def test_an_edit_at_the_end_of_a_step_begins_no_step():
    session = new_session()
    ended = session.step_outer()
    edited = session.apply(SetWeight("joints3d", 3.0))
    assert (edited.step, edited.total_iterations) == (ended.step, ended.total_iterations)
    assert session.step_iteration().step == ended.step + 1


def test_the_same_seed_perturbs_alike():
    one, two = new_session(), new_session()
    assert same(one.apply(Perturb("trans")).variables, two.apply(Perturb("trans")).variables)


def test_reset_goes_back_to_the_start_of_the_stage():
    session = in_stage_3()
    start = session.fit.stage3_start
    session.step_outer()
    after = session.apply(Reset("latent_motion"))
    assert after.cause == "reset latent_motion"
    assert torch.equal(after.variables["latent_motion"], start.variables["latent_motion"])
    assert not torch.equal(after.variables["trans"], start.variables["trans"])
    session.apply(Reset("x_0"))
    assert same(session.apply(Reset("betas")).variables, start.variables)
    assert session.current.evaluation.total == pytest.approx(start.evaluation.total, rel=1e-6)


def test_held_variables_are_not_touched():
    session = in_stage_3("joints2d")
    session.apply(Hold("x_0"))
    session.apply(Hold("floor_plane"))
    for request_of in (
        lambda: session.apply(Perturb("trans")),
        lambda: session.apply(Reset("x_0")),
        lambda: session.apply(SetFloor((0.0, -1.0, 0.0, -1.0))),
    ):
        with pytest.raises(InputError, match="release it first"):
            request_of()
    session.apply(Hold("latent_motion[0:2]"))
    session.apply(Perturb("latent_motion[2:4]"))
    with pytest.raises(InputError, match="release it first"):
        session.apply(Perturb("latent_motion[1:4]"))


# Observations and floor


def test_dropped_frames_leave_the_data_terms():
    session = new_session()
    before, given = session.step_iteration(), session.problem
    after = session.apply(DropFrames(2, 4, sub_sequence=1))
    per_frame = after.evaluation.terms["joints3d"].per_frame
    assert (per_frame == 0).tolist() == [[False] * 6, [False, False, True, True, False, False]]
    assert torch.isinf(session.problem.observations.joints3d[1, 2:4]).all()
    assert torch.isfinite(given.observations.joints3d).all(), "what was given is as it was"
    session.finish_stage()
    assert session.current.observations is after.observations
    session.rewind(before.id)
    assert session.problem is given
    assert same(session.step_iteration().variables, new_session_after(2).variables)
    session.rewind(after.id)
    assert session.problem.observations is after.observations


def new_session_after(iterations: int):
    session = new_session()
    for _ in range(iterations):
        session.step_iteration()
    return session.current


def test_keypoints_are_dropped_in_their_sub_sequence_only():
    session = new_session("joints2d")
    seen = session.current.evaluation.terms["joints2d"].per_frame > 0
    left = session.apply(DropFrames(2, 4, sub_sequence=1)).evaluation.terms["joints2d"].per_frame > 0
    assert seen.all() and (~left).tolist() == [[False] * 6, [False, False, True, True, False, False]]


def test_confidence_counts_squared():
    session = new_session("joints2d")
    before = session.current.evaluation.terms["joints2d"].per_frame
    after = session.apply(ScaleConfidence(0.5, 1, 3)).evaluation.terms["joints2d"].per_frame
    assert after[:, 1:3] == pytest.approx(0.25 * before[:, 1:3], rel=1e-5)
    assert (after[:, 3:] == before[:, 3:]).all()
    one = session.apply(ScaleConfidence(0.0, 0, 6, keypoint=0))
    assert not session.problem.observations.visible["joints2d"][..., 0].any()
    assert one.cause == "confidence × 0 for keypoint 0 of frames 0 to 5"
    seen = session.problem.observations.joints2d
    session.apply(ScaleConfidence(0.5, 1, 3, sub_sequence=1))
    scaled, expected = session.problem.observations.joints2d, seen.clone()
    expected[1, 1:3, :, 2] *= 0.5
    assert torch.equal(scaled, expected), "confidences of one sub-sequence, and no position"
    with pytest.raises(InputError, match="finite"):
        session.apply(ScaleConfidence(math.nan, 0, 1))


def test_doubted_keypoints_hardly_count_until_they_are_trusted():
    problem = fakes.problem("joints2d", frames=6, batch=2)
    doubts = torch.zeros(2, 6, 25, dtype=torch.int8)
    doubts[1, 2:4, [4, 7]] = JUMP
    session = Session(
        replace(problem, observations=replace(problem.observations, doubts=doubts)),
        schedule=schedule("humorscope", "rgb", num_iters=(2, 2, 2)),
    )
    given, seen = problem.observations.keypoint_weights, session.problem.observations
    lowered = seen.keypoint_weights / given.clamp_min(1e-9)
    assert (lowered[1, 2:4, [4, 7]] == FACTOR**2).all()
    assert torch.equal(torch.where(seen.doubted[..., None], given, seen.keypoint_weights), given)
    assert torch.equal(seen.joints2d, problem.observations.joints2d), "what was given stays as it is"
    session.apply(TrustKeypoints(True, 2, 4, keypoints=(4,), sub_sequence=1))
    assert session.problem.observations.doubted.sum() == 2 and session.current.cause.startswith("trusted 1 keypoint")
    session.apply(TrustKeypoints(True, 0, 6))
    assert torch.equal(session.problem.observations.keypoint_weights, given)
    session.apply(TrustKeypoints(False, 0, 6))
    assert torch.equal(session.problem.observations.doubts, doubts)
    session.undo()
    assert not session.problem.observations.doubted.any()
    with pytest.raises(InputError, match="no 2D keypoints"):
        new_session("joints2d").apply(TrustKeypoints(True, 0, 6))


def test_the_floor_can_be_set_and_taken_back():
    session = in_stage_3("joints2d")
    before = session.current
    plane = (0.0, -2.0, 0.0, -1.2)
    after = session.apply(SetFloor(plane))
    expected = torch.tensor([0.0, -1.0, 0.0, -0.6]).expand(2, 4)
    torch.testing.assert_close(session.fit.trajectory().floor_plane.abs(), expected.abs())
    torch.testing.assert_close(session.problem.floor, expected)
    assert after.evaluation.terms["floor_reg"].raw == pytest.approx(0.0, abs=1e-9)
    session.step_outer()
    assert session.current.floor is after.floor
    session.undo()
    assert session.current is before and session.problem.floor is not after.floor
    for bad in ((0.0,) * 4, (1.0,) * 3, (0.0, math.nan, 0.0, 1.0)):
        with pytest.raises(InputError, match="floor"):
            session.apply(SetFloor(bad))


# Names


def test_bookmarks_and_names_of_branches():
    session = new_session()
    fork = session.step_iteration()
    session.apply(Bookmark("before the edit"))
    session.step_iteration()
    session.rewind(fork.id)
    session.apply(SetWeight("joints3d", 3.0))
    tip = session.step_iteration()
    first, second = session.history.branches
    assert (first.forked_from, second.forked_from, second.last) == (None, fork.id, tip.id)
    session.apply(NameBranch("stronger data"))
    assert session.history.find("stronger data") is tip
    assert session.history.find("before the edit") is fork
    assert session.history.bookmarks == {fork.id: "before the edit"}
    session.apply(Bookmark("before the edit", snapshot=fork.id))  # its own name is not that of another one
    with pytest.raises(InputError, match="another"):
        session.apply(Bookmark("before the edit"))
    with pytest.raises(InputError, match="branch 1, stronger data, before the edit"):
        session.history.find("nothing")
    session.apply(RemoveBookmark(fork.id))
    assert not session.history.bookmarks
    assert [entry.cause for entry in session.history.path(tip.id) if entry.edited] == ["weight joints3d = 3 in stage 1"]


def test_a_branch_goes_on_from_its_end_and_not_from_its_middle():
    session = new_session()
    fork, end = session.step_iteration(), session.step_iteration()
    session.rewind(fork.id)
    session.step_iteration()
    session.rewind(end.id)
    further = session.step_iteration()
    assert [branch.last for branch in session.history.branches] == [further.id, further.id - 1]
