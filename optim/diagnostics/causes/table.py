"""The table of causes, and the ranking of what they find. A new cause is one module and one row here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from optim.diagnostics.causes.camera import camera
from optim.diagnostics.causes.cause import LEVELS, Cause, Causes, Look
from optim.diagnostics.causes.consistency import consistency, seam_jump
from optim.diagnostics.causes.coverage import coverage
from optim.diagnostics.causes.feet import feet, height
from optim.diagnostics.causes.floor import floor
from optim.diagnostics.causes.keypoints import keypoints
from optim.diagnostics.causes.prior import prior
from optim.diagnostics.causes.solver import solver
from optim.diagnostics.causes.unknown import unknown
from optim.session.fit import Fit
from optim.session.history import Snapshot
from optim.split.stitching import Seam

MOST = 5
"""Number of faults that are listed; later ones are mostly consequences of the first."""


@dataclass(frozen=True)
class Rule:
    """One row of the table."""

    name: str
    find: Callable[[Look], Causes]
    help: str
    """What the rule looks at."""


RULES = (
    Rule("coverage", coverage, "how much was observed, where nothing was, parts of the body that never were"),
    Rule("solver", solver, "not finished, stuck line search, badly scaled blocks, flat loss"),
    Rule("keypoints", keypoints, "left and right swapped, two legs on one, trusted keypoints far from the body"),
    Rule("camera", camera, "focal length against the floor under the feet, size of the body"),
    Rule("floor", floor, "fitted floor against the feet, against its start, and how hard floor_reg holds it"),
    Rule("height", height, "the body above or below the floor, where the motion prior knows no motion either"),
    Rule("unknown", unknown, "frames whose motion is outside the motion prior, and whether it is weakened there"),
    Rule("prior", prior, "data given up for the prior, latents outside the prior, drift of the first roll-out"),
    Rule("consistency", consistency, "overlaps, seams, betas and floors of neighbours, regressed and body joints"),
    Rule("feet", feet, "skating, and why skate is not defined"),
)
"""All rules. Of two faults of one level the earlier rule comes first: what it finds explains what later ones find."""


def causes(fit: Fit, snapshot: Snapshot | None = None, *, before: int = 0) -> tuple[Cause, ...]:
    """What all rules say about a snapshot: at most ``MOST`` faults, the likeliest first, then what is in order.

    Args:
        before: Number of sub-sequences of the clip in earlier batches that the fit does not have.
    """
    look = Look(fit, snapshot, before=before)
    return ranked([replace(cause, rule=rule.name) for rule in RULES for cause in rule.find(look)])


def ranked(found: Sequence[Cause]) -> tuple[Cause, ...]:
    """Statements by level, then in the order of the table, with at most ``MOST`` faults."""
    order = {rule.name: place for place, rule in enumerate(RULES)}
    rows = sorted(found, key=lambda cause: (LEVELS.index(cause.level), order[cause.rule]))
    faults = [cause for cause in rows if cause.level != "good"]
    return (*faults[:MOST], *(cause for cause in rows if cause.level == "good"))


def merged(parts: Sequence[Sequence[Cause]], *, seams: Sequence[Seam] = ()) -> tuple[Cause, ...]:
    """The statements of several batches of one clip as one list: of each rule the worst statement.

    Args:
        seams: Those of the stitched motion of all batches; a batch alone knows only its own.
    """
    worst: dict[str, Cause] = {}
    joined = [replace(cause, rule="consistency") for cause in seam_jump(seams)]
    for cause in (cause for part in (*parts, joined) for cause in part):
        known = worst.get(cause.rule)
        if known is None or LEVELS.index(cause.level) < LEVELS.index(known.level):
            worst[cause.rule] = cause
    return ranked(list(worst.values()))


def summary(found: Sequence[Cause]) -> str:
    """The faults as lines of text, each with its evidence and advice; one line if there are none."""
    faults = [cause for cause in found if cause.level != "good"]
    if not faults:
        return "Why? nothing is wrong that the rules know of"
    lines = ["Why? the likeliest cause first:"]
    for number, cause in enumerate(faults, 1):
        lines.append(f"  {number}. [{cause.level}] {cause.text} {cause.advice}".rstrip())
        if cause.evidence:
            lines.append(f"     {'; '.join(cause.evidence)}")
    return "\n".join(lines)


def record_of(found: Sequence[Cause]) -> list[dict[str, Any]]:
    """The statements for ``run.json``."""
    return [{**asdict(cause), "evidence": list(cause.evidence)} for cause in found]
