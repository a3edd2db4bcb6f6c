"""The progress line: what it says, how often, and how it ends."""

import io
from types import SimpleNamespace

import pytest

from viewer.commands.progress import ProgressLine

SCHEDULE = [
    SimpleNamespace(frames=None, name="stage 1", stage=1, steps=2, iterations=2, variables=("trans",)),
    SimpleNamespace(frames=None, name="stage 3 tune", stage=3, steps=1, iterations=2, variables=("latent_motion",)),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def reached(phase, step, loss, *, stop=None, seconds=1.0):
    evaluation = SimpleNamespace(total=loss)
    return SimpleNamespace(phase=phase, step=step, stop=stop, seconds=seconds, evaluation=evaluation, cause="iteration")


def test_it_says_stage_step_loss_and_time_left():
    stream = io.StringIO()
    ProgressLine(SCHEDULE, stream).tell(reached(0, 0, 12.3456789), done=False)
    # 2 steps of 2 iterations at 1 s, then 2 iterations of stage 3, taken to cost 5 times as much
    assert stream.getvalue() == "stage 1  step 1/2  loss 12.346  time left 00:14\n"


def test_a_file_gets_a_line_now_and_then_and_always_the_last():
    stream = io.StringIO()
    line = ProgressLine(SCHEDULE, stream)
    for _ in range(50):
        line.tell(reached(0, 1, 1.0), done=False)
    line.tell(reached(1, 0, 0.5, stop="iterations"), done=True)
    told = stream.getvalue().splitlines()
    assert len(told) == 2 and told[-1] == "stage 3 tune  step 1/1  loss 0.5  time left 00:00"


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
