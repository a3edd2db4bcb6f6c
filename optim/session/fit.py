"""Answers to questions about a fit: motions, roll-outs, the ends of its stages. Asking does not change the fit."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, Protocol

import torch
from torch import Tensor

from optim.initialise.initialisation import prior_frame_of
from optim.objective.prediction import Parts, Prediction, predict_free, predict_rollout, turn_of
from optim.priors.rollout import Rollout
from optim.problem.frames import PriorFrame, floor_plane
from optim.problem.missing_frames import bridged
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory, Variables
from optim.session.causes import BATCH
from optim.session.history import History, Snapshot

_PREDICTIONS_KEPT = 8


class Batches(Protocol):
    """The batches of a split video, which are fitted one after the other (``optim.split.batches``)."""

    @property
    def whole(self) -> Problem:
        """The video as one sequence."""
        ...

    def __len__(self) -> int: ...

    @property
    def intervals(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Intervals of each batch's sub-sequences in the video: first frame, and the frame after the last one."""
        ...

    def size(self, batch: int) -> int:
        """Number of sub-sequences of a batch."""
        ...

    def numbers(self, batch: int) -> tuple[int, ...]:
        """Numbers of a batch's sub-sequences among all that are fitted, from 0."""
        ...

    def problem(self, batch: int) -> Problem:
        """The problem of a batch, without the batch before it."""
        ...

    def following(self, fit: Fit) -> Problem:
        """The problem of the next batch, which begins from the end of the current one as it is now."""
        ...


@dataclass(frozen=True)
class RolloutComparison:
    """The motion of stage 2 that stage 3 encodes, and the first roll-out of stage 3, both in the frame of the
    problem.

    ``optim.diagnostics.drift`` measures their difference.
    """

    stage2: Trajectory
    """Missing frames are bridged if the preset of stage 3 says so."""
    rollout: Trajectory


@dataclass(frozen=True)
class NodeDefects:
    """The defects of multiple shooting: ends of segments, and the nodes that they should meet."""

    frames: tuple[int, ...]
    before: Tensor
    """(B, N, 3) [m] root joint at the end of a segment, in the frame of the problem."""
    after: Tensor
    """(B, N, 3) [m] root joint of the node at which the next segment begins."""
    distance_cm: Tensor
    """(B, N) mean distance of the 22 joints."""
    angle_deg: Tensor
    """(B, N) angle between the root orientations."""


