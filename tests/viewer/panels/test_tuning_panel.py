"""The panel Tune, really clicked: a search beside the fit, its dots, and a trial taken over as one edit."""

from __future__ import annotations

import time

import pytest

from optim.tuning.apart import search_of
from optim.tuning.space import parameters
from tests.viewer.conftest import Window
from viewer.panels.inspect.tuning import places, progress_text, refusal, searchable, texts_of, trial_text
from viewer.protocol import commands as c
from viewer.protocol.view_model import Note, TunedTrial, Tuning

OBJECTIVES = ("observed_cm", "mean_skate_mm")


def trial(number: int, weight: float, *values: float, front: bool = False) -> TunedTrial:
    point = {"joints3d": weight, "solver@3": "lbfgs"}
    return TunedTrial(number=number, present=number == 0, point=point, values=values, front=front)


def found(**more: object) -> Tuning:
    """A search that is done."""
    trials = (trial(0, 1.0, 2.0, 5.0), trial(1, 7.0, 1.0, 6.0, front=True), trial(2, 3.0, 1.5, 4.0, front=True))
    facts = {"about": "short", "wanted": 3, "done": 3, "running": False, "file": "f.log"}
    return Tuning(objectives=OBJECTIVES, trials=trials, **{**facts, **more})


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
    window.app.ui.tune_searched, window.app.ui.tune_trials = ("joints3d",), 3
    window.app.ui.tune_objectives = ("observed_cm", "mean_acceleration")
    here, count = window.session.current, len(window.session.history)
    window.frames(2)
    window.click("Search")
    assert window.view.tuning is not None and window.view.tuning.running
    process = tuner._process
    window.post(c.StartTuning(("joints3d",), ("observed_cm",), 1))
    assert "is running" in window.app.ui.notes[0].text, "one at a time"
    done = ended(window)
    assert done.error == "" and done.done >= 3 and process.returncode == 0
    assert done.trials[0].point == {"joints3d": here.weights["joints3d"]}
    assert window.session.current is here and len(window.session.history) == count, "the fit is as it was"
    window.post(c.AdoptTrial(done.trials[1].number))
    assert window.session.current.weights["joints3d"] == done.trials[1].point["joints3d"]
    assert window.session.current.parent == here.id
    assert "Resume" not in window.widgets, "it has all its trials"
    begun = []
    monkeypatch.setattr(tuner, "_begin", lambda *given: begun.append(given))
    window.app.ui.tune_trials = 9
    window.frames(2)
    window.click("Resume")
    ((search, state),) = begun
    assert list(tmp_path.glob("*.log")) == [search.path], "the same study, although the fit stands elsewhere"
    assert search.trials == state.wanted == 9 and state.running and state.trials == done.trials


def ended(window: Window) -> Tuning:
    """The state of the search when it has come to its end."""
    end = time.monotonic() + 300
    while window.view.tuning.running and time.monotonic() < end:
        time.sleep(0.05)
        window.frames(1)
    assert not window.view.tuning.running
    return window.view.tuning


def test_a_click_on_a_dot_is_one_edit_on_a_branch(window, tmp_path):
    """The search is a real one in what it may change; its trials are made up, so that it is known where they lie."""
    session, tuner = window.session, window.app.client.worker._tuner
    searched = ("joints3d", "solver@3")
    tuner._search = search_of(session, texts=searched, objectives=OBJECTIVES, trials=3, folder=tmp_path)
    tuner._state = tuning = found()
    show(window, tuning)
    here, count = session.current, len(session.history)
    x, y = places(tuning)
    fx = 0.08 / 1.16 + (x[1] - x.min()) / (1.16 * (x.max() - x.min()))
    fy = 1.0 - (0.08 / 1.16 + (y[1] - y.min()) / (1.16 * (y.max() - y.min())))
    window.click("plot trials", fx, fy)
    now = window.session.current
    assert len(window.session.history) == count + 1
    assert now.stage == 2 and now.parent == session.fit.end_of_stage(2).parent == tuner._search.start
    assert now.cause == "trial 1 of a search"
    ahead = now.schedule[now.phase + 1 :]
    assert ahead and {(phase.weight("joints3d"), phase.solver) for phase in ahead} == {(7.0, "lbfgs")}
    window.session.undo()
    assert window.session.current is here, "undone in one go"
    window.click("plot trials", 0.5, 0.02)
    assert len(window.session.history) == count + 1, "a click beside the dots does nothing"


def test_weights_and_figures_are_chosen_from_lists(window):
    assert not window.misdrawn()
    window.app.ui.tune_searched = ()
    window.frames(2)
    window.click("Search")
    assert window.view.tuning is None, "nothing to search"
    assert "Choose what" in refusal(window.app.ui)
    window.click("searched")
    window.click("pose prior@2")
    window.key("Escape")
    assert window.app.ui.tune_searched == ("pose_prior@2",)
    assert refusal(window.app.ui) == ""


def test_everything_that_is_offered_can_be_searched(open_fit):
    """Weights of all stages and phases, solvers, rules and presets, also before the first iteration."""
    window = open_fit()
    groups = searchable(window.view)
    offered = tuple(name for names in groups.values() for name in names)
    some = {"joints3d", "joints3d@1", "pose_prior@2", "contact_vel", "solver@1", "solver@3", "flat_gain"}
    assert some | {"preset=direct"} <= set(offered) and len(set(offered)) == len(offered)
    phases = window.session.schedule
    for stage, names in zip((1, 2, 3), list(groups.values())[:3], strict=True):
        used = {name for phase in phases if phase.stage == stage for name, weight in phase.weights.items() if weight}
        assert {name.split("@")[0] for name in names} <= used
    found = parameters(texts_of(offered), phases)
    assert phases[0].preset.name in next(one for one in found if one.of == "preset").choices


def test_a_trial_that_is_not_there_is_not_taken_over(window):
    count = len(window.session.history)
    window.post(c.AdoptTrial(3))
    window.post(c.ResumeTuning(3))
    told = [note.text for note in window.app.ui.notes if isinstance(note, Note)]
    assert any("no complete trial 3" in text for text in told) and any("no search" in text for text in told)
    assert len(window.session.history) == count


def test_the_state_in_words():
    tuning = found(running=True, done=2, seconds_left=61.0)
    assert progress_text(tuning).startswith("2 of 3 trials, searching, about 1 min 01 s left; 2 on the front")
    assert "stopped" in progress_text(found(done=2))
    assert progress_text(found(error="it broke")).startswith("it broke. 3 of 3 trials, done")
    assert trial_text(tuning, tuning.trials[0]).splitlines()[0] == "present values"
    assert {"joints3d = 7", "solver@3 = lbfgs"} <= set(trial_text(tuning, tuning.trials[1]).splitlines())


def test_what_is_searched_and_what_the_dots_mean_is_told(window):
    window.app.ui.tune_searched, window.app.ui.tune_objectives = ("joints3d",), OBJECTIVES
    window.frames(2)
    assert window.shows("Searched: joints3d. Figures that are to become better: observations, foot skate.")
    show(window, found())
    assert window.shows("present values") and window.shows("none better in every figure") and window.shows("others")


def test_a_single_objective_is_drawn_over_the_trials(window):
    one = Tuning(
        about="short",
        objectives=("observed_cm",),
        wanted=2,
        trials=(trial(0, 1.0, 2.0), trial(3, 2.0, 1.0, front=True)),
    )
    show(window, one)
    assert [list(values) for values in places(one)] == [[0.0, 3.0], [2.0, 1.0]]
    assert "plot trials" in window.widgets and "trials" not in window.widgets, "no two widgets with one name"
