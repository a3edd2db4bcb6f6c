"""A recorded run as a source of views: needs its file alone, which may still be written.

What was not written of an iteration (see ``viewer.run_recorder``) is taken from the nearest one before it, and said.
"""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from viewer import commands as c
from viewer import compact
from viewer import view_model as vm
from viewer.findings import FrameTerms
from viewer.run_recorder import view_values

VIEWS_KEPT = 32
_PER_ROW = ("ids", "parents", "branch_of", "phase", "step", "iteration", "total", "terms", "depth", "frames")
_FROM_BEFORE = ("motion", "floors", "prior_frames")
"""What holds, or nearly so, until it is worked out anew."""


class RunSource:
    """See ``viewer.replay.Source``.

    Raises:
        InputError: No run file, a damaged one, or one without anything to look at.
    """

    def __init__(self, path: Path) -> None:
        from optim.errors import InputError
        from optim.runfile import RunFile

        self._file = RunFile(path, mode="read")
        self._values = view_values(self._file)
        self._rows: dict[int, list[int]] = {}  # snapshot → rows of the table of views
        self._briefs: list[dict[str, Any]] = []
        self._with_motion: set[int] = set()
        self._last_row = self._last_note = 0
        self._names = self._file.names()
        self._history: vm.History | None = None
        self._parts: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._scene: tuple[vm.Scene, vm.Scene] | None = None  # as written, as given out
        self._notes: list[vm.Note] = []
        if not self._file.rows("SELECT 1 FROM views LIMIT 1"):
            raise InputError(f"{path}: nothing to look at has been recorded yet; wait, or go on with it by --resume")
        self._tell_when()

    @property
    def current(self) -> int:
        """Where the session stood last."""
        return min(self._names.position.current, len(self._briefs) - 1)

    def refresh(self) -> bool:
        """Read what was added since the last call."""
        query = "SELECT id, snapshot, brief FROM views WHERE id > ? ORDER BY id"
        new = self._file.rows(query, self._last_row)
        for row, snapshot, brief in new:
            self._last_row = row
            self._rows.setdefault(snapshot, []).append(row)
            self._parts.pop(snapshot, None)
            if brief:
                self._briefs.append(json.loads(brief))
            if not brief or self._briefs[-1]["motion"]:
                self._with_motion.add(snapshot)
        names = self._file.names()
        changed = bool(new) or names != self._names
        self._names = names
        if changed:
            self._history = None
        return changed

    def view(self, snapshot: int) -> vm.ViewModel:
        """Of one snapshot, as the session would have shown it."""
        from optim.errors import InputError

        if not 0 <= snapshot < len(self._briefs):
            raise InputError(f"no snapshot {snapshot}; there are 0 to {len(self._briefs) - 1}")
        parts = dict(self._read(snapshot))
        for name in _FROM_BEFORE:
            if name not in parts:
                self._borrow(name, parts, snapshot)
        scene = self._full(parts["scene"])
        motion = compact.unpacked(parts["motion"], scene.body)
        beside = parts.pop("beside_joints", None)
        parts |= {"scene": scene, "motion": motion, "drift": self._drift()}
        if beside is not None:
            parts["regressed"] = motion.joints + beside.astype(np.float32)
        known = {field.name for field in fields(vm.ViewModel)}
        given = {name: value for name, value in parts.items() if name in known}
        return vm.ViewModel(
            version=0, obeyed=0, current=self.current, shown=snapshot, history=self._whole_history(), **given
        )

    def analysis(self, command: c.Analyse) -> vm.Analysis | None:
        """The loss over the frames is always there; of other questions, the answers that were given then."""
        if command.kind == "frame_terms":
            value = FrameTerms(weighted=self._read(command.snapshot)["frame_terms"].astype(np.float32))
            return vm.Analysis(
                kind=command.kind, options=command.options, snapshot=command.snapshot, seconds=0.0, value=value
            )
        for _, (snapshot, kind, text) in reversed(self._file.logged("analysis")):
            if (snapshot, kind) == (command.snapshot, command.kind):
                answer: vm.Analysis = self._values.decode(text)
                if answer.options == command.options:
                    return answer
        return None

    def notes(self) -> list[vm.Note]:
        """What the session told, and what to know of the recording."""
        for row, (level, text, advice) in self._file.logged("note", after=self._last_note):
            self._last_note = row
            self._notes.append(vm.Note(level=level, text=text, advice=advice))
        told, self._notes = self._notes, []
        return told

    def close(self) -> None:
        """Leave the file."""
        self._file.close()

    def _tell_when(self) -> None:
        ((first, last, count),) = self._file.rows("SELECT min(time), max(time), count(*) FROM snapshots")
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(first))
        text = f"{self._file.path.name}: {count} iterations, recorded from {when} for {(last - first) / 60:.0f} min"
        self._notes.append(vm.Note(level="info", text=text))

    def _read(self, snapshot: int) -> dict[str, Any]:
        """All that was written of a snapshot; later rows win."""
        if snapshot not in self._parts:
            self._parts[snapshot] = {}
            for row in self._rows[snapshot]:
                ((text,),) = self._file.rows("SELECT value FROM views WHERE id = ?", row)
                self._parts[snapshot] |= self._values.decode(text)
            if len(self._parts) > VIEWS_KEPT:
                self._parts.popitem(last=False)
        self._parts.move_to_end(snapshot)
        return self._parts[snapshot]

    def _borrow(self, name: str, parts: dict[str, Any], snapshot: int) -> None:
        """Take what is missing from the nearest snapshot that has it, those before it on its branch first."""
        place = snapshot
        while place >= 0:
            if place in self._with_motion and name in self._read(place):
                parts[name] = self._read(place)[name]
                if name == "motion":
                    text = f"The motion of iteration {place} is drawn: that of {snapshot} was not recorded."
                    self._notes.append(vm.Note(level="info", text=text))
                return
            place = self._briefs[place]["parents"]

    def _drift(self) -> vm.Drift | None:
        """Of the branch that the session stood on: written where that enters stage 3."""
        here = self.current
        phases = self._read(here)["phases"]
        begin = None
        while here >= 0 and phases[self._briefs[here]["phase"]].stage == 3:
            begin, here = here, self._briefs[here]["parents"]
        return None if begin is None else self._read(begin).get("drift")

    def _full(self, scene: vm.Scene) -> vm.Scene:
        if self._scene is None or self._scene[0] is not scene:
            given = compact.full(scene)
            if given.footage is not None and self._file.rows("SELECT 1 FROM pictures LIMIT 1"):
                given = replace(given, footage=replace(given.footage, path=str(self._file.path.absolute())))
            self._scene = scene, given
        return self._scene[1]

    def _whole_history(self) -> vm.History:
        if self._history is not None:
            return self._history
        columns = {name: np.array([brief[name] for brief in self._briefs]) for name in _PER_ROW}
        branch, place = [], self.current
        while place >= 0:
            branch.append(place)
            place = self._briefs[place]["parents"]
        events = (vm.Event(snapshot=b["ids"], text=b["event"]) for b in self._briefs if b["event"] is not None)
        self._history = vm.History(
            **columns,
            branch=np.array(branch[::-1]),
            branches=self._branches(columns),
            events=tuple(events),
            bookmarks=tuple(self._names.bookmarks.items()),
        )
        return self._history

    def _branches(self, columns: dict[str, np.ndarray]) -> tuple[vm.Branch, ...]:
        found = []
        for number in range(int(columns["branch_of"].max()) + 1):
            rows = np.flatnonzero(columns["branch_of"] == number)
            parent = int(columns["parents"][rows[0]])
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
