"""Causes: two answers to one question, from regressed and body joints, or from neighbouring sub-sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from optim.body.joints import JOINT_NAMES
from optim.diagnostics.agreement import (
    PREVIOUS,
    OverlapDisagreement,
    data_distance,
    joint_agreement,
    overlap_disagreement,
)
from optim.diagnostics.causes.cause import Cause, Causes, Look, body_length, level_of
from optim.diagnostics.quantities import QUANTITIES, shape_distance
from optim.session.fit import Fit
from optim.session.history import Snapshot
from optim.split.batches import clips_so_far
from optim.split.stitching import Seam, stitch

JOINTS_CM = 6.0
"""Largest distance of a regressed joint from the body's; stage 3 of the default clip ends at 5.3 cm."""
OVERLAP_CM = 5.0
"""Largest overlap distance: about the width of a wrist. It is a choice and not a measurement."""
BETAS = 1.0
"""Difference of two shapes: one unit of one coefficient is one standard deviation of people."""
SIZES = 0.04
"""Difference of the sizes of two bodies as a share of the smaller one: 7 cm of a height of 1.70 m. Two sub-sequences of
the default clip that are fitted without overlap terms differ by 1.6 %."""
FLOOR_DEG, FLOOR_CM = 3.0, 5.0
"""Differences of the floors of two sub-sequences."""
SEAM_CM = 2.0
"""Seam jump that is seen as a jerk: 60 cm/s at 30 frames/s. The blended clip getup has 0.6 and 0.8 cm."""


def consistency(look: Look) -> Causes:
    """Sizes of the bodies, which overlaps follow from; then overlaps, seams, and regressed against body joints."""
    yield from _sizes(look)
    yield from _overlaps(look)
    yield from _seams(look)
    yield from _joints(look)


def _joints(look: Look) -> Causes:
    found = joint_agreement(look.fit, look.snapshot)
    if found is None:
        return
    b, frame, joint = (int(i) for i in np.unravel_index(int(found.distance_cm.argmax()), found.distance_cm.shape))
    named, worst = QUANTITIES["distance_cm"], float(found.distance_cm[b, frame, joint])
    where, name = look.at(b, frame), JOINT_NAMES[joint].replace("_", " ")
    level = level_of(worst, JOINTS_CM)
    yield Cause(
        level,
        f"Body and regressed joints differ by up to {named.text(worst)} ({name}, frame {where}).",
        (f"mean {named.text(float(found.distance_cm.mean()))}",),
        "" if level == "good" else "Raise joint_consistency and bone_length in stage 3.",
        where,
    )


def _sizes(look: Look) -> Causes:
    """The largest and the smallest body, where one person has several sizes."""
    betas = torch.cat([*(part.current.variables["betas"] for part in look.earlier), look.snapshot.variables["betas"]])
    if len(betas) < 2:
        return
    length = body_length(look.problem.body, betas)
    small, large = int(length.argmin()), int(length.argmax())
    apart = float(length[large] / length[small] - 1)
    level = level_of(apart, SIZES)
    if level == "good":
        return
    distance, named = shape_distance(betas[small], betas[large]), QUANTITIES["pair_betas"]
    yield Cause(
        level,
        f"The body of sub-sequence {look.before + large + 1} is {100 * apart:.0f} % larger than that of sub-sequence"
        f" {look.before + small + 1}; one"
        " person has one size.",
        (
            f"head to feet {100 * float(length[small]):.0f} and {100 * float(length[large]):.0f} cm",
            f"{named.label} {named.text(distance)}",
        ),
        "Check the unit and the scale of both; raise rgb_overlap_consist, or hold betas at the value of one of them.",
        _first_frame(look, large),
    )


def _places(look: Look) -> list[tuple[Fit, Snapshot, int]]:
    """For every sub-sequence of all batches so far: its batch, that one's snapshot, and its row in it."""
    parts = [*((part, part.current) for part in look.earlier), (look.fit, look.snapshot)]
    return [(fit, at, row) for fit, at in parts for row in range(fit.problem_at(at).batch)]


def _first_frame(look: Look, number: int) -> int:
    fit, at, row = _places(look)[number]
    return Look(fit, at).at(row, 0)


