"""Causes: the motion prior does not know the motion."""

from __future__ import annotations

from optim.diagnostics.causes.cause import Cause, Causes, Look, place
from optim.diagnostics.drift import novelty_of
from optim.diagnostics.quantities import QUANTITIES

UNKNOWN = 0.5
"""Novelty from which a frame counts as unknown."""
FEW = 0.05
"""Share of unknown frames up to which nothing is said. It is a choice; upright clips have none. More are doubtful, not
wrong: where the data show the body well, such a fit can be good."""


def unknown(look: Look) -> Causes:
    """Frames whose motion is outside the motion prior, and whether the prior is weakened there."""
    found = novelty_of(look.fit, look.snapshot)
    if found is None or not found.shown.any():
        return
    b, frame = place(found.frames)
    share = float((found.frames > UNKNOWN).float().mean())
    lost = QUANTITIES["reconstruction_cm"]
    evidence = (
        f"{lost.label} {lost.text(float(found.reconstruction_cm.max()))} at worst,"
        f" {lost.text(float(found.reconstruction_cm.median()))} in the median",
        f"trunk leans by {float(found.lean_deg.median()):.0f}° in the median",
        f"heading turns by up to {float(found.heading_deg.max()):.0f}° in a frame",
        f"divergence of the encoder from the prior {float(found.divergence.median()):.0f} nats in the median",
    )
    if share <= FEW:
        yield Cause("good", "The motion prior knows the motion that stage 3 encodes.", evidence)
        return
    weakened = look.problem.novelty is not None
    yield Cause(
        "warn",
        f"The motion prior does not know the motion in {100 * share:.0f} % of the frames, most at frame"
        f" {look.at(b, frame)}: there it {'is weakened' if weakened else 'may pull the motion away from the data'}.",
        evidence,
        "Compare with stage 2, which needs no motion prior."
        if weakened
        else "Take --preset humorscope, which weakens the prior there, or lower the weight of motion_prior.",
        look.at(b, frame),
    )
