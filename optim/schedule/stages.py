"""The schedule as data: which variables move in which phase, for how long, on how many frames, under which weights.

Stage 3 is up to three phases (tune, freeze, refine). Presets name the rules that are not numbers. Knows no tensor.
Source of every number: HuMoR's public configurations (fit_amass_joints, fit_amass_keypts, fit_rgb_demo, fit_proxd).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from optim.common.errors import InputError
from optim.schedule.stage3_variants import GAP, GAP_WEIGHTS, SHOTS, phases_of, steps_of, tightness

WEIGHT_NAMES = (
    "joints2d", "joints3d", "joints3d_rollout", "verts3d", "points3d", "pose_prior", "shape_prior", "motion_prior",
    "init_motion_prior", "joint_consistency", "bone_length", "joints3d_smooth", "contact_vel", "contact_height",
    "floor_reg", "rgb_overlap_consist", "shooting_gap",
)  # fmt: skip
CONTACT_WEIGHTS = ("contact_vel", "contact_height")
INITIAL_STATE = ("trans", "root_orient", "latent_pose", "trans_vel", "joints_vel", "root_orient_vel")
"""The six parts of x_0 in stage 3."""
STAGE_3 = (
    "trans",
    "root_orient",
    "latent_pose",
    "betas",
    "latent_motion",
    "trans_vel",
    "joints_vel",
    "root_orient_vel",
)

Triple = tuple[float, float, float]
_IMAGE = {
    "joints2d": (0.001, 0.001, 0.001),
    "joints3d_smooth": (100.0, 100.0, 0.0),
    "motion_prior": (0.0, 0.0, 0.075),
    "init_motion_prior": (0.0, 0.0, 0.075),
    "joint_consistency": (0.0, 0.0, 100.0),
    "bone_length": (0.0, 0.0, 2000.0),
    "contact_vel": (0.0, 0.0, 100.0),
    "contact_height": (0.0, 0.0, 10.0),
}
_SPACE = {
    "joints3d": (1.0, 1.0, 1.0),
    "pose_prior": (2e-4, 2e-4, 0.0),
    "shape_prior": (1.67e-4, 1.67e-4, 1.67e-4),
    "joints3d_smooth": (10.0, 10.0, 0.0),
    "motion_prior": (0.0, 0.0, 1e-3),
    "init_motion_prior": (0.0, 0.0, 1e-3),
    "joint_consistency": (0.0, 0.0, 1.0),
    "bone_length": (0.0, 0.0, 10.0),
    "contact_vel": (0.0, 0.0, 1.0),
    "contact_height": (0.0, 0.0, 1.0),
}
_VERTS = _SPACE | {
    "joints3d": (0.0, 0.0, 0.0),
    "verts3d": (1.0, 1.0, 1.0),
    "joints3d_smooth": (0.1, 0.1, 0.0),
    "motion_prior": (0.0, 0.0, 5e-4),
    "init_motion_prior": (0.0, 0.0, 5e-4),
}
PUBLIC_WEIGHTS: dict[str, dict[str, Triple]] = {
    "3d": _SPACE,
    "verts3d": _VERTS,
    "points3d": _VERTS | {"verts3d": (0.0, 0.0, 0.0), "points3d": (1.0, 1.0, 1.0)},
    "rgb": _IMAGE
    | {
        "pose_prior": (0.04, 0.04, 0.0),
        "shape_prior": (0.05, 0.05, 0.05),
        "floor_reg": (0.0, 0.0, 0.167),
        "rgb_overlap_consist": (200.0, 200.0, 200.0),
    },
    "rgbd": _IMAGE
    | {
        "points3d": (1.0, 1.0, 1.0),
        "pose_prior": (0.1, 0.1, 0.0),
        "shape_prior": (0.034, 0.034, 0.034),
        "floor_reg": (0.0, 0.0, 1.0),
    },
}
"""Data type → weight of each term in stages 1, 2, 3; what is not named is 0. ``rgb_overlap_consist`` has an effect
only on a batch of overlapping sub-sequences. For point clouds in a world frame there is no public configuration: they
get the weights of key vertices."""
OWN_WEIGHTS: dict[str, dict[str, Triple]] = {
    "3d": {"motion_prior": (0.0, 0.0, 3e-4), "init_motion_prior": (0.0, 0.0, 3e-4)},
    "rgb": {"joints3d_smooth": (20.0, 20.0, 0.0), "shape_prior": (0.5, 0.5, 0.5)},
    "rgbd": {"motion_prior": (0.0, 0.0, 0.0225), "init_motion_prior": (0.0, 0.0, 0.0225)},
}
"""Over the public ones in our presets. 3D joints: the shipped prior spends about 50 nats on a transition, and under the
public weights it bends the motion away from the data (docs/models.md has the comparison). Images: the public smoothing
counts metres, so that whoever walks is made small and near, at the price of an unlikely shape (docs/video.md has it).
Depth: for the reason of 3D joints (docs/data.md)."""
PUBLIC_STEPS = {name: (30, 80, 70) if name == "rgb" else (30, 70, 70) for name in PUBLIC_WEIGHTS}
TUNE_FRAMES, FREEZE_START, FREEZE_END = 15, 30, 55

Rotation = Literal["axis-angle", "6d"]


@dataclass(frozen=True)
class Preset:
    """The rules of a fit that are choices, not numbers."""

    name: str
    weights: Literal["public", "own"] = "public"
    """Default weights: ``PUBLIC_WEIGHTS``, or those with ``OWN_WEIGHTS`` over them."""
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
    them (``gaps.bridged``), and whether x_0 is tuned on frames after the first one seen."""
    stage_3: Literal["tuned", "shooting", "direct"] = "tuned"
    """The way through stage 3: tune, freeze, refine, or one of ``shots.SHOTS``."""
    units: Literal["equal", "measured"] = "equal"
    """What the solver takes a unit of each variable for in stage 3: the same for all, or what ``scaling`` measures."""
    split: Literal["public", "even"] = "public"
    """How a long video is split (``splitting.split_frames``): overlaps grow, or sub-sequences shrink."""
    stitching: Literal["cut", "blend"] = "cut"
    """How the parts are joined again (``stitching.stitch``)."""
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


