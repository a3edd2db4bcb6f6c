"""Progress: how often it is shown, in which form, and how it ends."""

import io

import pytest

from optim.common.progress import Line, Progress, clock


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def now(monkeypatch) -> list[float]:
    """The time in seconds, to be set."""
    time = [100.0]
    monkeypatch.setattr("optim.common.progress.time.monotonic", lambda: time[0])
    return time


def count_to(total, now, stream, **options):
    """Two units a second."""
    told = Progress(total, unit="steps", stream=stream, **options)
    for done in range(options.get("done", 0) + 1, total + 1):
        now[0] += 0.5
        told.show(done, f"step {done}")


def test_rate_share_and_time_left_are_of_this_run(now):
    stream = io.StringIO()
    count_to(240, now, stream, done=120)
    assert stream.getvalue().splitlines()[0] == "121/240 steps  50.4 %   2.00 steps/s  00:59 left  step 121"


def test_a_file_gets_a_line_now_and_then_and_the_last(now):
    stream = io.StringIO()
    count_to(1000, now, stream, every=30.0)
    lines = stream.getvalue().splitlines()
    assert 17 <= len(lines) <= 19 and lines[-1].startswith("1000/1000 steps  100.0 %")
    assert "\r" not in stream.getvalue()


def test_a_terminal_gets_one_line_that_is_rewritten(now):
    stream = Terminal()
    count_to(20, now, stream)
    assert stream.getvalue().count("\r") == 20
    assert stream.getvalue().count("\n") == 1 and stream.getvalue().endswith("\n")


def test_a_shorter_text_leaves_nothing_of_a_longer_one(now):
    stream = Terminal()
    line = Line(stream)
    for text in ("a long text", "short"):
        line.show(text)
        now[0] += 1.0
    assert len(stream.getvalue().split("\r")[2]) == len("a long text")
    line.break_off()
    line.break_off()
    assert stream.getvalue().count("\n") == 1


def test_a_total_that_is_known_late(now):
    stream = io.StringIO()
    told = Progress(unit="pictures", stream=stream)
    now[0] += 200.0  # to load what the pictures show, which says nothing about the time left
    told.count(1, 4)
    now[0] += 40.0
    told.count(3, 4)
    told.count(4, 4)
    first, second, last = stream.getvalue().splitlines()
    assert first.startswith("1/4 pictures  25.0 %") and first.endswith("? left")
    assert second == "3/4 pictures  75.0 %   0.05 pictures/s  00:20 left"
    assert last.startswith("4/4 pictures")


@pytest.mark.parametrize(("seconds", "text"), [(0, "00:00"), (61, "01:01"), (3661, "1:01:01")])
def test_clock(seconds, text):
    assert clock(seconds) == text
