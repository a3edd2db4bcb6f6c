"""Missing frames, in which nothing is seen: finds them and fills them with a motion interpolated from other frames.

The data terms leave missing frames out. The terms between frames therefore start from whatever motion a stage begins
with there, so it should be a plausible one.
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
"""Number of points seen in a frame that is enough to place the body in it."""
_VELOCITY_FRAMES = 10
"""Number of seen frames from which the velocity before the first or after the last of them is estimated."""
_CARRIES_ON = 30.0
"""Time constant [frames]: beyond the first or last seen frame the velocity decays to 1/e of itself in this time."""


def seen_frames(observations: Observations) -> Tensor:
    """Mask (B, T) bool of the frames in which enough points of some modality are visible."""
    enough = [mask.sum(-1) >= ENOUGH_POINTS for mask in observations.visible.values()]
    return torch.stack(enough).any(0)


def wait_for_the_first_seen(phases: tuple[Phase, ...], observations: Observations) -> tuple[Phase, ...]:
    """The schedule with shortened phases made longer by the number of missing frames at the beginning.

    Otherwise x_0 would be tuned on frames that show nobody. Only presets with ``missing_frames="bridged"`` are changed.
    """
    return _lengthened(phases, _late(observations))


def before_waiting(phases: tuple[Phase, ...], observations: Observations) -> tuple[Phase, ...]:
    """The schedule that ``wait_for_the_first_seen`` was given, from what it returned."""
    return _lengthened(phases, -_late(observations))


def _late(observations: Observations) -> int:
    """The largest number of missing frames at the beginning of a sub-sequence in which anything is seen."""
    seen = seen_frames(observations)
    return int(seen[seen.any(1)].int().argmax(1).max()) if bool(seen.any()) else 0


def _lengthened(phases: tuple[Phase, ...], frames: int) -> tuple[Phase, ...]:
    """The schedule with shortened phases of presets with ``missing_frames="bridged"`` made longer by some frames."""
    return tuple(
        replace(phase, frames=phase.frames + frames)
        if frames and phase.frames is not None and phase.preset.missing_frames == "bridged"
        else phase
        for phase in phases
    )


def bridged(variables: Variables, observations: Observations, *, held: Iterable[str] = ()) -> Variables:
    """A free motion whose missing frames are interpolated between seen frames, and extrapolated at both ends.

    Before the first and after the last seen frame the body keeps its pose and moves on with the velocity of the nearest
    ten frames, more and more slowly. Variables that are held, even in part, stay unchanged.
    """
    known = seen_frames(observations)
    if bool(known.all()) or not bool(known.any()):
        return variables
    root = variables["root_orient"]
    turns = fill_missing_rotations(root_matrix(root), known)
    filled = root_variable(turns, rotation="axis-angle" if root.shape[-1] == 3 else "6d")
    new = {
        "trans": carried_on(fill_missing(variables["trans"], known), known),
        "root_orient": torch.where(known[..., None], root, filled),
        "latent_pose": fill_missing(variables["latent_pose"], known),
    }
    still = {parse_held(name)[0] for name in held}
    return {**variables, **{name: value for name, value in new.items() if name not in still}}


def fill_missing(values: Tensor, known: Tensor) -> Tensor:
    """Values (B, T, D), linear in time between known frames (B, T), constant before the first and after the last."""
    before, after, share = _neighbours(known)
    rows = torch.arange(len(values))[:, None]
    return torch.lerp(values[rows, before], values[rows, after], share[..., None].to(values.dtype))


def fill_missing_rotations(rotation: Tensor, known: Tensor) -> Tensor:
    """The same for rotations (B, T, 3, 3), along the shortest arc."""
    before, after, share = _neighbours(known)
    rows = torch.arange(len(rotation))[:, None]
    return interpolate(rotation[rows, before], rotation[rows, after], share)


def carried_on(values: Tensor, known: Tensor) -> Tensor:
    """Positions (B, T, D) whose missing frames at both ends continue the motion of the known frames next to them.

    The missing frames at the ends must have been filled with a constant. The position moves away from it by
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
    """Distance of a decaying motion after some frames, in units of its first step; 0 for 0 or fewer frames."""
    return _CARRIES_ON * (1.0 - torch.exp(-frames.clamp_min(0) / _CARRIES_ON))


def _neighbours(known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Known frame at or before, known frame at or after, and the fraction of the way between, (B, T) each.

    A row without known frames maps every frame to itself.
    """
    count = known.shape[1]
    time = torch.arange(count).expand_as(known)
    before = torch.where(known, time, torch.full_like(time, -1)).cummax(1).values
    after = torch.where(known, time, torch.full_like(time, count)).flip(1).cummin(1).values.flip(1)
    before, after = torch.where(before < 0, after, before), torch.where(after == count, before, after)
    before = torch.where(before == count, time, before)
    after = torch.where(after < 0, time, after)
    width = (after - before).clamp_min(1)
    return before, after, ((time - before).clamp_min(0) / width).clamp_max(1.0)