@dataclass(frozen=True)
class Phase:
    """A stretch of outer steps under one objective and one solver; ``weights`` must not be changed in place."""

    name: str
    stage: int
    variables: tuple[str, ...]
    steps: int
    iterations: int = 20
    """L-BFGS iterations per step."""
    frames: int | None = None
    """Only the first so many frames are rolled out and observed; None means all."""
    weights: Mapping[str, float] = field(default_factory=dict)
    init_motion_frames: int | None = None
    """init_motion_prior is scaled by (all frames) / this; None means by 1."""
    segment: int | None = None
    """Stage 3: frames from node to node of multiple shooting (``shooting``); None means one roll-out."""
    preset: Preset = _HUMORSCOPE

    def weight(self, name: str) -> float:
        return self.weights.get(name, 0.0)

    @property
    def scaled(self) -> bool:
        """Its solver measures the variables' units when it begins."""
        return self.stage == 3 and self.preset.units == "measured"


def schedule(
    preset: str | Preset = "humorscope",
    data_type: str = "3d",
    *,
    num_iters: Sequence[int] | None = None,
    lbfgs_max_iter: int = 20,
    weights: Mapping[str, Sequence[float]] | None = None,
    tune_init: bool = True,
    tune_frames: int = TUNE_FRAMES,
    freeze_start: int | None = None,
    freeze_end: int | None = None,
    contact_refine_only: bool = True,
) -> tuple[Phase, ...]:
    """The phases of a fit, in order.

    Args:
        preset: A name in ``PRESETS`` or rules of one's own.
        data_type: ``3d`` (joints), ``verts3d`` (key vertices), ``points3d``, ``rgb`` or ``rgbd``; chooses weights and
            steps.
        num_iters: Outer steps of stages 1, 2, 3; a stage with 0 steps is left out.
        weights: Term → weights in stages 1, 2, 3, over those of the data type.
        tune_init: Stage 3 in three phases; otherwise one phase moves everything.
        tune_frames: Frames rolled out while x_0 is tuned.
        freeze_start, freeze_end: Steps of stage 3 between which x_0 is frozen (defaults: ``Preset.freeze_bounds``).
        contact_refine_only: Contact terms join in the refine phase (see ``Preset.contact_refine``).

    Raises:
        InputError: An unknown name, a negative or non-finite weight, or bounds that do not fit.
    """
    rules = _known("preset", preset, PRESETS) if isinstance(preset, str) else preset
    own = OWN_WEIGHTS.get(data_type, {}) if rules.weights == "own" else {}
    table = _known("data_type", data_type, PUBLIC_WEIGHTS) | own | _checked_weights(weights or {})
    steps = tuple(num_iters) if num_iters is not None else PUBLIC_STEPS[data_type]
    shots = SHOTS.get(rules.stage_3, ())
    if num_iters is None and shots:
        steps = (*steps[:2], steps_of(shots))
    if len(steps) != 3 or any(n != int(n) or n < 0 for n in steps):
        raise InputError(f"num_iters is {list(steps)}; give three counts of steps, one per stage")
    if lbfgs_max_iter < 1:
        raise InputError(f"lbfgs_max_iter is {lbfgs_max_iter}; at least 1 iteration per step is needed")
    per_stage = [{name: float(values[k]) for name, values in table.items() if values[k]} for k in range(3)]
    first = Phase("stage 1", 1, ("trans", "root_orient"), steps[0], weights=per_stage[0])
    second = Phase("stage 2", 2, ("trans", "root_orient", "betas", "latent_pose"), steps[1], weights=per_stage[1])
    third = Phase("stage 3", 3, STAGE_3, steps[2], weights=per_stage[2])
    if data_type in ("rgb", "rgbd"):
        third = replace(third, variables=(*STAGE_3, "floor_plane"))
    phases = [first, second, third]
    if shots and steps[2]:
        phases[2:] = phases_of(shots, third, gap=GAP_WEIGHTS[data_type], frames=tune_frames)
    elif tune_init and steps[2]:
        bounds = _freeze_bounds(rules, steps[2], freeze_start, freeze_end)
        phases[2:] = _three_phases(third, rules, bounds, tune_frames, contact_refine_only)
    return tuple(replace(p, iterations=lbfgs_max_iter, preset=rules) for p in phases if p.steps)


