"""Summarises all diagnostics in plain sentences: which frame, which term and which variable causes the trouble.

The bounds are rules of thumb for human motion at 30 frames/s. They only choose the colour; every sentence has its
number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.body.joints import JOINT_NAMES
from optim.diagnostics.agreement import joint_agreement
from optim.diagnostics.drift import drift
from optim.diagnostics.flips import flips
from optim.diagnostics.gradients import TermGradients, term_gradients
from optim.diagnostics.lyapunov import Lyapunov, lyapunov
from optim.diagnostics.quantities import QUANTITIES
from optim.session.fit import Fit
from optim.session.history import Snapshot
from viewer.protocol.findings import Diagnosis, Verdict
from viewer.worker.analyses.ground import ground_curves
from viewer.worker.analyses.overlaps import overlaps
from viewer.worker.build_view import ViewBuilder

STANDS_OUT = 2.0  # times the median frame's loss
CONFLICT = -0.5  # cosine of two gradients
DRIFT_CM, DISAGREE_CM, DEPTH_CM, SKATE_MM = 15.0, 5.0, 3.0, 8.0
TILT_DEG, OVERLAP_CM, EXPONENT = 5.0, 5.0, 2.0
SEEN_CM = 0.1  # a smaller penetration counts as none


def diagnosis(builder: ViewBuilder, snapshot: Snapshot) -> Diagnosis:
    """All verdicts on a snapshot, the worst first, with the gradients and the error growth that they are based on."""
    fit = builder.session.fit
    gradients, growth = term_gradients(fit, snapshot), lyapunov(fit, snapshot)
    found = [
        *_worst_frame(builder, snapshot, gradients),
        *_conflict(gradients),
        *_drift(builder, snapshot),
        *_growth(growth),
        *_joints(builder, snapshot),
        *_ground(builder, snapshot),
        *_overlaps(builder, snapshot),
        *_flips(fit, snapshot),
    ]
    order = {"bad": 0, "warn": 1, "good": 2}
    return Diagnosis(
        verdicts=tuple(sorted(found, key=lambda verdict: order[verdict.level])),
        terms=gradients.terms,
        cosine=gradients.cosine,
        pull=dict(gradients.norm),
        exponent=None if growth is None else growth.exponent,
        growth=None if growth is None else growth.growth,
    )


def _clip_frame(builder: ViewBuilder, sequence: int, frame: int) -> int:
    return builder.scene.starts[sequence] + int(frame)


def _level(value: float, bound: float) -> str:
    """Level of a value: "good" up to a bound, "warn" up to twice the bound, "bad" above."""
    return "good" if value <= bound else "warn" if value <= 2 * bound else "bad"


def _worst_frame(builder: ViewBuilder, snapshot: Snapshot, gradients: TermGradients) -> Iterator[Verdict]:
    """The frame with the largest loss, its largest term, and what that term pulls on there."""
    shares = np.nan_to_num(builder.members.per_frame(snapshot))
    if not shares.size:
        return
    total = shares.sum(0)
    sequence, frame = np.unravel_index(int(total.argmax()), total.shape)
    usual = float(np.median(np.abs(total))) or 1e-12
    times = float(total[sequence, frame]) / usual
    row = int(shares[:, sequence, frame].argmax())
    share = 100 * float(shares[row, sequence, frame]) / max(float(total[sequence, frame]), 1e-12)
    name = builder.scene.terms[row].name.replace("_", " ")
    where = _clip_frame(builder, int(sequence), int(frame))
    text = f"Frame {where} has the largest loss, {times:.1f} × the median frame's; {share:.0f} % of it is {name}."
    variable = _pulled(builder, gradients, row, int(sequence), int(frame))
    level = "good" if times < STANDS_OUT else "warn" if times < 2 * STANDS_OUT else "bad"
    yield Verdict(level=level, text=text + (f" There it pulls hardest on {variable}." if variable else ""), frame=where)


def _pulled(builder: ViewBuilder, gradients: TermGradients, row: int, sequence: int, frame: int) -> str | None:
    """The variable with the largest gradient of a row of the weights table, at a frame where it has frames."""
    mine = [i for i, term in enumerate(gradients.terms) if builder.members.row(term) == row]
    strength = {}
    for name, per_frame in gradients.per_frame.items():
        at = np.flatnonzero(gradients.frames[name] == frame)
        if len(at):
            strength[name] = float(per_frame[mine, sequence, at[0]].sum())
    if not any(strength.values()):
        strength = {name: float(norms[mine].sum()) for name, norms in gradients.norm.items()}
    return max(strength, key=lambda name: strength[name]) if any(strength.values()) else None


def _conflict(gradients: TermGradients) -> Iterator[Verdict]:
    """The two terms that pull most against each other."""
    cosine = np.nan_to_num(gradients.cosine, nan=1.0)
    if len(cosine) < 2:
        return
    a, b = sorted(np.unravel_index(int(cosine.argmin()), cosine.shape))
    value = float(cosine[a, b])
    names = [gradients.terms[i].replace("_", " ") for i in (a, b)]
    if value < CONFLICT:
        level = "bad" if value < -0.9 else "warn"
        yield Verdict(level=level, text=f"{names[0]} and {names[1]} pull against each other (cosine {value:.2f}).")
    else:
        yield Verdict(level="good", text=f"No two terms are in strong conflict (lowest cosine {value:.2f}).")


def _drift(builder: ViewBuilder, snapshot: Snapshot) -> Iterator[Verdict]:
    """The first roll-out's drift at its end, and which of its two causes prevails."""
    found = drift(builder.session.fit, snapshot)
    if found is None:
        return
    for b, curve in enumerate(found.root_cm.total):
        end, encoding = float(curve[-1]), float(found.root_cm.encoding[b, -1])
        cause = "encoding: the prior does not know this motion" if encoding > 0.5 * end else "accumulated errors"
        text = f"The first roll-out{_of(builder, b)} drifts by {QUANTITIES['root_cm'].text(end)}, mostly {cause}."
        yield Verdict(level=_level(end, DRIFT_CM), text=text, frame=_clip_frame(builder, b, len(curve) - 1))


