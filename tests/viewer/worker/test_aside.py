"""Questions that a second process answers: the same answers as in the worker, breaking off, and a process that dies."""

from __future__ import annotations

import io
import os
import threading
import time

import pytest

from optim.sensitivity.curvature import BrokenOffError
from optim.session.session import Session
from tests.viewer.conftest import fit
from viewer.protocol.commands import Analyse
from viewer.protocol.findings import BROKEN_OFF, UNDER_WAY
from viewer.protocol.view_model import Analysis
from viewer.worker.analyses import ANALYSES
from viewer.worker.answering import Answer, Question, framed, serve
from viewer.worker.aside import Aside
from viewer.worker.build_view import ViewBuilder

WORDS = (("weight", "joints3d"), ("factor", 3.0))
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
    aside.ask(done, Analyse("weight_trial", here.id, (("weight", "joints3d"), ("factor", 10.0))))
    told = aside.ask(done, Analyse("weight_trial", here.id, WORDS))
    assert (told.value, told.error, told.snapshot) == (None, UNDER_WAY, here.id)
    (answer,) = next_answer(aside)  # that of the newest question only
    assert answer.value == ANALYSES["weight_trial"](ViewBuilder(done), here, **dict(WORDS))
    assert "end_drift_cm" in answer.value.changes, "it knows what stage 3 encodes"
    assert done.current is here and len(done.history) == count
    aside.close()
    aside.ask(done, Analyse("weight_trial", here.id, WORDS))
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
        sink.write(framed(Question("weight_probe", WORDS, done.apart())))
        assert began.wait(LONG)
        sink.write(framed(Question("weight_trial", WORDS, done.apart())))
        while len(answers) < 2 and thread.is_alive():
            time.sleep(0.01)
        sink.write(framed(None))  # nothing is being answered
        began.clear()
        sink.write(framed(Question("weight_probe", WORDS, done.apart())))
        assert began.wait(LONG)
        sink.close()
        thread.join(LONG)
    assert answers[0] == answers[2] == Answer(None, BROKEN_OFF)
    assert answers[1].error == "" and answers[1].value.changes


def test_a_question_that_fails_is_answered_with_the_reason(done):
    answers: list[Answer] = []
    impossible = Question("weight_trial", (("weight", "nonsense"), ("factor", 2.0)), done.apart())
    serve(io.BytesIO(framed(impossible)), answers.append)
    assert len(answers) == 1 and answers[0].value is None and "nonsense" in answers[0].error
