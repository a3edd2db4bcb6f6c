"""Presets: named sets of rules for a fit, ours and those of the public code.

A rule is a choice between methods; the numbers (weights, steps) follow from it in ``stages`` and ``weights``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from optim.schedule.solvers import SolverName

Rotation = Literal["axis-angle", "6d"]


@dataclass(frozen=True)
class Preset:
    """The rules of a fit: choices between methods."""

    name: str
    weights: Literal["public", "own"] = "public"
    """Default weights: ``Weights.public`` of every term, or ``Weights.own`` of terms that have such values."""
    contacts: Literal["public", "planted"] = "public"
    """Default contact terms: ``contact_vel`` and ``contact_height``, or ``planted_vel``, ``planted_height`` and
    ``floor_penetration``."""
    rotation: Rotation = "axis-angle"
    """Parameters of ``root_orient`` while it moves: 3 numbers (axis-angle) or 6 numbers."""
    start: Literal["rest", "aligned"] = "rest"
    """Initialisation of stage 1. ``rest``: trans 0, root_orient (π, 0, 0); ``aligned``: a rigid fit of the torso where
    3D points are seen."""
    prior_frame: Literal["input", "canonical", "following"] = "input"
    """For 3D data without a camera. ``input``: the prior frame is the input frame. ``canonical``: it is the canonical
    frame of stage 2's first frame, and results are transformed back. ``following``: it is the canonical frame of x_0
    wherever x_0 moves to, as with a camera, so that the prior of the first state does not hold x_0 where stage 2 left
    it (docs/lab/starts.md)."""
    contact_refine: Literal["public", "strict"] = "public"
    """With ``contact_refine_only``, contact terms have weight 0 while x_0 is held (public) or until refine (strict)."""
    velocities: Literal["prior", "camera"] = "prior"
    """Frame of the first estimate of x_0's velocities; ``camera`` is a fault that the public code once had."""
    turn: Literal["exact", "published"] = "published"
    """Formula that turns states into their canonical frames (``rollout.canonical_turn`` or ``published_turn``)."""
    freeze_bounds: Literal["fixed", "proportional"] = "fixed"
    """Default bounds of the freeze phase where stage 3 does not have 70 steps: 30 and 55, or scaled in proportion."""
    floor: Literal["assumed", "feet"] = "assumed"
    """Floor where none was observed: the assumed one, or an estimate from stage 2's feet (``floor_from_feet``)."""
    missing_frames: Literal["left", "bridged"] = "left"
    """Treatment of missing frames, in which nothing is seen. ``left``: a stage begins there with the result of the one
    before. ``bridged``: it begins there with an interpolated motion (``missing_frames.bridged``), and x_0 is tuned on
    frames after the first one seen."""
    stage_3: Literal["tuned", "shooting", "direct", "single"] = "tuned"
    """Phases of stage 3: tune, freeze, refine (``tuned``), or one of ``stage3_variants.VARIANTS``."""
    preconditioner: Literal["equal", "measured"] = "equal"
    """Diagonal preconditioner of the solver in stage 3: none (``equal``), or one that is measured at the beginning of
    each phase (``objective.preconditioner``)."""
    solver: SolverName = "lbfgs"
    """Default solver of stages 1 and 2. Where images are seen, stage 1 always has L-BFGS: most keypoints are outliers
    there at first, and Levenberg-Marquardt ends in worse minima of single frames."""
    stage_3_solver: SolverName = "lbfgs"
    """Default solver of stage 3, the roll-out."""
    split: Literal["public", "even"] = "public"
    """Split of a long video into sub-sequences of equal length (``splitting.split_frames``): overlaps are made longer
    (public), or sub-sequences shorter (even)."""
    stitching: Literal["cut", "blend"] = "cut"
    """Method that joins the sub-sequences again (``stitching.stitch``)."""
    flat_gain: float = 0.0
    """Default of ``Phase.flat_gain``, the rule that ends a phase early. 0: a phase ends when its steps are done."""
    flat_iterations: int = 20
    """Default of ``Phase.flat_iterations``, the number of iterations in which that gain is counted."""
    unknown_motion: Literal["ignored", "weakened"] = "ignored"
    """Treatment in stage 3 of motions that the motion prior does not know. ``weakened``: terms of the prior count less
    in such frames, and stage 2's smoothing takes their place (``Term.where_unknown``)."""
    hidden_joints: Literal["left", "expected"] = "left"
    """Treatment of 3D joints that are hidden in many frames. ``left``: stage 2 gives them the mean pose. ``expected``:
    two more phases at the end of stage 2 follow the visible joints closely, and then move the hidden ones to where the
    prior of the first state expects them (``initialise.hidden_joints``), so that stage 3 begins nearer."""
    contradictions: Literal["trusted", "doubted"] = "trusted"
    """2D keypoints that contradict each other over time: weighed as all others, or hardly (``checks.contradictions``).
    It is the default of ``--contradictions``."""
    landmarks: Literal["found", "moved"] = "found"
    """Places of the landmarks that BlazePose finds in a video: as they are found, or moved to where the body model has
    these points (``keypoints.offsets``)."""
    cloud_scale: float = 0.0
    """Lower limit [m] of the scale of the robust weights of point clouds in stages 1 and 2. Without it the scale is the
    median alone: as soon as the trunk fits, limbs that are still far away count as outliers and are never pulled in."""


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
    missing_frames="bridged",
    split="even",
    stitching="blend",
    unknown_motion="weakened",
    contradictions="doubted",
    landmarks="moved",
    cloud_scale=0.1,
)
_FAST = replace(
    _HUMORSCOPE,
    name="fast",
    contacts="planted",
    stage_3="single",
    solver="levenberg-marquardt",
    stage_3_solver="lbfgs-gn",
    flat_gain=0.001,
    flat_iterations=10,
    hidden_joints="expected",
)
PRESETS = {
    preset.name: preset
    for preset in (
        _FAST,
        replace(_FAST, name="fast-planted"),  # the name that it had while ``fast`` had the public contact terms
        replace(_FAST, name="fast-public-terms", contacts="public"),
        replace(_FAST, name="fast-hidden-left", hidden_joints="left"),
        replace(_FAST, name="fast-trusted-prior", unknown_motion="ignored"),
        replace(_FAST, name="fast-following-frame", prior_frame="following"),
        _HUMORSCOPE,
        replace(_HUMORSCOPE, name="humorscope-6d", rotation="6d"),
        replace(_HUMORSCOPE, name="humorscope-public-contacts", contact_refine="public"),
        replace(_HUMORSCOPE, name="humorscope-planted", contacts="planted"),
        replace(_HUMORSCOPE, name="humorscope-measured-units", preconditioner="measured"),
        replace(_HUMORSCOPE, name="direct", stage_3="direct", preconditioner="measured"),
        replace(_HUMORSCOPE, name="gauss-newton", stage_3="single", stage_3_solver="lbfgs-gn"),
        replace(_HUMORSCOPE, name="humorscope-trusted-prior", unknown_motion="ignored"),
        replace(_HUMORSCOPE, name="shooting", stage_3="shooting", preconditioner="measured"),
        _REFERENCE,
        replace(_REFERENCE, name="reference-6d", rotation="6d"),
        replace(_REFERENCE, name="reference-strict-contacts", contact_refine="strict"),
        replace(_REFERENCE, name="reference-velocity-fault", velocities="camera"),
    )
}
"""Name → preset. ``humorscope`` has our rules with the public phases and solver; ``fast`` has them too, with solvers
that use the curvature of the terms and with joints that are held on the floor; ``reference`` has the rules of the
public code. The others are variants with one rule changed, or other ways through stage 3."""


def usual_preset(data_type: str) -> str:
    """The preset of a fit that names none: ``fast`` where it was found to be at least as good as ``humorscope``.

    The comparisons are in docs/optimiser.md, and of hidden joints in docs/lab/starts.md. Key vertices and point clouds
    have none yet.

    Args:
        data_type: A name in ``data_types.DATA_TYPES``.
    """
    return "fast" if data_type in ("3d", "rgb") else "humorscope"


DEFAULT = usual_preset("3d")
