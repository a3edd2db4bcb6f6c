"""Tells whether a session has the priors that a recorded run was fitted with.

Under another prior the recorded variables are another motion with another loss, and a fit would go on from there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from optim.common.errors import InputError
from optim.config.options import flag_of
from optim.objective.objective import Objective
from optim.problem.checksum import PRIORS, checksum
from optim.problem.problem import Problem
from optim.session.fit import Fit
from optim.session.history import Entry, Snapshot

_PRIOR = {
    "pose_prior": ("pose prior", "vposer"),
    "motion_prior": ("motion prior", "humor"),
    "init_state_prior": ("prior of the first frame", "init_motion_prior"),
}
"""Field of ``Problem`` → its name in messages, and the option that names its file."""
_SHIPPED_BEFORE = (
    "the motion prior that was shipped before is in the history of assets/humor/best_model.pth in the repository"
)


def checksums(problem: Problem) -> dict[str, int]:
    """Name → checksum of each prior."""
    return {name: checksum(getattr(problem, name)) for name in PRIORS}


def require_same(recorded: Mapping[str, int], problem: Problem, path: Path) -> None:
    """Compare the priors of a problem with recorded checksums.

    Raises:
        InputError: A prior is another one.
    """
    for name, found in checksums(problem).items():
        if name in recorded and recorded[name] != found:
            what, option = _PRIOR[name]
            where = f"; {_SHIPPED_BEFORE}" if name == "motion_prior" else ""
            raise InputError(
                f"{path}: was recorded with another {what}, whose checksum is {recorded[name]}, not {found}; give the"
                f" {what} of that time with {flag_of(option)} FILE{where}"
            )


def require_same_loss(fit: Fit, here: Snapshot, entry: Entry, *, tolerance: float, path: Path) -> None:
    """Evaluate a snapshot again and compare its loss with the recorded one, for files that hold no checksums.

    Args:
        entry: The recorded entry of the snapshot.
        tolerance: Largest difference, relative to the size of the recorded loss.

    Raises:
        InputError: The loss is another one.
    """
    recorded = entry.evaluation
    if not math.isfinite(recorded.total):
        return
    objective = Objective(fit.problem_at(here), here.schedule[here.phase], here.prior_frame)
    point = objective.point(here.packing.pack(here.variables), here.variables, here.packing)
    found = objective.evaluation(point, here.packing).total
    if not abs(found - recorded.total) <= tolerance * recorded.size:
        raise InputError(
            f"{path}: was recorded with another motion prior: iteration {here.id} had a loss of {recorded.total:.6g}"
            f" then, and has {found:.6g} now; give the motion prior of that time with {flag_of('humor')} FILE;"
            f" {_SHIPPED_BEFORE}"
        )
