"""Writes a session's history, names and position into a run file, and restores a session from it.

What is read is bit for bit what was written, so a fit continues as if it had never been interrupted. Snapshots whose
state is in the file (see ``states``) are read; the iterations between them are computed again. Knows no window.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.config.declaring import check_values, has_type
from optim.config.options import OF_ONE_RUN, chosen_for_the_fit
from optim.config.settings import Settings
from optim.objective.objective import Evaluation, TermValue
from optim.problem.problem import Problem
from optim.problem.variables import Packing
from optim.recording import figures, same_priors
from optim.recording.forms import FORMS
from optim.recording.replaying import Replay
from optim.recording.runfile import Names, Position, RunFile, damage_told
from optim.recording.solver_states import pairs_of
from optim.recording.states import Bare, States, Stays
from optim.recording.values import Values
from optim.schedule.phases import Phase
from optim.session.causes import BATCH, ITERATION, PHASE
from optim.session.edits import from_record, to_record
from optim.session.history import Entry, History, Snapshot
from optim.session.session import Session
from optim.solver.lbfgs import LbfgsState
from optim.split.batches import Batches

_MODELS = ("body", "pose_prior", "motion_prior", "init_state_prior")
SAME_LOSS = 1e-3
"""Largest relative difference between the losses of two problems that count as the same.