def _three_phases(
    whole: Phase, rules: Preset, bounds: tuple[int, int], frames: int, contact_refine_only: bool
) -> list[Phase]:
    if frames < 2:
        raise InputError(f"tune_frames is {frames}; x_0 is tuned on at least 2 frames")
    start, end = bounds
    silent = {name: 0.0 for name in CONTACT_WEIGHTS} if contact_refine_only else {}
    tune_weights = {**whole.weights, "rgb_overlap_consist": 0.0}
    if rules.contact_refine == "strict":
        tune_weights |= silent
    still = tuple(name for name in whole.variables if name not in INITIAL_STATE)
    tune = replace(whole, name="stage 3 tune", steps=start, frames=frames, weights=tune_weights)
    freeze = replace(
        whole,
        name="stage 3 freeze",
        steps=end - start,
        variables=still,
        weights={**whole.weights, **silent},
        init_motion_frames=frames,
    )
    refine = replace(whole, name="stage 3 refine", steps=whole.steps - end, init_motion_frames=frames)
    return [tune, freeze, refine]


def _freeze_bounds(rules: Preset, steps: int, start: int | None, end: int | None) -> tuple[int, int]:
    scale = steps / PUBLIC_STEPS["rgb"][2] if rules.freeze_bounds == "proportional" else 1.0
    if end is None:
        end = max(min(steps, round(FREEZE_END * scale)), start or 0)
    if start is None:
        start = min(end, round(FREEZE_START * scale))
    if not 0 <= start <= end <= steps:
        raise InputError(
            f"freeze_start {start}, freeze_end {end}: they must satisfy 0 <= start <= end <= {steps}, "
            "the steps of stage 3"
        )
    return start, end


