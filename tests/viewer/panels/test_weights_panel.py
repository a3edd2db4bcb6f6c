"""The weights table beyond its numbers: switch, solo, reset, measures, trend; each as one edit that can be undone."""

from __future__ import annotations

import numpy as np
import pytest

from optim.diagnostics.gradients import term_gradients
from tests.viewer.conftest import Window
from viewer.panels.fit.weight_cells import MEASURES, trend
from viewer.protocol.commands import RunStage, Step


def weights(window: Window, stage: int) -> list[dict[str, float]]:
    terms = [term.name for term in window.view.scene.terms]
    return [{term: p.weight(term) for term in terms} for p in window.session.schedule if p.stage == stage]


@pytest.fixture
def window(open_fit) -> Window:
    opened = open_fit()
    return opened.post(RunStage(), RunStage(), Step())


def test_switching_off_and_on_again_is_as_before(window):
    window.enter_number("motion_prior/exact", "0.5")
    window.frames(3)
    before, count = weights(window, 3), len(window.session.history)
    window.click("motion_prior/on")
    window.frames(2)
    assert [w["motion_prior"] for w in weights(window, 3)] == [0.0, 0.0, 0.0]
    assert window.session.current.cause == "motion_prior off"
    window.click("motion_prior/on")
    window.frames(2)
    assert weights(window, 3) == before
    assert len(window.session.history) == count + 2


def test_a_term_without_a_default_is_switched_on(window):
    window.click("joints3d_rollout/on")
    assert weights(window, 3)[0]["joints3d_rollout"] == 1.0


def test_phases_in_which_a_term_is_silent_stay_so(window):
    assert [w["contact_vel"] > 0 for w in weights(window, 3)] == [False, False, True]
    window.click("joints3d/S")
    window.frames(2)
    window.click("joints3d/S")
    window.frames(2)
    assert [w["contact_vel"] > 0 for w in weights(window, 3)] == [False, False, True]


def test_solo_and_back(window):
    before = weights(window, 3)
    window.click("joints3d/S")
    window.frames(2)
    assert all(value == 0.0 for w in weights(window, 3) for name, value in w.items() if name != "joints3d")
    assert weights(window, 3)[0]["joints3d"] == before[0]["joints3d"]
    assert window.session.current.cause == "joints3d solo"
    window.click("joints3d/S")
    window.frames(2)
    assert weights(window, 3) == before
    window.key("Z", ctrl=True)
    window.key("Z", ctrl=True)
    assert weights(window, 3) == before


def test_solo_of_a_term_that_is_off_and_back(window):
    """It gets a weight while it is alone; afterwards all is as before, also if another term was alone meanwhile."""
    window.enter_number("motion_prior/exact", "0.5")
    window.frames(3)
    before = weights(window, 3)
    for term in ("joints3d", "joints3d_rollout"):
        window.click(f"{term}/S")
        window.frames(2)
        now = weights(window, 3)[0]
        assert now[term] > 0 and not any(value for name, value in now.items() if name != term)
    for term in ("joints3d_rollout", "joints3d"):
        window.click(f"{term}/S")
        window.frames(2)
    assert weights(window, 3) == before


def test_resetting_one_term(window):
    before = weights(window, 3)
    window.enter_number("motion_prior/exact", "0.5")
    window.enter_number("bone_length/exact", "3")
    window.frames(3)
    window.click("motion_prior/reset")
    window.frames(3)
    now = weights(window, 3)
    assert [w["motion_prior"] for w in now] == [w["motion_prior"] for w in before]
    assert now[0]["bone_length"] == 3.0 != before[0]["bone_length"]


def test_resetting_a_stage(window):
    before = weights(window, 3)
    assert "reset stage" not in {name for name, box in window.widgets.items() if box.frame >= window.frame}
    window.enter_number("motion_prior/exact", "0.5")
    window.frames(3)
    window.enter_number("bone_length/exact", "3")
    window.frames(3)
    window.click("reset stage")
    window.frames(3)
    assert weights(window, 3) == before


def test_gradient_norms_are_those_of_the_diagnostics(window):
    window.app.ui.weight_measure = "gradient"
    window.frames(4)
    found, expected = window.view.analyses["term_pull"].value, term_gradients(window.session.fit)
    for index, name in enumerate(expected.terms):
        row = [term.name for term in window.view.scene.terms].index(name)
        for variable, norms in expected.norm.items():
            assert found.norm[variable][row] == pytest.approx(float(norms[index]), rel=1e-5)
    row = [term.name for term in window.view.scene.terms].index("joints3d")
    total = np.sqrt(sum(norms[row] ** 2 for norms in found.norm.values()))
    assert window.shows(f"{total:.3g}")


def test_the_column_shows_one_measure_after_the_other(window):
    for measure in (*MEASURES[1:], MEASURES[0]):
        window.click(f"{window.app.ui.weight_measure} ›")
        window.frames(2)
        assert window.app.ui.weight_measure == measure


def test_the_broad_table_shows_all_measures_with_units(window):
    window.key("W")
    window.frames(4)
    assert window.app.ui.wide_weights
    assert all(window.shows(measure) for measure in MEASURES)
    assert window.shows(" m²") and window.shows(" nat")
    window.key("W")
    window.frames(2)
    assert not window.app.ui.wide_weights


def test_trends_lie_between_their_extremes(window):
    row = [term.name for term in window.view.scene.terms].index("joints3d")
    levels = trend(window.view, row)
    assert len(levels) > 2
    assert (levels.min(), levels.max()) == (0.0, 1.0)
    silent = [term.name for term in window.view.scene.terms].index("joints3d_rollout")
    assert not len(trend(window.view, silent))
