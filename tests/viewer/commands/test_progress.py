"""The progress line: what it says, how often, and how it ends."""

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest

from optim.schedule.phases import Phase
from viewer.commands.progress import ProgressLine
from viewer.protocol.pace import Pace

SCHEDULE = [
    Phase("stage 1", 1, ("trans",), steps=2, iterations=2),
    Phase("stage 3 tune", 3, ("latent_motion",), steps=1, iterations=2),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def reached(phase, step, loss, *, iteration=1, stop=None, seconds=1.0, early=""):
    evaluation = SimpleNamespace(total=loss)
    return SimpleNamespace(
        phase=phase,
        step=step,
        iteration=iteration,
        stop=stop,
        phase_done=bool(early),
        seconds=seconds,
        evaluation=evaluation,
        cause="iteration",
        ended_early=early,
    )


def test_a_phase_that_ends_early_says_why_on_a_line_of_its_own():
    stream = io.StringIO()
    line = ProgressLine(SCHEDULE, stream)
    line.tell(reached(0, 0, 12.0), done=False)
    line.tell(reached(0, 0, 12.0, early="stage 1 ends in step 1 of 2, flat: it gains too little"), done=False)
    assert stream.getvalue().splitlines()[1:] == ["stage 1 ends in step 1 of 2, flat: it gains too little"]


def test_it_says_stage_step_loss_and_time_left():
    stream = io.StringIO()
    ProgressLine(SCHEDULE, stream).tell(reached(0, 0, 12.3456789), done=False)
    # 2 steps of 2 iterations at 1 s, less one, then 2 iterations of stage 3, taken to cost 5 times as much
    assert stream.getvalue() == "stage 1  step 1/2  loss 12.346  about 13 s left\n"


def test_a_phase_that_may_end_early_has_a_bound_until_a_batch_has_gone_through_it():
    stream, pace = io.StringIO(), Pace()
    flat = [replace(phase, flat_gain=0.01) for phase in SCHEDULE]
    line = ProgressLine(flat, stream, pace=pace)
    line.tell(reached(0, 0, 1.0), done=False)
    assert stream.getvalue().endswith("  at most 13 s left\n")
    line.tell(reached(0, 0, 1.0, iteration=2, early="stage 1 ends"), done=False)
    line.tell(reached(1, 0, 1.0, early="stage 3 ends", seconds=7.0), done=True)
    again = io.StringIO()
    ProgressLine(flat, again, pace=pace).tell(reached(0, 0, 1.0), done=False)
    assert again.getvalue().endswith("  about 8 s left\n")


def test_a_file_gets_a_line_now_and_then_and_always_the_last():
    stream = io.StringIO()
    line = ProgressLine(SCHEDULE, stream)
    for _ in range(50):
        line.tell(reached(0, 1, 1.0), done=False)
    line.tell(reached(1, 0, 0.5, stop="iterations"), done=True)
    told = stream.getvalue().splitlines()
    assert len(told) == 2 and told[-1] == "stage 3 tune  step 1/1  loss 0.5  0 s left"


@pytest.mark.parametrize("ending", ["done", "broken off"])
def test_a_terminal_gets_one_line_rewritten_in_place(ending):
    stream = Terminal()
    line = ProgressLine(SCHEDULE, stream)
    line.tell(reached(0, 0, 1.0), done=False)
    if ending == "done":
        line.tell(reached(1, 0, 0.5), done=True)
    else:
        line.break_off()
    assert stream.getvalue().startswith("\r") and stream.getvalue().count("\n") == 1
    assert stream.getvalue().endswith("\n")