def with_weight(
    phases: tuple[Phase, ...], name: str, value: float, *, stage: int, current: int | None = None
) -> tuple[Phase, ...]:
    """The same schedule with one weight changed in every phase of a stage.

    A phase in which the schedule silences the term (weight 0 there, but not in the whole stage) stays silent, unless
    it is the ``current`` one (an index). ``shooting_gap``, which tightens from phase to phase, becomes ``value`` in the
    first of them (or the current one) and changes in proportion in the others.

    Raises:
        InputError: Unknown name or stage, or a negative or non-finite value.
    """
    check_weight(name, value)
    of_stage = [phase for phase in phases if phase.stage == stage]
    if not of_stage:
        known = sorted({phase.stage for phase in phases})
        raise InputError(f"no phase of stage {stage} in this schedule; its stages are {known}")
    in_use = any(phase.weight(name) > 0 for phase in of_stage)
    here = phases[current] if current is not None and phases[current].stage == stage else None
    base = tightness(of_stage, here) if name == GAP else 0.0
    return tuple(
        replace(phase, weights={**phase.weights, name: float(value) * (phase.weight(name) / base if base else 1.0)})
        if phase.stage == stage and (i == current or not in_use or phase.weight(name) > 0)
        else phase
        for i, phase in enumerate(phases)
    )


def with_weights(phases: tuple[Phase, ...], weights: Mapping[int, Mapping[str, float]]) -> tuple[Phase, ...]:
    """The same schedule with other weights in some phases: index of a phase → term → weight.

    Raises:
        InputError: No such phase, an unknown name, or a negative or non-finite value.
    """
    edited = list(phases)
    for index, values in weights.items():
        phase = _at(phases, index)
        for name, value in values.items():
            check_weight(name, value)
        edited[index] = replace(phase, weights={**phase.weights, **{n: float(v) for n, v in values.items()}})
    return tuple(edited)


def with_steps(phases: tuple[Phase, ...], index: int, steps: int) -> tuple[Phase, ...]:
    """The same schedule with another number of steps in one phase; 0 leaves it out.

    Raises:
        InputError: No such phase, or a number below 0.
    """
    phase = _at(phases, index)
    if steps != int(steps) or steps < 0:
        raise InputError(f"{phase.name}: {steps} steps; give a whole number of at least 0")
    return (*phases[:index], replace(phase, steps=int(steps)), *phases[index + 1 :])


def with_frames(phases: tuple[Phase, ...], index: int, frames: int | None, *, of: int) -> tuple[Phase, ...]:
    """The same schedule with another number of frames rolled out and observed in one phase of stage 3.

    Args:
        frames: Counted from the first; None: all.
        of: Frames in all.

    Raises:
        InputError: No such phase, one that is not of stage 3, or a number that is not between 2 and all.
    """
    phase = _at(phases, index)
    if phase.stage != 3:
        raise InputError(f"{phase.name} observes all frames; only phases of stage 3 roll out fewer")
    if frames is not None and not 2 <= frames <= of:
        raise InputError(f"{phase.name}: {frames} frames; give 2 to {of}, or None for all")
    return (*phases[:index], replace(phase, frames=None if frames == of else frames), *phases[index + 1 :])


def _at(phases: tuple[Phase, ...], index: int) -> Phase:
    if not 0 <= index < len(phases):
        known = ", ".join(f"{i} ({phase.name})" for i, phase in enumerate(phases))
        raise InputError(f"no phase {index} in this schedule; there are {known}")
    return phases[index]


def check_weight(name: str, value: float) -> None:
    """Raise ``InputError`` unless ``name`` is a term's weight and ``value`` a finite number ≥ 0."""
    if name not in WEIGHT_NAMES:
        raise InputError(f"no weight is called {name!r}; there are {', '.join(WEIGHT_NAMES)}")
    if not math.isfinite(value) or value < 0:
        raise InputError(f"weight {name} is {value}; a finite number of at least 0 is needed")


def _checked_weights(weights: Mapping[str, Sequence[float]]) -> dict[str, Triple]:
    checked: dict[str, Triple] = {}
    for name, values in weights.items():
        if len(values) != 3:
            raise InputError(f"weight {name} has {len(values)} values; give three, one per stage")
        for value in values:
            check_weight(name, value)
        checked[name] = (float(values[0]), float(values[1]), float(values[2]))
    return checked


def _known(what: str, name: str, table: Mapping):
    if name not in table:
        raise InputError(f"{what} {name!r} is not known; there are {', '.join(table)}")
    return table[name]
