"""Check of a focal length that was only guessed: what the people in the picture say of it, and what else it may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optim.checks.check import Check, Choice, Seen, note
from optim.keypoints.focal_length import FOCAL_ERROR, FocalEstimate, estimate_focal

HARDLY = 0.8
"""Largest uncertainty of the estimate, as a share of what is uncertain before any picture, that is called evidence."""
FAR_OFF = 2.0
"""Difference between guess and estimate, in standard deviations, from which on the guess is probably wrong."""
OFFERED = (0.5, 0.16, 0.84, 0.975)
"""Shares of the probability below the focal lengths that are offered: the median, one deviation each way, and a far
one. Pictures that were cropped or taken with a zoom lens are far off more often than those of wide lenses."""
APART = 0.12
"""Least difference (of the logarithm) between two focal lengths that are offered, and from the guess."""


@dataclass(frozen=True)
class GuessedFocal:
    """Keypoints of everybody in a picture whose focal length is guessed."""

    people: Sequence[np.ndarray]  # (T, 25, 3) each: BODY_25, x, y [px], confidence; the person who is fitted first
    size: tuple[int, int]  # [px] width and height of the image
    focal: float  # px, the guess, in pixels as high as those of the image
    pixel_aspect: float = 1.0
    """Width of a pixel relative to its height."""


def guessed_focal(data: GuessedFocal) -> Seen | None:
    """The guess is compared with the estimate; other focal lengths are offered with the camera that they mean."""
    stretch = np.array([data.pixel_aspect, 1.0, 1.0])
    size = (round(data.size[0] * data.pixel_aspect), data.size[1])
    found = estimate_focal([np.asarray(points) * stretch for points in data.people], size)
    told = f"{data.focal:,.0f} px are guessed"
    if found is None:
        return note(told, "nobody is seen upright from head to foot, so that nothing else is known of it")
    low, high = found.quantile(0.16), found.quantile(0.84)
    range_told = f"{_short(low):,} to {_short(high):,} px"
    offered = _offered(found, data)
    choices = tuple(_choice(found, focal, data) for focal in offered)
    advice = ", ".join(f"{focal:,} px puts the person at {_distance(found, focal):.1f} m" for focal in offered)
    advice = f"if another one is right, give it with --focal: {advice}" if offered else ""
    if found.error > HARDLY * FOCAL_ERROR:
        meant = f"the picture hardly tells it (probably {range_told}); depth and size depend on it"
        return Seen("note", told, meant, advice, choices=choices)
    meant = f"people on one floor say {_short(found.focal):,} px (probably {range_told})"
    away = abs(math.log(data.focal / found.focal)) / found.error
    if away > FAR_OFF:
        return Seen("likely", told, meant, advice, choices=choices)
    return Seen("note" if away > 1.0 else "fine", f"{told}; {meant}", "", advice, choices=choices)


def _offered(found: FocalEstimate, data: GuessedFocal) -> list[int]:
    """Focal lengths [px] that differ from the guess and from each other, the most likely one first."""
    offered: list[int] = []
    for share in OFFERED:
        focal = _short(found.quantile(share))
        if all(abs(math.log(focal / other)) >= APART for other in (data.focal, *offered)):
            offered.append(focal)
    return offered


def _choice(found: FocalEstimate, focal: int, data: GuessedFocal) -> Choice:
    view = found.view(focal)
    angle = 2 * math.degrees(math.atan(data.size[0] * data.pixel_aspect / (2 * focal)))
    looking = "level" if abs(view.pitch) < 1.0 else f"{abs(view.pitch):.0f}° {'down' if view.pitch < 0 else 'up'}"
    told = f"{angle:.0f}° of view, person {_distance(found, focal):.1f} m away, camera {view.height:.1f} m high"
    return Choice(f"{focal:,} px", ("--focal", str(focal)), f"{told}, looking {looking}")


def _distance(found: FocalEstimate, focal: float) -> float:
    """Distance [m] of the first person with a focal length, from the nearest one that was compared."""
    view = found.view(focal)
    return view.distance * focal / view.focal


def _short(focal: float) -> int:
    """A focal length with two digits."""
    unit = 10 ** max(math.floor(math.log10(focal)) - 1, 0)
    return round(focal / unit) * unit


CHECKS = (
    Check(
        "guessed focal length",
        GuessedFocal,
        guessed_focal,
        f"off the estimate by {FAR_OFF:g} standard deviations likely; an estimate less sure than"
        f" {HARDLY:.0%} of what is usual for cameras is called none",
        answers=("focal", "fov", "rgb_intrinsics"),
    ),
)
