"""Searches with clips that only compute: what is found, what is kept, what is shared, and what is never looked at."""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from optim.common.errors import InputError
from optim.tuning.choosing import baseline, dominates, front, gain, split, taken
from optim.tuning.space import Parameter, Point
from optim.tuning.study import MOST_FAILURES, Description, Study, Trial, read_description

pytest.importorskip("optuna", reason="the extra tune is not installed")

BEST = 0.03
SEARCHED = (Parameter("contact_vel", "contact_vel", 3, low=1e-3, high=10.0),)


class Bowl:
    """A clip whose joint error is least where the weight is ``BEST``, and whose skate falls with the weight."""

    def __init__(self, name: str, offset: float = 0.0, log: list[str] | None = None) -> None:
        self.name, self._offset, self._log = name, offset, [] if log is None else log

    def figures(self, point: Point) -> Iterator[dict[str, float]]:
        self._log.append(self.name)
        away = math.log10(float(point["contact_vel"]) / BEST)
        for step in (2.0, 1.0):  # the first figures are those of an unfinished fit
            yield {"truth_cm": self._offset + step * (1.0 + away**2), "mean_skate_mm": 5.0 - away}


class Broken(Bowl):
    """A clip whose fit fails."""

    def figures(self, point: Point) -> Iterator[dict[str, float]]:
        raise InputError("broken")
        yield {}


class Unsteady(Bowl):
    """A clip that has its figures in every second fit only."""

    def figures(self, point: Point) -> Iterator[dict[str, float]]:
        found = list(super().figures(point))
        yield from found if len(self._log) % 2 else [{}]


def described(*clips: str, objectives: tuple[str, ...] = ("truth_cm",), held_out: tuple[str, ...] = ()) -> Description:
    return Description(tuple(one.text for one in SEARCHED), objectives, clips, held_out, {"iterations": 3})


def searched(path: Path, *, trials: int, objectives: tuple[str, ...] = ("truth_cm",), clips: int = 1) -> Study:
    names = [f"clip {k}" for k in range(clips)]
    study = Study(path, SEARCHED, described(*names, objectives=objectives), seed=0)
    study.begin_with({"contact_vel": 1.0})
    for _ in study.search([Bowl(name, k) for k, name in enumerate(names)], trials=trials):
        pass
    return study


def test_the_best_value_is_found(tmp_path):
    study = searched(tmp_path / "study.log", trials=25)
    best = taken(study.trials(), ("truth_cm",))
    assert best is not None and abs(math.log10(best.point["contact_vel"] / BEST)) < 0.3
    assert study.trials()[0].point == {"contact_vel": 1.0}, "the present weights are the first trial"
    assert {trial.state for trial in study.trials()} == {"complete", "pruned"}, "one clip is given up on its way"
    assert best.values[0] == min(trial.values[0] for trial in study.trials() if trial.values)


def test_trials_that_are_no_use_are_given_up_before_their_last_clip(tmp_path):
    study = searched(tmp_path / "study.log", trials=20, clips=6)
    pruned = [trial for trial in study.trials() if trial.state == "pruned"]
    assert pruned and all(len(trial.clips) < 6 and not trial.values for trial in pruned)


def test_several_objectives_give_a_front_and_are_not_pruned(tmp_path):
    objectives = ("truth_cm", "mean_skate_mm")
    study = searched(tmp_path / "study.log", trials=15, objectives=objectives, clips=3)
    trials = study.trials()
    assert {trial.state for trial in trials} == {"complete"} and all(len(trial.clips) == 3 for trial in trials)
    best = front(trials, objectives)
    assert len(best) > 1 and all(trial.point["contact_vel"] > BEST / 2 for trial in best)
    outside = [trial for trial in trials if trial not in best]
    assert all(any(dominates(one.values, trial.values, objectives) for one in best) for trial in outside)


def test_a_search_goes_on_in_the_same_study(tmp_path):
    path = tmp_path / "study.log"
    before = searched(path, trials=5).trials()
    after = searched(path, trials=9).trials()
    assert len(before) == 5 and len(after) == 9
    assert after[:5] == before
    assert read_description(path) == described("clip 0")
    assert len(searched(path, trials=9).trials()) == 9, "nothing is left to do"


def add_trials(path: Path, upto: int) -> None:
    """Body of a process that takes part in a search."""
    study = Study(path, SEARCHED, described("clip 0"))
    for _ in study.search([Bowl("clip 0")], trials=upto):
        pass


@pytest.mark.parametrize("value", [0.0, 1e3])
def test_present_weights_outside_the_ranges_are_tried_as_they_are(tmp_path, value):
    seen: list[Point] = []

    class Watched(Bowl):
        def figures(self, point: Point) -> Iterator[dict[str, float]]:
            seen.append(dict(point))
            yield {"truth_cm": 1.0}

    study = Study(tmp_path / "study.log", SEARCHED, described("clip 0"), seed=0)
    study.begin_with({"contact_vel": value})
    list(study.search([Watched("clip 0")], trials=2))
    assert seen[0] == {"contact_vel": value} and 1e-3 <= seen[1]["contact_vel"] <= 10.0
    first = baseline(study.trials())
    assert first is not None and first.point == {"contact_vel": value}


def test_processes_that_share_a_file_lose_no_trial(tmp_path):
    path = tmp_path / "study.log"
    searched(path, trials=1)
    other = multiprocessing.get_context("spawn").Process(target=add_trials, args=(path, 12))
    other.start()
    mine = Study(path, SEARCHED, described("clip 0"))
    while mine.finished < 2 and other.is_alive():
        time.sleep(0.01)  # until the other process takes part
    add_trials(path, 12)
    other.join(120)
    assert other.exitcode == 0
    trials = Study(path, SEARCHED, described("clip 0")).trials()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert 12 <= len(trials) <= 13 and {trial.state for trial in trials} <= {"complete", "pruned"}


