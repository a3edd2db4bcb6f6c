"""Why? names frames whose motion the prior does not know, and says whether the rules weaken the prior there."""

from dataclasses import replace

import pytest
import torch

from optim.diagnostics.causes import unknown as module
from optim.diagnostics.causes.cause import Look
from optim.diagnostics.causes.unknown import unknown
from optim.priors import novelty as definition
from optim.priors.novelty import Novelty
from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes

FRAMES = 40


@pytest.fixture
def sessions(monkeypatch) -> dict[str, Session]:
    """Rule → a fit at the beginning of stage 3 with a prior that was never trained. Upright bodies count too."""
    monkeypatch.setattr(definition, "LEAN_DEG", (-2.0, -1.0))
    found = {}
    for rule in ("ignored", "weakened"):
        phases = schedule(replace(PRESETS["humorscope"], unknown_motion=rule), num_iters=(0, 1, 1), lbfgs_max_iter=1)
        found[rule] = Session(fakes.problem("joints3d", frames=FRAMES), schedule=phases)
        found[rule].finish_stage()
        found[rule].step_iteration()
        assert found[rule].current.stage == 3
    return found


def test_a_prior_that_knows_nothing_is_named(sessions):
    (ignored,), (weakened,) = (list(unknown(Look(sessions[rule].fit, None))) for rule in ("ignored", "weakened"))
    assert ignored.level == "warn" and "does not know the motion in 100 % of the frames" in ignored.text
    assert "may pull the motion away" in ignored.text and "--preset" in ignored.advice
    assert weakened.level == "warn" and "is weakened" in weakened.text
    assert ignored.frame is not None and "reconstruction error" in ignored.evidence[0]


def test_the_frame_is_where_the_motion_is_newest(sessions, monkeypatch):
    lost = torch.zeros(1, FRAMES - 1)
    lost[0, 19] = 50.0
    still, lying, shown = torch.zeros_like(lost), torch.full_like(lost, 90.0), torch.ones(1, FRAMES)
    monkeypatch.setattr(module, "novelty_of", lambda *_: Novelty(still, lost, still, lying, shown))
    (cause,) = unknown(Look(sessions["ignored"].fit, None))
    assert cause.level == "warn" and abs(cause.frame - 20) <= 6
    monkeypatch.setattr(module, "novelty_of", lambda *_: Novelty(still, still, still, lying, shown))
    (cause,) = unknown(Look(sessions["ignored"].fit, None))
    assert cause.level == "good" and not cause.advice


def test_before_stage_3_there_is_nothing_to_say():
    assert list(unknown(Look(Session(fakes.problem("joints3d", frames=4), schedule=schedule()).fit, None))) == []
