"""The contact terms shared out over the joints: together they are the terms of the loss."""

from __future__ import annotations

from dataclasses import replace

import pytest

from optim.diagnostics.resting import JOINTS_OF, resting
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.schedule.terms import TERMS
from optim.session.session import Session
from tests import fakes

TERMS_OF_CONTACTS = tuple(term.name for term in TERMS if term.module in JOINTS_OF)


@pytest.mark.parametrize("contacts", ["public", "planted"])
def test_costs_of_joints_add_up_to_the_terms(contacts):
    problem = fakes.problem("joints3d", batch=2, frames=5)
    preset = replace(PRESETS["direct"], contacts=contacts)
    session = Session(problem, schedule=schedule(preset, "3d", num_iters=(1, 1, 2), lbfgs_max_iter=1))
    session.finish_stage()
    assert resting(session.fit) is None, "no roll-out yet"
    session.finish_stage()
    session.run()
    terms, found = session.current.evaluation.terms, resting(session.fit)
    expected = sum(terms[name].weighted for name in TERMS_OF_CONTACTS if name in terms)
    assert expected > 0
    assert found.value.sum() == pytest.approx(expected, rel=1e-5)
    assert found.strength.shape == found.height_cm.shape == found.value.shape == (2, 5, 16)
    assert (found.strength >= 0).all() and (found.strength <= 1).all()
