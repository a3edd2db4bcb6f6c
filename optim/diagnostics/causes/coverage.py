"""Cause: too little was observed, so that the priors decide."""

from __future__ import annotations

from optim.diagnostics.causes.cause import Cause, Causes, Look
from optim.problem.coverage import coverage_of


def coverage(look: Look) -> Causes:
    """How much was observed, where nothing was, and which parts of the body never were."""
    found = coverage_of({name: mask.numpy() for name, mask in look.problem.observations.visible.items()})
    if found.level == "good":
        yield Cause("good", found.text)
        return
    b, start, length = found.longest_gap
    evidence = [f"{100 * share:.0f} % of {kind} observed" for kind, share in found.share.items()]
    if length:
        evidence.append(f"{int(found.nothing.sum())} of {found.nothing.size} frames with nothing")
        evidence.append(f"longest gap {length} frames, from frame {look.at(b, start)}")
    evidence += [f"{part} {100 * share:.0f} % observed" for part, share in found.parts.items()]
    yield Cause(
        found.level,
        f"{found.text} What is not observed is made up by the priors.",
        tuple(evidence),
        "Fit only the frames that are observed, give more views or kinds of observations, and do not judge the rest.",
        look.at(b, start + length // 2) if length else None,
    )
