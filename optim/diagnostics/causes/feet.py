"""Causes: the body floats above the floor, sinks into it, or its feet skate."""

from __future__ import annotations

import numpy as np

from optim.diagnostics.causes.cause import Cause, Causes, Look, level_of
from optim.diagnostics.ground import ground
from optim.diagnostics.quantities import QUANTITIES
from optim.initialise.floor_from_feet import feet_evidence
from optim.problem.coverage import longest_run

FLOATS_CM = 4.0
"""Height of the lowest vertex that counts as floating. Stage 3 of the default clip stays below 1.3 cm."""
FLIGHT_FRAMES = 18
"""Longest flight of a person at 30 frames/s (0.6 s, a jump of 44 cm); a longer time above the floor is no jump."""
DEPTH_CM = 3.0
"""Depth below the floor; first bound but one of the paper's evaluation (0, 3, 6 … cm)."""
OBSERVED_DEPTH_CM = 10.0
"""Median depth of the lowest vertex in stage 2 from which on the observations themselves are below the floor. It is
0.5 cm on average for upright people, and 5 cm for recorded floor work, whose bodies lie in the floor."""
SKATE_MM = 12.0
"""Mean foot skate [mm/frame]: 36 cm/s. The default clip ends at 8.9 from 3D joints and at 11.5 from keypoints."""
SEEN_CM = 0.1
"""A smaller depth counts as none."""


def height(look: Look) -> Causes:
    """Height of the lowest vertex over all frames, and where the observations put it."""
    yield from _observed_below(look)
    yield from _floats(look)
    yield from _sinks(look)


def _advice(look: Look) -> str:
    return (
        "Check the floor (Floor tab, From feet) and the unit and the height of the input;"
        f" then the weights of {' and '.join(_terms(look))}."
    )


def _terms(look: Look) -> tuple[str, str]:
    """The terms of the schedule that hold the feet: for their height and for their speed."""
    planted = any(phase.weight("planted_vel") for phase in look.snapshot.schedule)
    return ("planted_height", "planted_vel") if planted else ("contact_height", "contact_vel")


def _floats(look: Look) -> Causes:
    height = look.ground.lowest_vertex_cm
    assert height is not None
    b, start, length = longest_run(height > FLOATS_CM)
    if length <= min(FLIGHT_FRAMES, height.shape[1] - 1):
        return
    inside = height[b, start : start + length]
    middle = float(np.median(inside))
    named = QUANTITIES["lowest_vertex_cm"]
    yield Cause(
        level_of(middle, FLOATS_CM),
        f"The body{look.of(b)} floats: its lowest point is {named.text(middle)} above the floor for {length} frames.",
        (*_heights(height[b]), f"longest flight of a person about {FLIGHT_FRAMES} frames"),
        _advice(look),
        look.at(b, start + int(inside.argmax())),
    )


def _observed_below(look: Look) -> Causes:
    """Stage 2 knows no floor of 3D data. If it puts the body below, terms that hold the body up tear the fit apart."""
    if look.free is None or look.problem.has_camera:
        return
    depth = ground(look.fit, look.free).depth_cm
    assert depth is not None
    evidence = feet_evidence(look.problem.observations)
    seen = evidence["feet_seen"].any(-1) if "feet_seen" in evidence else evidence["seen"]
    depth = np.where(seen.numpy(), depth, 0.0)  # hidden feet are where stage 2 has invented them
    middle = np.median(depth, axis=1)
    b = int(middle.argmax())
    if middle[b] <= OBSERVED_DEPTH_CM:
        return
    named = QUANTITIES["depth_cm"]
    yield Cause(
        "bad",
        f"The observations{look.of(b)} are {named.text(float(middle[b]))} below the floor:"
        " stage 2, which knows no floor, puts the body there.",
        (f"lowest point in stage 2 up to {named.text(float(depth[b].max()))} below the floor",),
        "Check unit and height of the input (--unit, --floor-height); --floor-height auto puts its feet on the floor.",
        look.at(b, int(depth[b].argmax())),
    )


def _sinks(look: Look) -> Causes:
    depth, height = look.ground.depth_cm, look.ground.lowest_vertex_cm
    assert depth is not None and height is not None
    b, frame = np.unravel_index(int(depth.argmax()), depth.shape)
    worst = float(depth[b, frame])
    if worst < SEEN_CM:
        yield Cause("good", f"The body is nowhere below the floor; {', '.join(_heights(height[int(b)]))}.")
        return
    level = level_of(worst, DEPTH_CM)
    yield Cause(
        level,
        f"The body{look.of(int(b))} is up to {QUANTITIES['depth_cm'].text(worst)} below the floor.",
        (*_heights(height[int(b)]), f"below the floor in {100 * float((depth > DEPTH_CM).mean()):.0f} % of the frames"),
        "" if level == "good" else _advice(look),
        look.at(int(b), int(frame)),
    )


def feet(look: Look) -> Causes:
    """Foot skate, with the reason where it is not defined."""
    skate, height = look.ground.skate_mm, look.ground.lowest_vertex_cm
    assert height is not None
    named = QUANTITIES["skate_mm"]
    if not np.isfinite(skate).any():
        yield Cause(
            "warn",
            "Foot skate is not defined: no foot comes within 4 cm (toes) or 10 cm (ankles) of the floor.",
            _heights(height[0]),
            _advice(look),
        )
        return
    b, frame = np.unravel_index(int(np.nan_to_num(skate).argmax()), skate.shape)
    mean = float(np.nanmean(skate))
    level = level_of(mean, SKATE_MM)
    yield Cause(
        level,
        f"Feet near the floor skate {named.text(mean)} on average, most at frame {look.at(int(b), int(frame))}.",
        (f"largest {named.text(float(skate[b, frame]))}", f"a foot near the floor in {_share(skate)} of the frames"),
        "" if level == "good" else f"Raise {_terms(look)[1]} in stage 3, and look at the contacts in the Floor tab.",
        look.at(int(b), int(frame)),
    )


def _heights(height: np.ndarray) -> tuple[str, ...]:
    """Smallest, middle and largest height of the lowest vertex of one sub-sequence (T,) [cm]."""
    named = QUANTITIES["lowest_vertex_cm"]
    low, middle, high = float(height.min()), float(np.median(height)), float(height.max())
    return (f"lowest point {named.text(low)} to {named.text(high)} above the floor, median {named.text(middle)}",)


def _share(skate: np.ndarray) -> str:
    return f"{100 * float(np.isfinite(skate).mean()):.0f} %"
