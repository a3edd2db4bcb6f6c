"""The comparison of ways through stage 3: every way from the same start, under the same loss."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from optim.commands import shooting_bench
from optim.commands.shooting_bench import EXACT, SHOOTING, exact_loss, measure, table, ways
from optim.evaluation.protocols import Extract, Models
from optim.evaluation.tables import append_rows, read_rows
from optim.objective.objective import Objective
from optim.problem.variables import Trajectory
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes

ROW = {"joints_all": 2.0, "joints_visible": 1.5, "joints_occluded": math.nan, "one_percent": 0.02}


def row(way: str, loss: float, seconds: float, within: float, same: float) -> dict:
    reached = {"within_1_percent_seconds": within, "same_loss_seconds": same}
    return (
        ROW
        | {"clip": "a", "protocol": "noisy", "way": way, "loss": loss, "seconds": seconds, "evaluations": 9}
        | reached
    )


def test_every_way_ends_in_the_loss_of_the_exact_mode():
    ends = {name: phases[-1] for name, phases in ways().items()}
    target = ends[EXACT]
    for last in ends.values():
        assert (last.weights, last.variables, last.frames, last.segment, last.init_motion_frames) == (
            target.weights, target.variables, None, None, target.init_motion_frames,
        )  # fmt: skip
    assert any(phase.segment for phase in ways()[SHOOTING])
    spent = {name: sum(phase.steps for phase in phases) for name, phases in ways().items() if name != EXACT}
    assert len(set(spent.values())) == 1, "all but the exact mode may spend the same"


def test_the_table_gives_times_as_shares_of_the_exact_mode():
    text = table([row(EXACT, 1.0, 40.0, 30.0, 40.0), row(SHOOTING, 0.98, 10.0, 4.0, math.nan)])
    lines = text.splitlines()
    assert "| +0.00 |" in lines[2] and "| 0.750 | 1.000 |" in lines[2]
    assert "| -1.00 |" in lines[3] and "| 0.100 | not reached |" in lines[3]
    assert lines[-1] == "| **median** | shooting | -1.00 | | | | 0.100 | not reached |"


def test_all_ways_are_walked_from_the_same_start(monkeypatch, tmp_path):
    problem = fakes.problem(frames=12)
    short = {"num_iters": (1, 1, 5), "lbfgs_max_iter": 2, "tune_frames": 4}
    monkeypatch.setattr(shooting_bench, "schedule", lambda preset, data: schedule(preset, data, **short))
    begun = Session(problem, schedule=schedule("humorscope", **short))
    motion = begun.fit.trajectory()
    truth = Trajectory(motion.trans, motion.root_orient, motion.pose_body, motion.betas, motion.joints)
    models = Models(problem.body, problem.pose_prior, problem.motion_prior, problem.init_state_prior)
    rows = measure(Extract("made up", truth), models, protocol="noisy", seed=0)
    assert [found["way"] for found in rows] == list(ways())
    exact = rows[0]
    assert exact["same_loss_evaluations"] <= exact["evaluations"] and exact["same_loss_seconds"] <= exact["seconds"]
    append_rows(tmp_path / "figures.csv", rows, words=shooting_bench.WORDS)
    assert [row["way"] for row in read_rows(tmp_path / "figures.csv", words=shooting_bench.WORDS)] == list(ways())
    assert all(found["one_percent"] == exact["one_percent"] > 0 for found in rows)
    assert math.isnan(exact["joints_occluded"]) and math.isnan(exact["defect_cm"])


def test_the_exact_loss_of_a_snapshot_is_that_of_its_single_roll_out():
    phases = schedule("shooting", num_iters=(1, 1, 5), lbfgs_max_iter=2)
    session = Session(fakes.problem(frames=8), schedule=tuple(replace(p, segment=p.segment and 3) for p in phases))
    while session.current.schedule[session.current.phase].segment is None:
        session.step_iteration()
    inside, target = session.step_iteration(), session.schedule[-1]
    assert exact_loss(session.problem, inside, target) != pytest.approx(inside.evaluation.total)
    while session.current.schedule[session.current.phase].segment is not None:
        before, after = session.current, session.step_iteration()
    assert exact_loss(session.problem, before, target) == pytest.approx(after.evaluation.total, rel=1e-5)
    objective = Objective(session.problem, target, after.prior_frame)
    point = objective.point(after.packing.pack(after.variables), after.variables, after.packing)
    assert exact_loss(session.problem, after, target) == pytest.approx(point.value, rel=1e-6)
