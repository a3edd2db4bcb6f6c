"""The thread that writes: in order, with bounded memory, and failures come back to whoever has something to write."""

from __future__ import annotations

import threading

import pytest

from optim.recording.writer import WAITING, Writer


def test_jobs_are_done_in_order_in_another_thread():
    writer, done = Writer(), []
    threads: set[threading.Thread] = set()
    writer.do(lambda: threads.add(threading.current_thread()))
    for number in range(20):
        writer.do(lambda number=number: done.append((number, threading.current_thread().name)))
    writer.wait()
    assert done == [(number, "recording") for number in range(20)]
    writer.close()
    assert [thread.is_alive() for thread in threads] == [False]


def test_who_brings_more_than_can_wait_waits():
    writer, go = Writer(), threading.Event()
    brought: list[int] = []

    def bring() -> None:
        for number in range(WAITING + 5):
            writer.do(go.wait)  # type: ignore[arg-type]
            brought.append(number)

    other = threading.Thread(target=bring)
    other.start()
    other.join(0.2)
    assert other.is_alive() and WAITING <= len(brought) <= WAITING + 1
    go.set()
    other.join(5.0)
    writer.close()
    assert len(brought) == WAITING + 5


def test_a_failure_is_raised_and_nothing_is_written_after_it():
    writer, done = Writer(), []
    writer.do(lambda: 1 / 0)  # type: ignore[arg-type,return-value]
    with pytest.raises(ZeroDivisionError):
        writer.wait()
    with pytest.raises(ZeroDivisionError):
        writer.do(lambda: done.append(1))
    writer.close()
    assert done == []
