"""The panel Effect, really clicked: the overview, a prediction with its ghost, a trial, and breaking off."""

from __future__ import annotations

from collections import deque

import polyscope as ps
import pytest

from optim.session import edits
from optim.session.session import Session
from tests.viewer.conftest import Window
from viewer.panels.inspect.effects import change_text, factor_text, one_text
from viewer.protocol import commands as c
from viewer.protocol.findings import BROKEN_OFF, UNDER_WAY, WeightEffects, WeightProbe, WeightTrial
from viewer.protocol.view_model import Analysis


@pytest.fixture
def window(open_fit) -> Window:
    opened = open_fit()
    opened.post(c.Run())
    opened.app.ui.tabs["losses"] = "effects"
    opened.app.ui.wide = True
    opened.frames(4)
    return opened


def ask_overview(window: Window) -> WeightEffects:
    window.click("What moves it?")
    window.frames(4)
    found = window.view.analyses["weight_effects"]
    assert isinstance(found.value, WeightEffects), found.error
    return found.value


def test_the_overview_lists_every_weight_of_the_phase(window):
    found = ask_overview(window)
    here = window.session.current
    assert found.figure == "observed_cm" and set(found.changes) <= {n for n, w in here.weights.items() if w}
    assert window.shows("every weight × 1.3") and window.shows("No visible effect: below")
    assert "effects/joints3d" in window.widgets or "joints3d" in window.widgets


def test_a_weight_can_be_chosen_before_anything_was_asked(window):
    assert window.shows("The fit itself stays as it is.") and window.app.ui.effect_weight == ""
    window.click("weight")
    window.frames(2)
    window.click("shape prior")
    window.frames(2)
    assert window.app.ui.effect_weight == "shape_prior"


def test_a_weight_is_predicted_and_tried_without_touching_the_fit(window):
    ask_overview(window)
    here, count = window.session.current, len(window.session.history)
    window.click("joints3d")
    window.frames(2)
    assert window.app.ui.effect_weight == "joints3d"
    window.click("Predict")
    window.frames(4)
    probe = window.view.analyses["weight_probe"].value
    assert isinstance(probe, WeightProbe) and probe.changes["observed_cm"] < 0
    assert (probe.motion is not None) == (probe.gain > 0)
    if probe.motion is not None:
        assert ps.has_surface_mesh("predicted 0")
    window.click("Try it")
    window.frames(4)
    tried = window.view.analyses["weight_trial"].value
    assert isinstance(tried, WeightTrial) and tried.changes["observed_cm"] < 0
    assert window.session.current is here and len(window.session.history) == count


def test_a_command_breaks_off_a_prediction(window):
    worker = window.app.client.worker
    inbox: deque = worker._inbox
    inbox.append(c.Analyse("weight_effects", window.view.shown, (("figure", "observed_cm"),)))
    inbox.append(edits.SetWeight("joints3d", 2.0, 3))
    window.frames(4)
    assert window.view.analyses["weight_effects"].error == BROKEN_OFF
    assert window.session.current.weights["joints3d"] == 2.0


class Unfinished:
    """A second process that never answers."""

    def __init__(self) -> None:
        self.asked: list[c.Analyse] = []
        self.started = self.broken_off = False

    def start(self) -> None:
        self.started = True

    def ask(self, session: Session, command: c.Analyse, frame: object) -> Analysis:
        self.asked.append(command)
        return Analysis(
            kind=command.kind,
            options=command.options,
            snapshot=command.snapshot,
            seconds=0.0,
            value=None,
            error=UNDER_WAY,
        )

    def break_off(self) -> None:
        self.broken_off = True

    def follow(self, publish: object) -> None: ...


def test_a_trial_beside_the_fit_is_told_and_can_be_stopped(window):
    aside = window.app.client.worker.aside = Unfinished()
    assert not window.shows("Stop")
    ask_overview(window)
    assert aside.started, "ahead of the first trial"
    window.click("joints3d")
    window.frames(2)
    window.click("Try it")
    window.frames(4)
    assert [one.kind for one in aside.asked] == ["weight_trial"] and window.shows(UNDER_WAY)
    here = window.session.current
    window.post(edits.SetWeight("joints3d", 2.0, 3))
    assert window.session.current is not here and not aside.broken_off, "an edit does not disturb it"
    window.click("Stop")
    window.frames(2)
    assert aside.broken_off


def test_stopping_a_trial_leaves_the_overview_of_the_worker_alone(window):
    aside = window.app.client.worker.aside = Unfinished()
    inbox: deque = window.app.client.worker._inbox
    inbox.append(c.Analyse("weight_effects", window.view.shown, (("figure", "observed_cm"),)))
    inbox.append(c.BreakOff())
    window.frames(4)
    answer = window.view.analyses["weight_effects"]
    assert isinstance(answer.value, WeightEffects), answer.error
    assert aside.broken_off and not inbox


def test_changes_in_words():
    found = WeightEffects(figure="truth_cm", value=2.0, floor=0.01, factor=1.3, changes={}, rough=False)
    assert change_text(found, 0.005) == "no visible effect"
    assert change_text(found, -0.25) == "↓ about -0.25 cm"
    rough = WeightEffects(figure="mean_skate_mm", value=2.0, floor=0.01, factor=1.3, changes={}, rough=True)
    assert change_text(rough, 0.5) == "↑"
    assert (factor_text(0.1), factor_text(1.3)) == ("÷ 10", "× 1.3")


def test_only_a_trial_gives_sizes_of_what_is_predicted_roughly():
    changes = {"truth_cm": -0.5, "mean_skate_mm": 1.25, "toe_depth_cm": 1e-4}
    how = {"options": (), "snapshot": 1, "seconds": 1.0}
    tried = WeightTrial(weight="joints3d", factor=3.0, iterations=30, changes=changes)
    told = one_text(Analysis(kind="weight_trial", value=tried, **how), outdated=False)
    assert told.endswith("joints -0.50 cm, foot skate +1.25 mm/frame, toe depth +0.00 cm")
    probe = WeightProbe(weight="joints3d", factor=3.0, motion=object(), gain=0.1, changes=changes)
    told = one_text(Analysis(kind="weight_probe", value=probe, **how), outdated=False)
    assert told.endswith("joints -0.50 cm, foot skate ↑, toe depth as it is")


def test_a_prediction_that_does_not_lower_the_loss_says_so():
    value = WeightProbe(weight="contact_vel", factor=30.0, motion=None, gain=-0.1, changes={})
    answer = Analysis(kind="weight_probe", options=(), snapshot=1, seconds=1.0, value=value)
    assert "no use" in one_text(answer, outdated=False)
