"""Predictions held against re-fits: the noise of re-fits of one loss, and the effects that are above it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from optim.commands.bench import effects as bench
from optim.commands.bench.effects import Compared, main_of, noise_floors, refitted
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes


@pytest.fixture(scope="module")
def fitted() -> Session:
    """Two overlapping sub-sequences before a camera, in stage 3."""
    problem = fakes.problem("joints2d", frames=6, batch=2)
    problem = replace(problem, observations=replace(problem.observations, seq_interval=torch.tensor([[0, 6], [4, 10]])))
    phases = schedule("direct", "rgb", num_iters=(1, 1, 2), lbfgs_max_iter=3)
    gap = {"rgb_overlap_consist": 1.0}
    session = Session(problem, schedule=tuple(replace(p, weights={**p.weights, **gap}) for p in phases))
    session.run()
    return session


def test_refits_of_one_loss_say_what_chance_changes(fitted):
    here = fitted.current
    control = refitted(fitted, "joints2d", 1.0, iterations=4)
    assert refitted(fitted, "joints2d", 1.0, iterations=4) == control, "a re-fit repeats"
    floors = noise_floors(fitted, ("joints2d", "motion_prior"), control, iterations=4)
    assert set(floors) == set(control) and {"floor_tilt", "overlap_cm", "end_drift_cm"} <= set(control)
    assert max(floors.values()) > 0.0
    assert fitted.current is here


@pytest.mark.slow
@pytest.mark.exhaustive
def test_the_report_has_the_floors_and_every_effect_above_them(fitted, monkeypatch):
    monkeypatch.setattr(bench, "REFIT", 4)
    monkeypatch.setattr(bench, "noise_floor", lambda problem, figure: 1e-9)
    monkeypatch.setattr(bench, "noise_floors", lambda session, weights, control: dict.fromkeys(control, 1e-9))
    monkeypatch.setattr(bench, "TUNED", ("observed_px", "floor_tilt", "overlap_cm"))
    lines = list(main_of(fitted, ("joints2d", "joints3d"), (30.0,)))
    assert not any("| joints3d |" in line for line in lines), "it has nothing to act on"
    assert any(line.startswith("| overlap_cm |") for line in lines)
    assert any(line.startswith("| observed_px | joints2d | × 30 |") for line in lines)
    assert any(line.startswith("floor_tilt: ") and "within a factor of two" in line for line in lines)


def test_a_prediction_is_right_in_sign_and_close_in_size():
    far, close, wrong = (Compared("truth_cm", "joints3d", 1.3, 0.1, found) for found in (0.3, 0.15, -0.1))
    assert (far.right, far.close) == (True, False) and far.row.endswith("| size |")
    assert (close.right, close.close) == (True, True) and close.row.endswith("|  |")
    assert (wrong.right, wrong.close) == (False, False) and wrong.row.endswith("| sign |")
