"""The figures that a search can make better: of one fit, with or without ground truth, and their direction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from optim.common.errors import InputError
from optim.diagnostics.metrics import acceleration_error, contact_accuracy, joint_errors
from optim.diagnostics.quantities import QUANTITIES, TUNED
from optim.diagnostics.tuned import tuned_figures
from optim.problem.variables import Trajectory
from optim.session.fit import Fit


@dataclass(frozen=True)
class Figure:
    """A figure that can be an objective."""

    label: str
    unit: str
    larger_is_better: bool = False


_LARGER = ("planted_share",)
FIGURES: dict[str, Figure] = {
    **{name: Figure(QUANTITIES[name].label, QUANTITIES[name].unit, name in _LARGER) for name in TUNED},
    "joints_visible": Figure("visible joints", "cm"),
    "joints_occluded": Figure("occluded joints", "cm"),
    "joints_end_effectors": Figure("ankles, toes, wrists", "cm"),
    "joints_legs": Figure("knees, ankles, toes", "cm"),
    "joints_root_aligned": Figure("root-aligned joints", "cm"),
    "contact_accuracy": Figure("contact accuracy", "", larger_is_better=True),
    "acceleration_error": Figure("acceleration error", "m/s²"),
    "evaluations": Figure("evaluations", ""),
}
"""Name → figure. The first ones are those of ``quantities``; ``joints_…``, ``contact_accuracy`` and
``acceleration_error`` are those of ``diagnostics.metrics`` and need ground truth; ``evaluations`` are those that a
trial has spent."""


def checked(names: Sequence[str]) -> tuple[str, ...]:
    """The objectives that a user has named.

    Raises:
        InputError: A name is unknown or given twice, or there is none.
    """
    for name in names:
        if name not in FIGURES:
            raise InputError(f"--objectives {name}: unknown; there are {', '.join(FIGURES)}")
    if not names or len(set(names)) != len(names):
        raise InputError("--objectives: give at least one figure, and each of them once")
    return tuple(names)


def figures_of(fit: Fit, *, encoded: Trajectory | None, spent: int = 0) -> dict[str, float]:
    """All figures that a fit has, at its current snapshot.

    Args:
        encoded: The motion that stage 3 encodes, in the input frame (``Fit.stage2_trajectory``).
        spent: Number of evaluations of the trial.
    """
    with torch.no_grad():
        found = tuned_figures(fit, encoded=encoded)
        truth, visible = fit.problem.ground_truth, fit.problem.observations.visible.get("joints3d")
        if truth is not None:
            motion = fit.trajectory()
            everything = torch.ones(motion.joints.shape[:3], dtype=torch.bool)
            groups = joint_errors(motion, truth, everything if visible is None else visible)
            groups["contact_accuracy"] = contact_accuracy(motion, truth)
            groups["acceleration_error"] = acceleration_error(motion, truth, fps=fit.problem.fps)
            found |= {name: float(values.nanmean()) for name, values in groups.items() if name in FIGURES}
    found["evaluations"] = float(spent)
    return {name: value for name, value in found.items() if math.isfinite(value)}


def mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Name → mean over the fits that have the figure."""
    names = dict.fromkeys(name for row in rows for name in row)
    values = {name: [row[name] for row in rows if name in row] for name in names}
    return {name: sum(known) / len(known) for name, known in values.items()}
