"""Builds views of a session for the window: tensors become numpy arrays in the display frame.

Runs in the worker's process. The display frame has z up and, where a floor was observed, the floor at z = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from optim.body.joints import JOINT_NAMES
from optim.diagnostics.drift import novelty_of
from optim.diagnostics.quantities import root_distance_cm
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.problem.variables import Trajectory
from optim.schedule.phases import INITIAL_STATE, Phase
from optim.schedule.preset_change import AS_STARTED, fixed_rules
from optim.schedule.presets import PRESETS
from optim.schedule.terms import usable_terms
from optim.session.causes import BATCH, ITERATION
from optim.session.fit import Fit
from optim.session.history import Snapshot
from optim.session.movement import held, moved
from optim.session.session import Session
from viewer.protocol import view_model as vm
from viewer.protocol.history_rows import HistoryRows
from viewer.protocol.members import Members
from viewer.protocol.pace import progress
from viewer.worker.build_prior import prior_frames, regressed_joints, shooting_nodes
from viewer.worker.display import (
    DisplayFrame,
    body_mesh,
    camera_of,
    display_frame_of,
    motion_of,
    numpy,
    observed_of,
)

_VARIABLES = (
    vm.Variable(name="x_0", label="x_0, the first frame", children=INITIAL_STATE),
    vm.Variable(name="trans", label="trans", unit="m"),
    vm.Variable(name="root_orient", label="root_orient", unit="rad"),
    vm.Variable(name="latent_pose", label="latent_pose"),
    vm.Variable(name="trans_vel", label="trans_vel", unit="m/s"),
    vm.Variable(name="joints_vel", label="joints_vel", unit="m/s"),
    vm.Variable(name="root_orient_vel", label="root_orient_vel", unit="rad/s"),
    vm.Variable(name="latent_motion", label="z, latent motion"),
    vm.Variable(name="nodes", label="nodes of segments"),
    vm.Variable(name="betas", label="betas, body shape"),
    vm.Variable(name="floor_plane", label="floor", unit="m"),
)


class ViewBuilder:
    """Builds views of one session and keeps the parts that need not be built again.

    Args:
        frame: The display frame. None: that of the session's problem as it is now; it stays when the floor is edited.
    """

    def __init__(self, session: Session, *, frame: DisplayFrame | None = None) -> None:
        self._session = session
        problem = session.problem
        self.frame = display_frame_of(problem) if frame is None else frame
        self._body = body_mesh(problem.body)
        later = frozenset({"overlap", "previous"}) if session.batch_count > 1 else frozenset()
        self.members = members_of(problem, session.schedule, later=later)
        self._rows = HistoryRows(len(self.members.rows))
        self._version = 0
        self._drifts: dict[int, vm.Drift | None] = {}  # by the snapshot that begins stage 3
        self._scenes: dict[int, tuple[Observations, Any, vm.Scene]] = {}  # batch → what it was made of, itself
        self.scene = self.scene_at(session.current)
        """The scene of the snapshot that is shown."""
        self.interrupted: Callable[[], bool] = lambda: False
        """Whether a long analysis must be broken off; the worker sets it."""

    @property
    def session(self) -> Session:
        """The session that the views show."""
        return self._session

    def refresh(self, shown: Snapshot) -> bool:
        """Take the scene of a snapshot to show; returns whether it is another one than before."""
        before, self.scene = self.scene, self.scene_at(shown)
        return self.scene is not before

    def scene_at(self, snapshot: Snapshot) -> vm.Scene:
        """The scene of a snapshot's batch, as its problem was edited last; built again only after an edit."""
        session = self._session
        same = snapshot.batch == session.current.batch
        problem = session.problem if same else session.fit.problem_at(snapshot)
        seen, floor, scene = self._scenes.get(snapshot.batch, (None, None, None))
        if scene is None or seen is not problem.observations or floor is not problem.floor:
            scene = self._scene(problem, snapshot.batch)
            self._scenes[snapshot.batch] = problem.observations, problem.floor, scene
        return scene

    def view(self, snapshot: Snapshot, status: vm.Status, *, obeyed: int = 0) -> vm.ViewModel:
        """The view of a snapshot, with the present state of the session."""
        session, now = self._session, self._session.current
        scene = self.scene_at(snapshot)
        self._version += 1
        trajectory = session.fit.trajectory(snapshot)
        raw, weighted = self.members.values(snapshot)
        return vm.ViewModel(
            version=self._version,
            obeyed=obeyed,
            status=status,
            current=now.id,
            shown=snapshot.id,
            motion=self.motion(trajectory),
            floors=self.floors(trajectory),
            drift=self._comparison() if snapshot.batch == now.batch else None,
            phases=_phases(now.schedule),
            weights=_weights(now.schedule, scene.terms),
            raw=raw,
            weighted=weighted,
            held=now.held,
            movement=self._movement(snapshot),
            history=self._history(),
            can_undo=session.can_undo,
            can_redo=session.can_redo,
            regressed=regressed_joints(self, snapshot),
            prior_frames=prior_frames(self, snapshot),
            nodes=shooting_nodes(self, snapshot),
            scene=scene,
        )

    def tried(self, view: vm.ViewModel, fit: Fit, snapshot: Snapshot) -> vm.ViewModel:
        """A view with the motion, the losses and the weights of a snapshot that is not in the history.

        Args:
            fit: The fit of a session apart, which has the snapshot.
        """
        trajectory = fit.trajectory(snapshot)
        raw, weighted = self.members.values(snapshot)
        return replace(
            view,
            motion=self.motion(trajectory),
            floors=self.floors(trajectory),
            weights=_weights(snapshot.schedule, view.scene.terms),
            raw=raw,
            weighted=weighted,
            held=snapshot.held,
            regressed=None,
            nodes=None,
        )

    def phases(self, snapshot: Snapshot) -> tuple[vm.Phase, ...]:
        """The schedule as it was at a snapshot."""
        return _phases(snapshot.schedule)

    def weights(self, snapshot: Snapshot) -> np.ndarray:
        """Weights (P, K) of the K rows in the P phases, as they were at a snapshot."""
        return _weights(snapshot.schedule, self.scene.terms)

    def _history(self) -> vm.History:
        """The whole history, with the branch that leads to the current snapshot."""
        session, known = self._session, self._session.history
        for index in range(len(self._rows), len(known)):
            entry = known.entry(index)
            begins = entry.cause == BATCH
            batch = begins + (0 if entry.parent is None else self._rows.batch(entry.parent))
            self._rows.add(
                parent=entry.parent,
                branch=entry.branch,
                phase=entry.phase,
                step=entry.step,
                iteration=entry.iteration,
                frames=self._size_of(batch) * (entry.frames or session.problem.frames),
                total=float(entry.evaluation.total),
                terms=self.members.values(entry)[1],
                edit=entry.cause if entry.edited else None,
                iterated=entry.cause == ITERATION,
                batch_begins=begins,
            )
        branches = tuple(vm.Branch(**vars(branch)) for branch in known.branches)
        return self._rows.history(
            current=session.current.id, branches=branches, bookmarks=tuple(known.bookmarks.items())
        )

    def _size_of(self, batch: int) -> int:
        """Number of sub-sequences of a batch."""
        batches = self._session.batches
        return self._session.problem.batch if batches is None else batches.size(batch)

    def _movement(self, snapshot: Snapshot) -> dict[str, vm.Movement]:
        """How far each variable of a snapshot has moved and what holds it; also for groups that are held."""
        ways = {name: (way.largest, way.rms) for name, way in moved(self._session.fit, snapshot).items()}
        holds = {hold.name: hold for hold in held(self._session.fit, snapshot)}
        found = {}
        for name in ways.keys() | holds.keys():
            (largest, rms), hold = ways.get(name, (None, None)), holds.get(name)
            found[name] = vm.Movement(largest=largest, rms=rms)
            if hold is not None:
                by, moved_since = hold.by, hold.moved
                found[name] = replace(found[name], held_by=by, since=hold.since, moved_since=moved_since)
        return found

    def progress(self, snapshot: Snapshot) -> float:
        """Share of the outer steps of all batches that are done, from 0 to 1."""
        within = progress(
            snapshot.schedule,
            snapshot.phase,
            step=snapshot.step,
            iteration=snapshot.iteration,
            stopped=snapshot.stop is not None,
            done=snapshot.done,
        )
        return (snapshot.batch + within) / self._session.batch_count

    def motion(self, trajectory: Trajectory) -> vm.Motion:
        """Express a trajectory of the input frame in the display frame."""
        return motion_of(trajectory, self.frame, self._body)

    def floors(self, trajectory: Trajectory) -> np.ndarray | None:
        """Floor planes (B, 4) in the display frame: the estimated ones, else the observed ones, else z = 0."""
        plane = trajectory.floor_plane
        if plane is None and self._session.problem.camera is None:
            return np.tile(np.array([0.0, 0.0, 1.0, 0.0], np.float32), (len(trajectory.trans), 1))
        if plane is None:
            plane = self._session.problem.floor
        return self.frame.planes(numpy(plane))

    def _comparison(self) -> vm.Drift | None:
        """The first roll-out of stage 3 on the current branch, beside the stage-2 motion; built once."""
        start = self._session.fit.stage3_start
        if start is None:
            return None
        if start.id not in self._drifts:
            found, new = self._session.fit.stage3_init, novelty_of(self._session.fit)
            self._drifts[start.id] = (
                None
                if found is None
                else vm.Drift(
                    stage2=self.motion(found.stage2),
                    initial=self.motion(found.rollout),
                    root_cm=root_distance_cm(numpy(found.rollout.joints), numpy(found.stage2.joints)),
                    novelty=None if new is None else numpy(new.frames),
                )
            )
        return self._drifts[start.id]

    def _scene(self, problem: Problem, number: int) -> vm.Scene:
        interval = getattr(problem.observations, "seq_interval", None)
        batch, frames = problem.batch, problem.frames
        starts = [0] * batch if interval is None else [int(first) for first in numpy(interval)[:, 0]]
        batches = () if self._session.batches is None else self._session.batches.intervals[:number]
        earlier = [start for intervals in batches for start, _ in intervals]
        begin = min([*earlier, *starts])
        phases = self._session.schedule
        terms = self.members.rows
        truth = problem.ground_truth
        return vm.Scene(
            name=problem.name,
            fps=float(problem.fps),
            starts=tuple(first - begin for first in starts),
            num_frames=frames,
            body=self._body,
            observed=observed_of(problem.observations, self.frame),
            phases=_phases(phases),
            terms=terms,
            variables=_variables(problem, phases),
            default_weights=_weights(self._session.history[0].schedule, terms),
            presets=_presets(phases),
            camera=camera_of(problem.camera, self.frame),
            footage=_footage(problem, begin),
            ground_truth=None if truth is None else self.motion(truth),
            openpose_vertices=tuple(problem.body.openpose_vertices),
            asked_overlap=problem.asked_overlap,
            key_vertices=tuple(problem.body.keypoint_vertices),
            joint_names=JOINT_NAMES,
            floors=None if problem.camera is None else self.frame.planes(numpy(problem.floor)),
            loss_terms=self.members.terms,
            checked=problem.checked,
            batch=number,
            batches=self._session.batch_count,
            first_frame=begin,
            earlier=tuple(start - begin for start in earlier),
        )