@pytest.mark.parametrize(
    "other",
    [
        described("another clip"),
        described("clip 0", objectives=("mean_skate_mm",)),
        replace(described("clip 0"), how={"iterations": 4}),
        replace(described("clip 0"), parameters=("contact_vel=1:2",)),
    ],
)
def test_a_study_of_another_search_is_refused(tmp_path, other):
    searched(tmp_path / "study.log", trials=1)
    with pytest.raises(InputError, match="was begun with"):
        Study(tmp_path / "study.log", SEARCHED, other)


def test_a_file_that_is_no_study_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a journal\nat all\n")
    with pytest.raises(InputError, match="notes.txt"):
        Study(path, SEARCHED, described("clip 0"))
    with pytest.raises(InputError, match="notes.txt"):
        read_description(path)
    assert path.read_text() == "not a journal\nat all\n"


def test_figures_that_are_not_there_end_the_search(tmp_path):
    study = Study(tmp_path / "study.log", SEARCHED, described("clip 0", objectives=("floor_tilt",)))
    with pytest.raises(InputError, match="floor_tilt"):
        list(study.search([Bowl("clip 0")], trials=20))
    assert {trial.state for trial in study.trials()} == {"failed"}


def test_only_failures_in_a_row_end_the_search(tmp_path):
    study = Study(tmp_path / "study.log", SEARCHED, described("clip 0"), prune=False)
    list(study.search([Unsteady("clip 0")], trials=MOST_FAILURES + 2))
    states = [trial.state for trial in study.trials()]
    assert states.count("failed") > MOST_FAILURES and study.finished == MOST_FAILURES + 2


def test_an_interrupted_trial_is_not_counted(tmp_path):
    study = Study(tmp_path / "study.log", SEARCHED, described("clip 0"))
    asked = iter([False, False, False, True] + [True] * 9)
    list(study.search([Bowl("clip 0")], trials=5, interrupt=lambda: next(asked)))
    assert study.finished < 5 and study.trials()[-1].state in ("failed", "complete")


def test_present_weights_that_were_broken_off_are_tried_again(tmp_path):
    study = Study(tmp_path / "study.log", SEARCHED, described("clip 0"))
    study.begin_with({"contact_vel": 1.0})
    with pytest.raises(InputError):
        list(study.search([Broken("clip 0")], trials=1))
    assert study.trials()[0].state == "failed" and study.trials()[0].present
    assert baseline(study.trials()) is None
    again = searched(tmp_path / "study.log", trials=3)
    found = baseline(again.trials())
    assert found is not None and found.point == {"contact_vel": 1.0} and found.number > 0
    assert sum(trial.present for trial in searched(tmp_path / "study.log", trials=3).trials()) == 2


def test_held_out_clips_are_fitted_only_after_the_search(tmp_path):
    from optim.commands.tune import keep_held_out, told

    log: list[str] = []
    names, out = split([f"clip {k}" for k in range(6)], share=1 / 3, seed=0)
    assert len(out) == 2 and sorted((*names, *out)) == [f"clip {k}" for k in range(6)]
    study = Study(tmp_path / "study.log", SEARCHED, described(*names, held_out=out), seed=0)
    study.begin_with({"contact_vel": 1.0})
    list(study.search([Bowl(name, log=log) for name in names], trials=12))
    assert not set(log) & set(out)
    assert all(set(trial.clips) <= set(names) for trial in study.trials())
    best = taken(study.trials(), ("truth_cm",))
    assert best is not None
    for one in (study.trials()[0], best, best):
        keep_held_out(study, one, [Bowl(name, log=log) for name in out])
    assert sorted(log[-4:]) == sorted((*out, *out)), "each point once"
    assert set(study.held_out(best.number) or {}) == set(out)
    assert f"trial {best.number} on 2 clips that no trial has seen" in told(study, best)


def trial(number: int, *values: float) -> Trial:
    return Trial(number, "complete", {}, values, {}, number == 0)


def test_the_trial_to_take_is_no_worse_than_the_present_weights_where_one_is():
    objectives = ("truth_cm", "planted_share")
    first, extreme, both = trial(0, 2.0, 80.0), trial(1, 0.5, 10.0), trial(2, 1.9, 90.0)
    assert front([first, extreme, both], objectives) == [extreme, both]
    assert taken([first, extreme, both], objectives) is both
    assert taken([first, extreme], objectives) in (first, extreme)
    assert taken([], objectives) is None


def test_a_gain_is_told_over_the_clips_that_both_have():
    found = gain("truth_cm", {"a": {"truth_cm": 2.0}, "b": {"truth_cm": 4.0}, "c": {}}, {
        "a": {"truth_cm": 1.0}, "b": {"truth_cm": 4.5}, "c": {"truth_cm": 9.0}})  # fmt: skip
    assert found is not None
    assert (found.before, found.after, found.better, found.clips) == (3.0, 2.75, 1, 2)
    assert found.error == pytest.approx(0.75)
    assert gain("truth_cm", {"a": {}}, {"a": {}}) is None


def test_one_clip_is_never_held_out():
    assert split(["only"], share=0.5, seed=0) == (("only",), ())
    assert split(["a", "b"], share=0.0, seed=0) == (("a", "b"), ())
    assert len(split(["a", "b"], share=0.9, seed=0)[0]) == 1