def _overlaps(look: Look) -> Causes:
    """The pair that disagrees most: which quantity, which side, and which term resists."""
    pairs = overlap_disagreement(look.fit, look.snapshot)
    if not pairs:
        return
    pair = max(pairs, key=lambda pair: max(value for value, _ in _over_bound(pair)))
    worst = int(pair.position_cm.argmax())
    named, where = QUANTITIES["position_cm"], int(pair.frames[worst])
    over, what = max(_over_bound(pair))
    evidence = [
        f"{named.label} {named.text(float(pair.position_cm.mean()))} on average over {len(pair.frames)} frames",
        f"betas {pair.betas:.2f} apart",
    ]
    if len(pair.velocity_cm):
        evidence.append(f"velocities {float(pair.velocity_cm.mean()):.1f} cm/frame apart")
    if pair.floor_angle_deg is not None and pair.floor_offset_cm is not None:
        angle = QUANTITIES["floor_angle_deg"].text(pair.floor_angle_deg)
        evidence.append(f"floors {angle} and {QUANTITIES['pair_floor_cm'].text(pair.floor_offset_cm)} apart")
    level = level_of(over, 1.0)
    number = look.before + pair.before + 1
    text = (
        f"Sub-sequences {number} and {number + 1} are {named.text(float(pair.position_cm[worst]))} apart"
        f" at frame {where}"
    )
    if level == "good":
        yield Cause(level, f"{text}.", tuple(evidence), frame=where)
        return
    evidence += _sides(look, pair)
    resists = _resists(look)
    evidence += [] if resists is None else [resists]
    yield Cause(
        level,
        f"{text}: their {what} disagree{'s' if what in ('position', 'floor') else ''} most.",
        tuple(evidence),
        "Raise rgb_overlap_consist, make the overlap longer, or look at the observations of the side that is off.",
        where,
    )


def _over_bound(pair: OverlapDisagreement) -> list[tuple[float, str]]:
    """Each difference of a pair as a multiple of its bound, and its name."""
    found = [(float(pair.position_cm.max()) / OVERLAP_CM, "position"), (pair.betas / BETAS, "betas")]
    if pair.floor_angle_deg is not None and pair.floor_offset_cm is not None:
        found.append((max(pair.floor_angle_deg / FLOOR_DEG, abs(pair.floor_offset_cm) / FLOOR_CM), "floor"))
    return found


def _sides(look: Look, pair: OverlapDisagreement) -> list[str]:
    """How far each side is from its own observations in the frames that both hold."""
    if pair.before == PREVIOUS:
        return []
    shared, off = len(pair.frames), []
    for (fit, at, row), frames in zip(
        _places(look)[pair.before : pair.before + 2], (slice(-shared, None), slice(0, shared)), strict=True
    ):
        distance, unit = data_distance(fit, at)
        off.append(distance[row, frames])
    if not all(np.isfinite(side).any() for side in off):
        return []
    before, after = (float(np.nanmean(side)) for side in off)
    side = look.before + pair.before + (1 if before > after else 2)
    return [
        f"{before:.1f} and {after:.1f} {unit} from what each observes there: sub-sequence {side} is the one that is off"
    ]


def _resists(look: Look) -> str | None:
    """The term that pulls most against the agreement of positions."""
    terms, cosine = look.gradients.terms, look.gradients.cosine
    name = "rgb_overlap_consist_verts3d_pos"
    if name not in terms:
        return "the overlap terms are not active in this phase"
    row = np.nan_to_num(cosine[terms.index(name)], nan=1.0)
    against = int(row.argmin())
    if row[against] > -0.1:
        return None
    return f"{terms[against].replace('_', ' ')} pulls against the overlap terms (cosine {row[against]:.2f})"


def _seams(look: Look) -> Causes:
    how = look.snapshot.schedule[look.snapshot.phase].preset.stitching
    clips = clips_so_far(look.fit, look.snapshot)
    if len(clips) > 1:
        yield from seam_jump(stitch(clips, body=look.problem.body, how=how).seams)


def seam_jump(found: Sequence[Seam]) -> Causes:
    """The seam at which a stitched motion jumps most; nothing without seams at which frames are shared."""
    known = [(seam, seam.before, seam.after) for seam in found if seam.before is not None and seam.after is not None]
    if not known:
        return
    seam, before, after = max(known, key=lambda one: one[2].cm)
    named = QUANTITIES["seam_cm"]
    level = level_of(after.cm, SEAM_CM)
    yield Cause(
        level,
        f"The stitched motion jumps by {named.text(after.cm)} at the seam at frame {seam.frame}.",
        (
            f"{after.deg:.1f}°",
            f"a hard cut jumps by {named.text(before.cm)}",
            f"{seam.shared} frames shared",
        ),
        "" if level == "good" else "Make the overlap longer (--rgb-overlap-len) or raise rgb_overlap_consist.",
        seam.frame,
    )
