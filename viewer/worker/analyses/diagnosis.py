"""Says what causes the trouble, and in which frame, term and variable it shows.

The causes are those of ``optim.diagnostics.causes``. The bounds here are rules of thumb; they only choose the colour,
every sentence has its number.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optim.diagnostics.causes.table import causes
from optim.diagnostics.flips import flips
from optim.diagnostics.gradients import TermGradients, term_gradients
from optim.diagnostics.lyapunov import Lyapunov, lyapunov
from optim.session.fit import Fit
from optim.session.history import Snapshot
from viewer.protocol.findings import Diagnosis, Verdict
from viewer.worker.build_view import ViewBuilder

STANDS_OUT = 2.0  # times the median frame's loss
CONFLICT = -0.5  # cosine of two gradients
EXPONENT = 2.0  # 1/s


def diagnosis(builder: ViewBuilder, snapshot: Snapshot) -> Diagnosis:
    """The causes at a snapshot, the likeliest first, and where they show, with the gradients and the error growth."""
    fit = builder.session.fit
    gradients, growth = term_gradients(fit, snapshot), lyapunov(fit, snapshot)
    first = builder.scene_at(snapshot).first_frame
    found = tuple(
        Verdict(
            level=cause.level,
            text=cause.text,
            frame=None if cause.frame is None else cause.frame - first,
            rule=cause.rule,
            evidence=cause.evidence,
            advice=cause.advice,
        )
        for cause in causes(fit, snapshot)
    )
    places = (
        *_worst_frame(builder, snapshot, gradients),
        *_conflict(gradients),
        *_growth(growth),
        *_flips(fit, snapshot),
    )
    return Diagnosis(
        verdicts=found,
        places=places,
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


def _growth(found: Lyapunov | None) -> Iterator[Verdict]:
    """How fast small errors of x_0 grow."""
    if found is None:
        return
    b = int(found.exponent.argmax())
    worst = max(found.share, key=lambda name: float(found.share[name][b]))
    value = float(found.exponent[b])
    text = f"Small errors of x_0 grow by e^({value:.1f} t/s) along the roll-out; the worst ones lie in {worst}."
    yield Verdict(level=_level(value, EXPONENT), text=text)


def _flips(fit: Fit, snapshot: Snapshot) -> Iterator[Verdict]:
    """Axis-angle vectors that jump although rotations do not."""
    found = flips(fit, snapshot).variable
    if found is not None and found.any():
        text = f"root_orient flips by 2π in {int(found.sum())} frames: smoothness terms on vectors would be misled."
        yield Verdict(level="warn", text=text, frame=int(np.argwhere(found)[0][1]))
