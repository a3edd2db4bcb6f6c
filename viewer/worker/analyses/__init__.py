"""Analyses of a snapshot, computed only when the window asks for them.

They run in the worker's process, or in that of ``viewer.worker.answering``. An analysis is a function of the view
builder, a snapshot and options; its result is a value of ``viewer.protocol.findings``, or None if there is nothing to
measure. Each has one row in the table below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from viewer.worker.analyses.diagnosis import diagnosis
from viewer.worker.analyses.drift import drift_curves
from viewer.worker.analyses.effects import weight_effects, weight_probe, weight_trial
from viewer.worker.analyses.ground import floor_guesses, ground_curves
from viewer.worker.analyses.motions import futures, joint_pull, one_step
from viewer.worker.analyses.overlaps import overlaps, stitched
from viewer.worker.analyses.solver import line_search, rescored, term_pull
from viewer.worker.analyses.terms import frame_terms

ANALYSES: dict[str, Callable[..., Any]] = {
    "frame_terms": frame_terms,
    "line_search": line_search,
    "rescored": rescored,
    "term_pull": term_pull,
    "drift": drift_curves,
    "ground": ground_curves,
    "floor_guesses": floor_guesses,
    "overlaps": overlaps,
    "diagnosis": diagnosis,
    "one_step": one_step,
    "futures": futures,
    "stitched": stitched,
    "joint_pull": joint_pull,
    "weight_effects": weight_effects,
    "weight_probe": weight_probe,
    "weight_trial": weight_trial,
}
"""Kind of analysis → the function that computes it."""
