"""Records a session in its run file while it runs: the history, to resume from, and views that need no models.

Runs in the worker's process. The optimiser's thread only collects what an iteration adds; another thread encodes,
compresses and writes it every half second. A motion is written if it differs visibly from the last one that was
written. A motion that the optimiser has not computed itself is written when the window shows it, or while the worker is
idle.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer.protocol import compact
from viewer.protocol import view_model as vm
from viewer.worker.build_prior import regressed_joints
from viewer.worker.stored import DETAILS, Setup, view_values

if TYPE_CHECKING:
    from optim.recording.recording import Recording
    from optim.session.history import Snapshot
    from viewer.worker.build_view import ViewBuilder

GOLDEN = 0.6180339887498949
"""The golden ratio: its multiples, modulo 1, are spread evenly between 0 and 1."""
LAST_MOMENT = 0.3  # seconds for which missing views are still built when a session ends
SHARE = 0.01
"""Share of the time to spend on motions that no window has shown; the others wait until the worker is idle."""
WRITE_AFTER, WRITE_AT = (
    0.5,
    64,
)  # seconds, iterations; what is newer is lost if the process is killed
STILL = 0.002
"""A motion counts as unchanged if no joint has moved further than this since the last motion that was written [m]."""


@dataclass
class _News:
    """Parts of views that wait to be written."""

    setups: list[tuple[int, Setup]] = field(default_factory=list)
    """Id of the first snapshot that a setup holds for, and the setup."""
    motions: list[tuple[int, vm.Motion, np.ndarray | None]] = field(default_factory=list)
    """Id of a snapshot, its motion, and the joints that the prior's decoder predicts."""
    still: list[tuple[int, int]] = field(default_factory=list)
    """Id of a snapshot, and the id of an earlier one with the same motion."""
    details: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    shown: set[int] = field(default_factory=set)
    """Ids of snapshots with all their details."""
    answers: list[vm.Analysis] = field(default_factory=list)
    notes: list[vm.Note] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.setups, self.motions, self.still, self.details, self.answers, self.notes))


