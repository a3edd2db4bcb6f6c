"""The table of parity: errors are noted at their worst, and a folder without cases is named."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from optim.commands import parity
from optim.commands.parity import TERM_TOLERANCE, Errors, Trace, table, term_error


def test_the_worst_error_is_kept_with_its_place():
    errors = Errors()
    for error, where in ((1e-3, "here"), (2e-3, "there"), (1e-4, "elsewhere")):
        errors.note("terms", error, where)
    assert (errors.terms, errors.at["terms"]) == (2e-3, "there")
    errors.note("terms", math.nan, "nowhere")
    assert errors.terms == math.inf


def test_a_term_is_compared_with_itself_or_if_it_is_small_with_the_loss():
    loss, weight = 1000.0, 5.0
    for golden in (1e-3, 1.0, 150.0):
        allowed = max(1e-4 * golden, 1e-5 * loss / weight)
        for share, passes in ((0.98, True), (1.02, False)):
            for raw in (golden + share * allowed, golden - share * allowed):
                assert (term_error(raw, golden, weight * raw, loss) < TERM_TOLERANCE) == passes
    assert term_error(0.0, 1e-3, 0.0, loss) == 1.0, "a term that is missing is not small"


def test_a_row_tells_where_a_run_left_the_golden_one():
    run = Trace(([2.0, 1.0], [1.0, 0.5]), ([2.0, 1.001], [1.0, 0.5, 0.4]), SimpleNamespace())
    assert run.head == pytest.approx(1e-3, rel=1e-2) and run.end == pytest.approx(0.25) and not run.same_counts
    (row,) = [line for line in table({"made up": (Errors(loss=3e-5), run)}).splitlines() if "made up |" in line]
    assert "| 3.0e-05 |" in row and "4, differ from 5" in row


def test_without_cases_nothing_is_written(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(parity, "case_files", list)
    assert parity.main(["--out", str(tmp_path / "page.md")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and "GOLDEN_DIR" in told
    assert not (tmp_path / "page.md").exists()
