"""A quantity has one definition: every place that shows it shows the same number, by the same name and in one unit."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

import assets
from optim.body.joints import JOINT_NAMES, RESTING_HEIGHT, RESTING_JOINTS
from optim.checks.contradictions import JUMP
from optim.diagnostics.agreement import data_distance, joint_agreement, overlap_disagreement, reprojection
from optim.diagnostics.causes import table
from optim.diagnostics.drift import drift
from optim.diagnostics.ground import floor_height_cm, floor_tilt, ground
from optim.diagnostics.quantities import QUANTITIES
from optim.diagnostics.resting import resting
from optim.loading.models import load_body
from optim.problem.frames import floor_plane
from optim.recording.recording import recorded_session
from optim.reporting.page import _drift_charts, _seams_table
from optim.results.figures import drift_curves, floors, per_frame, stage_metrics
from optim.results.opened import open_results
from optim.results.read_results import read_result
from optim.results.results import of_clip, of_session
from optim.results.saving.humor_results import save_results
from optim.results.saving.tables import write_tables
from optim.results.saving.take import take_of
from optim.schedule.stages import schedule
from optim.session.edits import Perturb
from optim.session.session import Session
from tests import fakes as small
from tests.imports import ROOT
from tests.viewer import conftest
from tests.viewer.panels.test_analysis_panels import show, to_stage_3
from tests.viewer.window.test_batches import fit_in_batches
from viewer.layers.floor import FloorsLayer
from viewer.layers.prior import OneStepLayer
from viewer.layers.rollout import RolloutLayer
from viewer.layers.skeleton import ContactsLayer, RegressedLayer
from viewer.layers.sub_sequences import OverlapsLayer, StitchedLayer
from viewer.panels.inspect.floor import held_lines, summary
from viewer.panels.inspect.overlaps import _cells, shape_and_floor
from viewer.protocol.commands import Analyse, Run, Step
from viewer.replay.results_source import ResultsSource
from viewer.replay.run_source import RunSource
from viewer.worker.exporting import export
from viewer.worker.local_client import LocalClient

HIDDEN, FRAME = slice(4, 8), 7
"""Frames in which nothing is seen, so that stage 3 begins with a motion that bridges them; and one of them."""


@pytest.fixture(autouse=True)
def whole_list(monkeypatch):
    """Every statement of Why? is listed, so that each can be compared; the made-up fits have many faults."""
    monkeypatch.setattr(table, "MOST", 50)


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


def verdicts(window) -> str:
    window.post(Analyse("diagnosis", window.view.shown))
    found = window.view.analyses["diagnosis"].value.verdicts
    return "\n".join("\n".join((verdict.text, *verdict.evidence)) for verdict in found)


def csv_columns(result, folder) -> dict[str, np.ndarray]:
    (path, *_) = write_tables(take_of(result), folder)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


@pytest.mark.parametrize("modality", ["joints3d", "joints2d"])
def test_skate_and_heights_are_the_same_numbers_everywhere(open_fit, tmp_path, modality):
    window = open_fit(modality)
    to_stage_3(window)
    show(window, "floor")
    expected, asked = ground(window.session.fit), window.view.analyses["ground"].value
    result = of_session(window.session.fit)[0]
    columns = per_frame(result)
    for name, unit_name in (("skate_mm", "foot_skate_mm"), ("lowest_vertex_cm", "lowest_vertex_cm")):
        values = getattr(expected, name)
        np.testing.assert_array_equal(getattr(asked, name), values)
        np.testing.assert_allclose(columns[unit_name], values[0], atol=2e-2, err_msg=name)
        np.testing.assert_allclose(csv_columns(result, tmp_path)[unit_name], values[0], atol=2e-2, err_msg=name)
    np.testing.assert_array_equal(asked.depth_cm, np.maximum(-expected.lowest_vertex_cm, 0))
    metrics = stage_metrics(result)[result.last_stage]
    depth, skate = QUANTITIES["depth_cm"], QUANTITIES["skate_mm"]
    if result.truth is None:
        assert metrics["mesh_penetration_mean_cm"] == pytest.approx(expected.depth_cm.mean(), abs=2e-2)
        assert metrics["foot_skate_mm"] == pytest.approx(expected.skate_mean_mm[0] or np.nan, abs=2e-2, nan_ok=True)
    said, line = verdicts(window), summary(asked, 0)
    assert f"{depth.label} {depth.text(expected.depth_cm.max())} at most" in line and window.shows(line)
    deepest = float(expected.depth_cm.max())
    assert (f"up to {depth.text(deepest)} below the floor" in said) == (deepest >= 0.1)
    if np.isfinite(expected.skate_mm).any():
        mean = skate.text(expected.skate_mean_mm[0])
        assert f"skate {mean} on average" in said and f"{skate.label} {mean}" in line
    else:
        assert "skate is not defined" in said and "skate not defined" in line


def test_heights_of_held_joints_are_the_same_numbers_everywhere(window):
    show(window, "floor")
    found, frame, named = resting(window.session.fit), FRAME, QUANTITIES["joint_height_cm"]
    window.app.ui.frame = frame
    asked = window.view.analyses["ground"].value
    np.testing.assert_array_equal(asked.joint_height_cm, found.height_cm)
    np.testing.assert_array_equal(asked.joint_value, found.value)
    window.frames(3)
    above = found.height_cm[0, frame] - 100 * np.array([RESTING_HEIGHT[joint] for joint in RESTING_JOINTS])
    held = np.flatnonzero((found.strength[0, frame] > 0) | ((found.value[0, frame] > 0) & (above < 0)))
    assert len(held) > 0, "no joint is held here"
    drawn, lines = texts(ContactsLayer(), window), held_lines(window.view, frame, asked, 0)
    for index in held:
        height = found.height_cm[0, frame, index]
        said = f"{named.text(height)} high ({height - 100 * RESTING_HEIGHT[RESTING_JOINTS[index]]:+.1f})"
        assert any(said in text for text in drawn)
        name = JOINT_NAMES[RESTING_JOINTS[index]].replace("_", " ")
        assert any(f"{name} {said}" in line for line in lines)
    assert len(lines) == len(held) and window.shows(f"{len(lines)} held at frame {frame}")


def test_floor_tilt_is_the_same_number_everywhere(open_fit):
    window = open_fit("joints2d")
    to_stage_3(window)
    show(window, "floor")
    named, expected = QUANTITIES["floor_tilt"], float(floor_tilt(window.session.fit)[0])
    assert expected > 0
    asked = window.view.analyses["ground"].value
    assert float(asked.tilt_deg[0]) == expected
    line = summary(asked, 0)
    assert f"{named.label} {named.text(expected)}" in line and window.shows(line)
    assert f"{named.label} {named.text(expected)}" in verdicts(window)
    assert floors(of_session(window.session.fit)[0])[-1].from_observed_deg == pytest.approx(expected, abs=1e-3)


def test_heights_of_floors_are_the_same_numbers_everywhere(open_fit, monkeypatch):
    """Of floors that lean: their height against each other is another one at every place."""
    made = small.problem

    def with_unit_normal(*modalities, **options):
        problem = made(*modalities, **options)
        return replace(problem, floor=problem.floor / problem.floor[:, :3].norm(dim=1, keepdim=True))

    monkeypatch.setattr(small, "problem", with_unit_normal)
    window = open_fit("joints2d", batch=2, overlap=3)
    to_stage_3(window)
    for _ in range(3):
        window.post(Perturb("floor_plane", scale=0.3), Step())
    show(window, "floor")
    session = window.session
    named, heights = QUANTITIES["floor_height_cm"], floor_height_cm(session.fit)
    offsets = floor_plane(session.current.variables["floor_plane"])[:, 3] - session.problem.observed_floor.norm(dim=1)
    assert np.abs(heights - 100 * offsets.numpy()).max() > 1.0, "the place makes no difference here"
    drawn, said = texts(FloorsLayer(), window), verdicts(window)
    asked = window.view.analyses["ground"].value
    for b, height in enumerate(heights):
        assert f"{named.label} {named.text(height)}" in summary(asked, b)
        assert any(text.startswith(f"floor {b + 1}:") and text.endswith(named.text(height)) for text in drawn)
    assert any(f"{named.label} {named.text(height)}" in said for height in heights)

    show(window, "overlaps")
    (expected,) = overlap_disagreement(session.fit)
    named = QUANTITIES["pair_floor_cm"]
    assert expected.floor_offset_cm == pytest.approx(expected.curves["pair_floor_cm"].mean())
    (pair,) = window.view.analyses["overlaps"].value.pairs
    height = named.text(expected.floor_offset_cm)
    assert any(text.startswith("2 against 1:") and text.endswith(f" {height}") for text in drawn)
    assert any(text.endswith(f" {height}") for text in _cells(pair, None))
    assert shape_and_floor(window.view, 1)[2].endswith(f" {height}")
    assert f"and {height} apart" in said


def test_reprojection_is_the_same_number_everywhere(open_window, tmp_path):
    session = conftest.fit("joints2d")
    seen = session.problem.observations
    doubts = torch.zeros(seen.joints2d.shape[:3], dtype=torch.int8)
    doubts[:, 2:4, 7] = JUMP
    problem = replace(session.problem, observations=replace(seen, doubts=doubts))
    window = open_window(lambda: Session(problem, schedule=session.schedule))
    to_stage_3(window)
    expected = reprojection(window.session.fit).mean_px
    result = of_session(window.session.fit)[0]
    np.testing.assert_allclose(per_frame(result)["reprojection_px"], expected[0], rtol=1e-3)
    np.testing.assert_allclose(csv_columns(result, tmp_path)["reprojection_px"], expected[0], rtol=1e-3)
    distance, unit = data_distance(window.session.fit)
    assert unit == QUANTITIES["mean_px"].unit
    np.testing.assert_array_equal(distance, expected)
    assert f"{np.nanmean(expected):.1f} px now" in verdicts(window)


def test_seam_jump_is_the_same_number_everywhere(open_fit):
    window = open_fit("joints2d", batch=2, overlap=3)
    to_stage_3(window)
    show(window, "overlaps")
    window.post(Analyse("stitched", window.view.shown))
    (expected,) = of_session(window.session.fit)[-1].seams
    named = QUANTITIES["seam_cm"]
    (seam,) = window.view.analyses["overlaps"].value.seams
    assert seam.cut[0] == pytest.approx(expected.before.cm) and seam.stitched[0] == pytest.approx(expected.after.cm)
    (drawn,) = window.view.analyses["stitched"].value.seams
    assert (drawn.cut_cm, drawn.blend_cm) == (pytest.approx(expected.before.cm), pytest.approx(expected.after.cm))
    (pair,) = window.view.analyses["overlaps"].value.pairs
    after = f"{expected.after.cm:.1f}"
    assert any(after in cell for cell in _cells(pair, seam))
    window.app.ui.frame = seam.frame
    assert any(after in text for text in texts(StitchedLayer(), window))
    said = verdicts(window)
    assert f"jumps by {named.text(expected.after.cm)} at the seam at frame {seam.frame}" in said
    assert f"a hard cut jumps by {named.text(expected.before.cm)}" in said


def test_seams_and_overlaps_of_all_batches_are_the_same_numbers_everywhere(open_window, tmp_path):
    """Of a clip of two batches; the second seam lies between them."""
    run, body = tmp_path / "run.humorscope", load_body(assets.BODY_FILE)
    record = lambda session: recorded_session(session, path=run)  # noqa: E731
    window = open_window(make_client=lambda: LocalClient(lambda: fit_in_batches(body), record=record))
    window.post(Run())
    shown = window.view.shown
    show(window, "overlaps")
    window.post(Analyse("stitched", shown))
    session, named = window.session, QUANTITIES["seam_cm"]
    seams, pairs = of_clip(session)[-1].seams, overlap_disagreement(session.fit)
    assert [seam.frame for seam in seams] == [8, 13] and [pair.before for pair in pairs] == [0, 1]

    asked = window.view.analyses["overlaps"].value
    drawn = window.view.analyses["stitched"].value.seams
    rows = _seams_table(of_clip(session)[-1]).rows
    for seam, told, line, row, pair in zip(seams, asked.seams, drawn, rows, asked.pairs, strict=True):
        assert (told.frame, line.frame, row[0]) == (seam.frame, seam.frame, str(seam.frame))
        assert (told.cut[0], line.cut_cm) == (pytest.approx(seam.before.cm), pytest.approx(seam.before.cm))
        assert (told.stitched[0], line.blend_cm) == (pytest.approx(seam.after.cm), pytest.approx(seam.after.cm))
        assert float(row[-1]) == pytest.approx(seam.after.cm, rel=1e-2)
        assert any(f"{seam.after.cm:.1f}" in cell for cell in _cells(pair, told))
        text = f"seam at {seam.frame}: cut jumps {named.text(seam.before.cm)}, blended {named.text(seam.after.cm)}"
        assert text in texts(StitchedLayer(), window)
    worst = max(seams, key=lambda seam: seam.after.cm)
    said = f"jumps by {named.text(worst.after.cm)} at the seam at frame {worst.frame}"
    assert said in verdicts(window)
    assert any(said in cause.text for cause in table.merged([], seams=seams)), "a run without a window"

    export(session, ["humor"], str(tmp_path), frame=0, bones="smpl", scale=1.0)
    opened, folder = RunSource(run), ResultsSource(tmp_path / "results_out")
    opened.refresh()
    for source, at in ((opened, shown), (folder, folder.current)):
        found = source.analysis(Analyse("overlaps", at)).value
        for seam, told in zip(seams, found.seams, strict=True):
            assert told.frame == seam.frame
            assert told.stitched[0] == pytest.approx(seam.after.cm, abs=1e-2), source
        for pair, told in zip(pairs, found.pairs, strict=True):
            np.testing.assert_allclose(told.position_cm, pair.position_cm, atol=2e-2)
            for name, curve in pair.curves.items():
                np.testing.assert_allclose(told.curves[name], curve, atol=5e-2, err_msg=name)
        joined = source.analysis(Analyse("stitched", at)).value
        np.testing.assert_allclose(joined.blend, window.view.analyses["stitched"].value.blend, atol=2e-3)
    window.app.client.close()
    opened.close()


def test_the_table_of_the_docs_is_that_of_the_program():
    page = (ROOT / "docs" / "diagnostics.md").read_text(encoding="utf-8")
    for field, quantity in QUANTITIES.items():
        assert f"| {quantity.label} | `{field}` | {quantity.unit} | {quantity.definition} |" in page, quantity.label
