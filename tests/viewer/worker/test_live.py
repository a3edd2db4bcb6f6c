"""Live: an edit arrives within one evaluation, a drag is one edit, and cancelling leaves no trace."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from optim.session import edits
from optim.session.session import Session
from tests.viewer import conftest
from tests.viewer.worker.test_worker import Bench
from viewer.protocol import commands as c
from viewer.protocol.view_model import Note, ViewModel
from viewer.worker.live import MOST_RESTARTS, Live


def done() -> Session:
    """A fit at the end of its schedule."""
    session = conftest.fit()
    session.run()
    return session


@pytest.fixture
def bench() -> Bench:
    found = Bench(done())
    found.send(c.SetLive(True))
    return found


def weight(bench: Bench) -> float:
    return bench.session.current.weights["joints3d"]


def dragged(value: float) -> c.Drag:
    return c.Drag(edits.SetWeight("joints3d", value, 3))


def test_the_fit_goes_on_after_the_end_of_its_schedule_until_nothing_is_left_to_gain(bench):
    assert bench.view.status.live and bench.view.status.state == "running"
    before = len(bench.session.history)
    for _ in range(400):
        if not bench.worker.turn():
            break
    assert len(bench.session.history) > before + 3
    assert not bench.worker.turn(), "it rests"
    bench.send(edits.SetWeight("joints3d", 5 * weight(bench), 3))
    assert bench.session.current.cause == "iteration", "an edit wakes it"


def test_it_rests_near_the_minimum_of_the_last_batch_only(monkeypatch):
    live = Live(done())
    for left, batches, rests in ((1e-4, 1, True), (5e-4, 1, False), (1e-4, 2, False)):
        monkeypatch.setattr(Live, "left", left)
        monkeypatch.setattr(Session, "batch_count", batches)
        assert live.resting is rests


def test_an_edit_gives_a_stalled_solver_new_tries(monkeypatch):
    session = done()
    here = session.current
    stalled = replace(here, solver=replace(here.solver, stop="no step", stalled=True))
    monkeypatch.setattr(Session, "current", property(lambda self: stalled))
    monkeypatch.setattr(Session, "apply", lambda self, edit: stalled)
    live = Live(session)
    for _ in range(2):
        for _ in range(MOST_RESTARTS):
            assert not live.resting
            live.step(lambda: False)
        assert live.resting
        live.edited(stalled)


@pytest.mark.parametrize(
    "command", [dragged(3.0), edits.SetWeight("joints3d", 2.0, 3), edits.Hold("betas"), edits.DropFrames(0, 2)]
)
def test_an_edit_breaks_off_the_iteration_under_way(bench, command):
    """The solver asks before every evaluation, so an edit arrives after one evaluation at most."""
    asked = []

    def interrupted():
        asked.append(None)
        if len(asked) == 1:
            bench.inbox.append(command)
            return False
        return original()

    original = bench.worker._interrupted
    bench.worker._interrupted = interrupted
    bench.worker.turn()
    bench.worker._interrupted = original
    assert len(asked) <= 2 and bench.inbox
    count = len(bench.session.history)
    bench.worker.turn()
    assert not bench.inbox
    assert bench.worker._live.dragging or len(bench.session.history) > count


def test_a_drag_is_one_edit_with_a_bookmark(bench):
    count, marked = len(bench.session.history), set(bench.session.history.bookmarks)
    for value in (2.0, 3.0, 5.0, 8.0):
        bench.send(dragged(value), turns=3)
    assert len(bench.session.history) == count, "nothing is in the history yet"
    bench.send(c.EndDrag())
    made = [snapshot for snapshot in bench.session.history.snapshots[count:] if snapshot.edit is not None]
    assert [snapshot.edit for snapshot in made] == [edits.SetWeight("joints3d", 8.0, 3)]
    assert weight(bench) == 8.0
    assert set(bench.session.history.bookmarks) - marked == {made[0].id}


def test_cancelling_a_drag_goes_back_bit_for_bit(bench):
    here, count = bench.session.current, len(bench.session.history)
    bits = {name: value.clone() for name, value in here.variables.items()}
    for value in (2.0, 30.0):
        bench.send(dragged(value), turns=4)
    bench.worker._live.end_drag(keep=False)
    assert bench.session.current is here and len(bench.session.history) == count
    assert all(torch.equal(value, bits[name]) for name, value in here.variables.items())
    assert not bench.session.can_undo


def test_what_is_dragged_is_shown_and_what_it_changes(bench):
    bench.worker.publish_view()
    before = bench.view.motion.joints
    bench.send(dragged(50.0), turns=8)
    bench.worker.publish_view()
    view = bench.view
    assert view.live is not None and view.live.dragging
    np.testing.assert_array_equal(view.live.before.joints, before)
    assert np.abs(view.motion.joints - before).max() > 1e-4
    row = [term.name for term in view.scene.terms].index("joints3d")
    assert view.weights[view.status.phase, row] == 50.0
    old, new = view.live.figures["observed_cm"]
    assert new < old, "a larger weight of the observations brings the body nearer to them"
    assert {"mean_skate_mm", "mean_acceleration", "end_drift_cm"} <= set(view.live.figures) | {"mean_skate_mm"}


def test_every_edit_is_compared_with_the_motion_before_it(bench):
    for value in (2.0, 50.0):
        before = bench.session.fit.trajectory().joints.numpy().copy()
        bench.send(edits.SetWeight("joints3d", value, 3))
        bench.worker.publish_view()
        np.testing.assert_array_equal(bench.view.live.before.joints, before)


def test_nothing_is_compared_where_an_older_iteration_is_shown_or_a_drag_was_cancelled(bench):
    bench.send(edits.SetWeight("joints3d", 2.0, 3))
    bench.worker.publish_view()
    assert bench.view.live is not None
    bench.send(c.Inspect(0))
    bench.worker.publish_view()
    assert bench.view.live is None
    bench.send(c.Inspect(None))
    bench.send(dragged(30.0), turns=2)
    bench.worker._live.end_drag(keep=False)
    bench.worker.publish_view()
    assert bench.view.live is None


def test_drags_to_the_same_value_have_two_bookmarks(bench):
    for _ in range(2):
        bench.send(dragged(3.0), c.EndDrag())
    assert len(set(bench.session.history.bookmarks.values())) == 2
    assert not any(note.level != "info" for note in bench.of(Note))


def test_drift_is_measured_from_the_stage_2_that_the_fit_has_now():
    session = done()
    live = Live(session)
    first = live._stage2()
    session.rewind(session.fit.end_of_stage(1).id)
    session.apply(edits.SetWeight("joints3d", 30.0, 2))
    session.run()
    now = live._stage2()
    assert torch.equal(now.trans, session.fit.stage2_trajectory.trans) and not torch.equal(now.trans, first.trans)


def test_newer_values_of_a_drag_replace_older_ones_that_wait(bench):
    tried = []
    original = bench.worker._live.drag
    bench.worker._live.drag = lambda edit: (tried.append(edit.value), original(edit))
    bench.send(dragged(2.0), dragged(3.0), dragged(4.0))
    assert tried == [4.0]
    assert bench.view.obeyed >= 3


def test_two_drags_that_wait_are_two_edits(bench):
    bench.send(dragged(2.0), c.EndDrag(), dragged(5.0), dragged(6.0), c.EndDrag())
    made = [snapshot.edit for snapshot in bench.session.history.snapshots if snapshot.edit is not None]
    assert [edit.value for edit in made if isinstance(edit, edits.SetWeight)] == [2.0, 6.0]


def test_another_edit_ends_the_drag_first(bench):
    bench.send(dragged(4.0), turns=2)
    bench.send(edits.Hold("betas"))
    assert weight(bench) == 4.0 and "betas" in bench.session.current.held


def test_pausing_takes_over_what_is_dragged_and_switches_live_off(bench):
    bench.send(dragged(4.0), turns=2)
    bench.send(c.Pause())
    assert weight(bench) == 4.0
    assert not bench.view.status.live and bench.view.status.state != "running"
    assert bench.view.live is None


def test_a_drag_while_live_is_off_is_refused():
    bench = Bench(done())
    bench.send(dragged(4.0))
    assert "Live is off" in bench.of(Note)[-1].text


def test_a_value_that_cannot_be_is_refused_and_leaves_no_drag(bench):
    bench.send(dragged(-1.0))
    assert "weight joints3d is -1" in bench.of(Note)[-1].text
    assert not bench.worker._live.dragging


def test_undo_and_rewind_while_live(bench):
    here = bench.session.current
    bench.send(dragged(4.0), turns=2)
    bench.send(c.EndDrag())
    bench.inbox.append(edits.Undo())
    bench.worker._obey_all()
    assert weight(bench) == here.weights["joints3d"]
    bench.send(edits.Rewind(0))
    assert bench.session.current.id == 0 and not bench.of(ViewModel)[-1].status.live
