"""What is told while a long reading goes on: on the terminal and in the window."""

import io
import logging

from optim.common.progress import LineHandler, Reading, told_to
from optim.common.progress import log as loading
from viewer.protocol.view_model import Loading
from viewer.worker.worker import LOADING_LOG, LoadingHandler


class Terminal(io.StringIO):
    def isatty(self):
        return True


def heard(handler, told):
    with told_to(handler):
        told()
    assert handler not in loading.handlers


def count_to(total, monkeypatch, *, seconds):
    """Every unit of work takes so many seconds."""
    clock = [0.0]
    monkeypatch.setattr("optim.common.progress.time.monotonic", lambda: clock[0])
    told = Reading("Reading", total)
    for done in range(1, total + 1):
        clock[0] += seconds
        told.show(done)


def test_the_worker_listens_where_loaders_log():
    assert logging.getLogger(LOADING_LOG) is loading


def test_the_window_is_told_what_is_left(monkeypatch):
    published = []
    heard(LoadingHandler(published.append), lambda: count_to(100, monkeypatch, seconds=2.0))
    assert published[24] == Loading(text="Reading: 25 of 100, time left 02:30")
    assert published[-1] == Loading(text="Reading: 100 of 100")


def test_the_terminal_line_is_overwritten_and_ends(monkeypatch):
    stream = Terminal()
    heard(LineHandler(stream), lambda: count_to(10, monkeypatch, seconds=1.0))
    assert stream.getvalue().count("\n") == 1 and stream.getvalue().endswith("\n")
    assert stream.getvalue().rstrip().endswith("10 of 10")
    assert stream.getvalue().count("\r") == 10


def test_a_log_file_is_not_flooded(monkeypatch):
    stream = io.StringIO()
    heard(LineHandler(stream), lambda: count_to(1000, monkeypatch, seconds=1.0))
    assert stream.getvalue().count("\n") < 1000


def test_fast_work_says_little(monkeypatch):
    published = []
    heard(LoadingHandler(published.append), lambda: count_to(1000, monkeypatch, seconds=0.01))
    assert len(published) < 25
