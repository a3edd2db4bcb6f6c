"""Checks are run from one table: what is certain stops, what is likely stops or is told, nothing passes in silence."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from optim.checks.check import Check, CheckError, certain, fine, likely, note
from optim.checks.run import run_checks
from optim.checks.table import CHECKS


@dataclass
class Number:
    value: float


def check(found, **more):
    return Check("number", Number, lambda data: found, "any", **more)


def test_what_is_fine_is_a_row_and_not_told(caplog):
    (row,) = run_checks(Number(1), place="file", checks=[check(fine("it is 1"))])
    assert (row.severity, row.told, row.stops) == ("fine", "it is 1", False) and not caplog.text


@pytest.mark.parametrize("found", [note("it is 2", "it should be 1"), likely("it is 2", "it should be 1", "give 1")])
def test_what_is_not_fine_is_told_and_goes_on(found, caplog):
    (row,) = run_checks(Number(2), place="file", checks=[check(found)])
    assert not row.stops and "file: number: it is 2; it should be 1" in caplog.text


@pytest.mark.parametrize("found", [certain("2", "wrong", "--one"), likely("2", "wrong", "--one", asks=True)])
def test_what_stops_can_be_answered_with_its_flag(found, caplog):
    rule = check(found, answers=("one",))
    with pytest.raises(CheckError, match="file: number: 2; wrong; --one") as stopped:
        run_checks(Number(2), place="file", checks=[check(fine("1")), rule, check(fine("never looked at"))])
    assert [row.severity for row in stopped.value.rows] == ["fine", found.severity]
    (row,) = run_checks(Number(2), place="file", checks=[rule], answered={"one"})
    assert not row.stops and "file: number: 2" in caplog.text


def test_a_check_looks_only_at_its_kind_of_data():
    assert run_checks("text", place="file", checks=[check(fine("1"))]) == ()
    assert run_checks(Number(1), place="file", checks=[check(None)]) == ()


def test_every_check_has_its_own_name_and_a_limit():
    names = [one.name for one in CHECKS]
    assert len(set(names)) == len(names) and all(one.threshold for one in CHECKS)
