"""Losses under other weights: as if they had been evaluated, and a curve that an edit does not break."""

from __future__ import annotations

import math

import pytest

from optim.common.errors import InputError
from optim.schedule.stages import schedule
from optim.session.edits import SetWeight
from optim.session.rescoring import rescore, rescored_path
from optim.session.session import Session
from tests import fakes


@pytest.fixture(scope="module")
def session() -> Session:
    phases = schedule("humorscope", "rgb", num_iters=(1, 2, 4), lbfgs_max_iter=4, tune_frames=4)
    session = Session(fakes.problem("joints2d", frames=6), schedule=phases)
    session.run()
    return session


def test_the_same_weights_give_the_same_loss(session):
    for snapshot in session.history.snapshots:
        again = rescore(snapshot.evaluation, snapshot.weights)
        assert again.total == pytest.approx(snapshot.evaluation.total, rel=1e-5)
        assert not again.missing
        for name, term in snapshot.evaluation.terms.items():
            assert again.terms[name] == pytest.approx(term.weighted, rel=1e-6)


@pytest.mark.parametrize("place", [3, -1])
def test_other_weights_give_what_an_edit_finds(session, place):
    end, before = session.current, session.history.snapshots[place]
    session.rewind(before.id)
    edited = session.apply(SetWeight("joints2d", 7.0 * before.weights["joints2d"]))
    assert rescore(before.evaluation, edited.weights).total == pytest.approx(edited.evaluation.total, rel=1e-5)
    session.rewind(end.id)


def test_a_curve_has_no_jump_at_an_edit(session):
    end = session.current
    start = next(s for s in session.history.snapshots if s.stage == 2)
    session.rewind(start.id)
    before = session.step_iteration()
    edited = session.apply(SetWeight("joints2d", 100 * before.weights["joints2d"]))
    session.step_iteration()
    curve = dict(rescored_path(session.history, session.current.id))
    assert list(curve) == [start.id, before.id, edited.id, session.current.id]
    assert curve[before.id].total == pytest.approx(curve[edited.id].total, rel=1e-6)
    assert before.evaluation.total != pytest.approx(edited.evaluation.total, rel=1e-2)
    assert curve[session.current.id].total == pytest.approx(session.current.evaluation.total, rel=1e-5)
    session.rewind(end.id)


def test_what_was_not_evaluated_is_told(session):
    first = session.history[0]
    found = rescore(first.evaluation, {"joints2d": 1.0, "pose_prior": 1.0}, wanted=("joints2d", "pose_prior"))
    assert found.missing == ("pose_prior",)
    for weights, wanted in (({"joints2d": -1.0}, ()), ({"joints2d": math.nan}, ()), ({"knees": 1.0}, ()), ({}, ("k",))):
        with pytest.raises(InputError):
            rescore(first.evaluation, weights, wanted=wanted)
