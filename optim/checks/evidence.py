"""Checks of how much was seen: in how many frames anything, and in how many a foot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from optim.checks.check import Check, Seen, certain, fine, likely, note

ENOUGH_POINTS = 4
"""Number of points of one kind that place the body in a frame."""
FEW_FRAMES, FEW_SHARE = 3, 0.05
"""Least number and share of frames with enough points. With fewer, the motion would be that of the prior alone."""
LITTLE = 0.25
"""Share of frames below which most of the motion is that of the prior."""
FEET = {"joints3d": (7, 8, 10, 11), "joints2d": (11, 14, 19, 20, 21, 22, 23, 24)}
"""Numbers of ankles, heels and toes: in SMPL's joints, and in BODY_25."""
FEET_SHARE = 0.1
"""Share of frames with a foot below which the floor is hardly told by feet."""


@dataclass(frozen=True)
class Evidence:
    """Which observations were seen, per frame that is fitted."""

    visible: Mapping[str, np.ndarray]
    """Kind of observation → mask (T, K) bool."""
    floor_known: bool
    """Whether the floor is known, so that it need not be found from the feet."""


def frames_seen(data: Evidence) -> Seen:
    """Enough frames show enough points to fit a motion to."""
    enough = np.asarray(np.stack([mask.sum(1) >= ENOUGH_POINTS for mask in data.visible.values()]).any(axis=0))
    count, frames = int(enough.sum()), enough.size
    seen = f"something is seen in {count} of {frames} frames"
    if not any(mask.any() for mask in data.visible.values()):
        return certain(
            "nothing is visible in any frame", "there is nothing to fit", "look at what the file holds as missing"
        )
    if count and count < max(FEW_FRAMES, FEW_SHARE * frames):
        numbers = ", ".join(map(str, np.flatnonzero(enough)[:5]))
        return certain(
            f"{seen} ({numbers})",
            "there is nothing to fit: the rest would be invented by the prior",
            "choose other frames with --amass-start-frame and --amass-seq-len, or check that the data belongs to them",
        )
    if count < LITTLE * frames:
        return likely(
            seen, "most of the motion will be invented by the prior", "choose the frames in which more is seen"
        )
    return fine(seen)


def feet_seen(data: Evidence) -> Seen | None:
    """Feet are seen, so that contacts and the floor have something to go by."""
    masks = [data.visible[name][:, list(points)] for name, points in FEET.items() if name in data.visible]
    if not masks or any(name not in FEET for name in data.visible):
        return None
    share = float(np.stack([mask.any(1) for mask in masks]).any(0).mean())
    seen = f"a foot is seen in {share:.0%} of the frames" if share else "no foot is ever seen"
    if share >= FEET_SHARE:
        return fine(seen)
    if data.floor_known:
        return note(seen, "legs and contacts are invented by the prior")
    return likely(
        seen,
        "the floor is guessed from the upright body and a level camera alone, its height by tens of centimetres",
        "give the floor with --rgb-planercnn-res if it is known",
    )


CHECKS = (
    Check(
        "frames seen",
        Evidence,
        frames_seen,
        f"{ENOUGH_POINTS} points in at least {FEW_FRAMES} frames and {FEW_SHARE:.0%} of them, or else certain; below"
        f" {LITTLE:.0%} likely",
    ),
    Check("feet seen", Evidence, feet_seen, f"a foot in {FEET_SHARE:.0%} of the frames"),
)
