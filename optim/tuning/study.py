"""The study: every trial of a search in one file that many processes share. The only module that knows Optuna.

The file is a journal of Optuna's: each process appends lines to it under a lock that also holds on network file
systems, where SQLite's does not. ``optuna-dashboard FILE`` shows it. All of it is text; nothing in it is executed.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from optim.common.errors import InputError
from optim.reading.files import guarded, require_file
from optim.tuning.figures import FIGURES, mean
from optim.tuning.fits import Clip
from optim.tuning.space import Parameter, Point

NAME = "humorscope"
"""Name of the study within its file."""
FEWEST_CLIPS = 4
"""Smallest number of clips among which a test can say that a trial is worse than the best one."""
MOST_FAILURES = 5
"""Number of trials in a row that may fail before the search ends."""
_DESCRIPTION, _CLIPS, _HELD_OUT, _PRESENT = "description", "clips", "held out", "present"


@dataclass(frozen=True)
class Description:
    """What a study searches. Every process that adds trials to it must mean the same."""

    parameters: tuple[str, ...]
    """As ``Parameter.text`` writes them."""
    objectives: tuple[str, ...]
    """Names in ``figures.FIGURES``."""
    clips: tuple[str, ...]
    """Names of the clips whose figures are the objectives."""
    held_out: tuple[str, ...]
    """Names of the clips that no trial sees."""
    how: Mapping[str, Any]
    """What else decides the figures: data, protocol, schedule, number of iterations."""


@dataclass(frozen=True)
class Trial:
    """One trial."""

    number: int
    state: str
    """``complete``, ``pruned``, ``failed`` or ``running``."""
    point: Point
    values: tuple[float, ...]
    """The objectives; empty unless the trial is complete."""
    clips: Mapping[str, Mapping[str, float]]
    """Name of a clip → its figures."""
    present: bool = False
    """Whether it has the values that the fit itself has."""


class Study:
    """A study in a file.

    Args:
        path: The file. It is made if it does not exist.
        searched: The parameters.
        seed: Seed of the sampler, for a search in one process. None: each process draws its own numbers.
        prune: Give up trials that are no use, where there is one objective.

    Raises:
        InputError: Optuna is not installed, the file is not a study, or it is one of another search.
    """

    def __init__(
        self,
        path: Path,
        searched: Sequence[Parameter],
        description: Description,
        *,
        seed: int | None = None,
        prune: bool = True,
    ) -> None:
        self.description, self._searched = description, tuple(searched)
        optuna = _optuna()
        self._study = optuna.create_study(
            storage=_storage(path, new=True),
            study_name=NAME,
            load_if_exists=True,
            directions=[
                "maximize" if FIGURES[name].larger_is_better else "minimize" for name in description.objectives
            ],
            sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True),
            pruner=_pruner(description) if prune else optuna.pruners.NopPruner(),
        )
        self._agree(path)
        self._distributions = {one.name: _distribution(one) for one in self._searched}

    def _agree(self, path: Path) -> None:
        """Write down what is searched, or check that an earlier process searched the same."""
        mine = json.loads(json.dumps(asdict(self.description)))
        theirs = self._study.user_attrs.get(_DESCRIPTION)
        if theirs is None:
            self._study.set_user_attr(_DESCRIPTION, mine)
            return
        other = next((name for name in mine if mine[name] != theirs.get(name)), None)
        if other is not None:
            raise InputError(
                f"{path}: was begun with {other} {_short(theirs.get(other))}, not {_short(mine[other])}; give the same"
                " flags to go on with it, or another --storage"
            )

    def begin_with(self, point: Point) -> None:
        """Let a trial be at a point, with which the others are compared, unless there is one; one that broke off counts
        as none.

        The sampler is told of the nearest values that are in the ranges.
        """
        of_the_fit = [t for t in self._study.get_trials(deepcopy=False) if _PRESENT in t.user_attrs]
        if not any(trial.state.name in ("COMPLETE", "WAITING") for trial in of_the_fit):
            inside = {one.name: one.nearest(point[one.name]) for one in self._searched}
            self._study.enqueue_trial(inside, user_attrs={_PRESENT: dict(point)})

    def search(
        self,
        clips: Sequence[Clip],
        *,
        trials: int,
        interrupt: Callable[[], bool] = lambda: False,
    ) -> Iterator[Trial]:
        """Add trials until the study has as many that are complete or pruned; yields each that is made here.

        Args:
            clips: Those of the description, in order.
            interrupt: Asked every few iterations; a trial that it breaks off counts as failed.

        Raises:
            InputError: Several trials in a row have failed.
        """
        failures = 0
        while self.finished < trials and not interrupt():
            trial = self._study.ask(self._distributions)
            try:
                state, values = self._tried(trial, clips, interrupt)
            except BaseException:
                self._study.tell(trial, state=_state("failed"))
                raise
            told = self._study.tell(trial, values, state=_state(state))
            yield _trial(told)
            failures = failures + 1 if state == "failed" and not interrupt() else 0
            if failures == MOST_FAILURES:
                raise InputError(
                    f"the last {failures} trials have no {' or '.join(self.description.objectives)}; choose figures"
                    " that these data have, or narrower ranges"
                )

    def _tried(
        self, trial: Any, clips: Sequence[Clip], interrupt: Callable[[], bool]
    ) -> tuple[str, tuple[float, ...] | None]:
        """State and values of a trial: the means of the objectives over the clips."""
        rows: dict[str, dict[str, float]] = {}
        one, alone, pruned = len(self.description.objectives) == 1, len(clips) == 1, False
        for index, clip in enumerate(clips):
            found: dict[str, float] = {}
            for step, found in enumerate(clip.figures(_point(trial))):
                if interrupt():
                    return "failed", None
                if one and alone and self._prunes(trial, found, step):
                    pruned = True
                    break
            rows[clip.name] = found
            if one and not alone and self._prunes(trial, found, index) and index < len(clips) - 1:
                pruned = True
                break
        trial.set_user_attr(_CLIPS, rows)
        if pruned:
            return "pruned", None
        values = self.objectives(rows)
        return ("failed", None) if values is None else ("complete", values)

    def _prunes(self, trial: Any, figures: Mapping[str, float], step: int) -> bool:
        value = figures.get(self.description.objectives[0], math.nan)
        trial.report(value, step)
        return bool(trial.should_prune())

    def objectives(self, rows: Mapping[str, Mapping[str, float]]) -> tuple[float, ...] | None:
        """The objectives, from the figures of clips; None if one of them is not there."""
        found = mean(list(rows.values()))
        names = self.description.objectives
        return tuple(found[name] for name in names) if all(name in found for name in names) else None

    @property
    def finished(self) -> int:
        """Number of trials that are complete or pruned."""
        return sum(trial.state in ("complete", "pruned") for trial in self.trials())

    def trials(self) -> list[Trial]:
        """All trials, also those of other processes."""
        return [_trial(trial) for trial in self._study.get_trials(deepcopy=False)]

    # Clips that no trial sees

    def keep_held_out(self, number: int, rows: Mapping[str, Mapping[str, float]]) -> None:
        """Keep the figures of held-out clips under the point of a trial."""
        self._study.set_user_attr(f"{_HELD_OUT} {number}", {name: dict(row) for name, row in rows.items()})

    def held_out(self, number: int) -> dict[str, dict[str, float]] | None:
        """The figures that were kept; None if there are none."""
        found: dict[str, dict[str, float]] | None = self._study.user_attrs.get(f"{_HELD_OUT} {number}")
        return found


def read_description(path: Path) -> Description:
    """What the study in a file searches.

    Raises:
        InputError: Optuna is not installed, or the file is not a study of ours.
    """
    require_file(path, what="a study of an earlier search")
    with guarded(path, problem="not a study", advice="give the --storage of a search", also=(KeyError, ValueError)):
        study = _optuna().load_study(storage=_storage(path, new=False), study_name=NAME)
        stored = study.user_attrs[_DESCRIPTION]
        lists = {name: tuple(stored[name]) for name in ("parameters", "objectives", "clips", "held_out")}
        return Description(**lists, how=stored["how"])


def _optuna() -> Any:
    try:
        import optuna
    except ImportError:
        raise InputError("a search needs Optuna; pip install 'humorscope[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _storage(path: Path, *, new: bool) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    advice = "give the --storage of a search, or a new file"
    if new:
        path.parent.mkdir(parents=True, exist_ok=True)
    with guarded(path, problem="not a study", advice=advice, also=(Exception,)):
        return JournalStorage(JournalFileBackend(str(path)))


def _pruner(description: Description) -> Any:
    """Gives up a trial that is worse than the best one on enough clips, or in the course of a single fit."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.pruners import MedianPruner, NopPruner, WilcoxonPruner

    if len(description.objectives) > 1 or 1 < len(description.clips) < FEWEST_CLIPS:
        return NopPruner()
    if len(description.clips) == 1:
        return MedianPruner()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return WilcoxonPruner()


def _distribution(one: Parameter) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return CategoricalDistribution(one.choices) if one.choices else FloatDistribution(one.low, one.high, log=True)


_STATES = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL", "running": "RUNNING"}


def _state(name: str) -> Any:
    from optuna.trial import TrialState

    return TrialState[_STATES[name]]


def _trial(trial: Any) -> Trial:
    name = next((name for name, theirs in _STATES.items() if theirs == trial.state.name), "running")
    values = tuple(trial.values) if name == "complete" else ()
    told = trial.user_attrs
    return Trial(trial.number, name, _point(trial), values, told.get(_CLIPS, {}), _PRESENT in told)


def _point(trial: Any) -> dict[str, float | str]:
    """The values of a trial; those of the fit itself may lie outside the ranges, as a weight of 0 does."""
    present = trial.user_attrs.get(_PRESENT)
    return {**trial.params, **(present if isinstance(present, dict) else {})}


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) < 120 else f"{text[:117]}…"
