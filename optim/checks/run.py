"""Run the checks that apply to some data, tell what they found, and stop if one of them says so."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from pathlib import Path

from optim.checks.check import Check, Checked, CheckError
from optim.checks.table import CHECKS

log = logging.getLogger(__name__)


def run_checks(
    subject: object, *, place: Path | str, answered: Collection[str] = (), checks: Iterable[Check] = CHECKS
) -> tuple[Checked, ...]:
    """Run every check that applies to the data, and log what is not fine.

    The first check that stops the run is the last one that is made, because those after it would see its consequences.

    Args:
        subject: The data; its class decides which checks apply.
        place: The file or field, for messages.
        answered: Names of the settings that the user gave. A check that such a setting answers does not stop the run.

    Raises:
        CheckError: A check is certain that the data is wrong, or asks for a flag. It holds the rows so far.
    """
    rows: tuple[Checked, ...] = ()
    for check in checks:
        row = _row(check, subject, answered)
        if row is None:
            continue
        rows += (row,)
        if row.stops:
            raise CheckError(f"{place}: {row.check}: {row.told}", rows)
        if row.severity != "fine":
            log.warning("%s: %s: %s", place, row.check, row.told)
    return rows


def _row(check: Check, subject: object, answered: Collection[str]) -> Checked | None:
    found = check.look(subject) if isinstance(subject, check.of) else None
    if found is None:
        return None
    stops = (found.severity == "certain" or found.asks) and not any(name in answered for name in check.answers)
    return Checked(check.name, found.severity, found.seen, found.meant, found.advice, stops, found.choices)