def _footage(problem: Problem, first: int) -> vm.Footage | None:
    """The clip's video from its first frame on."""
    seen = problem.footage
    return None if seen is None else vm.Footage(path=str(seen.path.resolve()), frames=seen.frames[first:])


def _phases(schedule: tuple[Any, ...]) -> tuple[vm.Phase, ...]:
    return tuple(
        vm.Phase(
            name=phase.name,
            stage=phase.stage,
            steps=phase.steps,
            iterations=phase.iterations,
            variables=phase.variables,
            frames=phase.frames,
            solver=phase.solver,
            flat_gain=phase.flat_gain,
            flat_iterations=phase.flat_iterations,
        )
        for phase in schedule
    )


def _variables(problem: Problem, schedule: tuple[Any, ...]) -> tuple[vm.Variable, ...]:
    """Everything that can be held: groups, and the variables that move in any phase."""
    entries = {name: problem.frames for name in ("trans", "root_orient", "latent_pose")}
    entries["latent_motion"] = problem.frames - 1
    moving = {name for phase in schedule for name in phase.variables}
    turned = "" if schedule[0].preset.rotation == "6d" else "rad"
    return tuple(
        replace(one, entries=entries.get(one.name, 0), unit=turned if one.name == "root_orient" else one.unit)
        for one in _VARIABLES
        if one.children or one.name in moving
    )


