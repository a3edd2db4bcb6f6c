"""Causes: the motion prior and the data do not want the same."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from optim.diagnostics.agreement import data_distance
from optim.diagnostics.causes.cause import Cause, Causes, Look, level_of, place
from optim.diagnostics.drift import drift, stage3_entry
from optim.diagnostics.quantities import QUANTITIES

LEFT = 1.4
"""The body may be so many times as far from the observations as in stage 2. It is a choice; a healthy fit of
the default clip stays below it, one with 100 times the weight of the prior does not."""
LEFT_CM, LEFT_PX = 1.0, 3.0
"""A smaller move away from the observations is no loss."""
LED, LED_LEFT = 0.2, 1.1
"""Median squared distance of the latents from the prior's mean, as for ``OUTSIDE``, below which the prior alone leads;
the default clip ends at 0.4 to 0.8, and at 0.1 with 100 times the weight. It is a fault if the body is also so many
times as far from the observations as in stage 2."""
OUTSIDE = 3.0
"""Squared distance of a latent from the conditional prior, per latent dimension and in variances: 1 is expected."""
FAR_FRAMES = 0.1
"""Share of frames with latents outside the prior that is worth a word."""
DRIFT_CM = 15.0
"""Drift of the first roll-out at its end."""
ENCODING_CM = 2.0
"""Encoding error of one step (root joint) of a motion that the prior does not know. It is a choice: four times the
mean error of a transition that docs/models.md gives."""


def prior(look: Look) -> Causes:
    """The prior against the data: what it cost the data, latents outside of it, and the drift of the first roll-out."""
    if look.snapshot.stage < 3 or look.free is None:
        return
    yield from _too_strong(look)
    yield from _outside(look)
    yield from _drift(look)


def _too_strong(look: Look) -> Causes:
    """How much farther from the observations the roll-out is than the motion of stage 2."""
    free = look.free
    assert free is not None
    (before, unit), (after, _) = data_distance(look.fit, free), data_distance(look.fit, look.snapshot)
    if not np.isfinite(before).any():
        return
    was, now = float(np.nanmean(before)), float(np.nanmean(after))
    ratio = now / max(was, 1e-9)
    moved = now - was > (LEFT_PX if unit == "px" else LEFT_CM)
    phase = look.snapshot.schedule[look.snapshot.phase]
    weight = phase.weight("motion_prior")
    usual = look.usual_weights["motion_prior"]
    share = look.snapshot.evaluation.terms.get("motion_prior")
    evidence = [f"{was:.1f} {unit} from the observations in stage 2, {now:.1f} {unit} now"]
    if usual > 0:
        evidence.append(f"weight of motion_prior {weight:g}, {weight / usual:.3g} × its default")
    if share is not None:
        evidence.append(f"motion_prior is {share.weighted:.3g} of a loss of {look.snapshot.evaluation.total:.3g}")
    level = level_of(math.log(max(ratio, 1.0)), math.log(LEFT)) if moved else "good"
    away = _distance(look)
    if away is not None:
        led = float(away.median())
        evidence.append(f"latents {led:.1f} variances from the prior's mean in the median (1 is expected)")
        level = "bad" if led < LED and moved and ratio > LED_LEFT else level
    if level == "good":
        yield Cause(level, "The motion prior has not taken the motion away from the observations.", tuple(evidence))
        return
    yield Cause(
        level,
        f"Stage 3 has taken the motion away from the observations: {ratio:.1f} × as far as in stage 2.",
        tuple(evidence),
        "Lower the weight of motion_prior in stage 3 (--motion-prior-weight), or give stage 3 more steps.",
        look.at(*place(torch.from_numpy(after - before))),
    )


def _outside(look: Look) -> Causes:
    """Frames whose latent is far outside the conditional prior, and whether the inferred ones were too."""
    away, rolled = _distance(look), look.fit.rollout(look.snapshot)
    if away is None or rolled is None:
        return
    b, step = place(away)
    share, worst = float((away > OUTSIDE).float().mean()), float(away[b, step])
    middle = float(away.median())
    width = float(rolled.prior_var.sqrt().median())
    evidence = [
        f"squared distance {worst:.1f} variances per dimension at worst, {middle:.1f} in the median (1 is expected)",
        f"{100 * share:.0f} % of the steps beyond {OUTSIDE:g}",
        f"median width of the conditional prior {width:.2f}",
    ]
    evidence += _inferred(look)
    level = level_of(share, FAR_FRAMES)
    if level == "good":
        yield Cause(level, "The latents are where the motion prior expects them.", tuple(evidence))
        return
    yield Cause(
        level,
        f"{100 * share:.0f} % of the latents lie far outside the motion prior, most at frame {look.at(b, step + 1)}:"
        " the prior is narrow against these data.",
        tuple(evidence),
        "Check the frame rate of the input (--data-fps); lower motion_prior, or use a prior that knows such motions.",
        look.at(b, step + 1),
    )


def _distance(look: Look) -> Tensor | None:
    """Squared distance (B, T-1) of the latents from the conditional prior, per dimension and in variances."""
    rolled = look.fit.rollout(look.snapshot)
    if rolled is None:
        return None
    latents = look.snapshot.variables["latent_motion"][:, : rolled.prior_mean.shape[1]]
    return ((latents - rolled.prior_mean) ** 2 / rolled.prior_var).mean(-1)


def _inferred(look: Look) -> list[str]:
    """The same distance for the latents that were inferred from stage 2, before any step of stage 3."""
    entry = stage3_entry(look.fit, look.snapshot)
    if entry is None:
        return []
    rolled = look.fit.rollout(entry[1])
    if rolled is None:
        return []
    away = (entry[1].variables["latent_motion"] - rolled.prior_mean) ** 2 / rolled.prior_var
    return [f"{float(away.mean(-1).median()):.1f} in the median for the latents inferred from stage 2"]


def _drift(look: Look) -> Causes:
    """The first roll-out's drift at its end, and which of its two causes prevails."""
    found = drift(look.fit, look.snapshot)
    if found is None:
        return
    named = QUANTITIES["root_cm"]
    ends = found.root_cm.total[:, -1]
    b = int(ends.argmax())
    end, steps = float(ends[b]), found.root_cm.encoding[b, 1:]
    encoding = float(steps.mean())
    unknown = encoding > ENCODING_CM
    cause = "encoding: the prior does not know this motion" if unknown else "accumulated errors"
    level = level_of(encoding, ENCODING_CM)
    if level == "good" and end > DRIFT_CM:
        level = "warn"  # the first roll-out is where stage 3 begins; its errors are what stage 3 is there to mend
    yield Cause(
        level,
        f"The first roll-out{look.of(b)} drifts by {named.text(end)}, mostly {cause}.",
        (
            f"encoding error {named.text(encoding)} per step",
            f"largest drift {named.text(float(found.root_cm.total[b].max()))}",
        ),
        "" if level == "good" else "Give stage 3 more steps; a prior trained on such motions encodes them better.",
        look.at(b, found.root_cm.total.shape[1] - 1),
    )