class Fit:
    """A problem, the history of its fit and the current snapshot; answers questions about any snapshot.

    Args:
        problem: The problem as it was given to the session.
        current: The current snapshot of the history. Only the session changes it, by ``go_to``.
        batches: The batches of a split video, of which ``problem`` is the first one; None: there is only one.
    """

    def __init__(self, problem: Problem, history: History, current: Snapshot, batches: Batches | None = None) -> None:
        self._given = {0: problem}
        self._batches = batches
        self.problem = problem
        """The problem at the current snapshot; observations and floor may have been edited."""
        self.history = history
        self._predictions: OrderedDict[int, tuple[Snapshot, Prediction]] = OrderedDict()
        self._ended: dict[int, Fit] = {}  # by the snapshot that ends a batch
        self._encoded: Trajectory | None = None  # by stage 3, where the history begins within it
        self.go_to(current)

    def apart(self, history: History, current: Snapshot) -> Fit:
        """The same problem with another history, which begins with the current snapshot."""
        other = Fit(self._given[0], history, current, self._batches)
        other._encoded = self.stage2_trajectory
        return other

    def go_to(self, snapshot: Snapshot) -> Snapshot:
        """Make a snapshot of the history the current one. Only the session calls this."""
        self.problem = self.problem_at(snapshot)
        self.current = snapshot
        return snapshot

    def at(self, snapshot: Snapshot) -> Fit:
        """The same fit as it stood at a snapshot, which may belong to an earlier batch."""
        return Fit(self._given[0], self.history, snapshot, self._batches)

    def earlier_batches(self, snapshot: Snapshot | None = None) -> list[Fit]:
        """The fit as it stood at the end of each batch before that of a snapshot, on the way to it; kept for later."""
        found: list[Fit] = []
        first = self.history.path((snapshot or self.current).id)[0]
        while first.cause == BATCH and first.parent is not None:
            end = first.parent
            if end not in self._ended:
                self._ended[end] = self.at(self.history[end])
            found.insert(0, self._ended[end])
            first = self.history.path(end)[0]
        return found

    def problem_at(self, snapshot: Snapshot) -> Problem:
        """The problem with the observations and the floor that hold at a snapshot.

        Raises:
            InputError: The observations and the floor do not fit together.
        """
        given, now = self._given_in(snapshot.batch), self.problem
        seen = given.observations if snapshot.observations is None else snapshot.observations
        floor = given.floor if snapshot.floor is None else snapshot.floor
        metric = given.floor_metric if snapshot.floor_metric is None else snapshot.floor_metric
        novelty = given.novelty if snapshot.novelty is None else snapshot.novelty
        expected = given.expected_joints if snapshot.expected_joints is None else snapshot.expected_joints
        planted = given.planted if snapshot.planted is None else snapshot.planted
        fields: dict[str, Any] = {
            "observations": seen,
            "floor": floor,
            "floor_metric": metric,
            "novelty": novelty,
            "expected_joints": expected,
            "planted": planted,
        }
        for known in (given, now):
            if all(getattr(known, name) is value for name, value in fields.items()):
                return known
        return replace(given, **fields)

    def _given_in(self, batch: int) -> Problem:
        """The problem of a batch before any edit. A later one has no batch before it; its snapshots know that."""
        if self._batches is None:
            return self._given[0]
        if batch not in self._given:
            self._given[batch] = self._batches.problem(batch)
        return self._given[batch]

    def _problem_of(self, snapshot: Snapshot) -> Problem:
        """The problem at the current snapshot, or at a given one of another batch."""
        return self.problem if snapshot.batch == self.current.batch else self.problem_at(snapshot)

    def trajectory(self, snapshot: Snapshot | None = None) -> Trajectory:
        """The whole motion at a snapshot, in the frame that the problem is stated in (``Problem.from_input``)."""
        snapshot = snapshot or self.current
        predicted = self.prediction(snapshot)
        floor = snapshot.variables.get("floor_plane")
        return Trajectory(
            trans=predicted.trans,
            root_orient=predicted.root_orient,
            pose_body=predicted.pose_body,
            betas=snapshot.variables["betas"],
            joints=predicted.points.joints,
            contacts=None if predicted.in_prior is None else predicted.in_prior.contacts,
            floor_plane=None if floor is None else floor_plane(floor),
        )

    def prior_trajectory(self, snapshot: Snapshot | None = None) -> Trajectory:
        """The motion in the prior frame (z up, floor at z = 0); before stage 3 on the current snapshot's floor."""
        snapshot = snapshot or self.current
        frame = self.prior_frame(snapshot)
        seen = self.trajectory(snapshot)
        pelvis = self.problem.body.rest_joints(seen.betas)[:, 0]
        return replace(
            seen,
            trans=frame.trans(seen.trans, pelvis),
            root_orient=frame.orient(seen.root_orient),
            joints=frame.points(seen.joints),
            floor_plane=None,
        )

    def prior_frame(self, snapshot: Snapshot | None = None) -> PriorFrame:
        """The transform from the frame of the problem to the prior frame at a snapshot."""
        snapshot = snapshot or self.current
        predicted = self.prediction(snapshot)
        if predicted.in_prior is not None:
            return predicted.in_prior.frame
        variables = dict(snapshot.variables)
        if self.problem.has_camera and snapshot.batch == self.current.batch:
            variables["floor_plane"] = self.current.variables["floor_plane"]
        return prior_frame_of(self._problem_of(snapshot), variables, snapshot.schedule[snapshot.phase].preset)

    def rollout(self, snapshot: Snapshot | None = None) -> Rollout | None:
        """The output of the motion prior, in the prior frame; None before stage 3."""
        in_prior = self.prediction(snapshot or self.current).in_prior
        return None if in_prior is None else in_prior.rollout

    def predicted(self, snapshot: Snapshot) -> bool:
        """Whether ``prediction`` of a snapshot is in memory and need not be computed."""
        kept = self._predictions.get(snapshot.id)
        return kept is not None and kept[0] is snapshot

    def node_defects(self, snapshot: Snapshot | None = None) -> NodeDefects | None:
        """The defects at the nodes of multiple shooting; None in a single roll-out."""
        in_prior = self.prediction(snapshot or self.current).in_prior
        if in_prior is None or in_prior.defects is None:
            return None
        defects = in_prior.defects
        before, after = (in_prior.frame.points_back(side) for side in defects.roots())
        return NodeDefects(defects.frames, before, after, defects.centimetres(), defects.degrees())

    def prediction(self, snapshot: Snapshot) -> Prediction:
        """The prediction from a snapshot's variables, for all frames and without gradients; the latest few are kept."""
        if not self.predicted(snapshot):
            self.remember(snapshot, self._predict(snapshot))
        self._predictions.move_to_end(snapshot.id)
        return self._predictions[snapshot.id][1]

    def _predict(self, snapshot: Snapshot) -> Prediction:
        problem = self._problem_of(snapshot)
        with torch.no_grad():
            if snapshot.stage < 3:
                return predict_free(problem, snapshot.variables, Parts())
            phase = snapshot.schedule[snapshot.phase]
            return predict_rollout(
                problem,
                snapshot.variables,
                Parts(),
                frame=snapshot.prior_frame,
                segment=phase.segment,
                turn=turn_of(phase.preset),
            )

    def remember(self, snapshot: Snapshot, predicted: Prediction) -> None:
        """Keep a prediction for all frames; the oldest one is dropped when there are too many."""
        self._predictions[snapshot.id] = snapshot, predicted
        if len(self._predictions) > _PREDICTIONS_KEPT:
            self._predictions.popitem(last=False)

    def end_of_stage(self, stage: int) -> Snapshot | None:
        """The last snapshot of a stage on the current branch; None if the fit has not reached it or left it out."""
        path = self.history.path_back(self.current.id)
        return next((self.history[entry.id] for entry in path if entry.stage == stage), None)

    @property
    def phase_ends(self) -> list[Snapshot]:
        """The last snapshot of each phase on the current branch, in the batch of the current snapshot."""
        path = self.history.path(self.current.id)
        last = {entry.phase: entry.id for entry in path}
        return [self.history[snapshot_id] for snapshot_id in last.values()]

    def stage_start(self, snapshot: Snapshot | None = None) -> Snapshot:
        """The snapshot at which the stage of a given snapshot was entered on its branch."""
        snapshot = snapshot or self.current
        first = snapshot.id
        for entry in self.history.path_back(snapshot.id):
            if entry.stage != snapshot.stage:
                break
            first = entry.id
        return self.history[first]

    @property
    def stage3_start(self) -> Snapshot | None:
        """The snapshot at which the current branch enters stage 3; None before stage 3."""
        path = takewhile(lambda entry: entry.stage == 3, self.history.path_back(self.current.id))
        ids = [entry.id for entry in path]
        return self.history[ids[-1]] if ids else None

    @property
    def stage2_trajectory(self) -> Trajectory | None:
        """The motion that stage 3 of the current branch encodes; None before stage 3."""
        first = self.stage3_start
        if first is None or first.parent is None:
            return None if first is None else self._encoded
        before = self.history[first.parent]
        seen, variables = self.trajectory(before), self.encoded_variables(before, first)
        if variables is before.variables:
            return seen
        found = predict_free(self.problem_at(before), variables, Parts())
        joints = self.problem.body.joints(found.trans, found.root_orient, found.pose_body, variables["betas"])
        same = {"trans": found.trans, "root_orient": found.root_orient, "pose_body": found.pose_body, "joints": joints}
        return replace(seen, **same)

    def encoded_variables(self, before: Snapshot, first: Snapshot) -> Variables:
        """The free motion that stage 3 encodes: that of stage 2, with missing frames bridged if the preset says so.

        Args:
            before: The last snapshot of stage 2.
            first: The first snapshot of stage 3 after it.
        """
        if first.schedule[first.phase].preset.missing_frames != "bridged":
            return before.variables
        return bridged(before.variables, self.problem_at(before).observations, held=before.held)

    @property
    def stage3_init(self) -> RolloutComparison | None:
        """The first roll-out of stage 3 and the motion from which its latents were inferred; None before stage 3."""
        first, before = self.stage3_start, self.stage2_trajectory
        if first is None or first.parent is None or before is None:
            return None
        return RolloutComparison(before, self.trajectory(first))
