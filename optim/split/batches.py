"""Fit a split video batch by batch. Each batch is a session that knows the last sub-sequence of the batch before.

Holds one session at a time, and keeps only the motions of finished batches. The caller steps the sessions.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.problem.observations import PreviousBatch
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory
from optim.schedule.phases import Phase
from optim.session.fit import Fit
from optim.session.history import Snapshot
from optim.session.session import Session
from optim.split.splitting import Interval, Split, in_batches, sub_problem
from optim.split.stitching import Clip, Stitched, stitch

_WORLD_FLOOR = (0.0, 0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Progress:
    """Progress of a split fit."""

    batch: int
    """Number of the current batch, from 0. It equals ``batches`` when all are done."""
    batches: int
    """Total number of batches."""
    clips: int
    """Number of sub-sequences in finished batches."""
    clips_in_all: int
    """Total number of sub-sequences that are fitted."""
    evaluations: int
    """Number of evaluations of objective and gradient in all batches so far."""
    seconds: float
    """Time since the first batch began [s]."""

    @property
    def done(self) -> bool:
        """Whether all batches are done."""
        return self.batch == self.batches


@dataclass(frozen=True)
class Batches:
    """The batches of a split video for one session that goes from one to the next (``optim.session.fit.Batches``)."""

    whole: Problem
    """The video as one sequence."""
    intervals: tuple[tuple[Interval, ...], ...]
    """Intervals of each batch's sub-sequences in the video."""

    def __len__(self) -> int:
        return len(self.intervals)

    def size(self, batch: int) -> int:
        """Number of sub-sequences of a batch."""
        return len(self.intervals[batch])

    def problem(self, batch: int) -> Problem:
        """The problem of a batch, without the batch before it."""
        found = sub_problem(self.whole, self.intervals[batch])
        return found if batch == 0 or self.whole.floor is None else replace(found, floor_known=True)

    def following(self, fit: Fit) -> Problem:
        """The problem of the next batch, which begins from the end of the current one as it is now.

        The floor is that of the current batch; an assumed floor is replaced by the one that the first batch ends with.
        """
        next_one, previous = fit.current.batch + 1, last_of(fit)
        problem = sub_problem(self.whole, self.intervals[next_one], previous=previous)
        if self.whole.floor is None or fit.problem.floor is None:
            return problem
        assumed = next_one == 1 and not self.whole.floor_known
        plane = previous.floor_plane if assumed else fit.problem.floor[-1]
        return replace(problem, floor=plane.expand(problem.batch, -1), floor_known=True)

    def numbers(self, batch: int) -> tuple[int, ...]:
        """Numbers of a batch's sub-sequences among all that are fitted, from 0."""
        before = sum(len(earlier) for earlier in self.intervals[:batch])
        return tuple(range(before, before + len(self.intervals[batch])))


def planned(whole: Problem, split: Split, size: int) -> tuple[tuple[Interval, ...], ...]:
    """The intervals of a split in batches of ``size``, without those in which nothing was observed."""
    return tuple(in_batches([interval for interval in split.intervals if _anything_seen(whole, interval)], size))


class BatchedFit:
    """One fit of a long video in batches of overlapping sub-sequences.

    Sub-sequences without any observation are not fitted. ``unseen`` lists them, and stitching interpolates over them.

    Args:
        whole: The video as one sequence.
        split: Split of exactly its frames.
        schedule: Phases of each batch.
        batch_size: Number of sub-sequences that one solver fits together.
        seed, keep_iterations: Arguments of each session.

    Raises:
        InputError: The split has another number of frames than the video, or the batch size is below 1.
    """

    def __init__(
        self,
        whole: Problem,
        split: Split,
        *,
        schedule: tuple[Phase, ...],
        batch_size: int = 4,
        seed: int = 0,
        keep_iterations: bool = True,
    ) -> None:
        if split.frames != whole.frames:
            raise InputError(f"the split is of {split.frames} frames, the observations have {whole.frames}")
        self.whole, self.split = whole, split
        self._batches = planned(whole, split, batch_size)
        observed = [sub_problem(whole, intervals).observations for intervals in self._batches]
        self._begin_session = partial(
            Session, schedule=schedule, seed=seed, keep_iterations=keep_iterations, observed=observed
        )
        seen = {interval for batch in self._batches for interval in batch}
        self.unseen: tuple[Interval, ...] = tuple(i for i in split.intervals if i not in seen)
        self._index = 0
        self._finished: list[Clip] = []
        self._evaluations = 0
        self._began = time.monotonic()
        self.session: Session | None = self._begin(previous=None)
        """Session of the current batch. None when all are done."""

    def __iter__(self) -> Iterator[Session]:
        """Sessions of the current and all later batches. Asking for the next session ends the one before."""
        while self.session is not None:
            yield self.session
            self.next_batch()

    def next_batch(self) -> Session | None:
        """Keep the present motions of the current batch and begin the next one. Returns None after the last batch."""
        if self.session is None:
            return None
        session = self.session
        self._finished += self._clips_of(session)
        self._evaluations += session.current.evaluations_spent
        self._index += 1
        self.session = None
        if self._index < len(self._batches):
            previous = last_of(session.fit)
            if self.whole.floor is not None and not self.whole.floor_known:  # the whole video has one floor
                self.whole = replace(self.whole, floor=previous.floor_plane[None], floor_known=True)
            self.session = self._begin(previous=previous)
        return self.session

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """Intervals of the current batch's sub-sequences in the video."""
        return self._batches[self._index] if self._index < len(self._batches) else ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the current batch's sub-sequences among all of the split, from 0."""
        return tuple(self.split.intervals.index(interval) for interval in self.intervals)

    @property
    def progress(self) -> Progress:
        """Progress of the fit at this moment."""
        spent = self._evaluations + (0 if self.session is None else self.session.current.evaluations_spent)
        clips = sum(len(batch) for batch in self._batches)
        seconds = time.monotonic() - self._began
        return Progress(self._index, len(self._batches), len(self._finished), clips, spent, seconds)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """Motions of all sub-sequences up to the current batch, which is taken as it is now."""
        current = [] if self.session is None else self._clips_of(self.session)
        return (*self._finished, *current)

    def stitched(self, *, how: str = "blend") -> Stitched:
        """One motion of the whole video from all sub-sequences fitted so far. See ``stitching.stitch``."""
        return stitch(self.clips, how=how, body=self.whole.body, frames=self.whole.frames)

    def _begin(self, *, previous: PreviousBatch | None) -> Session:
        problem = sub_problem(self.whole, self._batches[self._index], previous=previous)
        return self._begin_session(problem)

    def _clips_of(self, session: Session) -> list[Clip]:
        return clips_of(session.fit.trajectory(), self.intervals)


