"""A quantity has one definition: every place that shows it shows the same number, by the same name and in one unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import assets
from optim.diagnostics.agreement import joint_agreement, overlap_disagreement
from optim.diagnostics.drift import drift
from optim.diagnostics.quantities import QUANTITIES
from optim.loading.models import load_body
from optim.reporting.page import _drift_charts
from optim.results.figures import drift_curves
from optim.results.opened import open_results
from optim.results.read_results import read_result
from optim.results.results import of_session
from optim.results.saving.humor_results import save_results
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes as small
from tests.imports import ROOT
from tests.viewer import conftest
from tests.viewer.panels.test_analysis_panels import show, to_stage_3
from viewer.layers.prior import OneStepLayer
from viewer.layers.rollout import RolloutLayer
from viewer.layers.skeleton import RegressedLayer
from viewer.layers.sub_sequences import OverlapsLayer
from viewer.panels.inspect.overlaps import _cells
from viewer.protocol.commands import Analyse
from viewer.replay.results_source import ResultsSource

HIDDEN, FRAME = slice(4, 8), 7
"""Frames in which nothing is seen, so that stage 3 begins with a motion that bridges them; and one of them."""


@pytest.fixture
def window(open_fit, monkeypatch):
    """A fit in stage 3 whose stage 2 was bridged."""

    def fit(*modalities, **options):
        problem = small.problem("joints3d", batch=1, frames=8)
        joints = small.hide(problem.observations.joints3d, (slice(None), HIDDEN))
        seen = replace(problem.observations, joints3d=joints)
        problem = replace(problem, observations=seen, body=load_body(assets.BODY_FILE))
        return Session(problem, schedule=schedule("humorscope", "3d", num_iters=(2, 3, 2), lbfgs_max_iter=4))

    monkeypatch.setattr(conftest, "fit", fit)
    window = open_fit()
    to_stage_3(window)
    return window


def texts(layer, window):
    return [label.text for label in layer.labels(window.view, window.app.ui)]


def test_drift_is_the_same_number_everywhere(window, tmp_path):
    show(window, "drift")
    window.post(Analyse("diagnosis", window.view.shown), Analyse("one_step", window.view.shown))
    window.app.ui.frame = FRAME
    session, fit, named = window.session, window.session.fit, QUANTITIES["root_cm"]
    expected = drift(fit).root_cm
    raw = 100 * (fit.trajectory(fit.stage3_start).joints - fit.trajectory(fit.end_of_stage(2)).joints)
    assert abs(expected.total[0, FRAME] - float(raw[0, FRAME, 0].norm())) > 0.2, "bridging makes no difference here"

    assert texts(RolloutLayer(), window)[0] == named.text(expected.total[0, FRAME])
    np.testing.assert_allclose(window.view.drift.root_cm, expected.total, atol=2e-3)
    np.testing.assert_allclose(window.view.analyses["drift"].value.total["root_cm"], expected.total, atol=2e-3)
    one_step = texts(OneStepLayer(), window)[0]
    assert one_step.startswith(f"one step {named.text(expected.encoding[0, FRAME])} of")
    assert f"{named.text(expected.total[0, FRAME])} {named.label}" in one_step
    verdicts = [verdict.text for verdict in window.view.analyses["diagnosis"].value.verdicts]
    assert any(f"drifts by {named.text(expected.total[0, -1])}," in text for text in verdicts)

    (folder,) = save_results(session, tmp_path / "results_out", body_file=assets.BODY_FILE)
    for result in (of_session(fit)[0], read_result(folder)):
        for name, values in drift_curves(result).items():
            np.testing.assert_allclose(values, getattr(drift(fit), name).total[0], atol=2e-2, err_msg=name)
        assert f"{named.label} [{named.unit}]" in "".join(_drift_charts(result))
    np.testing.assert_allclose(open_results(folder).drift_cm, expected.total, atol=2e-3)
    opened = ResultsSource(folder)
    np.testing.assert_allclose(opened.view(opened.current).drift.root_cm, expected.total, atol=2e-3)
    assert any(f"{expected.total.max():.1f} cm at most" in note.text for note in opened.notes())


def test_overlap_distance_is_the_same_number_everywhere(open_fit):
    window = open_fit("joints2d", batch=2, overlap=3)
    to_stage_3(window)
    show(window, "overlaps")
    window.post(Analyse("diagnosis", window.view.shown))
    (expected,) = overlap_disagreement(window.session.fit)
    named, worst = QUANTITIES["position_cm"], int(expected.position_cm.argmax())
    window.app.ui.frame = int(expected.frames[worst])
    (pair,) = window.view.analyses["overlaps"].value.pairs
    np.testing.assert_array_equal(pair.position_cm, expected.position_cm)
    largest = named.text(expected.position_cm[worst])
    assert texts(OverlapsLayer(), window)[0].startswith(f"1–2: {largest},")
    assert largest in _cells(pair, None)
    verdicts = [verdict.text for verdict in window.view.analyses["diagnosis"].value.verdicts]
    assert any(f"{largest} apart at frame {window.app.ui.frame}" in text for text in verdicts)


def test_joint_consistency_is_the_same_number_everywhere(window):
    window.post(Analyse("diagnosis", window.view.shown))
    apart = joint_agreement(window.session.fit).distance_cm
    _, frame, joint = np.unravel_index(int(apart.argmax()), apart.shape)
    window.app.ui.frame = int(frame)
    largest = QUANTITIES["distance_cm"].text(apart[0, frame, joint])
    assert texts(RegressedLayer(), window)[0].endswith(f" {largest}")
    verdicts = [verdict.text for verdict in window.view.analyses["diagnosis"].value.verdicts]
    assert any(f"differ by up to {largest} (" in text for text in verdicts)


def test_the_table_of_the_docs_is_that_of_the_program():
    page = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    for field, quantity in QUANTITIES.items():
        assert f"| {quantity.label} | `{field}` | {quantity.unit} | {quantity.definition} |" in page, quantity.label
