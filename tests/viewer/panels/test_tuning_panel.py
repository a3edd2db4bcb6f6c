"""The panel Tune, really clicked: a search beside the fit, its dots, and a trial taken over as one edit."""

from __future__ import annotations

import time

import pytest

from optim.session.edits import SetWeights
from tests.viewer.conftest import Window
from viewer.panels.inspect.tuning import adoption, places, progress_text, refusal, searchable, trial_text
from viewer.protocol import commands as c
from viewer.protocol.view_model import Note, TunedTrial, Tuning


def trial(number: int, weight: float, *values: float, front: bool = False) -> TunedTrial:
    return TunedTrial(number=number, present=number == 0, weights={"joints3d": weight}, values=values, front=front)


def found(window: Window, **more: object) -> Tuning:
    """A search that began at the end of stage 3's second phase."""
    history = window.session.history
    start = next(entry for entry in history.entries if entry.phase == len(window.session.schedule) - 1)
    trials = (trial(0, 1.0, 2.0, 5.0), trial(1, 7.0, 1.0, 6.0, front=True), trial(2, 3.0, 1.5, 4.0, front=True))
    facts = {"snapshot": start.id, "phase": start.phase, "wanted": 3, "done": 3, "running": False, "file": "f.log"}
    return Tuning(objectives=("observed_cm", "mean_skate_mm"), trials=trials, **{**facts, **more})


@pytest.fixture
def window(open_fit) -> Window:
    opened = open_fit()
    opened.post(c.Run())
    opened.app.ui.tabs["losses"] = "tuning"
    opened.app.ui.wide = True
    opened.frames(4)
    return opened


def show(window: Window, tuning: Tuning) -> None:
    """Have the worker publish the state of a search."""
    window.app.client._published.append(tuning)
    window.frames(3)


def test_a_search_runs_beside_the_fit_and_a_trial_is_taken_over(window, monkeypatch, tmp_path):
    pytest.importorskip("optuna", reason="the extra tune is not installed")
    tuner = window.app.client.worker._tuner
    monkeypatch.setattr(tuner, "_folder", lambda: tmp_path)
    window.app.ui.tune_weights, window.app.ui.tune_trials = ("joints3d",), 3
    window.app.ui.tune_objectives = ("observed_cm", "mean_acceleration")
    here, count = window.session.current, len(window.session.history)
    window.frames(2)
    window.click("Search")
    assert window.view.tuning is not None and window.view.tuning.running
    process, end = tuner._process, time.monotonic() + 300
    window.post(c.StartTuning(("joints3d",), ("observed_cm",), 1))
    assert "is running" in window.app.ui.notes[0].text, "one at a time"
    while window.view.tuning.running and time.monotonic() < end:
        time.sleep(0.05)
        window.frames(1)
    done = window.view.tuning
    assert done.error == "" and done.done >= 3 and process.returncode == 0
    assert done.trials[0].weights == {"joints3d": here.weights["joints3d"]}
    assert window.session.current is here and len(window.session.history) == count, "the fit is as it was"
    assert list(tmp_path.glob("*.log"))
    window.post(adoption(done, done.trials[1]))
    assert window.session.current.weights["joints3d"] == done.trials[1].weights["joints3d"]


def test_a_click_on_a_dot_is_one_edit_on_a_branch(window):
    tuning = found(window)
    show(window, tuning)
    here, count = window.session.current, len(window.session.history)
    x, y = places(tuning)
    fx = 0.08 / 1.16 + (x[1] - x.min()) / (1.16 * (x.max() - x.min()))
    fy = 1.0 - (0.08 / 1.16 + (y[1] - y.min()) / (1.16 * (y.max() - y.min())))
    window.click("plot trials", fx, fy)
    now = window.session.current
    assert len(window.session.history) == count + 1
    assert now.weights["joints3d"] == 7.0 and now.parent == tuning.snapshot
    assert now.edit == SetWeights(((tuning.phase, "joints3d", 7.0),), "weights of trial 1", start=tuning.snapshot)
    window.session.undo()
    assert window.session.current is here, "undone in one go"
    window.click("plot trials", 0.5, 0.02)
    assert len(window.session.history) == count + 1, "a click beside the dots does nothing"


def test_weights_and_figures_are_chosen_from_lists(window):
    assert not window.misdrawn()
    window.app.ui.tune_weights = ()
    window.frames(2)
    window.click("Search")
    assert window.view.tuning is None, "nothing to search"
    assert "Choose the weights" in refusal(window.view, window.app.ui)
    window.click("tuned weights")
    window.click("joints3d")
    window.key("Escape")
    assert window.app.ui.tune_weights == ("joints3d",)
    assert set(window.app.ui.tune_weights) <= set(searchable(window.view))
    assert refusal(window.view, window.app.ui) == ""


def test_before_stage_3_there_is_nothing_to_search(open_fit):
    window = open_fit()
    window.post(c.StartTuning(("joints3d",), ("observed_cm",), 3))
    assert any("stage 3" in note.text for note in window.app.ui.notes if isinstance(note, Note))
    assert "stage 3" in refusal(window.view, window.app.ui)


def test_the_state_in_words(window):
    tuning = found(window, running=True, done=2)
    assert progress_text(tuning).startswith("2 of 3 trials, searching; 2 on the front")
    assert "stopped" in progress_text(found(window, done=2))
    assert progress_text(found(window, error="it broke")).startswith("it broke. 3 of 3 trials, done")
    assert trial_text(tuning, tuning.trials[0]).splitlines()[0] == "present weights"
    assert "joints3d = 7" in trial_text(tuning, tuning.trials[1])


def test_a_single_objective_is_drawn_over_the_trials(window):
    one = Tuning(
        snapshot=1,
        phase=0,
        objectives=("observed_cm",),
        wanted=2,
        trials=(trial(0, 1.0, 2.0), trial(3, 2.0, 1.0, front=True)),
    )
    show(window, one)
    assert [list(values) for values in places(one)] == [[0.0, 3.0], [2.0, 1.0]]
    assert "plot trials" in window.widgets