It is not 0, because other processors round differently.
"""


WHOLE_EVERY = 1500
"""Number of iterations between states that stay in the file; never more iterations than this are computed again."""
_AT_HAND = 2000
"""Largest number of recomputed snapshots in memory; they are kept while the next one asked for follows from them."""


@dataclass(frozen=True)
class News:
    """The changes of a session that are to be written. All values are immutable, so another thread may write them."""

    snapshots: tuple[tuple[Entry, Snapshot, float], ...]
    """The new snapshots, each with its entry and the time at which it was noticed, in seconds since 1970."""
    pairs_of_parents: dict[int, tuple]
    """Id of a parent → its curvature pairs, for the parents of new snapshots that are not iterations."""
    current: Snapshot
    changes: list[tuple[str, Any]]
    names: Names
    history: History

    @property
    def ids(self) -> range:
        """The ids of the new snapshots."""
        first = self.snapshots[0][0].id if self.snapshots else 0
        return range(first, first + len(self.snapshots))


class Recording:
    """The snapshots of one session in a run file.

    ``look`` must be called in the thread of the session; ``write`` may be called in another thread.
    """

    def __init__(self, file: RunFile) -> None:
        self.file = file
        self._values = Values(file, FORMS, tensor=_tensor)
        self._states: States | None = None
        found = file.rows("SELECT id, parent, cause, branch FROM snapshots ORDER BY id")
        _require_tree(found, file.path)
        self._parents = [parent for _, parent, _, _ in found]
        self._iterations = [cause == ITERATION for _, _, cause, _ in found]
        self._tips = {branch: snapshot for snapshot, _, _, branch in found}
        self._seen = len(found)  # by ``look``
        self._names = file.names()
        self._held: int | None = self._names.position.current if found else None
        self._stretches: dict[int, dict[str, Any]] = {}
        self._replay: Replay | None = None
        self._replayed: dict[int, Snapshot] = {}

    def __len__(self) -> int:
        return len(self._parents)

    def __contains__(self, snapshot_id: int) -> bool:
        return 0 <= snapshot_id < len(self)

    @property
    def settings(self) -> Settings | None:
        """The settings of the fit; None if it was not started from the command line.

        The file may come from anybody: what belongs to one run only, such as the folders to write to, is not taken from
        it.
        """
        with damage_told(self.file.path):
            found = self.file.logged("settings")
            given = self._values.decode(found[0][1]) if found else {}
            unknown = given.keys() - {f.name for f in fields(Settings)}
            if unknown:
                names = ", ".join(sorted(unknown))
                raise InputError(f"{self.file.path}: settings {names} of another version of humorscope; take that one")
            return _checked(given, self.file.path) if found else None

    @property
    def data(self) -> dict[str, Any]:
        """Name → value of the fields of the problem that are not models; empty if they were not recorded."""
        with damage_told(self.file.path):
            found = self.file.logged("problem")
            return self._values.decode(found[0][1]) if found else {}

    # Writing.

    @property
    def batches(self) -> tuple[tuple[tuple[int, int], ...], ...] | None:
        """Intervals of the sub-sequences of each batch, if the problem is a whole video that is fitted in batches."""
        found = self.file.logged("batches")
        return self._values.decode(found[0][1]) if found else None

    def begin(
        self,
        problem: Problem,
        settings: Settings | None,
        *,
        batches: tuple[tuple[tuple[int, int], ...], ...] | None = None,
    ) -> None:
        """Write the data of the problem and the settings that differ from the defaults, with absolute paths.

        Args:
            batches: Intervals of the sub-sequences of each batch, if ``problem`` is a video that is fitted in batches.
        """
        data = {f.name: getattr(problem, f.name) for f in fields(Problem) if f.name not in _MODELS}
        if problem.body_file is not None:
            data["body_file"] = problem.body_file.absolute()
        if problem.footage is not None:
            data["footage"] = replace(problem.footage, path=problem.footage.path.absolute())
        with self.file.transaction():
            self.file.log("problem", self._values.encode(data))
            self.file.log("priors", same_priors.checksums(problem))
            if batches is not None:
                self.file.log("batches", self._values.encode(batches))
            if settings is not None:
                self.file.log("settings", self._values.encode(_of_the_fit(settings)))

    def follow(self, session: Session, also: Callable[[range], None] | None = None, *, always: bool = False) -> range:
        """Look for changes of a session and write them in this thread; returns the ids of the new snapshots.

        Args:
            also: See ``write``.
            always: Write, and call ``also``, even if the session has not changed.

        Raises:
            InputError: See ``write``.
        """
        news = self.look(session)
        if news is None and not always:
            return range(0)
        self.write(news, also)
        return range(0) if news is None else news.ids

    def look(self, session: Session) -> News | None:
        """The changes of a session since the last call; None if there are none."""
        history = session.history
        new = range(self._seen, len(history))
        changes = self._changes(session)
        if not (new or changes):
            return None
        now = time.time()
        snapshots = tuple((history.entry(snapshot_id), history[snapshot_id], now) for snapshot_id in new)
        parents = {s.parent: s for _, s, _ in snapshots if s.cause != ITERATION and s.parent is not None}
        pairs = {
            parent: pairs_of(history[parent].solver) for parent, child in parents.items() if pairs_of(child.solver)
        }
        if self._replay is None:
            self._replay = Replay(session.fit.problem_at(history[0]))
        self._seen, self._names = len(history), _names(session)
        return News(snapshots, pairs, session.current, changes, self._names, history)

    def write(self, news: News | None, also: Callable[[range], None] | None = None) -> None:
        """Write the changes that ``look`` found.

        Args:
            also: Called with the ids of the new snapshots inside the same transaction, so that either everything is
                in the file afterwards or nothing.

        Raises:
            InputError: The file cannot be written: the disk is full, the file is gone, or another session writes to it.
        """
        with self.file.transaction():
            if news is not None:
                self._write_history(news)
                self._write_states(news)
            if also is not None:
                also(range(0) if news is None else news.ids)
            for kind, value in news.changes if news is not None else ():
                self.file.log(kind, value)
        if news is not None:
            self._parents += [snapshot.parent for _, snapshot, _ in news.snapshots]
            self._iterations += [snapshot.cause == ITERATION for _, snapshot, _ in news.snapshots]
            self._tips |= {entry.branch: entry.id for entry, _, _ in news.snapshots}
            self._held = news.current.id
            news.history.store.archive = self

    def _changes(self, session: Session) -> list[tuple[str, Any]]:
        """The entries for the log: names that were given or removed, and a move to another snapshot of the history."""
        then, now = self._names, _names(session)
        taken = then.bookmarks.keys() - now.bookmarks.keys()
        found: list[tuple[str, Any]] = [("bookmark", [snapshot_id, None]) for snapshot_id in sorted(taken)]
        found += [("bookmark", list(given)) for given in sorted(now.bookmarks.items() - then.bookmarks.items())]
        for number, name in now.branches.items():
            if name != then.branches.get(number, f"branch {number + 1}"):
                found.append(("branch", [number, name]))
        last = len(session.history) - 1
        if now.position != replace(then.position, current=last):
            position = now.position
            found.append(("position", [last + 1, position.current, position.undo, position.redo]))
        return found

    def _write_history(self, news: News) -> None:
        """Write a row for each snapshot, the loss terms in blocks, and the common values from each start or edit on."""
        self.file.insert("snapshots", *(_row(*new) for new in news.snapshots))
        evaluations = [plain_evaluation(snapshot.evaluation) for _, snapshot, _ in news.snapshots]
        for layout, places in figures.runs(evaluations):
            block = figures.packed([evaluations[place] for place in places])
            row = self._values.text_row(layout)
            self.file.insert("figures", (news.ids[places[0]], len(places), row, block))
        for _, snapshot, _ in news.snapshots:
            if snapshot.cause != ITERATION:
                self.file.insert("stretches", (snapshot.id, self._values.encode(_stretch(snapshot))))

    def _write_states(self, news: News) -> None:
        """Write the states of the ends of branches and of the current snapshot; of other states, write what stays."""
        states = self._solver_states()
        tips = {entry.branch: entry.id for entry, _, _ in news.snapshots}
        ends = {news.current.id, *tips.values()}
        before = {snapshot.id: snapshot for _, snapshot, _ in news.snapshots}
        for _, snapshot, _ in news.snapshots:
            stays = _stays(snapshot, news.pairs_of_parents)
            if snapshot.cause in (PHASE, BATCH) and snapshot.parent is not None:
                if snapshot.parent in before and not states.whole(snapshot.parent):
                    self._keep(before[snapshot.parent], "whole")
                states.stays(snapshot.parent)
            if snapshot.id in ends or stays == "whole":
                self._keep(snapshot, stays)
            elif stays == "bare":
                self._keep(snapshot, stays, whole=False)
        if not states.whole(news.current.id):
            self._keep(news.current, "no")
        passed = {self._tips[branch] for branch in tips if branch in self._tips}
        if self._held is not None and self._held not in {**self._tips, **tips}.values():
            passed.add(self._held)
        for snapshot_id in passed - ends:
            states.passed(snapshot_id)

    def _keep(self, snapshot: Snapshot, stays: Stays, *, whole: bool = True) -> None:
        self._solver_states().keep(snapshot, plain_evaluation(snapshot.evaluation), stays=stays, whole=whole)

    def _solver_states(self) -> States:
        if self._states is None:
            self._states = States(self.file, self._values)
        return self._states

    # Reading.

    def read(self, snapshot_id: int) -> Snapshot:
        """The recorded snapshot, bit for bit. Objects that it shares with snapshots in memory are shared again.

        If the file does not hold its state, the iterations since the last state in the file are computed again.

        Raises:
            InputError: The file is damaged, or iterations must be computed again and the problem is not known
                yet (see ``restore``).
        """
        with damage_told(self.file.path):
            with self.file.one_moment():
                found = self._read_state(snapshot_id)
                if found is not None:
                    return found
                path, here = [], snapshot_id
                while found is None:
                    path.append(here)
                    parent = self._parents[here]
                    if parent is None:
                        raise InputError(f"{self.file.path}: holds no state to begin from; the file is damaged")
                    here = parent
                    found = self._read_state(here)
                known = {entry.id: entry for entry in self.entries(min(path), max(path))}
            return self._work_out(found, [known[there] for there in reversed(path)])

    def _work_out(self, start: Snapshot, then: list[Entry]) -> Snapshot:
        """The last of the snapshots that follow ``start``, computed again from their entries."""
        if self._replay is None:
            raise InputError(f"{self.file.path}: has to be restored before iteration {then[-1].id} can be worked out")
        if start.id not in self._replayed:
            self._replayed = {}
        here, place = start, 0
        while place < len(then):
            end = place
            while end < len(then) and then[end].cause == ITERATION:
                end += 1
            for again in self._replay.iterations(here, then[place:end]) if end > place else ():
                (seconds,) = self.file.one("SELECT seconds FROM snapshots WHERE id = ?", again.id)
                here = replace(again, seconds=seconds)
                self._replayed[here.id] = here
            if end < len(then):
                bare = self._solver_states().read(then[end].id)
                assert bare is not None
                here = self._snapshot(then[end].id, bare, pairs=pairs_of(here.solver))
                self._replayed[here.id] = here
            place = end + 1
        for old in list(self._replayed)[:-_AT_HAND]:
            del self._replayed[old]
        return here

    def _read_state(self, snapshot_id: int) -> Snapshot | None:
        """The snapshot, if it is in memory or its whole state is in the file; otherwise None."""
        if snapshot_id in self._replayed:
            return self._replayed[snapshot_id]
        bare = self._solver_states().read(snapshot_id)
        return None if bare is None or not bare.whole else self._snapshot(snapshot_id, bare)

    def _snapshot(self, snapshot_id: int, bare: Bare, *, pairs: tuple | None = None) -> Snapshot:
        row = self.file.one(_SNAPSHOT, snapshot_id)
        parent, cause, edit, phase, step, iteration, total_iterations, seconds, evaluations = row
        stretch = self._stretch_of(snapshot_id)
        packing: Packing = stretch["packing"]
        solver = bare.solver
        if isinstance(solver, LbfgsState):
            solver = replace(solver, preconditioner=stretch["metric"], pairs=solver.pairs if pairs is None else pairs)
        schedule: tuple[Phase, ...] = stretch["schedule"]
        return Snapshot(
            id=snapshot_id,
            parent=parent,
            cause=cause,
            schedule=schedule,
            phase=phase,
            step=step,
            iteration=iteration,
            total_iterations=total_iterations,
            variables=_together(stretch["variables"], packing, bare.x, anew=cause == ITERATION),
            packing=packing,
            solver=solver,
            held=stretch["frozen"],
            prior_frame=stretch["prior_frame"],
            evaluation=_evaluation(bare.evaluation),
            evaluations_spent=evaluations,
            seconds=seconds,
            observations=stretch["observations"],
            floor=stretch["floor"],
            floor_metric=stretch.get("floor_metric"),
            novelty=stretch.get("novelty"),
            expected_joints=stretch.get("expected_joints"),
            planted=stretch.get("planted"),
            batch=stretch.get("batch", 0),
            losses=self._losses_at(snapshot_id, stretch.get("losses"), schedule[phase].flat_iterations),
            edit=None if edit is None else from_record(json.loads(edit)),
        )

    def _stretch_of(self, snapshot_id: int) -> dict[str, Any]:
        """The values that are common to all iterations since the last snapshot that is not an iteration.

        Its variables include those that the solver does not change.
        """
        here = snapshot_id
        while self._iterations[here]:
            parent = self._parents[here]
            assert parent is not None
            here = parent
        if here not in self._stretches:
            (text,) = self.file.one("SELECT value FROM stretches WHERE snapshot = ?", here)
            self._stretches[here] = self._values.decode(text)
        return self._stretches[here]

    def _losses_at(self, snapshot_id: int, begun: tuple[float, ...] | None, iterations: int) -> tuple[float, ...]:
        """The loss of a snapshot after those of up to so many iterations before it (see ``Snapshot.losses``).

        Args:
            begun: These losses at the last snapshot that is not an iteration. Files that do not hold them are of
                versions of which only the loss of that snapshot counts.
        """
        path, here = [snapshot_id], snapshot_id
        while self._iterations[here] and len(path) <= iterations:
            parent = self._parents[here]
            assert parent is not None
            here = parent
            path.append(here)
        known = dict(self.file.rows(_TOTALS, min(path), max(path)))
        found = tuple(known[there] for there in reversed(path))
        if begun is None or self._iterations[here]:
            return found
        found = (*begun, *found[1:])
        return found[-1 - iterations :] if self._iterations[snapshot_id] else found

    def entries(self, first: int = 0, last: int | None = None) -> list[Entry]:
        """The entries of all snapshots, or of those from ``first`` to ``last``, both included."""
        with damage_told(self.file.path):
            last = len(self) - 1 if last is None else last
            rows = self.file.rows(_ENTRIES, first, last)
            evaluations = self.file.figures(first, last)
            return [
                Entry(
                    id=snapshot,
                    parent=parent,
                    cause=cause,
                    branch=branch,
                    phase=phase,
                    stage=stage,
                    step=step,
                    iteration=iteration,
                    total_iterations=total,
                    held=frozenset(json.loads(frozen)),
                    evaluation=_evaluation(evaluations[snapshot], per_frame=False),
                    frames=frames,
                )
                for snapshot, parent, cause, branch, phase, stage, step, iteration, total, frozen, frames in rows
            ]

    def seconds(self, snapshot_ids: Iterable[int]) -> float:
        """Total time that these snapshots took to compute [s]."""
        known = dict(self.file.rows("SELECT id, seconds FROM snapshots"))
        return sum(known[snapshot_id] for snapshot_id in snapshot_ids)

    def restore(self, session: Session) -> None:
        """Bring a new session of the same problem to the state of the recorded one.

        Raises:
            InputError: The session has another problem, or nothing has been recorded.
        """
        with damage_told(self.file.path):
            self._replay = Replay(session.fit.problem_at(session.history[0]))
            priors = [known for _, known in self.file.logged("priors")]
            for known in priors:
                same_priors.require_same(known, session.problem, self.file.path)
            with self.file.one_moment():
                entries = self.entries()
                if entries:
                    here = self.read(self._names.position.current)
                    self._replayed[here.id] = here  # A session that is still running may delete it from the file.
            if not entries:
                raise InputError(f"{self.file.path}: no iteration has been recorded; begin anew")
            recorded, found = entries[0].evaluation.total, session.history.entry(0).evaluation.total
            if not math.isclose(recorded, found, rel_tol=SAME_LOSS):
                raise InputError(
                    f"{self.file.path}: was recorded from other data or models: its fit began with a loss of"
                    f" {recorded:.6g}, this one with {found:.6g}; give the same clip, body and flags"
                )
            if not priors:
                self._require_same_loss(session, entries)
            limit, names, where = session.history.store.limit, self._names, self._names.position
            history = History.recorded(
                entries, self, memory_limit=limit, branch_names=names.branches, bookmarks=names.bookmarks
            )
            session.take_up(history, current=where.current, undo=where.undo, redo=where.redo)

    def _require_same_loss(self, session: Session, entries: list[Entry]) -> None:
        """Evaluate the current snapshot again if it is in stage 3, or otherwise the end of a branch that is.

        The first loss, which is of stage 1, does not depend on the motion prior.
        """
        ends = (self._names.position.current, *self._tips.values())
        place = next((end for end in ends if entries[end].stage == 3), None)
        if place is not None:
            same_priors.require_same_loss(
                session.fit, self.read(place), entries[place], tolerance=SAME_LOSS, path=self.file.path
            )


def recorded_session(session: Session, *, path: Path, settings: Settings | None = None) -> Recording:
    """Begin to record a session. If the file exists, the session is first brought to the recorded state.

    Raises:
        InputError: The file cannot be written, is not a run file, or holds a run of other data.
    """
    recording = Recording(RunFile(path, mode="append" if path.exists() else "new"))
    if len(recording):
        recording.restore(session)
    elif isinstance(session.batches, Batches):
        recording.begin(session.batches.whole, settings, batches=session.batches.intervals)
    else:
        recording.begin(session.problem, settings)
    return recording


def _stored(name: str) -> str:
    """The name in the file of a field of ``Snapshot`` or ``Entry``."""
    return "frozen" if name == "held" else name


def _read(stored: dict[str, Any]) -> dict[str, Any]:
    """Values by the names of fields of ``Snapshot`` or ``Entry``, from values by the names in the file."""
    return {"held" if name == "frozen" else name: value for name, value in stored.items()}


def _require_tree(rows: Sequence[tuple], path: Path) -> None:
    """Check that the snapshots are numbered without a hole, and that each one's parent comes before it.

    Only then does every walk along the parents end.
    """
    for place, (snapshot, parent, _, branch) in enumerate(rows):
        follows = parent is None if place == 0 else type(parent) is int and 0 <= parent < place
        if snapshot != place or not follows or type(branch) is not int:
            raise InputError(f"{path}: snapshot {snapshot!r} follows {parent!r}, which cannot be; the file is damaged")


def _checked(recorded: dict[str, Any], path: Path) -> Settings:
    """The recorded settings that concern the fit itself.

    Raises:
        InputError: A value has another type than its option, or is out of its range.
    """
    given = {name: value for name, value in recorded.items() if name not in OF_ONE_RUN}
    given.setdefault("preset", "humorscope")  # the default of the versions that wrote only what differed from it
    for name, value in given.items():
        if not has_type(value, get_type_hints(Settings)[name]):
            raise InputError(f"{path}: setting {name} is {value!r}, which this option cannot be; the file is damaged")
    settings = Settings(**given)
    try:
        check_values(settings)
        settings.schedule()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return settings


def _of_the_fit(settings: Settings) -> dict[str, Any]:
    """The settings that were chosen for the fit itself, with absolute paths."""
    chosen = chosen_for_the_fit(settings)
    return {name: value.absolute() if isinstance(value, Path) else value for name, value in chosen.items()}


def _names(session: Session) -> Names:
    branches = {branch.number: branch.name for branch in session.history.branches}
    return Names(dict(session.history.bookmarks), branches, Position(session.current.id, *session.travels))


def plain_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """The numbers of an evaluation as arrays and names, so that a reader needs no class of this project."""
    terms = evaluation.terms.values()
    framed = [(row, term.per_frame) for row, term in enumerate(terms) if term.per_frame is not None]
    groups: dict[tuple[int, ...], list[tuple[int, np.ndarray]]] = {}
    for row, shares in framed:
        groups.setdefault(shares.shape, []).append((row, shares))
    return {
        "total": evaluation.total,
        "names": tuple(evaluation.terms),
        "numbers": np.array([(term.raw, term.weighted, term.scale) for term in terms], np.float64).reshape(-1, 3),
        "per_frame": [([row for row, _ in group], np.stack([f for _, f in group])) for group in groups.values()],
        "norms": dict(evaluation.gradient_norm),
    }


def _evaluation(plain: dict[str, Any], *, per_frame: bool = True) -> Evaluation:
    """The evaluation that ``plain_evaluation`` was given, with or without the shares of the frames."""
    figures: dict[int, np.ndarray] = {}
    for rows, stack in plain["per_frame"] if per_frame else ():
        figures |= dict(zip(rows, stack, strict=True))
    numbers = enumerate(zip(plain["names"], plain["numbers"].tolist(), strict=True))
    terms = {name: TermValue(raw, weighted, figures.get(row), scale) for row, (name, (raw, weighted, scale)) in numbers}
    return Evaluation(plain["total"], terms, plain["norms"])


def _stays(snapshot: Snapshot, pairs_of_parents: dict[int, tuple]) -> Stays:
    """How much of a state stays in the file after the fit has continued.

    A bare state stays if its curvature pairs are those of its parent.
    """
    solver = snapshot.solver
    if snapshot.cause == ITERATION:
        return "whole" if solver.iterations and solver.iterations % WHOLE_EVERY == 0 else "no"
    parent = () if snapshot.parent is None else pairs_of_parents.get(snapshot.parent, ())
    pairs = pairs_of(solver)
    same = len(parent) == len(pairs) and all(a is b for a, b in zip(parent, pairs, strict=True))
    return "bare" if pairs and same else "whole"


def _row(entry: Entry, snapshot: Snapshot, noticed: float) -> tuple[Any, ...]:
    """The row of a snapshot in the table ``snapshots``."""
    return (
        snapshot.id,
        snapshot.parent,
        snapshot.cause,
        None if snapshot.edit is None else json.dumps(to_record(snapshot.edit)),
        entry.branch,
        snapshot.phase,
        snapshot.stage,
        snapshot.step,
        snapshot.iteration,
        snapshot.total_iterations,
        entry.frames,
        json.dumps(sorted(snapshot.held)),
        _real(snapshot.evaluation.total),
        int(snapshot.stop is not None),
        int(snapshot.done),
        snapshot.seconds,
        snapshot.evaluations_spent,
        noticed,
    )


_SNAPSHOT = (
    "SELECT parent, cause, edit, phase, step, iteration, total_iterations, seconds, evaluations FROM snapshots"
    " WHERE id = ?"
)
_TOTALS = "SELECT id, total FROM snapshots WHERE id BETWEEN ? AND ?"
_ENTRIES = (
    "SELECT id, parent, cause, branch, phase, stage, step, iteration, total_iterations, frozen, frames FROM snapshots"
    " WHERE id BETWEEN ? AND ? ORDER BY id"
)


def _stretch(snapshot: Snapshot) -> dict[str, Any]:
    """The values that the iterations from here on have in common, under the names that the file uses."""
    solver = snapshot.solver
    return {
        "schedule": snapshot.schedule,
        "packing": snapshot.packing,
        "frozen": snapshot.held,
        "prior_frame": snapshot.prior_frame,
        "observations": snapshot.observations,
        "floor": snapshot.floor,
        "floor_metric": snapshot.floor_metric,
        "novelty": snapshot.novelty,
        "expected_joints": snapshot.expected_joints,
        "planted": snapshot.planted,
        "batch": snapshot.batch,
        "losses": snapshot.losses,
        "metric": solver.preconditioner if isinstance(solver, LbfgsState) else None,
        "variables": _apart(snapshot),
    }


def _apart(snapshot: Snapshot) -> dict[str, Tensor | None]:
    """The variables by name; None for those that are views of the solver's point, which is stored elsewhere."""
    moving = snapshot.solver.point.x.untyped_storage().data_ptr()
    whole = {block.name for block in snapshot.packing.blocks if block.frames is None}
    return {
        name: None if name in whole and value.untyped_storage().data_ptr() == moving else value
        for name, value in snapshot.variables.items()
    }


def _together(apart: dict[str, Tensor | None], packing: Packing, x: Tensor, *, anew: bool) -> dict[str, Tensor]:
    """The variables at a point ``x``; the inverse of ``_apart``.

    Args:
        anew: Take all variables that the solver changes from ``x``, as they are after an iteration.
    """
    views = {p.name: v for p, v in zip(packing.blocks, packing.split(x).values(), strict=True) if p.frames is None}
    whole = {name: views[name] if value is None else value for name, value in apart.items()}
    if not anew:
        return whole
    with torch.no_grad():
        return packing.unpack(x, whole)


def _real(value: float) -> float:
    """The value; infinity for NaN, which SQLite would turn into NULL. The exact number is in the table ``figures``."""
    return value if math.isfinite(value) else math.inf


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.copy())
