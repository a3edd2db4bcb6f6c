"""The measure of how soon an edit is followed: counted from the edit on, and the session itself does not move."""

from __future__ import annotations

from optim.commands.bench.live import HEAD, arrival, row, settled
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes


def test_an_edit_is_followed_and_the_session_stays_where_it_is():
    phases = schedule("direct", "3d", num_iters=(2, 3, 2), lbfgs_max_iter=5)
    session = settled(Session(fakes.problem(frames=6), schedule=phases), iterations=30)
    here = session.current
    large, none = (arrival(session, "joints3d", factor, iterations=15) for factor in (10.0, 1.0))
    assert session.current is here
    assert 1 <= none.evaluations <= large.evaluations and none.above < large.above
    assert large.seconds > 0 and large.wall > 0
    assert row(large).startswith("| joints3d | × 10 |") and row(large).count("|") == HEAD.splitlines()[0].count("|")
