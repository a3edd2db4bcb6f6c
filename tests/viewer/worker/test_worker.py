"""The worker's loop, turn by turn in this process: what it publishes, obeys, breaks off and survives."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import pytest

from optim.schedule.presets import PRESETS
from optim.schedule.stages import schedule
from optim.session import edits
from optim.session.causes import CONTACTS
from optim.session.session import Session
from tests import fakes as small
from tests.viewer import fakes
from viewer.protocol import commands as c
from viewer.protocol.view_model import Analysis, LoadFailed, Loading, Note, Scene, Status, ViewModel
from viewer.worker.worker import PUBLISH_INTERVAL, TELL_INTERVAL, Worker, load


class Bench:
    """A worker with a clock that ticks as told."""

    def __init__(self, session: Session | None = None) -> None:
        self.session = session or fakes.PacedSession()
        self.published: list[object] = []
        self.inbox: deque[c.Command] = deque()
        self.now = 0.0
        self.worker = Worker(self.session, self.published.append, self.inbox, clock=lambda: self.now)

    def send(self, *commands: c.Command, turns: int = 1) -> None:
        self.inbox.extend(commands)
        for _ in range(turns):
            self.worker.turn()

    def of(self, kind: type) -> list:
        return [message for message in self.published if isinstance(message, kind)]

    @property
    def view(self) -> ViewModel:
        return self.of(ViewModel)[-1]


def test_publishes_the_scene_once_and_first():
    bench = Bench()
    bench.send(c.Run(), turns=70)
    assert isinstance(bench.published[0], Scene)
    assert len(bench.of(Scene)) == 1
    assert bench.view.status.state == "done"


def test_views_are_throttled_while_running():
    bench = Bench()
    bench.send(c.Run())
    count = len(bench.of(ViewModel))
    for _ in range(10):
        bench.now += PUBLISH_INTERVAL / 5
        bench.worker.turn()
    assert len(bench.of(ViewModel)) == count + 2


def test_commands_are_counted():
    bench = Bench()
    bench.send(edits.SetWeight("joints3d", 3.0, 1), edits.Hold("betas"), edits.SetWeight("joints3d", 4.0, 1))
    assert bench.view.obeyed == 3
    assert bench.session.current.weights["joints3d"] == 4.0


@pytest.mark.parametrize("command", [c.Pause(), edits.Rewind(0), edits.Undo(), c.Quit()])
def test_urgent_commands_break_off_an_iteration(command):
    """The session asks at every evaluation, and gets a yes while such a command waits."""
    session = fakes.PacedSession(delay=3600.0)
    bench = Bench(session)
    asked = iter([c.Inspect(None), edits.SetWeight("joints3d", 2.0, 1), command])
    original = bench.worker._interrupted

    def interrupted():
        bench.inbox.append(next(asked))
        return original()

    bench.worker._interrupted = interrupted
    bench.send(c.Run())
    assert session.current.total_iterations == 0
    assert bench.inbox[-1] is command


def test_edits_wait_for_the_end_of_the_iteration():
    bench = Bench()
    bench.inbox.append(edits.SetWeight("joints3d", 3.0, 1))
    assert not bench.worker._interrupted()
    assert bench.inbox


def test_inspecting_does_not_disturb_a_run():
    bench = Bench()
    bench.send(c.Run(), turns=3)
    bench.inbox.append(c.Inspect(1))
    assert not bench.worker._interrupted()
    assert bench.view.shown == 1
    assert bench.view.status.state == "running"
    bench.worker.turn()
    bench.send(c.Pause())
    assert bench.view.shown == 1
    assert bench.view.current == bench.session.current.id > 1
    bench.send(c.Inspect(None))
    assert bench.view.shown == bench.view.current


def test_a_click_on_step_makes_an_iteration_or_enters_a_phase():
    rules = replace(PRESETS["gauss-newton"], contacts="planted")
    phases = schedule(rules, "3d", num_iters=(1, 1, 3), lbfgs_max_iter=3)
    session = Session(small.problem(frames=6), schedule=phases)
    bench = Bench(session)
    while not session.done:
        before = session.current
        bench.send(c.Step())
        while bench.worker.running:
            bench.worker.turn()
        now = session.current
        assert (now.phase, now.total_iterations) in (
            (before.phase, before.total_iterations + 1),
            (before.phase + 1, before.total_iterations),
        )
    assert CONTACTS in {snapshot.cause for snapshot in session.history.snapshots}


def test_bad_commands_are_answered_with_a_message():
    bench = Bench()
    bench.send(edits.SetWeight("joints3d", -1.0, 1), edits.Rewind(99))
    texts = [note.text for note in bench.of(Note)]
    assert texts == [
        "weight joints3d is -1.0; a finite number of at least 0 and at most 1e+09 is needed",
        "no snapshot 99; there are 0 to 0",
    ]
    bench.send(c.Inspect(99), c.Step())
    assert bench.session.current.total_iterations == 1


def test_inspecting_what_does_not_exist_is_a_message():
    bench = Bench()
    bench.send(c.Inspect(99))
    assert bench.of(Note)[-1].text.startswith("no snapshot 99")
    assert bench.view.shown == bench.view.current


def test_an_exception_pauses_and_names_its_place(capfd):
    bench = Bench(fakes.PacedSession(fail_at=2))
    bench.send(c.Run(), turns=5)
    note = bench.of(Note)[-1]
    assert note.level == "error" and "not a number" in note.text and "step_iteration" in note.advice
    assert bench.view.status.state == "paused"
    assert "Traceback" in capfd.readouterr().err


def test_a_view_that_cannot_be_built_pauses(monkeypatch, capfd):
    bench = Bench()
    bench.send(c.Run())
    monkeypatch.setattr(bench.session.fit, "trajectory", lambda snapshot: 1 / 0)
    bench.now += 1.0
    bench.worker.turn()
    assert not bench.worker.running
    assert "ZeroDivisionError" in bench.of(Note)[-1].text


def test_loading_says_what_is_wrong_with_the_input():
    published: list[object] = []
    assert load(fakes.refuse, published.append, deque()) is None
    assert isinstance(published[0], Loading)
    assert published[1] == LoadFailed(text="clip.npz: no array 'trans'; an AMASS file is expected", input_error=True)


def test_loading_that_crashes_is_told_too(capfd):
    published: list[object] = []
    assert load(lambda: 1 / 0, published.append, deque()) is None
    assert published[-1] == LoadFailed(text="ZeroDivisionError: division by zero", input_error=False)
    assert "Traceback" in capfd.readouterr().err


def test_time_left_falls_to_nothing():
    bench = Bench(fakes.PacedSession())
    bench.send(c.Run())
    left = []
    while bench.worker.running:
        bench.now += 0.5
        bench.worker.turn()
        left.append(None if bench.view.status.left is None else bench.view.status.left.seconds)
    assert left[-1] is None
    assert all(b < a + 1e-6 for a, b in zip(left[:-2], left[1:-1], strict=True))


def test_a_speed_limit_holds_iterations_back_but_no_command():
    bench = Bench()
    bench.send(c.SetSpeed(2.0), c.Run())
    done = bench.session.current.total_iterations
    bench.now += 0.4
    bench.send(turns=3)
    assert bench.session.current.total_iterations == done
    bench.now += 0.2
    bench.send(turns=3)
    assert bench.session.current.total_iterations == done + 1
    bench.send(c.Pause())
    assert bench.view.status.state == "paused"
    bench.send(c.SetSpeed(None), c.Run(), turns=5)
    assert bench.session.current.total_iterations >= done + 5


def test_a_long_iteration_tells_its_evaluations():
    bench = Bench()
    ask = bench.session.step_iteration

    def slow(interrupt):
        for _ in range(4):
            bench.now += TELL_INTERVAL
            interrupt()
        return ask(interrupt)

    bench.session.step_iteration = slow
    bench.send(c.Step())
    assert [status.evaluation for status in bench.of(Status)][:4] == [1, 2, 3, 4]
    assert bench.view.status.evaluation == 0


def test_questions_do_not_hurry_the_next_view():
    bench = Bench()
    bench.send(c.Run())
    count = len(bench.of(ViewModel))
    bench.send(c.Analyse("frame_terms", 0), turns=2)
    assert len(bench.of(ViewModel)) == count
    bench.now += PUBLISH_INTERVAL
    bench.send(turns=1)
    assert bench.view.obeyed == 2


def test_of_the_same_question_only_the_newest_is_answered():
    bench = Bench()
    bench.send(c.Run(), turns=5)
    bench.send(c.Pause(), c.Analyse("frame_terms", 1), c.Analyse("frame_terms", 2), c.Analyse("frame_terms", 3))
    assert [found.snapshot for found in bench.of(Analysis)] == [3]
    assert bench.view.obeyed == 5


def test_stage_3_waits_for_the_compiler_and_obeys_meanwhile(monkeypatch):
    monkeypatch.setattr("viewer.worker.worker.IDLE_WAIT", 0.0)
    bench = Bench()
    ready = []
    bench.worker.compiled = lambda: bool(ready)
    bench.send(c.Run(), turns=60)
    assert bench.session.current.stage == 2 and bench.session.current.phase_done
    assert sum("Compiling" in note.text for note in bench.of(Note)) == 1
    bench.send(edits.Hold("trans"))
    assert "trans" in bench.session.current.held
    ready.append(True)
    bench.send(turns=3)
    assert bench.session.current.stage == 3


def test_a_phase_that_ends_early_is_told():
    bench = Bench()
    bench.send(edits.SetFlatRule(0.5, 1), c.RunPhase(), turns=9)
    (note,) = bench.of(Note)
    assert note.level == "info"
    assert note.text.startswith("stage 1 ends in step 1 of 2, flat: the loss gains less than 50 % in 1 iterations")
