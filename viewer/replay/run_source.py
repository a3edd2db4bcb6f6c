"""Provides views of a recorded run from its file alone, which may still be written to.

Parts of a view that were not recorded (see ``worker.run_recorder``) are taken from the nearest earlier iteration, and a
message says so.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields, replace
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from optim.config.options import Settings, of_the_fit
from optim.diagnostics.comparison import settings_texts
from optim.session.causes import BATCH, ITERATION, NO_EDITS
from viewer.protocol import commands as c
from viewer.protocol import compact
from viewer.protocol import view_model as vm
from viewer.protocol.findings import FrameTerms
from viewer.protocol.history_rows import HistoryRows
from viewer.protocol.members import Members
from viewer.protocol.pace import progress
from viewer.worker.stored import DETAILS, Setup, view_values

VIEWS_KEPT, BLOCKS_KEPT = 32, 8
_FROM_BEFORE = ("motion", "floors", "prior_frames")
"""Parts of a view that may be taken from an earlier iteration, since they change little between iterations."""
_HISTORY = "SELECT id, parent, cause, branch, phase, step, iteration FROM snapshots WHERE id >= ? ORDER BY id"
_STATUS = "SELECT phase, step, iteration, total_iterations, stopped, done FROM snapshots WHERE id = ?"


def _tells_damage(method: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method of ``RunSource`` so that content that cannot be used is an ``InputError``."""

    @wraps(method)
    def told(self: RunSource, *arguments: Any) -> Any:
        from optim.recording.runfile import damage_told

        with damage_told(self.path):
            return method(self, *arguments)

    return told


