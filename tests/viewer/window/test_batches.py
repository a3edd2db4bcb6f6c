"""Clips of more sub-sequences than a batch holds: the window goes from batch to batch, back, and on from a file."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from optim.body.body_model import BodyModel
from optim.diagnostics.quantities import PAIR, QUANTITIES
from optim.recording.recording import recorded_session
from optim.recording.runfile import RunFile
from optim.results.opened import open_results
from optim.schedule.stages import schedule
from optim.session.edits import Rewind
from optim.session.session import Session
from optim.split.batches import BatchedFit, Batches, clips_so_far, planned
from optim.split.splitting import split_frames
from optim.split.stitching import stitch
from tests import fakes as small
from tests.viewer.conftest import Window
from viewer.layers.sub_sequences import OverlapsLayer
from viewer.panels.fit.timeline import positions
from viewer.panels.inspect.overlaps import NOT_SPLIT
from viewer.protocol.commands import Inspect, Run, RunStage, SetLive, Step
from viewer.replay.run_source import RunSource
from viewer.scene.layer import drawn_at
from viewer.worker.exporting import export
from viewer.worker.local_client import LocalClient
from viewer.worker.worker import Worker

PHASES = schedule("humorscope", "rgb", num_iters=(1, 1, 3), lbfgs_max_iter=3, tune_frames=4)
SPLIT = split_frames(18, length=8, overlap=3)
"""Three sub-sequences, of which a batch takes two."""


def fit_in_batches(body: BodyModel | None = None) -> Session:
    whole = small.problem("joints2d", frames=SPLIT.frames)
    whole = whole if body is None else replace(whole, body=body)
    batches = Batches(whole, planned(whole, SPLIT, 2))
    return Session(batches.problem(0), schedule=PHASES, batches=batches)


def of_a_batch(window: Window) -> tuple[int, int, int]:
    """Its number as told by the scene, the sub-sequences in it, and those of the motion that is drawn."""
    return window.view.scene.batch, len(window.view.scene.starts), len(window.view.motion.joints)


@pytest.fixture
def window(open_window) -> Window:
    return open_window(fit_in_batches)


def to_the_second(window: Window) -> Window:
    return window.post(RunStage(), RunStage(), RunStage(), Step())


def test_the_window_steps_batch_after_batch_and_says_which(window):
    assert window.shows("BATCH 1 OF 2") or window.shows("batch 1 of 2")
    for _ in range(3):
        window.click("Stage")
        window.settle()
    assert window.session.current.done and window.view.status.state == "paused"
    assert of_a_batch(window) == (0, 2, 2) and window.view.status.progress == pytest.approx(0.5)
    window.click("Iteration")
    window.settle()
    assert of_a_batch(window) == (1, 1, 1) and window.shows("batch 2 of 2")
    scene = window.view.scene
    begins = tuple(start for start, _ in SPLIT.intervals)
    assert scene.begins == begins and scene.starts == begins[2:] and scene.first_frame == 0
    assert window.app.ui.frame == begins[2], "the frames of the new batch are looked at"
    window.click("Run")
    window.settle()
    assert window.view.status.state == "done" and window.view.status.progress == pytest.approx(1.0)
    assert not window.app.ui.broken


def test_what_the_window_fits_is_what_is_fitted_without_it(window):
    window.post(Run())
    fit = BatchedFit(small.problem("joints2d", frames=SPLIT.frames), SPLIT, schedule=PHASES, batch_size=2)
    for session in fit:
        session.run()
    assert window.view.status.loss == session.current.evaluation.total
    np.testing.assert_array_equal(window.session.fit.trajectory().joints, session.fit.trajectory().joints)


def test_an_earlier_batch_can_be_looked_at_and_gone_back_to(window):
    to_the_second(window)
    history, end = window.view.history, window.session.current.parent
    at = positions(window.view, history.branch)
    assert (np.diff(at) >= 0).all() and at[-1] >= 0.5 and history.batch_of[history.branch[-1]] == 1
    window.post(Inspect(end))
    assert of_a_batch(window) == (0, 2, 2) and window.view.current != end
    for panel in ("overlaps", "frames", "drift", "diagnosis", "floor"):
        window.app.ui.tabs["losses"] = panel
        window.frames(6)
    assert not window.app.ui.broken
    window.post(Inspect(None))
    assert of_a_batch(window) == (1, 1, 1)
    window.drag("iteration bar", 0.52, 0.25)
    window.frames(4)
    assert window.view.scene.batch == 0
    window.post(Rewind(end))
    assert window.session.current.id == end and of_a_batch(window) == (0, 2, 2)
    window.post(Step())
    assert window.session.current.batch == 1 and len(window.view.history.branches) == 2


def test_a_sub_sequence_is_compared_with_the_last_one_of_the_batch_before(window):
    to_the_second(window)
    window.app.ui.tabs["losses"] = "overlaps"
    window.frames(6)
    pairs = window.view.analyses["overlaps"].value.pairs
    assert [pair.before for pair in pairs] == [0, 1]
    assert [pair.frames.tolist() for pair in pairs] == [[5, 6, 7], [10, 11, 12]]
    assert all(set(pair.curves) == set(PAIR) for pair in pairs)
    for number, pair in enumerate(pairs):
        window.click(f"{number + 1}–{number + 2}")
        ui = window.app.ui
        assert ui.pair == number and ui.frame == int(pair.frames[pair.position_cm.argmax()]) and not ui.broken
        drawn = [label.text for label in OverlapsLayer().labels(window.view, ui)]
        worst = QUANTITIES["position_cm"].text(pair.position_cm.max())
        assert drawn[0].startswith(f"{number + 1}–{number + 2}: {worst},")
        assert drawn[1:] == [f"sub-sequence {number + 1}", f"sub-sequence {number + 2}"]


def test_frames_of_finished_batches_show_the_stitched_motion(window):
    to_the_second(window)
    ui = window.app.ui
    for frame in (2, 12):
        ui.go_to(frame, SPLIT.frames)
        window.frames(6)
        (drawn,) = drawn_at(window.view, ui)
        assert (drawn.name, drawn.frame) == (("stitched", 2) if frame == 2 else ("0", 2)), frame
    clips = clips_so_far(window.session.fit)
    np.testing.assert_allclose(
        window.view.analyses["stitched"].value.blend,
        window.app.client.worker._builder.frame.points(stitch(clips, body=window.session.problem.body).joints.numpy()),
        atol=1e-5,
    )
    assert not ui.broken


def test_a_recording_holds_all_batches_and_is_gone_on_with(open_window, tmp_path):
    path: Path = tmp_path / "run.humorscope"
    record = lambda session: recorded_session(session, path=path)  # noqa: E731
    window = open_window(make_client=lambda: LocalClient(fit_in_batches, record=record))
    to_the_second(window)
    expected = {number: window.post(Inspect(number)).view for number in (1, window.session.current.id)}
    window.app.client.close()
    opened = RunSource(path)
    opened.refresh()
    for number, view in expected.items():
        found = opened.view(number)
        assert (found.scene.batch, found.scene.starts) == (view.scene.batch, view.scene.starts)
        assert found.status.progress == pytest.approx(
            window.app.client.worker._builder.progress(window.session.history[number])
        )
        np.testing.assert_allclose(found.motion.joints, view.motion.joints, atol=1e-3)
        np.testing.assert_array_equal(found.history.batch_of, view.history.batch_of)
        np.testing.assert_array_equal(found.history.frames, view.history.frames)
    opened.close()
    again = open_window(make_client=lambda: LocalClient(fit_in_batches, record=record))
    assert again.session.current.batch == 1 and of_a_batch(again) == (1, 1, 1)
    again.post(Run())
    assert again.view.status.state == "done"
    again.app.client.close()


def test_the_end_of_a_batch_is_recorded_once_however_long_live_goes_on_after_it(tmp_path):
    path = tmp_path / "run.humorscope"
    session = fit_in_batches()
    worker = Worker(session, [].append, inbox := deque(), recording=recorded_session(session, path=path))
    inbox.append(Run())
    while worker.turn():
        pass
    assert session.done
    before = len(session.history)
    inbox.append(SetLive(True))
    for _ in range(8):
        worker.turn()
    assert len(session.history) > before + 1 and session.current.done, "Live goes on at the end of the schedule"
    worker.close()
    opened = RunFile(path, mode="read")
    recorded = opened.rows("SELECT kind, count(*) FROM analyses GROUP BY kind ORDER BY kind")
    opened.close()
    assert list(recorded) == [("overlaps", 2), ("stitched", 2)], "one of each batch"


def test_a_later_batch_of_an_older_run_file_is_no_clip_of_one_sub_sequence(window):
    """In such files the frames count from the start of each batch, and the batches before are not told."""
    to_the_second(window)
    window.app.ui.tabs["losses"] = "overlaps"
    window.frames(6)
    view = window.view
    window.app.view = replace(view, scene=replace(view.scene, earlier=(), starts=(0,)))
    window.frames(2)
    assert not window.shows(NOT_SPLIT) and window.shows("most apart") and not window.app.ui.broken
    window.app.view = replace(view, scene=replace(view.scene, earlier=(), starts=(0,), batch=0, batches=1))
    window.frames(2)
    assert window.shows(NOT_SPLIT)


def test_the_export_holds_every_finished_batch_and_their_stitched_motion(window, tmp_path):
    window.post(Run())
    paths = export(window.session, ["humor", "json"], str(tmp_path), frame=0, bones="smpl", scale=1.0)
    folders = [path.name for path in paths if path.is_dir()]
    name = window.session.problem.name or "clip"
    assert folders == [f"{name}_0000", f"{name}_0001", f"{name}_0002", "final_results"]
    assert {path.name for path in tmp_path.glob("*.json")} >= {
        path.name for path in paths if path.suffix == ".json"
    } and sum(path.suffix == ".json" for path in paths) == 4
    fit = BatchedFit(small.problem("joints2d", frames=SPLIT.frames), SPLIT, schedule=PHASES, batch_size=2)
    for session in fit:
        session.run()
    whole = fit.stitched(how=session.current.schedule[session.current.phase].preset.stitching)
    saved = np.load(tmp_path / "results_out" / "final_results" / "stage3_results.npz")
    np.testing.assert_array_equal(saved["trans"], whole.trans.numpy())
    first = np.load(tmp_path / "results_out" / f"{name}_0000" / "stage3_results.npz")
    assert first["trans"].shape == (8, 3)


def test_the_export_into_the_folder_of_a_run_keeps_what_its_record_says(window, tmp_path):
    final = tmp_path / "results_out" / "final_results"
    final.mkdir(parents=True)
    before = {"clip": window.session.batches.whole.name, "seconds": 12.5, "settings": {"seed": 7}, "seams": []}
    (final / "run.json").write_text(json.dumps(before))
    window.post(Run())
    export(window.session, ["humor"], str(tmp_path), frame=0, bones="smpl", scale=1.0)
    record, opened = json.loads((final / "run.json").read_text()), open_results(tmp_path)
    assert record["seconds"] == 12.5 and record["settings"] == {"seed": 7, "preset": PHASES[0].preset.name}
    assert (record["clip"], record["frames"]) == (before["clip"], SPLIT.frames)
    assert [seam["frame"] for seam in record["seams"]] == [seam.frame for seam in opened.seams] != []
    assert opened.how == PHASES[0].preset.stitching


def test_a_batch_under_way_is_not_in_the_stitched_motion_yet(window, tmp_path):
    to_the_second(window)
    export(window.session, ["humor", "json"], str(tmp_path), frame=0, bones="smpl", scale=1.0)
    assert len(list((tmp_path / "results_out").glob("*_000?"))) == 3
    assert (tmp_path / "results_out" / "final_results" / "stage3_results.npz").exists()
