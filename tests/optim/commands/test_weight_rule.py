"""Measuring edits: both ways start alike, the page keeps what stands around the table."""

from __future__ import annotations

import pytest

from optim.commands import weight_rule
from optim.commands.weight_rule import BEGIN, END, Outcome, measure, table, write_between_marks
from optim.common.errors import InputError
from optim.schedule.stages import schedule
from optim.session.session import Session
from tests import fakes


def test_both_ways_go_on_from_the_same_place(monkeypatch):
    monkeypatch.setattr(weight_rule, "AFTER", 4)
    session = Session(fakes.problem(frames=5), schedule=schedule(num_iters=(2, 0, 0), lbfgs_max_iter=20))
    for _ in range(8):
        warm = session.step_iteration()
    found = measure(session, warm, "joints3d", 10.0)
    assert (found.stage, found.edited) == (1, pytest.approx(10 * warm.evaluation.total, rel=1e-4))
    assert found.lowest <= min(found.reset, found.kept) <= found.edited
    assert found.reset != found.kept, "the memory was not empty"
    assert all(0.0 <= left <= 1.0 for left in found.left)


def test_the_table_counts_which_way_was_better(tmp_path):
    rows = [Outcome(2, "joints3d", 10.0, 5.0, 1.0, 2.0, 1.0), Outcome(2, "joints3d", 0.1, 5.0, 3.0, 1.0, 1.0)]
    text = table(rows, "A clip")
    assert "| raised | 1 | 1 | 0 | 0.00% | 25.00% |" in text and "| lowered | 1 | 0 | 1 | 50.00% | 0.00% |" in text
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_between_marks(page, text)
    assert page.read_text() == f"before\n{BEGIN}\n{text}\n{END}\nafter\n"
    page.write_text("nothing")
    with pytest.raises(InputError, match="marks"):
        write_between_marks(page, text)
