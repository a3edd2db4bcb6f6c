"""The worker: owns the session, obeys commands, steps while running, publishes views; in its own process.

Knows nothing of windows. Torch is loaded with this module, so the window's process does not import it: see
``viewer.window.client.run_worker``.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from optim.common.errors import InputError
from optim.priors.fast.cache import start_compiling
from optim.recording.recording import Recording
from optim.sensitivity.curvature import BrokenOffError
from optim.session import edits
from optim.session.causes import CONTACTS
from optim.session.history import Snapshot
from optim.session.session import Session
from viewer.protocol import commands as c
from viewer.protocol.findings import BROKEN_OFF
from viewer.protocol.messages import Publish, Record, load_failed
from viewer.protocol.pace import ITERATION, Pace
from viewer.protocol.view_model import Analysis, Finished, Level, Loading, Note, State, Status
from viewer.worker.analyses import ANALYSES
from viewer.worker.aside import ASIDE, BEFORE, Aside, has_room
from viewer.worker.breakpoints import Watch
from viewer.worker.build_view import ViewBuilder
from viewer.worker.exporting import export
from viewer.worker.live import CLOSE, Live
from viewer.worker.profiling import Profiler
from viewer.worker.run_recorder import Recorder
from viewer.worker.tuner import Tuner

PUBLISH_INTERVAL = 0.08  # seconds between two views while running, at least
PUBLISH_SHARE = 0.05  # of the time that views may take; where they cost more there are fewer
LOADING_LOG = "optim.common.progress"
"""Where loaders log, at level INFO, how far they have got."""
TELL_INTERVAL = 0.25  # seconds between two messages about the evaluation under way, within a long iteration
IDLE_WAIT = 0.02  # seconds between two checks of the inbox while paused

_URGENT = (c.Pause, edits.Rewind, edits.Undo, edits.Redo, c.Quit)
"""Commands that break off the iteration in progress; the others wait for its end."""
_URGENT_WHILE_LIVE = (c.Pause, c.SetLive, c.Drag, c.EndDrag, edits.Edit, c.Quit)
"""The same while the fit is live, where an edit takes effect within one evaluation."""
_GOALS: dict[type[c.Request], str] = {
    c.Step: "iteration",
    c.StepOuter: "step",
    c.RunPhase: "phase",
    c.RunStage: "stage",
    c.Run: "end",
}
JOINED = ("overlaps", "stitched")
"""Answers that a recording of sub-sequences has of the end of every batch, whether somebody asked or not."""
_LIVE = "live"
"""The goal of a run that never ends, see ``viewer.worker.live``."""


class Worker:
    """The loop around a session; ``turn`` is one round of it. Everything that happens is written to the recording."""

    def __init__(
        self,
        session: Session,
        publish: Publish,
        inbox: deque[c.Command],
        *,
        recording: Recording | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.quitting = False
        self._session, self._inbox, self._clock = session, inbox, clock
        self._goal: str | None = None
        self._shown: int | None = None  # snapshot that is inspected; None follows the current one
        self._builder = ViewBuilder(session)
        self._pace = Pace()
        self._speed_limit: float | None = None
        self._iteration_began = -1e9
        self._evaluations = 0  # of the iteration under way
        self._watch, self._profiler, self._live = Watch(), Profiler(), Live(session)
        self._pass_on = publish
        self._builder.interrupted = self._wanted
        self._recorder = None if recording is None else Recorder(recording, self._builder, publish)
        self._publish = publish if self._recorder is None else self._recorder.publish
        self._tuner = Tuner(publish)
        self._last_published = -1e9
        self._stale, self._publish_interval = False, PUBLISH_INTERVAL
        self._obeyed = 0
        self.compiled: Callable[[], bool] | None = None
        """Whether stage 3 can go on at once; None: nothing has to be compiled."""
        self._told_of_compiler = False
        self.aside: Aside | None = None
        """Answers long questions in a process of its own; None: they are answered here."""
        publish(self._builder.scene)
        self.publish_view()

    @property
    def running(self) -> bool:
        """Whether the optimiser is running towards a goal."""
        return self._goal is not None

    def turn(self) -> bool:
        """Carry out the commands in the inbox, then do one iteration if running; False if there was nothing to do."""
        busy = self._work()
        self._tuner.follow()
        if self.aside is not None:
            self.aside.follow(self._tell)
        if self._recorder is not None:
            self._recorder.follow()
            busy = busy or self._recorder.catch_up()
            if not self.running:
                self._recorder.flush()
        return busy

    def close(self) -> None:
        """End the processes beside this one, and finish the recording."""
        self._tuner.close()
        if self.aside is not None:
            self.aside.close()
        if self._recorder is not None:
            self._recorder.close()

    def _work(self) -> bool:
        obeyed = self._obey_all()
        if self.quitting:
            return True
        if any(not isinstance(command, c.Analyse) for command in obeyed):
            self.publish_view()
        elif obeyed:
            self._stale = True
        stepping = self.running and not self._resting()
        if stepping:
            self._iterate()
            self._stale = True
        if self._stale and (not self.running or self._clock() - self._last_published >= self._publish_interval):
            self.publish_view()
        return bool(obeyed) or stepping

    def _resting(self) -> bool:
        """Whether the next iteration must wait: for an edit, or because of the speed limit."""
        if self._goal == _LIVE and self._live.resting:
            return True
        limit = self._speed_limit
        return limit is not None and self._clock() - self._iteration_began < 1.0 / limit

    def publish_view(self) -> None:
        """Publish the present view; if it cannot be built, the run is paused."""
        self._last_published, self._stale = self._clock(), False
        self._last_told = self._last_published
        shown = self._session.current.id if self._shown is None else self._shown
        try:
            snapshot = self._session.history[shown]
            if self._builder.refresh(snapshot):
                self._publish(self._builder.scene)
            view = self._builder.view(snapshot, self._status(), obeyed=self._obeyed)
            view = self._live.dress(view, self._builder)
        except Exception as error:
            self._fail("This iteration cannot be shown", error)
        else:
            watch, times = self._watch, self._profiler.phases
            view = replace(view, breakpoints=watch.settings, caught=watch.caught, times=times)
            # What is dragged is not in the history, so it must not be recorded as the view of a snapshot.
            (self._pass_on if self._live.dragging else self._publish)(view)
        spent = self._clock() - self._last_published
        self._publish_interval = max(PUBLISH_INTERVAL, spent / PUBLISH_SHARE)

    # --- commands

    def _obey_all(self) -> list[c.Command]:
        obeyed = []
        while self._inbox and not self.quitting:
            obeyed.append(self._inbox.popleft())
            if self._superseded(obeyed[-1]):
                self._obeyed += 1
            else:
                self._obey(obeyed[-1])
        return obeyed

    def _superseded(self, command: c.Command) -> bool:
        """Whether a newer question of the same kind, or a newer edit of the same drag, is waiting in the inbox."""
        if isinstance(command, c.Drag):
            return bool(self._inbox) and isinstance(self._inbox[0], c.Drag)
        if not isinstance(command, c.Analyse):
            return False
        return any(isinstance(other, c.Analyse) and other.kind == command.kind for other in self._inbox)

    def _obey(self, command: c.Command) -> None:
        self._obeyed += 1
        try:
            self._do(command)
        except InputError as error:
            self._publish(Note(level="warning", text=str(error)))
        except Exception as error:
            self._fail(f"{type(command).__name__} failed", error)

    def _do(self, command: c.Command) -> None:
        session = self._session
        match command:
            case c.Quit():
                self.quitting = True
            case c.Pause():
                self._live.stop()
                self._goal = None
            case c.SetLive(on):
                self._shown = None
                if on:
                    self._live.start()
                    self._goal = _LIVE
                elif self._live.on:
                    self._live.stop()
                    self._goal = None
            case c.Drag(edit):
                self._live.drag(edit)
                self._shown = None
            case c.EndDrag(keep):
                self._live.end_drag(keep=keep)
            case c.Inspect(snapshot):
                known = None if snapshot is None else session.history[snapshot].id
                self._shown = None if known == session.current.id else known
            case c.SetSpeed(limit):
                self._speed_limit = limit if limit is not None and limit > 0 else None
            case c.Analyse():
                if self.aside is not None and command.kind == BEFORE:
                    self.aside.start()
                if self.aside is not None and command.kind in ASIDE:
                    self._pass_on(self.aside.ask(session, command, self._builder.frame))
                else:
                    self._analyse(command)
            case c.BreakOff():
                if self.aside is not None:
                    self.aside.break_off()
            case c.SetBreakpoints(breakpoints):
                self._watch.set(breakpoints)
            case c.Export(formats, folder, frame, bones, scale):
                paths = export(session, formats, folder, frame=frame, bones=bones, scale=scale)
                self._publish(
                    Note(level="info", text=f"Written: {', '.join(path.name for path in paths)}", advice=folder)
                )
            case c.StartTuning():
                self._tuner.start(session, command)
            case c.StopTuning():
                self._tuner.stop()
            case c.ResumeTuning(trials):
                self._tuner.resume(trials)
            case c.AdoptTrial(number):
                self._edit(self._tuner.edit(session, number))
            case c.ClearProfile():
                self._profiler.clear()
            case edits.Edit():
                self._edit(command)
            case _:
                self._live.stop()
                self._goal, self._shown = (None if session.done else _GOALS[type(command)]), None

    def _edit(self, edit: edits.Edit) -> None:
        """Apply an edit to the session."""
        session = self._session
        self._live.end_drag(keep=True)
        if isinstance(edit, edits.Rewind):
            self._live.stop()
            self._goal, self._shown = None, None
        before = session.current
        session.apply(edit)
        if session.current is not before:
            self._live.edited(before)

    def _analyse(self, command: c.Analyse) -> None:
        """Answer a question. If that fails, publish a message; the run is not paused."""
        snapshot, began, error = self._session.history[command.snapshot], self._clock(), ""
        try:
            value = ANALYSES[command.kind](self._builder, snapshot, **dict(command.options))
        except BrokenOffError:
            value, error = None, BROKEN_OFF
        except Exception as failure:
            value, error = None, f"{type(failure).__name__}: {failure}"
            self._publish(Note(level="warning", text=f"{command.kind}: {error}"))
        seconds = self._clock() - began
        self._tell(
            Analysis(
                kind=command.kind,
                options=command.options,
                snapshot=snapshot.id,
                seconds=seconds,
                value=value,
                error=error,
            )
        )

    def _tell(self, answer: Analysis) -> None:
        """Publish an answer; one without a value, which only says why there is none, is not recorded."""
        (self._pass_on if answer.error else self._publish)(answer)

    def _wanted(self) -> bool:
        """Whether a command waits that breaks off a long analysis here.

        Questions do not, and neither does breaking off the question of the second process, which is carried out here.
        """
        if self._inbox and isinstance(self._inbox[0], c.BreakOff):
            self._obey(self._inbox.popleft())
        return any(not isinstance(command, (c.Analyse, c.BreakOff)) for command in list(self._inbox))

    # --- iterations

    def _waits_for_compiler(self) -> bool:
        """Stage 3 lets the roll-out be compiled first, once on a machine; commands are obeyed meanwhile."""
        now = self._session.current
        following = now.next_phase if now.phase_done else None
        if self.compiled is None or 3 not in (now.stage, now.schedule[following or now.phase].stage):
            return False
        if self.compiled():
            self.compiled = None
            return False
        if not self._told_of_compiler:
            self._told_of_compiler = True
            text = "Compiling the roll-out for this machine, once. Stage 3 goes on in some seconds."
            self._publish(Note(level="info", text=text))
        time.sleep(IDLE_WAIT)
        return True

    def _iterate(self) -> None:
        if self._waits_for_compiler():
            return
        session = self._session
        before, start = session.current, self._clock()
        self._iteration_began, self._evaluations = start, 0
        try:
            if self._goal == _LIVE:
                snapshot = self._live.step(self._interrupted)
                if self._live.dragging:
                    self._evaluations = 0
                    return
            else:
                snapshot = self._profiler.step(session, self._interrupted)
            if snapshot.id == before.id:
                return
            previous = before if snapshot.parent is None else session.history[snapshot.parent]
            caught = self._watch.check(session, previous, snapshot)
        except (BrokenPipeError, ConnectionResetError):
            raise  # the window is gone, which is no fault of the optimiser
        except Exception as error:
            self._fail("The optimiser stopped", error)
            return
        self._evaluations = 0
        if snapshot.cause == ITERATION:
            self._pace.record(snapshot, self._clock() - start)
        if snapshot.done and self._goal != _LIVE and self._recorder is not None:
            self._record_joined(snapshot)
        if snapshot.ended_early and self._goal != _LIVE:
            self._publish(Note(level="info", text=snapshot.ended_early))
        if caught is not None:
            advice = "A breakpoint paused the run; the Breakpoints tab leads back to the last good iteration."
            self._publish(Note(level="warning", text=caught.text, advice=advice))
            self._live.stop()
        if caught is not None or (self._goal != _LIVE and (session.done or reached(self._goal, snapshot))):
            self._goal = None

    def _record_joined(self, snapshot: Snapshot) -> None:
        """Record how the sub-sequences are joined at the end of a batch. Live goes on after it, and is left out."""
        if self._builder.scene_at(snapshot).split:
            for kind in JOINED:
                self._analyse(c.Analyse(kind, snapshot.id))

    def _interrupted(self) -> bool:
        """Whether the session must break off the iteration; the session asks at every evaluation.

        A command that only changes what is shown is carried out here, without breaking off.
        """
        self._evaluations += 1
        if self._clock() - self._last_told >= TELL_INTERVAL:
            self._last_told = self._clock()
            self._publish(self._status())
        waiting = list(self._inbox)
        urgent = _URGENT_WHILE_LIVE if self._goal == _LIVE else _URGENT
        if any(isinstance(command, urgent) for command in waiting):
            return True
        if waiting and isinstance(waiting[0], c.Inspect):
            self._obey(self._inbox.popleft())
            self.publish_view()
        return False

    def _fail(self, what: str, error: Exception) -> None:
        """Pause, tell the user about the error, and print its traceback to stderr."""
        self._live.abandon()
        self._goal = None
        traceback.print_exception(error, file=sys.stderr)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        advice = f"{frame.name}, line {frame.lineno}. Paused: rewind or change a weight, then go on."
        self._publish(Note(level="error", text=f"{what}: {type(error).__name__}: {error}", advice=advice))

    def _status(self) -> Status:
        now = self._session.current
        more = self._session.batch_count - 1 - now.batch
        left = self._pace.time_left(now.schedule, now, limit=self._speed_limit, again=more)
        state: State = "running" if self.running else "done" if self._session.done else "paused"
        return Status(
            state=state,
            phase=now.phase,
            step=now.step,
            iteration=now.iteration,
            total_iterations=now.total_iterations,
            progress=self._builder.progress(now),
            loss=float((self._live.moving if self._live.on else self._session).current.evaluation.total),
            rate=self._pace.rate(now.phase),
            left=None if state == "done" else left,
            speed_limit=self._speed_limit,
            evaluation=self._evaluations,
            live=self._live.on,
            close=self._live.on and self._live.left is not None and self._live.left < CLOSE,
        )


def reached(goal: str | None, snapshot: Snapshot) -> bool:
    """Whether a run towards ``goal`` ends at this snapshot."""
    match goal:
        case "iteration":
            return snapshot.cause != CONTACTS
        case "step":
            return snapshot.stop is not None
        case "phase":
            return snapshot.phase_done
        case "stage":
            following = snapshot.schedule[snapshot.phase + 1 : snapshot.phase + 2]
            return snapshot.phase_done and not any(phase.stage == snapshot.stage for phase in following)
    return False


def load(
    make_session: Callable[[], Any], publish: Publish, inbox: deque[c.Command], record: Record | None = None
) -> Worker | None:
    """Make the session and the worker around it; None, and a message, where that fails."""
    publish(Loading(text="Loading models…"))
    try:
        session = make_session()
        return Worker(session, publish, inbox, recording=None if record is None else record(session))
    except Exception as error:
        publish(load_failed(error))
        return None


class NotesHandler(logging.Handler):
    """Shows the warnings that libraries and loaders log as messages in the window."""

    def __init__(self, publish: Publish) -> None:
        super().__init__(logging.WARNING)
        self._publish_note = publish

    def emit(self, record: logging.LogRecord) -> None:
        """Publish one record."""
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        self._publish_note(Note(level=level, text=record.getMessage()))


class LoadingHandler(logging.Handler):
    """Shows the progress that a slow loader logs in the window."""

    def __init__(self, publish: Publish) -> None:
        super().__init__(logging.INFO)
        self._publish_text = publish

    def emit(self, record: logging.LogRecord) -> None:
        """Publish one record."""
        self._publish_text(Loading(text=record.getMessage()))


def worker_main(make_session: Callable[[], Any], connection: Connection, record: Record | None) -> None:
    """Body of the worker process; ends on ``Quit`` or when the window is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the window's business
    inbox: deque[c.Command] = deque()
    threading.Thread(target=_read, args=(connection, inbox), name="commands", daemon=True).start()
    logging.getLogger().addHandler(NotesHandler(connection.send))
    logging.getLogger(LOADING_LOG).addHandler(LoadingHandler(connection.send))
    worker = None
    try:
        worker = load(make_session, connection.send, inbox, record)
        if worker is not None:
            worker.compiled = compile_ahead()
            worker.aside = Aside() if has_room() else None
        while worker is not None and not worker.quitting:
            if not worker.turn():
                time.sleep(IDLE_WAIT)
        connection.send(Finished())
    except (BrokenPipeError, ConnectionResetError):
        pass  # the window is gone
    finally:
        if worker is not None:
            with suppress(BrokenPipeError, ConnectionResetError):  # nobody hears of a full disk any more
                worker.close()


def compile_ahead() -> Callable[[], bool] | None:
    """Start compiling the roll-out in a process of its own.

    Returns:
        A function that says whether the compiler has finished; None if everything was compiled before.
    """
    process = start_compiling()
    return None if process is None else lambda: process.poll() is not None


def _read(connection: Connection, inbox: deque[c.Command]) -> None:
    """Move commands into the inbox as they arrive, so that the window never waits; a lost window means ``Quit``."""
    try:
        while True:
            inbox.append(connection.recv())
    except (EOFError, OSError):
        inbox.append(c.Quit())
