"""Frames in which nothing is seen: found, and given a motion from the frames around them where a stage begins.

The data terms leave such frames out, so what a stage begins with there is all that the terms between frames have to
start from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from optim.common.rotations import interpolate
from optim.problem.observations import Observations
from optim.problem.variables import Variables, parse_held, root_matrix, root_variable
from optim.schedule.phases import Phase

ENOUGH_POINTS = 4
"""Points seen in a frame from which it can be placed by itself."""
_VELOCITY_FRAMES = 10
_CARRIES_ON = 30.0
"""Frames after which a motion beyond the first or last frame seen has lost all but 1/e of its velocity."""


def seen_frames(observations: Observations) -> Tensor:
    """(B, T) bool: enough points of some modality are visible."""
    enough = [mask.sum(-1) >= ENOUGH_POINTS for mask in observations.visible.values()]
    return torch.stack(enough).any(0)


def wait_for_the_first_seen(phases: tuple[Phase, ...], observations: Observations) -> tuple[Phase, ...]:
    """A schedule whose shortened phases have as many frames after the first one seen as they are said to have in all.

    Otherwise x_0 would be tuned to nothing where the first frames show nobody.
    """
    seen = seen_frames(observations)
    if not bool(seen.any()):
        return phases
    late = int(seen[seen.any(1)].int().argmax(1).max())
    return tuple(
        replace(phase, frames=phase.frames + late)
        if phase.frames is not None and phase.preset.gaps == "bridged"
        else phase
        for phase in phases
    )


def bridged(variables: Variables, observations: Observations, *, held: Iterable[str] = ()) -> Variables:
    """A free motion whose frames in gaps are interpolated; before the first and after the last one seen it carries on.

    There the body keeps its pose and goes on with the velocity of the ten frames next to the gap, more and more slowly.
    Variables of which anything is held stay as they are.
    """
    known = seen_frames(observations)
    if bool(known.all()) or not bool(known.any()):
        return variables
    root = variables["root_orient"]
    turns = fill_rotation_gaps(root_matrix(root), known)
    filled = root_variable(turns, rotation="axis-angle" if root.shape[-1] == 3 else "6d")
    new = {
        "trans": carried_on(fill_gaps(variables["trans"], known), known),
        "root_orient": torch.where(known[..., None], root, filled),
        "latent_pose": fill_gaps(variables["latent_pose"], known),
    }
    still = {parse_held(name)[0] for name in held}
    return {**variables, **{name: value for name, value in new.items() if name not in still}}


def fill_gaps(values: Tensor, known: Tensor) -> Tensor:
    """Linear in time between known frames, constant before the first and after the last; (B, T, D), (B, T) bool."""
    before, after, share = _neighbours(known)
    rows = torch.arange(len(values))[:, None]
    return torch.lerp(values[rows, before], values[rows, after], share[..., None].to(values.dtype))


def fill_rotation_gaps(rotation: Tensor, known: Tensor) -> Tensor:
    """The same for rotations (B, T, 3, 3), on the shortest arc."""
    before, after, share = _neighbours(known)
    rows = torch.arange(len(rotation))[:, None]
    return interpolate(rotation[rows, before], rotation[rows, after], share)


def carried_on(values: Tensor, known: Tensor) -> Tensor:
    """Positions (B, T, D) whose gaps at either end, filled by a constant, go on in the direction of what is known.

    ``v · τ (1 − exp(−d / τ))`` at d frames from the nearest known one.
    """
    count = known.shape[1]
    time = torch.arange(count)
    carried = values.clone()
    for row in known.any(1).nonzero()[:, 0].tolist():
        there = time[known[row]]
        first, last = int(there[0]), int(there[-1])
        reach = min(_VELOCITY_FRAMES, last - first)
        if reach == 0:
            continue
        here = values[row]
        start = (here[first + reach] - here[first]) / reach
        end = (here[last] - here[last - reach]) / reach
        before, after = _distance(first - time), _distance(time - last)
        carried[row] = here - before[:, None] * start + after[:, None] * end
    return carried


def _distance(frames: Tensor) -> Tensor:
    """How many steps of the first one's length a motion that dies down makes in so many frames; 0 for none or fewer."""
    return _CARRIES_ON * (1.0 - torch.exp(-frames.clamp_min(0) / _CARRIES_ON))


def _neighbours(known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Known frame at or before, at or after, and how far between them, (B, T) each; a row with none maps to itself."""
    count = known.shape[1]
    time = torch.arange(count).expand_as(known)
    before = torch.where(known, time, torch.full_like(time, -1)).cummax(1).values
    after = torch.where(known, time, torch.full_like(time, count)).flip(1).cummin(1).values.flip(1)
    before, after = torch.where(before < 0, after, before), torch.where(after == count, before, after)
    before = torch.where(before == count, time, before)
    after = torch.where(after < 0, time, after)
    width = (after - before).clamp_min(1)
    return before, after, ((time - before).clamp_min(0) / width).clamp_max(1.0)
