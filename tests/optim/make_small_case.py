"""Write ``data/small.npz``: the objective of two small problems as the slow implementation computes it.

    python -m tests.optim.make_small_case

Holds inputs (variables, observations), raw terms, weighted loss, its slope along random directions, and the roll-out.
The models are those of ``tests/fakes.py``, which are the same everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.schedule.phases import Phase
from optim.schedule.stages import schedule
from tests import fakes
from tests.optim import slow

FILE = Path(__file__).parent / "data" / "small.npz"
FRAMES, DIRECTIONS, STEP = 6, 3, 1e-5


def parts() -> dict[str, tuple[Problem, Phase]]:
    """Name of a part of the case → its problem and phase."""
    space = fakes.problem("joints3d", frames=FRAMES, dtype=torch.float64, seed=11)
    hidden = fakes.hide(space.observations.joints3d, (slice(None), slice(2, 4), slice(5, 12)))
    space = replace(space, observations=Observations(joints3d=hidden))
    image = fakes.problem("joints2d", frames=FRAMES, dtype=torch.float64, seed=12)
    gone = fakes.hide(image.observations.joints2d, (slice(None), slice(3, 4)))
    image = replace(image, observations=Observations(joints2d=gone))
    refine = [phase for phase in schedule("reference", "rgb") if phase.name == "stage 3 refine"][0]
    return {
        "stage 2": (space, schedule("reference", "3d")[1]),
        "stage 3": (image, replace(refine, init_motion_frames=3)),
    }


def weighted(terms: dict[str, float], phase: Phase) -> float:
    """The loss from raw terms."""
    scale = {
        "shape_prior": FRAMES,
        "floor_reg": FRAMES,
        "init_motion_prior": FRAMES / (phase.init_motion_frames or FRAMES),
    }
    return sum(phase.weight(name) * scale.get(name, 1.0) * value for name, value in terms.items())


def compute(name: str, problem: Problem, phase: Phase, variables: dict[str, Tensor]) -> tuple[dict, dict]:
    """Raw terms and roll-out by the slow implementation."""
    return slow.stage_3(problem, variables) if name == "stage 3" else (slow.stage_2(problem, variables), {})


def main() -> None:
    arrays: dict[str, np.ndarray] = {}
    for name, (problem, phase) in parts().items():
        variables = fakes.variables(problem, phase, dtype=torch.float64)
        terms, rolled = compute(name, problem, phase, variables)
        rng = np.random.RandomState(6)
        for label, value in variables.items():
            arrays[f"{name}/var/{label}"] = value.numpy()
        for label, value in rolled.items():
            arrays[f"{name}/rollout/{label}"] = value
        for label, number in terms.items():
            arrays[f"{name}/term/{label}"] = np.array(number)
        arrays[f"{name}/loss"] = np.array(weighted(terms, phase))
        for label in phase.variables:
            for k in range(DIRECTIONS):
                way = rng.randn(*variables[label].shape)
                ends = []
                for sign in (1, -1):
                    moved = variables | {label: variables[label] + sign * STEP * torch.from_numpy(way)}
                    ends.append(weighted(compute(name, problem, phase, moved)[0], phase))
                arrays[f"{name}/direction/{label}/{k}"] = way
                arrays[f"{name}/slope/{label}/{k}"] = np.array((ends[0] - ends[1]) / (2 * STEP))
    FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(FILE, **arrays)


if __name__ == "__main__":
    main()
