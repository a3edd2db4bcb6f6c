"""Presets: the rules of a fit that are choices rather than numbers, ours and those of the public code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Rotation = Literal["axis-angle", "6d"]


@dataclass(frozen=True)
class Preset:
    """The rules of a fit that are choices, not numbers."""

    name: str
    weights: Literal["public", "own"] = "public"
    """Default weights: ``Weights.public`` of every term, or ``Weights.own`` where it has some."""
    rotation: Rotation = "axis-angle"
    """How ``root_orient`` is parameterised while it moves: 3 or 6 numbers."""
    start: Literal["rest", "aligned"] = "rest"
    """``rest``: trans 0, root_orient (π, 0, 0); ``aligned``: a rigid fit of the torso where 3D points are seen."""
    prior_frame: Literal["input", "canonical"] = "input"
    """3D data without a camera: the prior works in the frame of the input as it stands, or in the canonical frame of
    stage 2's first frame, results carried back."""
    contact_refine: Literal["public", "strict"] = "public"
    """``contact_refine_only`` silences the contact terms while x_0 is frozen (public) or until refine (strict)."""
    velocities: Literal["prior", "camera"] = "prior"
    """Frame that the velocities of x_0 are first estimated in; ``camera`` is a fault the public code once had."""
    turn: Literal["exact", "published"] = "published"
    """How states are turned into their canonical frames (``rollout.canonical_turn`` or ``published_turn``)."""
    freeze_bounds: Literal["fixed", "proportional"] = "fixed"
    """Default bounds of the freeze phase when stage 3 is not 70 steps long: 30 and 55 as they are, or in proportion."""
    floor: Literal["assumed", "feet"] = "assumed"
    """Where no floor was observed: the assumed one, or what the feet of stage 2 stand on (``floor_from_feet``)."""
    gaps: Literal["left", "bridged"] = "left"
    """What a stage begins with in frames in which nothing is seen: what the stage before left, or a motion that bridges
    them (``missing_frames.bridged``), and whether x_0 is tuned on frames after the first one seen."""
    stage_3: Literal["tuned", "shooting", "direct"] = "tuned"
    """The way through stage 3: tune, freeze, refine, or one of ``stage3_variants.VARIANTS``."""
    units: Literal["equal", "measured"] = "equal"
    """Diagonal preconditioner of the solver in stage 3: none (``equal``), or one that is measured where a phase begins
    (``objective.preconditioner``)."""
    split: Literal["public", "even"] = "public"
    """How a long video is split (``splitting.split_frames``): overlaps grow, or sub-sequences shrink."""
    stitching: Literal["cut", "blend"] = "cut"
    """How the sub-sequences are joined again (``stitching.stitch``)."""
    cloud_scale: float = 0.0
    """Least scale [m] of the robust weights of point clouds before stage 3. The median alone finds the trunk fitted and
    takes limbs that are still far for outliers, which then never come."""


_REFERENCE = Preset("reference")
_HUMORSCOPE = Preset(
    "humorscope",
    weights="own",
    start="aligned",
    prior_frame="canonical",
    contact_refine="strict",
    turn="exact",
    freeze_bounds="proportional",
    floor="feet",
    gaps="bridged",
    split="even",
    stitching="blend",
    cloud_scale=0.1,
)
PRESETS = {
    preset.name: preset
    for preset in (
        _HUMORSCOPE,
        replace(_HUMORSCOPE, name="humorscope-6d", rotation="6d"),
        replace(_HUMORSCOPE, name="humorscope-public-contacts", contact_refine="public"),
        replace(_HUMORSCOPE, name="humorscope-measured-units", units="measured"),
        replace(_HUMORSCOPE, name="direct", stage_3="direct", units="measured"),
        replace(_HUMORSCOPE, name="shooting", stage_3="shooting", units="measured"),
        _REFERENCE,
        replace(_REFERENCE, name="reference-6d", rotation="6d"),
        replace(_REFERENCE, name="reference-strict-contacts", contact_refine="strict"),
        replace(_REFERENCE, name="reference-velocity-fault", velocities="camera"),
    )
}
"""Our rules, those of the public code, each with one rule exchanged, and two fast ways through stage 3."""
