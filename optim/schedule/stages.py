"""The schedule of a fit: its phases in order, made from a preset, a data type and the user's options.

Stage 3 has up to three phases (tune, freeze, refine), or is one of the variants in ``stage3_variants``. This module
needs no torch.
Source of the numbers: HuMoR's public configurations (fit_amass_joints, fit_amass_keypts, fit_rgb_demo, fit_proxd).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from optim.common.errors import InputError
from optim.schedule.data_types import DATA_TYPES
from optim.schedule.phases import INITIAL_STATE, STAGE_3, Phase, check_flat
from optim.schedule.presets import PRESETS, Preset
from optim.schedule.solvers import checked_solvers
from optim.schedule.stage3_variants import VARIANTS, phases_of, steps_of
from optim.schedule.terms import TERMS
from optim.schedule.weights import checked_weights, default_weights, weights_that_join

Entry = TypeVar("Entry")

PUBLIC_STEPS = {name: (30, 80, 70) if name == "rgb" else (30, 70, 70) for name in DATA_TYPES}
"""Data type → outer steps of stages 1, 2, 3."""
TUNE_FRAMES, FREEZE_START, FREEZE_END = 15, 30, 55
"""Frames of the tune phase, and the bounds of the freeze phase in outer steps of a stage 3 with 70 of them."""

FOLLOWING_SHARE = 0.02
"""Share of its weight in stage 2 that the smoothing has in the phases for hidden joints, where it must not hide how the
visible joints move. With noisy joints it is more (``initialise.hidden_joints.suited``)."""
HIDDEN_STEPS = 2
"""Outer steps of each phase for hidden joints. Levenberg-Marquardt ends them earlier by itself."""
JOINING_SHARE = 0.6
"""Share of its weight in stage 2 that a term gets in stage 3 which counts where the motion is unknown
(``Term.where_unknown``). It is a choice (docs/lab/unknown_motion.md)."""


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
    solvers: Sequence[str] | None = None,
    flat_gain: float | None = None,
    flat_iterations: int | None = None,
) -> tuple[Phase, ...]:
    """The phases of a fit, in order.

    Args:
        preset: A name in ``PRESETS``, or rules of your own.
        data_type: A name in ``DATA_TYPES``; it chooses the default weights and steps.
        num_iters: Outer steps of stages 1, 2, 3; a stage with 0 steps is left out.
        lbfgs_max_iter: Largest number of the solver's iterations in an outer step.
        weights: Name of a weight → its values in stages 1, 2, 3, in place of those of the data type.
        tune_init: Stage 3 has three phases; if false, one phase moves all variables.
        tune_frames: Number of frames that are rolled out while x_0 is tuned.
        freeze_start, freeze_end: Steps of stage 3 between which x_0 is held (defaults: ``Preset.freeze_bounds``).
        contact_refine_only: Contact terms join in the refine phase (see ``Preset.contact_refine``).
        solvers: Names of the solvers of stages 1, 2, 3 (``solvers.SOLVERS``); None means those of the preset.
        flat_gain, flat_iterations: Rule that ends a phase early (see ``Phase.flat_gain``). None: that of the preset.

    Raises:
        InputError: A name is unknown, a weight is negative or not finite, or the steps, frames or bounds do not fit.
    """
    rules = _known("preset", preset, PRESETS) if isinstance(preset, str) else preset
    _known("data_type", data_type, PUBLIC_STEPS)
    variant = VARIANTS.get(rules.stage_3, ())
    kinds = {"own": rules.weights == "own", "nodes": bool(variant), "planted": rules.contacts == "planted"}
    table = default_weights(data_type, **kinds) | checked_weights(weights or {})
    steps = tuple(num_iters) if num_iters is not None else PUBLIC_STEPS[data_type]
    if num_iters is None and variant:
        steps = (*steps[:2], steps_of(variant))
    if len(steps) != 3 or any(n != int(n) or n < 0 for n in steps):
        raise InputError(f"num_iters is {list(steps)}; give three counts of steps, one per stage")
    if lbfgs_max_iter < 1:
        raise InputError(f"lbfgs_max_iter is {lbfgs_max_iter}; at least 1 iteration per step is needed")
    per_stage = [{name: float(values[k]) for name, values in table.items() if values[k]} for k in range(3)]
    gain = rules.flat_gain if flat_gain is None else flat_gain
    counted = rules.flat_iterations if flat_iterations is None else flat_iterations
    check_flat(gain, counted)
    joining = _joining(rules, per_stage)
    first = Phase("stage 1", 1, ("trans", "root_orient"), steps[0], weights=per_stage[0])
    second = Phase("stage 2", 2, ("trans", "root_orient", "betas", "latent_pose"), steps[1], weights=per_stage[1])
    third = Phase("stage 3", 3, STAGE_3, steps[2], weights=per_stage[2] | joining, joining=joining)
    if data_type in ("rgb", "rgbd"):
        third = replace(third, variables=(*STAGE_3, "floor_plane"))
    phases = [first, second, third]
    if variant and steps[2]:
        phases[2:] = phases_of(variant, third, frames=tune_frames)
    elif tune_init and steps[2]:
        bounds = _freeze_bounds(rules, steps[2], freeze_start, freeze_end)
        phases[2:] = _three_phases(third, rules, bounds, tune_frames, contact_refine_only)
    if rules.hidden_joints == "expected" and data_type == "3d" and steps[1]:
        phases[2:2] = _for_hidden_joints(second)
    placing = "lbfgs" if data_type in ("rgb", "rgbd") else rules.solver
    names = checked_solvers(solvers or (placing, rules.solver, rules.stage_3_solver))
    return tuple(
        replace(
            p,
            iterations=lbfgs_max_iter,
            preset=rules,
            solver=names[p.stage - 1],
            flat_gain=gain,
            flat_iterations=counted,
        )
        for p in phases
        if p.steps
    )


def _for_hidden_joints(second: Phase) -> list[Phase]:
    """The phases after stage 2 that follow the visible joints, and then move hidden ones to their expected places."""
    smooth, data = second.weight("joints3d_smooth"), second.weight("joints3d")
    weights = {**second.weights, "joints3d_smooth": FOLLOWING_SHARE * smooth}
    follow = replace(second, name="stage 2 follow", steps=HIDDEN_STEPS, weights=weights, for_hidden=True)
    return [follow, replace(follow, name="stage 2 complete", weights={**weights, "expected_joints": data})]


def _joining(rules: Preset, per_stage: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Weights of stage 3 that count only where the motion is unknown, and are not given by themselves."""
    if rules.unknown_motion == "ignored":
        return {}
    names = {term.weight for term in TERMS if term.where_unknown == "joins"}
    return {n: JOINING_SHARE * per_stage[1][n] for n in names if n in per_stage[1] and n not in per_stage[2]}


def _three_phases(
    whole: Phase, rules: Preset, bounds: tuple[int, int], frames: int, contact_refine_only: bool
) -> list[Phase]:
    if frames < 2:
        raise InputError(f"tune_frames is {frames}; x_0 is tuned on at least 2 frames")
    start, end = bounds
    silent = dict.fromkeys(weights_that_join("refine"), 0.0) if contact_refine_only else {}
    tune_weights = {**whole.weights, **dict.fromkeys(weights_that_join("freeze"), 0.0)}
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


def _known(what: str, name: str, table: Mapping[str, Entry]) -> Entry:
    if name not in table:
        raise InputError(f"{what} {name!r} is not known; there are {', '.join(table)}")
    return table[name]
