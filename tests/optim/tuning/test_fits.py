"""Trials of real fits on a small problem: where they begin, what they leave alone, and that they repeat."""

from __future__ import annotations

import json
import os
import pickle
import threading
from dataclasses import replace

import pytest
import torch

from optim.common.errors import InputError
from optim.schedule.stages import schedule
from optim.session.edits import Hold, RestartSolver, SetWeights
from optim.session.session import Session
from optim.tuning import finished
from optim.tuning.apart import request, search_of, serve
from optim.tuning.figures import FIGURES, checked, mean
from optim.tuning.finished import FinishedFit
from optim.tuning.fits import StageFit, WarmFit, is_warm
from optim.tuning.space import parameters, present
from tests.viewer.fakes import STEPS, make_problem

PHASES = schedule("humorscope", "3d", **STEPS)


def schedules(preset: str) -> tuple:
    return schedule(preset, "3d", **STEPS)


def fresh() -> Session:
    return Session(make_problem(), schedule=PHASES, keep_iterations=False, under=schedules)


@pytest.fixture(scope="module")
def done() -> Session:
    session = fresh()
    session.run()
    return session


def last(figures) -> dict[str, float]:
    *_, end = figures
    return end


def test_a_warm_trial_goes_on_from_the_end_and_leaves_the_fit_alone(done):
    searched = parameters(["joints3d=0.01:1000"], PHASES)
    assert is_warm(searched)
    clip, here = WarmFit("walk", done, searched, iterations=6), done.current
    bits = {name: value.clone() for name, value in here.variables.items()}
    told = list(clip.figures({"joints3d": 100.0}))
    assert len(told) == 2, "once on the way"
    assert 0 < told[0]["evaluations"] < told[1]["evaluations"], "its own evaluations only"
    assert done.current is here and all(torch.equal(value, bits[name]) for name, value in here.variables.items())
    closer, farther = told[-1], last(clip.figures({"joints3d": 0.01}))
    assert closer["observed_cm"] < farther["observed_cm"]
    assert last(clip.figures({"joints3d": 100.0})) == told[-1], "a trial depends on its point only"
    assert set(closer) <= set(FIGURES) and {"truth_cm", "joints_legs", "end_drift_cm", "evaluations"} <= set(closer)


def test_a_trial_that_stalls_begins_again_twice_and_then_ends(done, monkeypatch):
    fit, called = done.apart(), []
    current = replace(fit.current, solver=replace(fit.current.solver, stalled=True))
    monkeypatch.setattr(Session, "current", property(lambda self: current))
    monkeypatch.setattr(Session, "apart", lambda self: self)
    monkeypatch.setattr(Session, "apply", lambda self, edit: called.append(type(edit)))
    monkeypatch.setattr(Session, "step_on", lambda self: called.append("step"))
    searched = parameters(["joints3d"], PHASES)
    last(WarmFit("walk", fit, searched, iterations=9).figures({"joints3d": 1.0}))
    assert called == [SetWeights, RestartSolver, "step", RestartSolver, "step"]


def test_a_fit_that_has_not_reached_stage_3_is_finished_first():
    session = fresh()
    searched = parameters(["joints3d"], PHASES)
    last(WarmFit("walk", session, searched, iterations=1).figures(present(searched, PHASES)))
    assert session.done


@pytest.mark.parametrize("from_the_end", [True, False])
@pytest.mark.parametrize("text", ["pose_prior@2=1e-5:10", "preset=humorscope,direct"])
def test_a_trial_begins_with_the_first_stage_that_is_concerned(done, text, from_the_end):
    begun = done if from_the_end else fresh()
    searched = parameters([text], PHASES)
    assert not is_warm(searched)
    clip = StageFit("walk", begun, searched)
    found = last(clip.figures(present(searched, PHASES)))
    joints = done.fit.trajectory().joints - done.problem.ground_truth.joints
    error = 100 * float(joints.norm(dim=-1).mean())
    assert found["truth_cm"] == pytest.approx(error), "under the present values it is the fit itself"
    (value,) = searched[0].choices[-1:] or (10.0,)
    short = StageFit("walk", begun, searched, iterations=3)
    assert last(short.figures({searched[0].name: value})) != found


@pytest.mark.parametrize("text", ["joints3d=0.01:1000", "joints3d_smooth@2=1e-5:10"])
def test_what_trials_begin_from_is_fitted_once_for_all_processes(tmp_path, monkeypatch, text):
    searched = parameters([text], PHASES)
    point = {searched[0].name: 5.0}

    def clip(folder, shift=0.0):
        kept = None if folder is None else FinishedFit(folder, "CMU/06:32")
        problem = make_problem()
        moved = replace(problem.observations, joints3d=problem.observations.joints3d + shift)
        session = Session(replace(problem, observations=moved), schedule=PHASES)
        if is_warm(searched):
            return WarmFit("walk", session, searched, iterations=2, kept=kept)
        return StageFit("walk", session, searched, iterations=2, kept=kept)

    alone, first, second = (last(clip(folder).figures(point)) for folder in (None, tmp_path, tmp_path))
    assert alone == first == second
    with monkeypatch.context() as patch:
        patch.setattr(Session, "step_iteration", None)
        clip(tmp_path).prepare()  # without an iteration
        with pytest.raises(TypeError):
            clip(tmp_path, shift=0.01).prepare()
        patch.setattr(finished, "versions", lambda: {"humorscope": "0.0.1"})
        with pytest.raises(TypeError):
            clip(tmp_path).prepare()  # what another version has made is not taken
    assert len(list(tmp_path.iterdir())) == 1, "what was broken off is not kept"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "fits").write_text("a file")
    session = Session(make_problem(), schedule=PHASES)
    with pytest.raises(InputError, match="fits"):
        FinishedFit(tmp_path / "fits", "walk").bring(session, Session.run, upto="the end")


