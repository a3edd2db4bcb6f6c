"""Cause: the floor is not where the feet say it is, or has left the floor that it began with."""

from __future__ import annotations

import numpy as np
import torch

from optim.body.joints import FOOT_JOINTS
from optim.diagnostics.causes.cause import Cause, Causes, Look, level_of
from optim.diagnostics.ground import floor_height_cm, floor_tilt
from optim.diagnostics.quantities import QUANTITIES
from optim.initialise.floor_from_feet import feet_evidence, guess_floor
from optim.problem.frames import floor_plane
from optim.problem.missing_frames import seen_frames
from optim.schedule.terms import TERMS

TILT_DEG, LIFT_CM = 5.0, 8.0
"""Smallest differences that are worth a word. The floors of the demo clips were made wrong by 1 to 3° and 2 to 5 cm."""
ERRORS = 2.0
"""Differences within so many standard deviations of the estimate from the feet are no difference."""


def floor(look: Look) -> Causes:
    """The fitted floor against the feet of the free motion, against its start, and how hard floor_reg holds it."""
    observed, free = look.problem.floor, look.free
    if observed is None or free is None:
        return
    motion = look.fit.trajectory(free)
    guess = guess_floor(motion, look.problem.body, **feet_evidence(look.problem.observations))[0]
    fitted = floor_plane(look.snapshot.variables["floor_plane"]).double().numpy()
    under = motion.joints[:, :, list(FOOT_JOINTS)].double().mean((1, 2)).numpy()  # (B, 3)
    bounds = max(LIFT_CM, 100 * ERRORS * guess.height_error_m), max(TILT_DEG, ERRORS * guess.tilt_error_deg)
    found = []
    for what, planes in (("fitted", fitted), (_began(look), observed.double().numpy())):
        lift = 100.0 * (height_over(guess.plane[None], under) - height_over(planes, under))  # positive: above the feet
        tilt = _degrees(planes, guess.plane[None])
        b = int(np.maximum(np.abs(lift) / bounds[0], tilt / bounds[1]).argmax())
        found.append((max(abs(lift[b]) / bounds[0], tilt[b] / bounds[1]), what, b, float(lift[b]), float(tilt[b])))
    worst, what, b, lifted, tilted = max(found)
    level = level_of(worst, 1.0)
    evidence = (
        *(
            f"{what} floor {lift:+.1f} cm and {tilt:.1f}° from the floor under the feet"
            for _, what, _, lift, tilt in found
        ),
        f"floor under the feet known to ± {100 * guess.height_error_m:.0f} cm, ± {guess.tilt_error_deg:.0f}°",
        *_against_start(look, b),
        *_held(look),
    )
    if level == "good":
        yield Cause(level, f"The floor{look.of(b)} lies where the feet stand, within the error of that.", evidence)
        return
    side = "below" if lifted < 0 else "above"
    yield Cause(
        level,
        f"The {what} floor{look.of(b)} is {abs(lifted):.0f} cm {side} where the feet stand and leans {tilted:.1f}°"
        " against it.",
        evidence,
        "Take the floor from the feet (Floor tab, From feet), or give a measured one; lower floor_reg to let it move.",
    )


def height_over(plane: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Height (B,) [m] of points (B, 3) above planes (B or 1, 4) of unit normal and offset."""
    return np.asarray((plane[:, :3] * points).sum(-1) - plane[:, 3])


def _degrees(planes: np.ndarray, others: np.ndarray) -> np.ndarray:
    cosine = (planes[:, :3] * others[:, :3]).sum(-1)
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def _against_start(look: Look, b: int) -> tuple[str, ...]:
    """Tilt and height against the observed or assumed floor that the fit began with."""
    tilt, height = floor_tilt(look.fit, look.snapshot), floor_height_cm(look.fit, look.snapshot)
    assert tilt is not None and height is not None
    told = ((QUANTITIES["floor_tilt"], tilt[b]), (QUANTITIES["floor_height_cm"], height[b]))
    said = " and ".join(f"{named.label} {named.text(float(value))}" for named, value in told)
    return (f"{said} against the {_began(look)} floor",)


def _began(look: Look) -> str:
    return "observed" if look.problem.floor_known else "first estimated"


def _held(look: Look) -> tuple[str, ...]:
    """What floor_reg costs for a move of 10 cm along the normal, against the whole loss."""
    value = look.snapshot.evaluation.terms.get("floor_reg")
    if value is None:
        return ("floor_reg is not active in this phase",)
    term = next(term for term in TERMS if term.name == "floor_reg")
    weight = look.snapshot.schedule[look.snapshot.phase].weight(term.weight)
    metric, up = look.problem.floor_metric, floor_plane(look.snapshot.variables["floor_plane"])[:, :3]
    stiffness = 1.0 if metric is None else float(torch.einsum("bi,bij,bj->b", up, metric, up).max())
    cost, total = weight * value.scale * 0.5 * stiffness * 0.1**2, abs(look.snapshot.evaluation.total)
    return (
        f"floor_reg holds it with {cost:.2g} of loss for 10 cm ({100 * cost / max(total, 1e-12):.1g} % of the loss)",
    )


def still_feet(look: Look) -> tuple[torch.Tensor, torch.Tensor]:
    """Ankles and toes (N, 4, 3) [m] of the free motion in the input frame; their weights (N, 4) as standing feet."""
    assert look.free is not None
    motion = look.fit.trajectory(look.free)
    points = motion.joints[:, :, list(FOOT_JOINTS)].double()
    step = (points[:, 1:] - points[:, :-1]).norm(dim=-1) * look.problem.fps
    none = torch.zeros_like(step[:, :1])
    speed = torch.maximum(torch.cat((none, step), 1), torch.cat((step, none), 1))
    seen = seen_frames(look.problem.observations)
    weight = torch.exp(-((speed / 0.25) ** 2)) * seen[..., None]
    return points.flatten(0, 1), weight.flatten(0, 1)