def _of(builder: ViewBuilder, sequence: int) -> str:
    return f" of sub-sequence {sequence + 1}" if len(builder.scene.starts) > 1 else ""


def _growth(found: Lyapunov | None) -> Iterator[Verdict]:
    """How fast small errors of x_0 grow."""
    if found is None:
        return
    b = int(found.exponent.argmax())
    worst = max(found.share, key=lambda name: float(found.share[name][b]))
    value = float(found.exponent[b])
    text = f"Small errors of x_0 grow by e^({value:.1f} t/s) along the roll-out; the worst ones lie in {worst}."
    yield Verdict(level=_level(value, EXPONENT), text=text)


def _joints(builder: ViewBuilder, snapshot: Snapshot) -> Iterator[Verdict]:
    """Body joints against regressed ones."""
    found = joint_agreement(builder.session.fit, snapshot)
    if found is None:
        return
    b, frame, joint = np.unravel_index(int(found.distance_cm.argmax()), found.distance_cm.shape)
    value = float(found.distance_cm[b, frame, joint])
    where, name = _clip_frame(builder, int(b), int(frame)), JOINT_NAMES[joint].replace("_", " ")
    text = f"Body and regressed joints differ by up to {QUANTITIES['distance_cm'].text(value)} ({name}, frame {where})."
    yield Verdict(level=_level(value, DISAGREE_CM), text=text, frame=where)


def _ground(builder: ViewBuilder, snapshot: Snapshot) -> Iterator[Verdict]:
    """Penetration, skate and the tilt of the floor."""
    found = ground_curves(builder, snapshot)
    b, frame = np.unravel_index(int(found.depth_cm.argmax()), found.depth_cm.shape)
    depth, where = float(found.depth_cm[b, frame]), _clip_frame(builder, int(b), int(frame))
    if depth < SEEN_CM:
        yield Verdict(level="good", text="The body is nowhere below the floor.")
    else:
        text = f"The body is up to {depth:.1f} cm below the floor."
        yield Verdict(level=_level(depth, DEPTH_CM), text=text, frame=where)
    if np.isfinite(found.skate_mm).any():
        skate = np.nan_to_num(found.skate_mm)
        b, frame = np.unravel_index(int(skate.argmax()), skate.shape)
        mean = float(np.nanmean(found.skate_mm))
        where = _clip_frame(builder, int(b), int(frame))
        text = f"Feet near the floor skate {mean:.1f} mm per frame on average, most at frame {where}."
        yield Verdict(level=_level(mean, SKATE_MM), text=text, frame=where)
    if found.tilt_deg is not None:
        tilt = float(found.tilt_deg.max())
        text = f"The floor leans {tilt:.1f}° against the observed one."
        yield Verdict(level=_level(tilt, TILT_DEG), text=text)


def _overlaps(builder: ViewBuilder, snapshot: Snapshot) -> Iterator[Verdict]:
    """Disagreement of neighbouring sub-sequences."""
    found = overlaps(builder, snapshot)
    for pair in found.pairs if found else ():
        worst = int(pair.position_cm.argmax())
        value, where = float(pair.position_cm[worst]), int(pair.frames[worst])
        apart = QUANTITIES["position_cm"].text(value)
        text = f"Sub-sequences {pair.before + 1} and {pair.before + 2} are {apart} apart at frame {where}."
        yield Verdict(level=_level(value, OVERLAP_CM), text=text, frame=where)


def _flips(fit: Fit, snapshot: Snapshot) -> Iterator[Verdict]:
    """Axis-angle vectors that jump although rotations do not."""
    found = flips(fit, snapshot).variable
    if found is not None and found.any():
        text = f"root_orient flips by 2π in {int(found.sum())} frames: smoothness terms on vectors would be misled."
        yield Verdict(level="warn", text=text, frame=int(np.argwhere(found)[0][1]))