def last_of(fit: Fit) -> PreviousBatch:
    """The present state of a batch's last sub-sequence, for the overlap terms of the next batch.

    Raises:
        InputError: The batch does not come from a split video.
    """
    problem, motion = fit.problem, fit.trajectory()
    interval = problem.observations.seq_interval
    if interval is None:
        raise InputError("this batch has no seq_interval; only sub-sequences of one video have a next one")
    row = row_of(motion, problem.batch - 1)
    ids = torch.tensor(problem.body.keypoint_vertices)
    with torch.no_grad():
        _, verts = problem.body.joints_and_vertices(row.trans, row.root_orient, row.pose_body, row.betas, ids)
    floor = torch.tensor(_WORLD_FLOOR) if row.floor_plane is None else row.floor_plane[0]
    start, end = interval[-1].tolist()
    return PreviousBatch((int(start), int(end)), verts[0], row.betas[0], floor)


def fits_of_batches(fit: Fit) -> list[Fit]:
    """The fits of the batches on the way to the current snapshot: earlier ones as they ended, the current one last."""
    return [*fit.earlier_batches(), fit]


def clips_of_batches(fits: Sequence[Fit]) -> list[Clip]:
    """Motions of the sub-sequences of several batches that have reached the stage of the first one."""
    clips: list[Clip] = []
    for fit in fits:
        seen = fit.problem.observations.seq_interval
        assert seen is not None
        if fit.current.stage >= fits[0].current.stage:
            clips += clips_of(fit.trajectory(), [(int(start), int(end)) for start, end in seen.tolist()])
    return clips


def clips_so_far(fit: Fit, snapshot: Snapshot | None = None) -> list[Clip]:
    """Motions of all sub-sequences up to the batch of a snapshot: earlier batches as they ended, this one as it is.

    Nothing where the problem is not of sub-sequences of one video.
    """
    clips: list[Clip] = []
    for part, at in [*((part, part.current) for part in fit.earlier_batches(snapshot)), (fit, snapshot or fit.current)]:
        seen = part.problem_at(at).observations.seq_interval
        if seen is not None:
            clips += clips_of(part.trajectory(at), [(int(start), int(end)) for start, end in seen.tolist()])
    return clips


def clips_of(motion: Trajectory, intervals: Sequence[Interval]) -> list[Clip]:
    """Motions of a batch's sub-sequences, each with its interval in the video."""
    return [Clip(interval, row_of(motion, row)) for row, interval in enumerate(intervals)]


def row_of(motion: Trajectory, row: int) -> Trajectory:
    """One sub-sequence of a batch, as a batch of one."""
    here = slice(row, row + 1)
    return Trajectory(
        motion.trans[here],
        motion.root_orient[here],
        motion.pose_body[here],
        motion.betas[here],
        motion.joints[here],
        contacts=None if motion.contacts is None else motion.contacts[here],
        floor_plane=None if motion.floor_plane is None else motion.floor_plane[here],
    )


def joined(motions: Sequence[Trajectory]) -> Trajectory:
    """Motions of equal length as one batch. Contacts and floor are kept only if all motions have them."""

    def together(name: str) -> Tensor | None:
        parts = [value for motion in motions if (value := getattr(motion, name)) is not None]
        return torch.cat(parts) if len(parts) == len(motions) else None

    return Trajectory(**{field.name: together(field.name) for field in fields(Trajectory)})  # type: ignore[arg-type]


def _anything_seen(whole: Problem, interval: Interval) -> bool:
    start, end = interval
    return any(bool(mask[:, start:end].any()) for mask in whole.observations.visible.values())
