"""The solver of each phase: a choice in the schedule, made from a flag, and edited in the middle of a fit."""

from __future__ import annotations

import pytest

from optim.common.errors import InputError
from optim.config.settings import parse
from optim.schedule.solvers import SOLVERS, solvers_of
from optim.schedule.stages import schedule
from optim.session.edits import SetSolver
from optim.session.session import Session
from optim.session.solvers import MODULES
from tests import fakes


def test_every_solver_of_the_table_has_a_module():
    assert set(MODULES) == set(SOLVERS)
    assert all("lbfgs" in solvers_of(stage) for stage in (1, 2, 3))


def test_the_flag_gives_each_stage_its_solver():
    phases = parse(["--solvers", "lbfgs", "lbfgs", "lbfgs"]).schedule()
    assert phases == parse([]).schedule()


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
