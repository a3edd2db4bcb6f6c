"""Causes: the solver has not finished, is stuck, or works on badly scaled variables."""

from __future__ import annotations

import torch

from optim.diagnostics.breakpoints import LineSearchFailed, not_finite
from optim.diagnostics.causes.cause import Cause, Causes, Look
from optim.session.causes import ITERATION
from optim.session.history import Entry
from optim.solver.lbfgs import LbfgsState
from optim.solver.modelled_lbfgs import ModelledState
from optim.solver.solver import STOP_CHANGE, STOP_GRADIENT, STOP_MOVE, STOP_SLOPE

STILL_FALLS = 0.01
"""Share of the loss that the last 20 iterations took off it; below, a phase is as good as converged."""
RECENT = 20
"""Number of iterations that are looked at: one step of the public schedule."""
BADLY_SCALED = 1e6
"""Ratio of the largest and the smallest curvature of the blocks, in the solver's own scale. The default clip
ends stage 3 at 2e4 with the measured preconditioner."""
FAR_TOO_STIFF = 1e7
"""Ratio above which the other blocks hardly move. It is a choice: with shape_prior at 1e8 the ratio is 4e7, and 83 % of
the latents of the default clip stay outside the prior."""

FAR_TOO_LARGE = 1e7
"""A weight this many times its default is taken for a mistake. It is a choice: where the search gets stuck by such a
weight, or how badly scaled the blocks then look, depends on rounding."""


def solver(look: Look) -> Causes:
    """A weight that is far too large, not finished, stuck, badly scaled, or flat."""
    snapshot = look.snapshot
    wrong = not_finite(snapshot, trials=False)
    if wrong:
        yield Cause("bad", f"Not finite: {', '.join(wrong)}.", (), "Go back to the last good iteration (Breakpoints).")
        return
    recent = _recent(look)
    fell = _fell(recent)
    yield from _too_large(look)
    stuck = _stuck(look)
    if stuck is not None:
        yield stuck
    if not snapshot.done:
        yield _unfinished(look, fell)
    yield from _scaling(look)
    if snapshot.done and stuck is None:
        yield _ended(look, fell)


def _too_large(look: Look) -> Causes:
    """Weights of the phase that nothing can move against."""
    phase = look.snapshot.schedule[look.snapshot.phase]
    usual = look.usual_weights
    times = {name: phase.weight(name) / weight for name, weight in usual.items() if weight > 0}
    name = max(times, key=lambda one: times[one], default=None)
    if name is not None and times[name] > FAR_TOO_LARGE:
        yield Cause(
            "bad",
            f"The weight of {name} is {times[name]:.1g} × its default: the solver can hardly move against this term.",
            (f"{name} {phase.weight(name):g}, by default {usual[name]:g}",),
            f"Lower the weight of {name} in stage {phase.stage}.",
        )


def _unfinished(look: Look, fell: float | None) -> Cause:
    snapshot = look.snapshot
    phase = snapshot.schedule[snapshot.phase]
    left = sum(later.steps for later in snapshot.schedule[snapshot.phase + 1 :]) + phase.steps - snapshot.step - 1
    total = sum(each.steps for each in snapshot.schedule)
    falls = fell is not None and fell > STILL_FALLS
    evidence = [f"{phase.name}, step {snapshot.step + 1} of {phase.steps}", f"{left} of {total} steps left"]
    if fell is not None:
        evidence.append(f"the loss fell by {100 * fell:.1f} % in the last {RECENT} iterations")
    early = snapshot.stage < 3 and any(each.stage == 3 and each.steps for each in snapshot.schedule)
    return Cause(
        "bad" if early or falls or left > total / 10 else "warn",
        f"The run is not finished: {left} of {total} steps are left, from {phase.name} on.",
        tuple(evidence),
        "Let it run to the end before you judge the motion.",
    )


def _stuck(look: Look) -> Cause | None:
    snapshot = look.snapshot
    if snapshot.parent is None:
        return None
    why = LineSearchFailed().why(look.fit, look.fit.history[snapshot.parent], snapshot)
    if why is None:
        return None
    norms = snapshot.evaluation.gradient_norm
    steepest = max(norms, key=lambda name: norms[name])
    return Cause(
        "bad",
        f"The solver is stuck: {why}.",
        (f"largest gradient {norms[steepest]:.3g} of {steepest}", f"{len(snapshot.solver.tried)} points tried"),
        "Look for weights that are far too large, flips and NaN; reset the solver's memory or perturb the variables"
        " (Variables tab), then go on.",
    )


def _scaling(look: Look) -> Causes:
    """Curvature of each block along the solver's own steps, after preconditioning."""
    snapshot, solver = look.snapshot, look.snapshot.solver
    if not isinstance(solver, LbfgsState) or isinstance(solver, ModelledState):
        return
    curvatures = {}
    for part in snapshot.packing.blocks:
        along = length = 0.0
        for pair in solver.pairs:
            scale = solver.preconditioner
            step = snapshot.packing.split(pair.s)[part.name]
            change = snapshot.packing.split(pair.after - pair.before)[part.name]
            weight = torch.ones(()) if scale is None else snapshot.packing.split(scale)[part.name]
            along += float((step * change).sum())
            length += float((step * step / weight).sum())
        if length > 0 and along > 0:
            curvatures[part.name] = along / length
    if len(curvatures) < 2:
        return
    high, low = (choose(curvatures, key=lambda name: curvatures[name]) for choose in (max, min))
    ratio = curvatures[high] / curvatures[low]
    if ratio > BADLY_SCALED:
        yield Cause(
            "bad" if ratio > FAR_TOO_STIFF else "warn",
            f"{high} and {low} are badly scaled against each other: {ratio:.1g} times the curvature.",
            tuple(f"{name} {value:.2g}" for name, value in curvatures.items()),
            f"Check the weights of the terms on {high}; use a measured preconditioner (--preset"
            f" humorscope-measured-units), or hold {high} for a while.",
        )


def _ended(look: Look, fell: float | None) -> Cause:
    stopped = look.snapshot.stop in (STOP_GRADIENT, STOP_SLOPE, STOP_MOVE, STOP_CHANGE)
    if fell is not None and fell > STILL_FALLS and not stopped:
        return Cause(
            "warn",
            f"The schedule ended while the loss still fell: {100 * fell:.1f} % in the last {RECENT} iterations.",
            (f"loss {look.snapshot.evaluation.total:.5g}",),
            "Give the last stage more steps (--num-iters).",
        )
    fall = "" if fell is None or stopped else f" ({100 * fell:.2f} % in the last {RECENT} iterations)"
    return Cause(
        "good", f"The loss is flat: the fit has converged{fall}.", (f"loss {look.snapshot.evaluation.total:.5g}",)
    )


def _recent(look: Look) -> list[Entry]:
    """The last iterations of the snapshot's phase, newest first."""
    found: list[Entry] = []
    for entry in look.fit.history.path_back(look.snapshot.id):
        if entry.phase != look.snapshot.phase or len(found) > RECENT:
            break
        found.append(entry)
        if entry.cause != ITERATION:
            break  # an edit or a phase begins with another loss
    return found


def _fell(recent: list[Entry]) -> float | None:
    """Share of the loss that the iterations took off it; None without iterations."""
    if len(recent) < 2:
        return None
    then, now = recent[-1].evaluation.total, recent[0].evaluation.total
    size = sum(abs(term.weighted) for term in recent[0].evaluation.terms.values())
    return (then - now) / max(size, 1e-12)