class Recorder:
    """Records one session.

    Args:
        recording: The recording of this session; it may hold earlier iterations.
        publish: Publishes messages to the window. Messages given to ``Recorder.publish`` are recorded and passed on.
    """

    def __init__(self, recording: Recording, builder: ViewBuilder, publish: Callable[[Any], None]) -> None:
        from optim.recording.writer import Writer

        self._recording, self._builder, self._pass_on = recording, builder, publish
        self._views, self._writer = _ViewTables(recording), Writer()
        self._scene: tuple[vm.Scene, vm.Scene] | None = None  # as given, as written
        self._setup: tuple[Any, Setup] | None = None  # what it was made of, itself
        self._written_setup: Setup | None = None
        self._last: tuple[int, Mapping[str, np.ndarray]] | None = None  # the snapshot written last, what it was like
        self._unseen = self._views.unseen(len(recording))
        self._noticed = len(recording)
        self._began = self._wrote = time.perf_counter()
        self._spent = 0.0  # seconds, on motions that no window has shown
        self._caught_up = 0
        self._waiting = _News()
        self._broken = False
        publish(vm.Note(level="info", text=f"The session is recorded in {self.path}"))
        self.follow()
        self.flush()

    @property
    def path(self) -> Path:
        """Path of the run file."""
        return self._recording.file.path

    def publish(self, message: Any) -> None:
        """Pass a message on; views, answers and notes are written at the next ``follow``."""
        self._pass_on(message)
        if self._broken:
            return
        if isinstance(message, vm.Analysis):
            self._waiting.answers.append(message)
        elif isinstance(message, vm.Note):
            self._waiting.notes.append(message)
        elif isinstance(message, vm.ViewModel) and message.shown in self._unseen:
            self._take(message)
        elif isinstance(message, vm.ViewModel) and message.shown >= self._noticed:
            with self._guarded():
                self._notice({message.shown: message})

    def follow(self) -> None:
        """Collect what is new, and have it written at intervals.

        If that fails, a message says so once, and nothing more is recorded.
        """
        with self._guarded():
            self._notice({})
            overdue = time.perf_counter() - self._wrote > WRITE_AFTER
            if overdue or self._noticed - len(self._recording) >= WRITE_AT:
                self._hand_over()

    def flush(self) -> None:
        """Write everything that has been collected, and wait until it is written."""
        with self._guarded():
            self._hand_over()
            self._writer.wait()

    def catch_up(self) -> bool:
        """Write the view of one iteration that no window has shown; returns whether there was one.

        The iterations are taken from all over the fit, so that views are never missing over a long stretch of it.
        """
        if self._broken or not self._unseen:
            return False
        self._caught_up += 1
        place = self._caught_up * GOLDEN % 1.0 * len(self._unseen)
        snapshot = next(islice(self._unseen, int(place), None))
        session = self._builder.session
        try:
            view = self._builder.view(session.history[snapshot], self._status(snapshot))
        except Exception:  # the window tells when somebody looks at it
            del self._unseen[snapshot]
        else:
            self._take(view)
            self.follow()
        return True

    def close(self) -> None:
        """Complete the file and close it; a few of the missing views are still added."""
        try:
            self.follow()
            end = time.perf_counter() + LAST_MOMENT
            while time.perf_counter() < end and self.catch_up():
                pass
            self.flush()
        finally:  # even if the window is gone and nobody can be told that writing failed
            self._writer.close()
            self._recording.file.close()
            self._broken = True

    # --- on the optimiser's thread

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Stop the recording on any error inside, since a fit must not end because it cannot be recorded."""
        try:
            yield
        except Exception as error:
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        """Stop recording, and tell the user why."""
        from optim.common.errors import InputError

        if self._broken:
            return
        self._broken, self._waiting = True, _News()
        text = str(error) if isinstance(error, InputError) else f"{self.path}: {type(error).__name__}: {error}"
        advice = "The fit goes on, but is recorded no further than this."
        self._pass_on(vm.Note(level="warning", text=text, advice=advice))

    def _hand_over(self) -> None:
        """Give everything that has been collected to the thread that writes."""
        if self._broken:
            return
        self._wrote = time.perf_counter()
        news, views = self._recording.look(self._builder.session), self._waiting
        if news is None and not views:
            return
        self._waiting = _News()
        self._writer.do(lambda: self._recording.write(news, lambda new: self._views.write(views)))

    def _notice(self, views: Mapping[int, vm.ViewModel]) -> None:
        """Collect little of most iterations, but everything of those that are shown and of edits and phase starts."""
        if self._broken:
            return
        builder, known = self._builder, self._builder.session.history
        while self._noticed < len(known):
            snapshot = known[self._noticed]
            setup = self._setup_at(snapshot)
            if setup is not self._written_setup:
                self._waiting.setups.append((snapshot.id, setup))
                self._written_setup = setup
            self._unseen[snapshot.id] = None
            view = views.get(snapshot.id)
            if view is None and snapshot.cause != "iteration":
                with suppress(Exception):  # the window tells when somebody looks at it
                    view = builder.view(snapshot, self._status(snapshot.id))
            if view is not None:
                self._take(view)
            else:
                self._motion_in_passing(snapshot)
            self._noticed = snapshot.id + 1

    def _motion_in_passing(self, snapshot: Snapshot) -> None:
        """Collect a motion that the optimiser has just computed, if there is time for it."""
        builder, began = self._builder, time.perf_counter()
        if self._spent > SHARE * (began - self._began) or not builder.session.fit.predicted(snapshot):
            return
        trajectory, regressed = builder.session.fit.trajectory(snapshot), regressed_joints(builder, snapshot)
        floors = builder.floors(trajectory)
        found = {"joints": np.asarray(trajectory.joints), "regressed": regressed, "floors": floors}
        now = {name: value for name, value in found.items() if value is not None}
        if self._last is not None and _apart(now, self._last[1]) < STILL:
            self._waiting.still.append((snapshot.id, self._last[0]))
        else:
            self._waiting.motions.append((snapshot.id, builder.motion(trajectory), regressed))
            self._waiting.details[snapshot.id] = {"floors": floors}
            self._last = snapshot.id, now
        self._unseen[snapshot.id] = "motion"
        self._spent += time.perf_counter() - began

    def _take(self, view: vm.ViewModel) -> None:
        """Collect a whole view; its motion only if that is not written yet."""
        waiting = self._waiting
        if self._unseen.pop(view.shown, None) is None:
            waiting.motions.append((view.shown, view.motion, view.regressed))
        waiting.details[view.shown] = {stored: getattr(view, name) for stored, name in DETAILS.items()}
        waiting.shown.add(view.shown)

    def _setup_at(self, snapshot: Snapshot) -> Setup:
        """The setup of a snapshot; the same object as long as nothing in it changes, so that it is written once."""
        builder = self._builder
        scene = builder.scene_at(snapshot)
        made_of = (scene, snapshot.schedule, snapshot.held)
        if self._setup is None or any(a is not b for a, b in zip(self._setup[0], made_of, strict=True)):
            setup = Setup(
                scene=self._slim(scene),
                phases=builder.phases(snapshot),
                weights=builder.weights(snapshot),
                held=snapshot.held,
                row_of=builder.members.row_of,
            )
            self._setup = made_of, setup
        return self._setup[1]

    def _slim(self, scene: vm.Scene) -> vm.Scene:
        """The slim scene; the same object for the same scene, so that it and its body are written once."""
        if self._scene is None:
            self._scene = scene, compact.slim(scene)
        elif self._scene[0] is not scene:
            self._scene = scene, replace(scene, body=self._scene[1].body)
        return self._scene[1]

    def _status(self, index: int) -> vm.Status:
        """The status that a view needs; the run file does not store it, since it has these values in columns."""
        snapshot = self._builder.session.history[index]
        return vm.Status(
            state="done" if snapshot.done and snapshot.batch == self._builder.session.batch_count - 1 else "paused",
            phase=snapshot.phase,
            step=snapshot.step,
            iteration=snapshot.iteration,
            total_iterations=snapshot.total_iterations,
            progress=self._builder.progress(snapshot),
            loss=float(snapshot.evaluation.total),
        )


class _ViewTables:
    """The tables of views, answers and notes in the run file; written by the writer's thread."""

    def __init__(self, recording: Recording) -> None:
        self._file = recording.file
        self._values = view_values(recording.file)
        self._places: dict[int, tuple[int, int]] = {}  # snapshot → block and place of its motion
        self._next_block = recording.file.next_id("motions")

    def unseen(self, count: int) -> dict[int, str | None]:
        """Ids of incomplete snapshots, in order; the value is "motion" if at least the motion is written."""
        rows = self._file.rows("SELECT snapshot, max(motion IS NOT NULL), max(shown) FROM views GROUP BY snapshot")
        known = {snapshot: ("shown" if shown else "motion" if moves else None) for snapshot, moves, shown in rows}
        return {row: known.get(row) for row in range(count) if known.get(row) != "shown"}

    def write(self, news: _News) -> None:
        """Write the collected parts; call it inside a transaction."""
        encode, insert = self._values.encode, self._file.insert
        insert("setups", *((snapshot, encode(setup)) for snapshot, setup in news.setups))
        new = self._motions(news)
        self._places |= new
        for snapshot, other in news.still:
            new[snapshot] = self._places[snapshot] = self._places[other]
        rows = []
        for snapshot in sorted(new.keys() | news.details.keys()):
            detail = encode(news.details[snapshot]) if snapshot in news.details else None
            rows.append((None, snapshot, *new.get(snapshot, (None, None)), int(snapshot in news.shown), detail))
        insert("views", *rows)
        now = time.time()
        insert("notes", *((None, now, note.level, note.text, note.advice) for note in news.notes))
        for answer in news.answers:
            with suppress(TypeError):  # an answer that the file has no form for
                texts = encode(answer.options), answer.seconds, answer.error, encode(answer.value)
                insert("analyses", (None, now, answer.snapshot, answer.kind, *texts))

    def _motions(self, news: _News) -> dict[int, tuple[int, int]]:
        """Write the motions, those of equal shapes in one block; returns the block and the place of each snapshot."""
        from optim.recording.packing import pack

        places: dict[int, tuple[int, int]] = {}
        groups: dict[Any, list[tuple[int, dict[str, np.ndarray]]]] = {}
        for snapshot, motion, regressed in sorted(news.motions, key=lambda moving: moving[0]):
            arrays = compact.packed(motion, regressed)
            groups.setdefault(tuple((name, array.shape) for name, array in arrays.items()), []).append(
                (snapshot, arrays)
            )
        for group in groups.values():
            stacks = {name: np.stack([arrays[name] for _, arrays in group]) for name in group[0][1]}
            self._file.insert("motions", (self._next_block, pack(stacks, along=compact.ALONG)))
            places |= {snapshot: (self._next_block, place) for place, (snapshot, _) in enumerate(group)}
            self._next_block += 1
        return places


def _apart(now: Mapping[str, np.ndarray], then: Mapping[str, np.ndarray]) -> float:
    """The largest difference of any coordinate [m]; infinite if the arrays or their shapes differ."""
    if {name: value.shape for name, value in now.items()} != {name: value.shape for name, value in then.items()}:
        return float("inf")
    return max(float(np.abs(value - then[name]).max()) for name, value in now.items())
