"""Writes a session into its run file as it goes: its history to go on from, and views to look at without the models.

Runs on the worker's side. What an iteration adds is noticed on the optimiser's thread, and encoded, compressed and
written by a thread of its own every half second. A motion is written where it has moved visibly since the last one;
what the optimiser has not worked out itself is written when the window shows it anyway, or while nothing else is done.
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
"""Multiples of it, modulo 1, fall everywhere alike."""
LAST_MOMENT = 0.3  # seconds, of catching up when a session ends
SHARE = 0.01
"""Of the time, to spend on motions that no window has shown; the rest waits until nothing else is done."""
WRITE_AFTER, WRITE_AT = 0.5, 64  # seconds, iterations: what is newer may be lost when the process is killed
STILL = 0.002
"""m: a motion in which no joint is further than this from the last one that was written is taken for the same."""


@dataclass
class _News:
    """What is to be written of views."""

    setups: list[tuple[int, Setup]] = field(default_factory=list)
    """With the first snapshot that they hold for."""
    motions: list[tuple[int, vm.Motion, np.ndarray | None]] = field(default_factory=list)
    """Snapshot, its motion, joints that the prior's decoder puts out."""
    still: list[tuple[int, int]] = field(default_factory=list)
    """Snapshot, another one whose motion is the same."""
    details: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    shown: set[int] = field(default_factory=set)
    """Snapshots of which all details are there."""
    answers: list[vm.Analysis] = field(default_factory=list)
    notes: list[vm.Note] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.setups, self.motions, self.still, self.details, self.answers, self.notes))


class Recorder:
    """Follows one session.

    Args:
        recording: Of this session; may hold its past.
        publish: Where messages go; what goes through ``publish`` of this object is recorded on its way there.
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
        """Of the run file."""
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
        """Notice what is new, and have it written now and then.

        Where that cannot be done, say so once and record no more.
        """
        with self._guarded():
            self._notice({})
            overdue = time.perf_counter() - self._wrote > WRITE_AFTER
            if overdue or self._noticed - len(self._recording) >= WRITE_AT:
                self._hand_over()

    def flush(self) -> None:
        """Write what has been noticed, and wait for that."""
        with self._guarded():
            self._hand_over()
            self._writer.wait()

    def catch_up(self) -> bool:
        """Write the view of one iteration that no window has shown; whether there was one.

        They are taken from all over the fit, so that what is missing at any time is missing in small gaps.
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
        """Leave one whole file behind, with as many of the missing views as a moment allows."""
        try:
            self.follow()
            end = time.perf_counter() + LAST_MOMENT
            while time.perf_counter() < end and self.catch_up():
                pass
            self.flush()
        finally:  # also where nobody is there any more to be told that it cannot be written
            self._writer.close()
            self._recording.file.close()
            self._broken = True

    # --- on the optimiser's thread

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Whatever fails inside stops the recording: no fit ends because it cannot be recorded."""
        try:
            yield
        except Exception as error:
            self._stop(error)

    def _stop(self, error: Exception) -> None:
        """Record no more, and say why."""
        from optim.common.errors import InputError

        if self._broken:
            return
        self._broken, self._waiting = True, _News()
        text = str(error) if isinstance(error, InputError) else f"{self.path}: {type(error).__name__}: {error}"
        advice = "The fit goes on, but is recorded no further than this."
        self._pass_on(vm.Note(level="warning", text=text, advice=advice))

    def _hand_over(self) -> None:
        """What has been noticed goes to the thread that writes."""
        if self._broken:
            return
        self._wrote = time.perf_counter()
        news, views = self._recording.look(self._builder.session), self._waiting
        if news is None and not views:
            return
        self._waiting = _News()
        self._writer.do(lambda: self._recording.write(news, lambda new: self._views.write(views)))

    def _notice(self, views: Mapping[int, vm.ViewModel]) -> None:
        """Little of every iteration, all of what is shown, and of what is no iteration, since there is little of it."""
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
        """Take a motion that the optimiser has just worked out, where there is time for it."""
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
        """A whole view is to be written; of its motion, what is not there yet."""
        waiting = self._waiting
        if self._unseen.pop(view.shown, None) is None:
            waiting.motions.append((view.shown, view.motion, view.regressed))
        waiting.details[view.shown] = {stored: getattr(view, name) for stored, name in DETAILS.items()}
        waiting.shown.add(view.shown)

    def _setup_at(self, snapshot: Snapshot) -> Setup:
        """The same object as long as nothing of it changes, so that it is written once."""
        builder = self._builder
        made_of = (builder.scene, snapshot.schedule, snapshot.held)
        if self._setup is None or any(a is not b for a, b in zip(self._setup[0], made_of, strict=True)):
            setup = Setup(
                scene=self._slim(builder.scene),
                phases=builder.phases(snapshot),
                weights=builder.weights(snapshot),
                held=snapshot.held,
                row_of=builder.members.row_of,
            )
            self._setup = made_of, setup
        return self._setup[1]

    def _slim(self, scene: vm.Scene) -> vm.Scene:
        """The same object for the same scene, so that it is written once; its body too."""
        if self._scene is None:
            self._scene = scene, compact.slim(scene)
        elif self._scene[0] is not scene:
            self._scene = scene, replace(scene, body=self._scene[1].body)
        return self._scene[1]

    def _status(self, index: int) -> vm.Status:
        """Views need one; a run file has its parts in columns."""
        snapshot = self._builder.session.history[index]
        return vm.Status(
            state="done" if snapshot.done else "paused",
            phase=snapshot.phase,
            step=snapshot.step,
            iteration=snapshot.iteration,
            total_iterations=snapshot.total_iterations,
            progress=self._builder.progress(snapshot),
            loss=float(snapshot.evaluation.total),
        )


class _ViewTables:
    """The tables of what is drawn and told; writes on the thread of the writer."""

    def __init__(self, recording: Recording) -> None:
        self._file = recording.file
        self._values = view_values(recording.file)
        self._places: dict[int, tuple[int, int]] = {}  # snapshot → block and place of its motion
        self._next_block = recording.file.next_id("motions")

    def unseen(self, count: int) -> dict[int, str | None]:
        """Snapshots of which something is missing, in order, and "motion" where that is there."""
        rows = self._file.rows("SELECT snapshot, max(motion IS NOT NULL), max(shown) FROM views GROUP BY snapshot")
        known = {snapshot: ("shown" if shown else "motion" if moves else None) for snapshot, moves, shown in rows}
        return {row: known.get(row) for row in range(count) if known.get(row) != "shown"}

    def write(self, news: _News) -> None:
        """Inside a transaction."""
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
        """Write them in blocks of those that have the same arrays; where each is."""
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
    """The largest difference of any coordinate [m]; infinite where there is something else or more of it."""
    if {name: value.shape for name, value in now.items()} != {name: value.shape for name, value in then.items()}:
        return float("inf")
    return max(float(np.abs(value - then[name]).max()) for name, value in now.items())
