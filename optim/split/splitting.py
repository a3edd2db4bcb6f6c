"""Split a long video into overlapping sub-sequences of equal length, and its problem into a batch of them.

There are two rules. ``public`` keeps the length that was asked for and lengthens the overlaps. ``even`` keeps the
overlap and shortens the sub-sequences. Does not fit the sub-sequences (``batches``) or join them (``stitching``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.problem.observations import Observations, PreviousBatch
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory

Interval = tuple[int, int]
"""First frame and the frame after the last one, counted in the whole video."""
RULES = ("even", "public")


@dataclass(frozen=True)
class Split:
    """Sub-sequences of one length that cover every frame of a video. ``len`` gives their number."""

    frames: int
    intervals: tuple[Interval, ...]
    asked_length: int
    asked_overlap: int

    def __len__(self) -> int:
        return len(self.intervals)

    @property
    def length(self) -> int:
        """Number of frames of each sub-sequence."""
        start, end = self.intervals[0]
        return end - start

    @property
    def overlaps(self) -> tuple[int, ...]:
        """Number of frames that each two neighbours share."""
        return tuple(before[1] - after[0] for before, after in pairwise(self.intervals))

    def __str__(self) -> str:
        asked = f"asked for: at most {self.asked_length} frames, overlapping by {self.asked_overlap}"
        if len(self) == 1:
            return f"{self.frames} frames in one sub-sequence ({asked})"
        least, most = min(self.overlaps), max(self.overlaps)
        actual = f"{least}" if least == most else f"{least} to {most}"
        return f"{self.frames} frames as {len(self)} sub-sequences of {self.length}, overlapping by {actual} ({asked})"


def split_frames(frames: int, *, length: int, overlap: int, rule: str = "even") -> Split:
    """Cover a video by ``n = ceil((frames − overlap) / (length − overlap))`` sub-sequences, or by one if it is short.

    Together, ``n`` sub-sequences are longer than the video. ``public`` spreads the surplus over the overlaps. ``even``
    first shortens all sub-sequences; a rest makes some overlaps one frame longer.

    Args:
        frames: Number of frames of the video.
        length: Largest number of frames of a sub-sequence.
        overlap: Smallest number of frames that neighbours share.
        rule: ``even`` or ``public``.

    Raises:
        InputError: The numbers do not fit each other, or the rule is unknown; names the field.

    Source of the count and of ``public``: HuMoR's video data set.
    """
    _check(frames, length, overlap, rule)
    if frames <= length:
        return Split(frames, ((0, frames),), length, overlap)
    count = math.ceil((frames - overlap) / (length - overlap))
    used = length if rule == "public" else math.ceil((frames - overlap) / count) + overlap
    surplus = count * used - (count - 1) * overlap - frames
    each, rest = divmod(surplus, count - 1)
    starts = [0]
    for index in range(count - 1):
        starts.append(starts[-1] + used - overlap - each - (index < rest))
    return Split(frames, tuple((start, start + used) for start in starts), length, overlap)


def _check(frames: int, length: int, overlap: int, rule: str) -> None:
    for name, value in (("frames", frames), ("length", length), ("overlap", overlap)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{name} is {value!r}; a whole number of frames is expected")
    if frames < 2:
        raise InputError(f"frames is {frames}; a motion needs at least 2")
    if length < 2:
        raise InputError(f"length is {length}; a sub-sequence needs at least 2 frames")
    if not 0 <= overlap < length:
        raise InputError(f"overlap is {overlap}; it must be at least 0 and less than the length, {length}")
    if rule not in RULES:
        raise InputError(f"rule is {rule!r}; there are {', '.join(RULES)}")


def in_batches(items: Sequence[Interval], size: int) -> list[tuple[Interval, ...]]:
    """Group neighbouring intervals into batches of ``size``. The last batch may be smaller.

    Raises:
        InputError: ``size`` is not a whole number of at least 1.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InputError(f"batch_size is {size!r}; at least 1 sub-sequence makes a batch")
    return [tuple(items[start : start + size]) for start in range(0, len(items), size)]


def sub_problem(whole: Problem, intervals: Sequence[Interval], *, previous: PreviousBatch | None = None) -> Problem:
    """Problem of some sub-sequences of a video as one batch.

    Args:
        whole: Problem of the video as one sequence.
        intervals: Intervals of equal length, in order.
        previous: The fitted sub-sequence before the first one, if there is one.

    Raises:
        InputError: ``whole`` is a batch of several sequences itself.
    """
    if whole.batch != 1:
        raise InputError(f"a batch of {whole.batch} sequences cannot be split; give them one at a time")
    seen = whole.observations
    parts = {name: cut(getattr(seen, name), intervals) for name in seen.modalities}
    if seen.doubts is not None:
        parts["doubts"] = cut(seen.doubts, intervals)
    undivided = list(intervals) == [(0, whole.frames)]
    numbers = None if undivided else torch.tensor(intervals)
    return replace(
        whole,
        observations=Observations(**parts, seq_interval=numbers, previous=previous),
        floor=None if whole.floor is None else whole.floor.expand(len(intervals), -1),
        ground_truth=None if whole.ground_truth is None else _cut_motion(whole.ground_truth, intervals),
    )


def cut(values: Tensor, intervals: Sequence[Interval]) -> Tensor:
    """Sub-sequences of one sequence (1, N, ...) as a batch (B, T, ...)."""
    return torch.stack([values[0, start:end] for start, end in intervals])


def _cut_motion(motion: Trajectory, intervals: Sequence[Interval]) -> Trajectory:
    per_frame = {
        name: cut(getattr(motion, name), intervals) for name in ("trans", "root_orient", "pose_body", "joints")
    }
    floor = motion.floor_plane
    return Trajectory(
        **per_frame,
        betas=motion.betas.expand(len(intervals), -1),
        contacts=None if motion.contacts is None else cut(motion.contacts, intervals),
        floor_plane=None if floor is None else floor.expand(len(intervals), -1),
    )