def test_figures_are_checked_and_averaged():
    assert checked(["truth_cm", "overlap_cm"]) == ("truth_cm", "overlap_cm")
    for names in (["nonsense"], [], ["truth_cm", "truth_cm"]):
        with pytest.raises(InputError, match="--objectives"):
            checked(names)
    assert mean([{"a": 1.0, "b": 5.0}, {"a": 3.0}]) == {"a": 2.0, "b": 5.0}


def served(search, *, close: bool) -> list[dict]:
    """What the process of a search tells; its input ends at once, or only when the search is over."""
    reading, writing = os.pipe()
    told: list[dict] = []
    blob = request(search)
    feeder = threading.Thread(target=lambda: (os.write(writing, blob), os.close(writing) if close else None))
    with open(reading, "rb") as source:
        feeder.start()
        serve(source, told.append)
        feeder.join()
        if not close:
            os.close(writing)
    return json.loads(json.dumps(told))


def asked(folder, *texts: str, **more) -> dict:
    return {"texts": texts or ("joints3d",), "objectives": ("truth_cm",), "trials": 2, "folder": folder, **more}


def test_a_search_in_its_own_process_tells_every_trial_and_goes_on_in_its_file(done, tmp_path):
    pytest.importorskip("optuna", reason="the extra tune is not installed")
    words = asked(tmp_path, objectives=("truth_cm", "end_drift_cm"))
    told = served(search_of(done, **words), close=False)
    assert [line["done"] for line in told] == [0, 1, 2]
    assert told[0]["seconds_left"] is None and told[1]["seconds_left"] > 0 == told[2]["seconds_left"]
    first, second = told[-1]["trials"]
    assert first["number"] == 0 and first["point"] == {"joints3d": done.current.weights["joints3d"]}
    assert first["front"] or second["front"]
    more = served(search_of(done, **words | {"trials": 3}), close=False)
    assert more[-1]["trials"][:2] == [first | {"front": more[-1]["trials"][0]["front"]}, more[-1]["trials"][1]]
    assert more[-1]["done"] == 3 and len(list(tmp_path.glob("*.log"))) == 1
    assert served(search_of(done, **words | {"trials": 99}), close=True)[-1]["done"] < 99


def test_another_search_has_a_file_of_its_own(done, tmp_path):
    others = (asked(tmp_path, "motion_prior"), asked(tmp_path, objectives=("observed_cm",)), asked(tmp_path, trials=9))
    paths = {search_of(done, **words).path for words in (asked(tmp_path), *others)}
    assert len(paths) == 3, "more trials are the same search"


@pytest.mark.parametrize(
    ("texts", "point"),
    [
        (("joints3d",), {"joints3d": 3.0}),
        (("motion_prior", "pose_prior@2"), {"motion_prior": 0.5, "pose_prior@2": 0.25}),
        (("joints3d@1", "solver@3"), {"joints3d@1": 2.0, "solver@3": "lbfgs-gn"}),
    ],
)
def test_a_trial_is_taken_over_as_one_edit_on_a_branch(texts, point, tmp_path):
    session = Session(make_problem(), schedule=PHASES)
    session.run()
    search = search_of(session, **asked(tmp_path, *texts))
    figures = last(search.fit.figures(point))
    here, count = session.current, len(session.history)
    session.apply(search.edit(session, 7, point))
    now = session.current
    assert now.cause == "trial 7 of a search" and len(session.history) == count + 1 and now.parent == search.start
    if isinstance(search.fit, WarmFit):
        assert now.weights["joints3d"] == 3.0
    else:
        session.run()
        error = float((session.fit.trajectory().joints - session.problem.ground_truth.joints).norm(dim=-1).mean())
        assert 100 * error == pytest.approx(figures["truth_cm"]), "the branch ends where the trial ended"
        session.undo()
    assert session.undo() is here or session.current is here


def test_another_preset_is_taken_over_from_the_start(tmp_path):
    session = Session(make_problem(), schedule=PHASES, under=schedules)
    session.apply(Hold("root_orient"))
    edited = session.current
    session.finish_stage()
    search = search_of(session, **asked(tmp_path, "preset=direct", "contact_vel"))
    assert search.present == {"preset": "humorscope", "contact_vel": PHASES[-1].weight("contact_vel")}
    search = pickle.loads(request(search)[8:])  # as its process has it
    session.apply(search.edit(session, 2, {"preset": "direct", "contact_vel": 0.5}))
    now = session.current
    assert (now.parent, now.stage, now.total_iterations, now.held) == (edited.id, 1, 0, edited.held)
    assert {phase.preset.name for phase in session.schedule} == {"direct"}
    assert [phase.steps for phase in session.schedule] == [phase.steps for phase in session.under("direct")]
    assert max(phase.steps for phase in session.schedule) <= max(STEPS["num_iters"]), "what was asked for still holds"
    assert session.schedule[-1].weight("contact_vel") == 0.5


def test_before_stage_3_the_search_finishes_the_stages_before(tmp_path):
    session = Session(make_problem(), schedule=PHASES)
    search = search_of(session, **asked(tmp_path, "contact_vel"))
    figures = last(search.fit.figures({"contact_vel": 5.0}))
    session.apply(search.edit(session, 1, {"contact_vel": 5.0}))
    session.run()
    error = float((session.fit.trajectory().joints - session.problem.ground_truth.joints).norm(dim=-1).mean())
    assert session.current.weights["contact_vel"] == 5.0
    assert 100 * error == pytest.approx(figures["truth_cm"])