def _presets(schedule: tuple[Any, ...]) -> tuple[vm.Preset, ...]:
    """The rules that the fit began with, then all presets by name."""
    mine = schedule[0].preset
    named = (vm.Preset(name=name, fixed=fixed_rules(mine, rules)) for name, rules in PRESETS.items())
    return (vm.Preset(name=AS_STARTED, fixed=()), *named)


def _weights(schedule: tuple[Any, ...], terms: tuple[vm.Term, ...]) -> np.ndarray:
    """(P, K): the weight of every term in every phase."""
    return np.array([[phase.weights.get(term.name, 0.0) for term in terms] for phase in schedule])


def members_of(problem: Problem, schedule: tuple[Phase, ...] = (), *, later: frozenset[str] = frozenset()) -> Members:
    """Assign the loss terms that a problem and the phases of its schedule allow to the rows of the weights table.

    Args:
        later: Inputs for loss terms that only later batches offer (``Problem.offers``).
    """
    usable = usable_terms(problem.offers.union(later, *(phase.offers for phase in schedule)))
    groups: dict[str, list[Any]] = {}
    for term in usable:
        groups.setdefault(term.weight, []).append(term)
    rows = []
    for name, members in groups.items():
        units = sorted({term.unit for term in members})
        formula = "\n".join(dict.fromkeys(term.formula for term in members))
        about = "; ".join(dict.fromkeys(term.help for term in members))
        first = min(term.stage for term in members)
        rows.append(vm.Term(name=name, unit=", ".join(units), formula=formula, stage=first, help=about))
    place = {name: row for row, name in enumerate(groups)}
    return Members(tuple(rows), {term.name: place[term.weight] for term in usable}, problem.batch)
