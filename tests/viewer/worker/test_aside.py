"""Questions that a second process answers: the same answers as in the worker, breaking off, and a process that dies."""

from __future__ import annotations

import io
import os
import threading
import time
from collections import deque
from typing import Any

import numpy as np
import pytest

from optim.common import threads
from optim.recording.recording import Recording
from optim.recording.runfile import RunFile
from optim.sensitivity.curvature import BrokenOffError
from optim.session.edits import SetFloor
from optim.session.session import Session
from tests.viewer.conftest import fit
from viewer.protocol.commands import Analyse
from viewer.protocol.findings import BROKEN_OFF, UNDER_WAY
from viewer.protocol.view_model import Analysis
from viewer.worker import aside as aside_module
from viewer.worker.analyses import ANALYSES
from viewer.worker.answering import Answer, Question, _answer, framed, read, serve
from viewer.worker.aside import Aside
from viewer.worker.build_view import ViewBuilder
from viewer.worker.display import display_frame
from viewer.worker.worker import Worker

WORDS = (("weight", "joints3d"), ("factor", 3.0))
PROBE = (("weight", "joints2d"), ("factor", 1.3))
FRAME = display_frame(None)
LONG = 120.0  # seconds after which a test gives up


@pytest.fixture(scope="module")
def done() -> Session:
    session = fit()
    session.run()
    return session


def next_answer(aside: Aside) -> list[Analysis]:
    """What is published next."""
    answers: list[Analysis] = []
    end = time.monotonic() + LONG
    while not answers and time.monotonic() < end:
        aside.follow(answers.append)
        time.sleep(0.01)
    return answers


def test_the_process_answers_what_the_worker_would_and_is_told_dead(done):
    aside, here, count = Aside(), done.current, len(done.history)
    aside.ask(done, Analyse("weight_trial", here.id, (("weight", "joints3d"), ("factor", 10.0))), FRAME)
    told = aside.ask(done, Analyse("weight_trial", here.id, WORDS), FRAME)
    assert (told.value, told.error, told.snapshot) == (None, UNDER_WAY, here.id)
    (answer,) = next_answer(aside)  # that of the newest question only
    threads.use(1)  # as in the process: the bits of a product depend on the number of threads
    assert answer.value == ANALYSES["weight_trial"](ViewBuilder(done), here, **dict(WORDS))
    assert "end_drift_cm" in answer.value.changes, "it knows what stage 3 encodes"
    assert done.current is here and len(done.history) == count
    aside.close()
    aside.ask(done, Analyse("weight_trial", here.id, WORDS), FRAME)
    (lost,) = next_answer(aside)
    assert lost.value is None and "ended with exit code" in lost.error


def test_what_arrives_breaks_off_the_question_before(done, monkeypatch):
    answers: list[Answer] = []
    began, reading, writing = threading.Event(), *os.pipe()

    def waits(builder: ViewBuilder, *others: object, **words: object) -> None:
        began.set()
        while not builder.interrupted():
            time.sleep(0.001)
        raise BrokenOffError

    monkeypatch.setitem(ANALYSES, "weight_probe", waits)
    with open(reading, "rb") as source, open(writing, "wb", buffering=0) as sink:
        thread = threading.Thread(target=serve, args=(source, answers.append))
        thread.start()
        sink.write(framed(Question("weight_probe", WORDS, done.apart(), FRAME)))
        assert began.wait(LONG)
        sink.write(framed(Question("weight_trial", WORDS, done.apart(), FRAME)))
        while len(answers) < 2 and thread.is_alive():
            time.sleep(0.01)
        sink.write(framed(None))  # nothing is being answered
        began.clear()
        sink.write(framed(Question("weight_probe", WORDS, done.apart(), FRAME)))
        assert began.wait(LONG)
        sink.close()
        thread.join(LONG)
    assert answers[0] == answers[2] == Answer(None, BROKEN_OFF)
    assert answers[1].error == "" and answers[1].value.changes


def test_a_question_that_fails_is_answered_with_the_reason(done):
    answers: list[Answer] = []
    impossible = Question("weight_trial", (("weight", "nonsense"), ("factor", 2.0)), done.apart(), FRAME)
    serve(io.BytesIO(framed(impossible)), answers.append)
    assert len(answers) == 1 and answers[0].value is None and "nonsense" in answers[0].error


class Kept:
    """In place of the second process: what it is given, and answers that a test puts there."""

    def __init__(self) -> None:
        self.given: list[Question | None] = []
        self.answers: deque[Answer] = deque()
        self.ended = None

    def give(self, message: Question | None) -> None:
        self.given.append(message)

    def close(self) -> None: ...


@pytest.fixture
def kept(monkeypatch) -> Kept:
    process = Kept()
    monkeypatch.setattr(aside_module, "_Process", lambda: process)
    return process


def test_a_predicted_motion_is_in_the_frame_of_the_worker_after_the_floor_was_edited(kept):
    session = fit("joints2d")
    worker = Worker(session, lambda message: None, deque())
    session.run()
    *normal, offset = session.problem.floor[0].tolist()
    session.apply(SetFloor((*normal, offset + 0.5)))
    worker.aside = Aside()
    worker._inbox.append(Analyse("weight_probe", session.current.id, PROBE))
    worker.turn()
    (question,) = kept.given
    answer = _answer(read(io.BytesIO(framed(question))), interrupt=lambda: False)
    here = ANALYSES["weight_probe"](worker._builder, session.current, **dict(PROBE))
    assert here.motion is not None
    np.testing.assert_allclose(answer.value.motion.joints, here.motion.joints, atol=1e-4)


def test_an_answer_that_says_why_there_is_none_is_not_recorded(kept, done, tmp_path):
    published: list[Any] = []
    recording = Recording(RunFile(tmp_path / "run.humorscope", mode="new"))
    worker = Worker(done, published.append, deque(), recording=recording)
    worker.aside = Aside()
    worker._inbox.extend(Analyse(kind, done.current.id, WORDS) for kind in ("weight_trial", "weight_probe"))
    worker.turn()
    kept.answers.extend((Answer(None, BROKEN_OFF), Answer({"observed_cm": 1.0})))
    worker.turn()
    told = [message.error for message in published if isinstance(message, Analysis)]
    assert told == [UNDER_WAY, UNDER_WAY, BROKEN_OFF, ""]
    assert recording.file.rows("SELECT kind, error FROM analyses") == [("weight_probe", "")]
    worker.close()
