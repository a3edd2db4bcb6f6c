"""Batch after batch: each knows the end of the one before, only one is held, and all motions come out at the end."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import pytest
import torch

from optim.common.errors import InputError
from optim.diagnostics.agreement import overlap_disagreement
from optim.diagnostics.tuned import tuned_figures
from optim.objective.prediction import Points, Prediction
from optim.objective.terms.overlap import rgb_overlap_consist_verts3d_pos
from optim.objective.terms.scene import Scene
from optim.recording.recording import Recording, recorded_session
from optim.recording.runfile import RunFile
from optim.schedule.stages import schedule
from optim.session.edits import Hold, SetWeight
from optim.session.session import Session
from optim.split.batches import BatchedFit, Batches, last_of, planned
from optim.split.splitting import split_frames, sub_problem
from tests import fakes

FRAMES = 26
SPLIT = split_frames(FRAMES, length=8, overlap=2)
"""Four sub-sequences of 8 frames."""
DATA_TYPES = {"joints3d": "3d", "verts3d": "verts3d", "joints2d": "rgb"}


def phases(data_type: str = "3d", *, overlap: float = 1.0, num_iters=(1, 1, 0), iterations: int = 5):
    weights = {"rgb_overlap_consist": (overlap,) * 3}
    return schedule("humorscope", data_type, num_iters=num_iters, lbfgs_max_iter=iterations, weights=weights)


def test_three_sub_sequences_at_a_time_and_the_rest():
    fit = BatchedFit(
        fakes.problem(frames=FRAMES), SPLIT, schedule=phases(num_iters=(1, 1, 1), iterations=3), batch_size=3
    )
    begun = fit.progress
    assert (begun.batch, begun.batches, begun.clips, begun.clips_in_all, begun.done) == (0, 2, 0, 4, False)
    sizes, spent = [], []
    for session in fit:
        sizes.append(session.problem.batch)
        session.run()
        spent.append(session.current.evaluations_spent)
        assert fit.progress.evaluations == sum(spent)
    assert sizes == [3, 1]
    ended = fit.progress
    assert ended.done and (ended.batch, ended.clips, ended.evaluations) == (2, 4, sum(spent))
    assert [clip.interval for clip in fit.clips] == list(SPLIT.intervals)
    whole = fit.stitched()
    assert len(whole.trans) == FRAMES and torch.isfinite(whole.joints).all()
    assert [seam.shared for seam in whole.seams] == list(SPLIT.overlaps)


@pytest.mark.parametrize("hidden", [slice(0, 8), slice(18, 26)])
def test_all_batches_have_the_phases_that_one_of_them_needs(hidden):
    """The legs are hidden in one batch only."""
    whole = fakes.problem("joints3d", frames=FRAMES)
    seen = fakes.hide(whole.observations.joints3d, (slice(None), hidden, [1, 2, 4, 5, 7, 8, 10, 11]))
    whole = replace(whole, observations=replace(whole.observations, joints3d=seen))
    plan = schedule("fast", "3d", num_iters=(1, 1, 1), lbfgs_max_iter=1)
    assert any(phase.for_hidden for phase in plan)
    batches = Batches(whole, planned(whole, SPLIT, 2))
    session = Session(batches.problem(0), schedule=plan, batches=batches)
    for number, separate in enumerate(BatchedFit(whole, SPLIT, schedule=plan, batch_size=2)):
        assert separate.schedule == session.schedule
        assert [phase.name for phase in session.schedule] == [phase.name for phase in plan]
        separate.run()
        while session.current.batch == number and not session.done:
            session.step_iteration()


@pytest.mark.parametrize("modality", ["joints3d", "joints2d"])
def test_the_next_batch_begins_from_the_end_of_the_one_before(modality):
    whole = fakes.problem(modality, frames=FRAMES)
    fit = BatchedFit(whole, SPLIT, schedule=phases(DATA_TYPES[modality]), batch_size=2)
    first = fit.session
    assert first.problem.observations.previous is None
    first.run()
    motion = first.fit.trajectory()
    second = fit.next_batch()
    before = second.problem.observations.previous
    assert before.seq_interval == SPLIT.intervals[1]
    assert second.problem.observations.seq_interval[0].tolist() == list(SPLIT.intervals[2])
    assert torch.equal(before.betas, motion.betas[1])
    mesh = whole.body.mesh(motion.trans, motion.root_orient, motion.pose_body, motion.betas)
    torch.testing.assert_close(before.verts3d, mesh[1][:, list(whole.body.keypoint_vertices)])
    if modality == "joints2d":
        assert torch.equal(before.floor_plane, motion.floor_plane[1])
    terms = second.current.evaluation.terms
    assert {"rgb_overlap_xbatch_verts3d_pos", "rgb_overlap_consist_verts3d_pos"} <= set(terms)
    assert terms["rgb_overlap_xbatch_verts3d_pos"].raw > 0


def test_overlap_terms_close_the_seams_within_and_between_batches():
    whole = fakes.problem(frames=FRAMES, noise=0.08)

    def apart(weight: float) -> list[float]:
        fit = BatchedFit(
            whole, SPLIT, schedule=phases(overlap=weight, num_iters=(1, 2, 0), iterations=10), batch_size=2
        )
        for session in fit:
            session.run()
        return [seam.apart.cm for seam in fit.stitched().seams]

    loose, tied = apart(0.0), apart(5.0)
    for without, within in zip(loose, tied, strict=True):
        assert within < 0.7 * without


def test_while_fewer_frames_are_rolled_out_only_those_that_both_have_are_compared():
    """Two of 8 frames that share 5: of the first 6 of each, frames 3 to 5 of one are frames 0 to 2 of the other."""
    whole = fakes.problem(frames=11)
    pair = sub_problem(whole, [(0, 8), (3, 11)])
    time = torch.arange(11.0)[:, None, None].expand(11, 43, 3)
    for frames, shared in ((8, 5), (6, 3), (3, 0)):
        verts = torch.stack([time[start : start + frames] for start in (0, 3)])
        points = Points(joints=verts, verts3d=verts)
        scene = Scene(pair, pair.observations.first(frames), Prediction(verts, verts, verts, points, {}))
        gaps = rgb_overlap_consist_verts3d_pos(scene)
        assert gaps.shape == (shared * 43,) and float(gaps.sum()) == 0.0


def test_only_the_batch_in_work_is_held():
    fit = BatchedFit(fakes.problem(frames=FRAMES), SPLIT, schedule=phases(num_iters=(1, 0, 0)), batch_size=1)
    alive = []
    while fit.session is not None:
        alive.append(weakref.ref(fit.session))
        fit.session.step_iteration()
        gc.collect()
        assert sum(session() is not None for session in alive) == 1
        fit.next_batch()
    assert len(alive) == len(SPLIT)


def test_a_video_that_fits_one_clip_is_the_plain_fit():
    whole = fakes.problem(frames=9)
    fit = BatchedFit(whole, split_frames(9, length=12, overlap=3), schedule=phases(), batch_size=4)
    plain = Session(whole, schedule=phases())
    (session,) = [session for session in fit if session.run()]
    plain.run()
    assert session.current.evaluations_spent == plain.current.evaluations_spent
    assert torch.equal(fit.stitched().trans, plain.fit.trajectory().trans[0])
    assert fit.stitched().seams == ()


def test_what_is_left_early_counts_as_it_is():
    fit = BatchedFit(fakes.problem(frames=FRAMES), SPLIT, schedule=phases(), batch_size=2)
    fit.session.step_iteration()
    half = fit.session.fit.trajectory()
    fit.next_batch()
    assert torch.equal(fit.clips[0].motion.trans, half.trans[:1])
    assert len(fit.clips) == 4, "the batch in work as it is now"
    fit.next_batch()
    assert fit.session is None and fit.next_batch() is None and len(fit.clips) == 4


@pytest.mark.parametrize(
    ("modality", "missing"), [("joints3d", (0, 10)), ("joints2d", (10, 18)), ("joints3d", (16, 26))]
)
def test_sub_sequences_in_which_nothing_is_seen_are_bridged(modality, missing):
    whole = fakes.problem(modality, frames=FRAMES)
    hidden = fakes.hide(getattr(whole.observations, modality), (slice(None), slice(*missing)))
    whole = replace(whole, observations=replace(whole.observations, **{modality: hidden}))
    split = split_frames(FRAMES, length=5, overlap=1)
    fit = BatchedFit(
        whole, split, schedule=phases(DATA_TYPES[modality], num_iters=(1, 1, 1), iterations=2), batch_size=3
    )
    gone = tuple((start, end) for start, end in split.intervals if missing[0] <= start and end <= missing[1])
    assert fit.unseen == gone and gone
    for session in fit:
        session.run()
    assert len(fit.clips) == len(split) - len(gone)
    motion = fit.stitched()
    assert len(motion.trans) == FRAMES and torch.isfinite(motion.joints).all()
    assert float((motion.trans[1:] - motion.trans[:-1]).norm(dim=-1).max()) < 2.0


def test_bad_input():
    whole = fakes.problem(frames=FRAMES)
    with pytest.raises(InputError, match="the split is of 20 frames, the observations have 26"):
        BatchedFit(whole, split_frames(20, length=8, overlap=2), schedule=phases())
    with pytest.raises(InputError, match="batch_size is 0"):
        BatchedFit(whole, SPLIT, schedule=phases(), batch_size=0)
    with pytest.raises(InputError, match="seq_interval"):
        last_of(Session(whole, schedule=phases()).fit)


def in_one_session(modality: str = "joints3d", **options) -> Session:
    """A session that goes through batches of three and of one sub-sequence."""
    whole = fakes.problem(modality, frames=FRAMES)
    if "floor_known" in options:
        whole = replace(whole, floor_known=options.pop("floor_known"))
    batches = Batches(whole, planned(whole, SPLIT, 3))
    return Session(batches.problem(0), schedule=phases(DATA_TYPES[modality], **options), batches=batches)


@pytest.mark.parametrize(("modality", "known"), [("joints3d", True), ("joints2d", True), ("joints2d", False)])
def test_one_session_goes_through_all_batches_with_the_same_bits(modality, known):
    session = in_one_session(modality, num_iters=(1, 1, 1), iterations=3, floor_known=known)
    whole = replace(fakes.problem(modality, frames=FRAMES), floor_known=known)
    fit = BatchedFit(
        whole, SPLIT, schedule=phases(DATA_TYPES[modality], num_iters=(1, 1, 1), iterations=3), batch_size=3
    )
    spent = 0
    for number, separate in enumerate(fit):
        separate.run()
        spent += separate.current.evaluations_spent
        while not (session.current.batch == number and session.current.done):
            session.step_iteration()
        assert session.problem.batch == separate.problem.batch
        for name, value in separate.current.variables.items():
            assert torch.equal(session.current.variables[name], value), name
        assert session.current.evaluation.total == separate.current.evaluation.total
        assert session.current.evaluations_spent == spent
        entries = session.history.path(session.current.id)
        assert [e.evaluation.total for e in entries] == [
            e.evaluation.total for e in separate.history.path(separate.current.id)
        ]
    assert session.done and session.step_iteration() is session.current


def test_a_resumed_fit_goes_through_the_phases_that_it_was_begun_with(tmp_path):
    """Also where those of its first batch wait for the first seen frame, and a preset has other numbers today."""
    whole = fakes.problem(frames=FRAMES)
    seen = fakes.hide(whole.observations.joints3d, (slice(None), slice(0, 2)))
    whole = replace(whole, observations=replace(whole.observations, joints3d=seen))
    batches = Batches(whole, planned(whole, SPLIT, 3))
    then, now = (
        schedule("humorscope", "3d", num_iters=(1, 1, 2), lbfgs_max_iter=1, tune_frames=4, weights=weights)
        for weights in ({}, {"joints3d": (1.0, 2.0, 2.0)})
    )
    session, path = Session(batches.problem(0), schedule=then, batches=batches), tmp_path / "run.humorscope"
    assert session.schedule != then, "the first batch waits"
    recorded_session(session, path=path).follow(session)
    again = Session(batches.problem(0), schedule=now, batches=batches)
    Recording(RunFile(path, mode="read")).restore(again)
    while again.current.batch == 0:
        again.step_iteration()
    assert again.schedule == then != now


def test_the_overlap_that_a_weight_moves_is_that_of_the_batch_under_way():
    """A session apart, as a drag makes it, knows no earlier batch, and must give the same figure."""
    session = in_one_session(iterations=2)
    while session.current.batch == 0:
        session.step_iteration()
    session.step_iteration()
    assert len(overlap_disagreement(session.fit)) == len(SPLIT.overlaps)
    (pair,) = overlap_disagreement(session.fit, of_batch=True)
    found = tuned_figures(session.fit)["overlap_cm"]
    assert found == tuned_figures(session.apart().fit)["overlap_cm"] == pytest.approx(float(pair.position_cm.mean()))


def test_a_session_goes_back_to_an_earlier_batch_and_on_to_another_next_one():
    session = in_one_session()
    session.run()
    assert session.done and session.batch_count == 2 and session.current.batch == 1
    entries = session.history.entries
    (begun,) = [entry for entry in entries if entry.cause == "batch"]
    last = session.current
    end = session.history[begun.parent]
    motion = session.fit.trajectory(end)
    assert motion.trans.shape[0] == 3 and session.fit.trajectory().trans.shape[0] == 1
    assert session.fit.problem_at(end).batch == 3
    session.rewind(end.id)
    assert session.problem.batch == 3 and not session.done and session.current.done
    again = session.step_iteration()
    assert again.batch == 1 and again.parent == end.id and session.problem.observations.previous is not None
    for name, value in session.history[begun.id].variables.items():
        assert torch.equal(again.variables[name], value)
    session.rewind(end.id)
    session.apply(SetWeight("joints3d", 7.0, 1))
    session.rewind(end.id)
    session.rewind(last.id)
    session.run()
    assert session.current is last


def test_edits_of_the_schedule_hold_in_the_next_batch_and_holds_do_not():
    session = in_one_session(num_iters=(1, 2, 0))
    session.finish_phase()
    session.apply(SetWeight("joints3d", 3.0, 2))
    session.apply(Hold("trans"))
    session.finish_stage()
    session.apply(Hold("betas"))
    session.step_iteration()
    while session.current.batch == 0:
        session.step_iteration()
    assert session.current.schedule[1].weights["joints3d"] == 3.0 and session.current.held == frozenset()
    assert session.current.cause == "batch" and session.current.phase == 0