class RunSource:
    """A ``viewer.replay.replay.Source`` of a run file.

    Raises:
        InputError: The file is no run file, is damaged, or has nothing to show yet.
    """

    def __init__(self, path: Path) -> None:
        from optim.common.errors import InputError
        from optim.recording.runfile import RunFile

        self.path = Path(path)
        self._file = RunFile(path, mode="read")
        self._values = view_values(self._file)
        self._rows: dict[int, list[int]] = {}  # snapshot → rows of the table of views
        self._setups: list[tuple[int, Setup]] = []  # with the first snapshot that they hold for
        self._blocks: OrderedDict[int, dict[str, np.ndarray]] = OrderedDict()
        self._history_rows: HistoryRows | None = None
        self._branch_of: list[int] = []
        self._last_row = self._last_note = 0
        self._names = self._file.names()
        self._parts: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._scene: tuple[vm.Scene, vm.Scene] | None = None  # as written, as given out
        self._notes: list[vm.Note] = []
        if not self._file.rows("SELECT 1 FROM snapshots, views LIMIT 1"):
            raise InputError(f"{path}: nothing to look at has been recorded yet; wait, or go on with it by --resume")
        self._tell_when()

    @property
    def current(self) -> int:
        """Id of the snapshot at which the session stood last."""
        return min(self._names.position.current, len(self._branch_of) - 1)

    @_tells_damage
    def refresh(self) -> bool:
        """Read what was added since the last call."""
        with self._file.one_moment():
            snapshots = self._file.rows(_HISTORY, len(self._branch_of))
            new = self._file.rows("SELECT id, snapshot FROM views WHERE id > ? ORDER BY id", self._last_row)
            last = self._setups[-1][0] if self._setups else -1
            setups = self._file.rows("SELECT snapshot, value FROM setups WHERE snapshot > ? ORDER BY snapshot", last)
            evaluations = self._file.figures(snapshots[0][0], snapshots[-1][0]) if snapshots else {}
        self._setups += [(snapshot, self._values.decode(text)) for snapshot, text in setups]
        for row, snapshot in new:
            self._last_row = row
            self._rows.setdefault(snapshot, []).append(row)
            self._parts.pop(snapshot, None)
        self._add_rows(snapshots, evaluations)
        names = self._file.names()
        changed = bool(new or snapshots) or names != self._names
        self._names = names
        return changed

    def _add_rows(self, snapshots: list[tuple], evaluations: dict[int, dict[str, Any]]) -> None:
        """Add rows to the history, from the result of the query ``_HISTORY`` and the loss terms."""
        for snapshot, parent, cause, branch, phase, step, iteration in snapshots:
            setup = self._setup_of(snapshot)
            members, scene = _members(setup), setup.scene
            if self._history_rows is None:
                self._history_rows = HistoryRows(len(members.rows))
            evaluated = _evaluated(evaluations[snapshot])
            self._history_rows.add(
                parent=parent,
                branch=branch,
                phase=phase,
                step=step,
                iteration=iteration,
                frames=len(scene.starts) * (setup.phases[phase].frames or scene.num_frames),
                total=evaluated.evaluation.total,
                terms=members.values(evaluated)[1],
                edit=None if cause in NO_EDITS else cause,
                iterated=cause == ITERATION,
                batch_begins=cause == BATCH,
            )
            self._branch_of.append(branch)

    @_tells_damage
    def view(self, snapshot: int) -> vm.ViewModel:
        """The view of one snapshot, as the session would have shown it."""
        from optim.common.errors import InputError

        if not 0 <= snapshot < len(self._branch_of):
            raise InputError(f"no snapshot {snapshot}; there are 0 to {len(self._branch_of) - 1}")
        parts, setup = dict(self._read(snapshot)), self._setup_of(snapshot)
        for name in _FROM_BEFORE:
            if name not in parts:
                self._borrow(name, parts, snapshot)
        scene = self._full(setup.scene)
        motion = compact.unpacked(parts["motion"], scene.body)
        evaluated = self._evaluated(snapshot)
        raw, weighted = _members(setup).values(evaluated)
        details = {name: parts[stored] for stored, name in DETAILS.items() if stored in parts}
        return vm.ViewModel(
            version=0,
            obeyed=0,
            current=self.current,
            shown=snapshot,
            status=self._status(snapshot, setup, evaluated.evaluation.total),
            motion=motion,
            regressed=compact.regressed(parts["motion"], motion),
            phases=setup.phases,
            weights=setup.weights,
            held=setup.held,
            raw=raw,
            weighted=weighted,
            history=self._whole_history(),
            scene=scene,
            **(details | {"drift": self._drift(scene.batch)}),
        )

    def _status(self, snapshot: int, setup: Setup, loss: float) -> vm.Status:
        phase, step, iteration, total, stopped, done = self._file.one(_STATUS, snapshot)
        within = progress(setup.phases, phase, step=step, iteration=iteration, stopped=bool(stopped), done=bool(done))
        scene = setup.scene
        return vm.Status(
            state="done" if done and scene.batch == scene.batches - 1 else "paused",
            phase=phase,
            step=step,
            iteration=iteration,
            total_iterations=total,
            progress=(scene.batch + within) / scene.batches,
            loss=loss,
        )

    @_tells_damage
    def analysis(self, command: c.Analyse) -> vm.Analysis | None:
        """The answer to a question: the loss over the frames, or another answer that was recorded."""
        known: dict[str, Any] = {"kind": command.kind, "options": command.options, "snapshot": command.snapshot}
        if command.kind == "frame_terms":
            members = _members(self._setup_of(command.snapshot))
            value = FrameTerms(weighted=members.per_frame(self._evaluated(command.snapshot)))
            return vm.Analysis(**known, seconds=0.0, value=value)
        query = "SELECT options, seconds, error, value FROM analyses WHERE snapshot = ? AND kind = ? ORDER BY id DESC"
        for options, seconds, error, text in self._file.rows(query, command.snapshot, command.kind):
            if self._values.decode(options) == command.options:
                return vm.Analysis(**known, seconds=seconds, value=self._values.decode(text), error=error)
        return None

    def _evaluated(self, snapshot: int) -> SimpleNamespace:
        return _evaluated(self._file.figures(snapshot, snapshot)[snapshot])

    @_tells_damage
    def about(self) -> vm.About:
        """The settings of the run, with the defaults of those that were not given."""
        found = self._file.logged("settings")
        known = {item.name for item in fields(Settings)}
        given = self._values.decode(found[0][1]) if found else {}
        settings = Settings(**{name: value for name, value in given.items() if name in known})
        return vm.About(kind="recording", settings=settings_texts(of_the_fit(settings)) if found else {})

    @_tells_damage
    def notes(self) -> list[vm.Note]:
        """Recorded messages of the session, and messages about the recording itself."""
        query = "SELECT id, level, text, advice FROM notes WHERE id > ? ORDER BY id"
        for row, level, text, advice in self._file.rows(query, self._last_note):
            self._last_note = row
            self._notes.append(vm.Note(level=level, text=text, advice=advice))
        told, self._notes = self._notes, []
        return told

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _tell_when(self) -> None:
        ((first, last, count),) = self._file.rows("SELECT min(time), max(time), count(*) FROM snapshots")
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(first))
        text = f"{self._file.path.name}: {count} iterations, recorded from {when} for {(last - first) / 60:.0f} min"
        self._notes.append(vm.Note(level="info", text=text))

    def _setup_of(self, snapshot: int) -> Setup:
        return self._setups[bisect_right(self._setups, snapshot, key=lambda known: known[0]) - 1][1]

    def _read(self, snapshot: int) -> dict[str, Any]:
        """All recorded parts of a snapshot's view; later rows replace earlier ones."""
        if snapshot not in self._parts:
            parts: dict[str, Any] = {}
            for row in self._rows.get(snapshot, ()):
                block, place, detail = self._file.one("SELECT motion, place, detail FROM views WHERE id = ?", row)
                parts |= {} if detail is None else self._values.decode(detail)
                if block is not None:
                    parts["motion"] = {name: array[place] for name, array in self._block(block).items()}
            self._parts[snapshot] = parts
            if len(self._parts) > VIEWS_KEPT:
                self._parts.popitem(last=False)
        self._parts.move_to_end(snapshot)
        return self._parts[snapshot]

    def _block(self, row: int) -> dict[str, np.ndarray]:
        """The arrays of one block of motions."""
        if row not in self._blocks:
            (data,) = self._file.one("SELECT data FROM motions WHERE id = ?", row)
            self._blocks[row] = self._file.unpacked(data)
            if len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(row)
        return self._blocks[row]

    def _borrow(self, name: str, parts: dict[str, Any], snapshot: int) -> None:
        """Take a missing part from the nearest earlier snapshot of the branch."""
        assert self._history_rows is not None
        path = self._history_rows.path(snapshot)
        for number in reversed(range(len(path))):
            there = self._read(path[number])
            if name in there:
                parts[name] = there[name]
                if name == "motion":
                    text = f"The motion of iteration {number} is drawn: that of {len(path) - 1} was not recorded."
                    self._notes.append(vm.Note(level="info", text=text))
                return

    def _drift(self, batch: int) -> vm.Drift | None:
        """Of the branch and the batch that the session stood on: written where that enters stage 3."""
        rows, here = self._history_rows, self.current
        assert rows is not None
        if rows.batch(here) != batch:
            return None
        phases = self._setup_of(here).phases
        begin = None
        while here >= 0 and phases[rows.phase(here)].stage == 3:
            begin, here = here, rows.parent(here)
        return None if begin is None else self._read(begin).get("drift")

    def _full(self, scene: vm.Scene) -> vm.Scene:
        if self._scene is None or self._scene[0] is not scene:
            given = compact.full(scene)
            if given.footage is not None and self._file.rows("SELECT 1 FROM pictures LIMIT 1"):
                given = replace(given, footage=replace(given.footage, path=str(self._file.path.absolute())))
            self._scene = scene, given
        return self._scene[1]

    def _whole_history(self) -> vm.History:
        assert self._history_rows is not None
        bookmarks = tuple(self._names.bookmarks.items())
        return self._history_rows.history(current=self.current, branches=self._branches(), bookmarks=bookmarks)

    def _branches(self) -> tuple[vm.Branch, ...]:
        assert self._history_rows is not None
        found, branch_of = [], np.array(self._branch_of)
        for number in range(int(branch_of.max()) + 1):
            rows = np.flatnonzero(branch_of == number)
            parent = self._history_rows.parent(rows[0])
            found.append(
                vm.Branch(
                    number=number,
                    name=self._names.branches.get(number, f"branch {number + 1}"),
                    first=int(rows[0]),
                    last=int(rows[-1]),
                    forked_from=None if parent < 0 else parent,
                )
            )
        return tuple(found)


def _members(setup: Setup) -> Members:
    return Members(setup.scene.terms, setup.row_of, len(setup.scene.starts))


def _evaluated(plain: dict[str, Any]) -> SimpleNamespace:
    """A ``figures.Plain``, as far as ``Members`` looks at it."""
    figures: dict[int, np.ndarray] = {}
    for rows, stack in plain["per_frame"]:
        figures |= dict(zip(rows, stack, strict=True))
    terms = {
        name: SimpleNamespace(raw=raw, weighted=weighted, per_frame=figures.get(row))
        for row, (name, (raw, weighted, _)) in enumerate(zip(plain["names"], plain["numbers"].tolist(), strict=True))
    }
    return SimpleNamespace(evaluation=SimpleNamespace(total=plain["total"], terms=terms))
