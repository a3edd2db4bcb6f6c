"""The table of all checks. A check is a function and a row in its module, and its module is listed here."""

from __future__ import annotations

from optim.checks import body_file, consistency, contradictions, evidence, focal, images, motion, rotations, world
from optim.checks.check import Check

CHECKS: tuple[Check, ...] = (
    *rotations.CHECKS,
    *consistency.CHECKS,
    *world.CHECKS,
    *motion.CHECKS,
    *body_file.CHECKS,
    *images.CHECKS,
    *focal.CHECKS,
    *contradictions.CHECKS,
    *evidence.CHECKS,
)


def as_markdown() -> str:
    """The checks and their thresholds as the table of the documentation."""
    rows = [f"| {check.name} | {check.threshold} |" for check in CHECKS]
    return "\n".join(("| check | limits |", "|---|---|", *rows))
