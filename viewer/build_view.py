"""From a session to what may be drawn: tensors become numpy, the input frame becomes the display frame.

Runs on the worker's side. The display frame has z up and, where a floor was observed, the floor at z = 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from viewer import view_model as vm
from viewer.build_prior import node_gaps, prior_frames, regressed_joints
from viewer.display import body_mesh, camera_of, display_frame, motion_of, numpy, observed_of

if TYPE_CHECKING:
    from optim.history import Entry, Snapshot
    from optim.problem import Problem
    from optim.session import Session
    from optim.variables import Trajectory

X_0 = ("trans", "root_orient", "latent_pose", "trans_vel", "joints_vel", "root_orient_vel")
_PARTS = (
    vm.Part(name="x_0", label="x_0, the first frame", children=X_0),
    vm.Part(name="trans", label="trans", unit="m"),
    vm.Part(name="root_orient", label="root_orient", unit="rad"),
    vm.Part(name="latent_pose", label="latent_pose"),
    vm.Part(name="trans_vel", label="trans_vel", unit="m/s"),
    vm.Part(name="joints_vel", label="joints_vel", unit="m/s"),
    vm.Part(name="root_orient_vel", label="root_orient_vel", unit="rad/s"),
    vm.Part(name="latent_motion", label="z, latent motion"),
    vm.Part(name="nodes", label="nodes of segments"),
    vm.Part(name="betas", label="betas, body shape"),
    vm.Part(name="floor_plane", label="floor", unit="m"),
)


class ViewBuilder:
    """Builds views of one session; keeps what need not be built again."""

    def __init__(self, session: Session) -> None:
        self._session = session
        problem = session.problem
        self.frame = display_frame(None if problem.camera is None else numpy(problem.floor)[0])
        self._body = body_mesh(problem.body)
        self.members = Members(problem)
        self._rows = _HistoryRows(len(self.members.rows), problem.frames, problem.batch)
        self._version = 0
        self._drifts: dict[int, vm.Drift | None] = {}  # by the snapshot that begins stage 3
        self._problem = problem
        self.scene = self._scene(problem)

    @property
    def session(self) -> Session:
        """That the views are of."""
        return self._session

    def refresh(self) -> bool:
        """Make the scene anew if the problem has been edited; whether it was."""
        if self._session.problem is self._problem:
            return False
        self._problem = self._session.problem
        self.scene = self._scene(self._problem)
        return True

    def view(self, snapshot: Snapshot, status: vm.Status, *, obeyed: int = 0) -> vm.ViewModel:
        """What is to be shown of ``snapshot``, with the session's present state."""
        session, now = self._session, self._session.current
        self._version += 1
        trajectory = session.trajectory(snapshot)
        raw, weighted = self.members.values(snapshot)
        return vm.ViewModel(
            version=self._version,
            obeyed=obeyed,
            status=status,
            current=now.id,
            shown=snapshot.id,
            motion=self.motion(trajectory),
            floors=self.floors(trajectory),
            drift=self._comparison(),
            phases=_phases(now.schedule),
            weights=_weights(now.schedule, self.scene.terms),
            raw=raw,
            weighted=weighted,
            frozen=now.frozen,
            movement=self._movement(snapshot),
            history=self._rows.history(session, self.members),
            can_undo=session.can_undo,
            can_redo=session.can_redo,
            regressed=regressed_joints(self, snapshot),
            prior_frames=prior_frames(self, snapshot),
            nodes=node_gaps(self, snapshot),
            scene=self.scene,
        )

    def parts(self, snapshot: Snapshot, *, motion: bool) -> dict[str, Any]:
        """The fields of a view that cost next to nothing, by name, with the schedule of the snapshot itself.

        Args:
            motion: Also ``motion`` and ``floors``, which are None otherwise.
        """
        trajectory = self._session.trajectory(snapshot) if motion else None
        raw, weighted = self.members.values(snapshot)
        return {
            "motion": None if trajectory is None else self.motion(trajectory),
            "floors": None if trajectory is None else self.floors(trajectory),
            "phases": _phases(snapshot.schedule),
            "weights": _weights(snapshot.schedule, self.scene.terms),
            "raw": raw,
            "weighted": weighted,
            "frozen": snapshot.frozen,
        }

    def history_row(self, snapshot: int) -> dict[str, Any]:
        """One row of ``History`` as plain numbers by the names of its fields, and the event, if it was one."""
        return self._rows.row(self._session, self.members, snapshot)

    def _movement(self, snapshot: Snapshot) -> dict[str, vm.Movement]:
        """Of every variable that there is at a snapshot, and of groups that are held."""
        from optim.movement import held, moved

        ways = {name: (way.largest, way.rms) for name, way in moved(self._session, snapshot).items()}
        holds = {hold.name: hold for hold in held(self._session, snapshot)}
        found = {}
        for name in ways.keys() | holds.keys():
            (largest, rms), hold = ways.get(name, (None, None)), holds.get(name)
            found[name] = vm.Movement(largest=largest, rms=rms)
            if hold is not None:
                by, moved_since = hold.by, hold.moved
                found[name] = replace(found[name], held_by=by, since=hold.iteration, moved_since=moved_since)
        return found

    def progress(self, snapshot: Snapshot) -> float:
        """Share of the schedule's outer steps done, 0 to 1."""
        if snapshot.done:
            return 1.0
        steps = [phase.steps for phase in snapshot.schedule]
        part = snapshot.iteration / max(snapshot.schedule[snapshot.phase].iterations, 1)
        step = snapshot.step + (1.0 if snapshot.stop is not None else min(part, 1.0))
        return min((sum(steps[: snapshot.phase]) + step) / sum(steps), 1.0)

    def motion(self, trajectory: Trajectory) -> vm.Motion:
        """A trajectory of the input frame in the display frame."""
        return motion_of(trajectory, self.frame, self._body)

    def floors(self, trajectory: Trajectory) -> np.ndarray | None:
        """(B, 4) planes in the display frame: as estimated, else as observed, else z = 0."""
        plane = trajectory.floor_plane
        if plane is None and self._session.problem.camera is None:
            return np.tile(np.array([0.0, 0.0, 1.0, 0.0], np.float32), (len(trajectory.trans), 1))
        if plane is None:
            plane = self._session.problem.floor
        return self.frame.planes(numpy(plane))

    def _comparison(self) -> vm.Drift | None:
        """The roll-out that stage 3 of the current branch started from; built once."""
        start = self._session.stage3_start
        if start is None:
            return None
        if start.id not in self._drifts:
            found = self._session.stage3_init
            self._drifts[start.id] = (
                None
                if found is None
                else vm.Drift(
                    stage2=self.motion(found.stage2),
                    initial=self.motion(found.rollout),
                    root_cm=numpy(found.drift_cm),
                )
            )
        return self._drifts[start.id]

    def _scene(self, problem: Problem) -> vm.Scene:
        from optim.body import JOINT_NAMES

        interval = getattr(problem.observations, "seq_interval", None)
        batch, frames = problem.batch, problem.frames
        starts = [0] * batch if interval is None else [int(first) for first in numpy(interval)[:, 0]]
        phases = self._session.schedule
        terms = self.members.rows
        moving = {name for phase in phases for name in phase.variables}
        truth = problem.ground_truth
        return vm.Scene(
            name=problem.name,
            fps=float(problem.fps),
            starts=tuple(first - min(starts) for first in starts),
            num_frames=frames,
            body=self._body,
            observed=observed_of(problem.observations, self.frame),
            phases=_phases(phases),
            terms=terms,
            parts=tuple(p for p in _PARTS if p.children or p.name in moving),
            default_weights=_weights(self._session.history[0].schedule, terms),
            presets=_presets(phases),
            camera=camera_of(problem.camera, self.frame),
            footage=_footage(problem, min(starts)),
            ground_truth=None if truth is None else self.motion(truth),
            openpose_vertices=tuple(problem.body.openpose_vertices),
            asked_overlap=problem.asked_overlap,
            key_vertices=tuple(problem.body.keypoint_vertices),
            joint_names=JOINT_NAMES,
            floors=None if problem.camera is None else self.frame.planes(numpy(problem.floor)),
            loss_terms=self.members.terms,
        )


def _footage(problem: Problem, first: int) -> vm.Footage | None:
    """From the first frame of the sub-sequences on."""
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
        )
        for phase in schedule
    )


def _presets(schedule: tuple[Any, ...]) -> tuple[vm.Preset, ...]:
    """What the fit began with, then all that are known by name."""
    from optim.presets import AS_STARTED, fixed_rules
    from optim.stages import PRESETS

    mine = schedule[0].preset
    named = (vm.Preset(name=name, fixed=fixed_rules(mine, rules)) for name, rules in PRESETS.items())
    return (vm.Preset(name=AS_STARTED, fixed=()), *named)


def _weights(schedule: tuple[Any, ...], terms: tuple[vm.Term, ...]) -> np.ndarray:
    """(P, K): the weight of every term in every phase."""
    return np.array([[phase.weights.get(term.name, 0.0) for term in terms] for phase in schedule])


class Members:
    """Which loss terms stand under which weight; those that the data has no use for are left out."""

    def __init__(self, problem: Problem) -> None:
        from optim.objective import TERMS

        there = available(problem)
        self.rows: tuple[vm.Term, ...] = ()
        self.terms = tuple(term.name for term in TERMS if there.issuperset(term.needs))
        self._row: dict[str, int] = {}
        groups: dict[str, list[Any]] = {}
        for term in TERMS:
            if there.issuperset(term.needs):
                groups.setdefault(term.weight, []).append(term)
        for name, members in groups.items():
            self._row |= {term.name: len(self.rows) for term in members}
            units = sorted({term.unit for term in members})
            formula = "\n".join(dict.fromkeys(term.formula for term in members))
            first = min(term.stage for term in members)
            self.rows += (vm.Term(name=name, unit=", ".join(units), formula=formula, stage=first),)

    def values(self, snapshot: Snapshot | Entry) -> tuple[np.ndarray, np.ndarray]:
        """Raw and weighted value (K,) of every row; NaN where nothing of it was computed."""
        raw, weighted = np.full(len(self.rows), np.nan), np.full(len(self.rows), np.nan)
        for name, value in snapshot.evaluation.terms.items():
            row = self._row.get(name)
            if row is not None:
                raw[row] = np.nan_to_num(raw[row]) + value.raw
                weighted[row] = np.nan_to_num(weighted[row]) + value.weighted
        return raw, weighted

    def row(self, term: str) -> int | None:
        """Row of the weights table that a loss term belongs to."""
        return self._row.get(term)

    def per_frame(self, snapshot: Snapshot) -> np.ndarray:
        """Weighted share (K, B, T) of every row in every frame; NaN where a row belongs to no frame."""
        batch, frames = snapshot.variables["trans"].shape[0], 0
        parts: dict[int, list[np.ndarray]] = {}
        for name, value in snapshot.evaluation.terms.items():
            if value.per_frame is not None and name in self._row and value.raw:
                share = np.asarray(value.per_frame) * (value.weighted / value.raw)
                parts.setdefault(self._row[name], []).append(share)
                frames = max(frames, share.shape[1])
        found = np.full((len(self.rows), batch, frames), np.nan, np.float32)
        for row, shares in parts.items():
            found[row] = 0.0
            for share in shares:
                found[row, :, : share.shape[1]] += share
        return found


def available(problem: Problem) -> set[str]:
    """What the data has that a term may need."""
    seen = problem.observations
    there = {name for name in ("joints3d", "verts3d", "points3d", "joints2d") if getattr(seen, name) is not None}
    there |= {"overlap"} if seen.seq_interval is not None and problem.batch > 1 else set()
    there |= {"overlap", "previous"} if seen.previous is not None else set()
    return there | ({"floor"} if problem.floor is not None else set())


class _HistoryRows:
    """The history as growing arrays; only what is new is added."""

    def __init__(self, num_terms: int, frames: int, batch: int) -> None:
        self._count, self._frames, self._batch = 0, frames, batch
        self._whole = np.zeros((256, 8), np.int64)  # id, parent, branch, phase, step, iteration, depth, frames
        self._total = np.zeros(256, np.float32)
        self._terms = np.zeros((256, num_terms), np.float32)
        self._events: list[vm.Event] = []

    def history(self, session: Session, members: Members) -> vm.History:
        """Rows of everything up to now and the branch to the current snapshot."""
        self._update(session, members)
        known, n = session.history, self._count
        ids, parents, branch_of, phase, step, iteration, depth, frames = self._whole[:n].T
        return vm.History(
            ids=ids,
            parents=parents,
            branch_of=branch_of,
            phase=phase,
            step=step,
            iteration=iteration,
            total=self._total[:n],
            terms=self._terms[:n],
            depth=depth,
            frames=frames,
            branch=np.array([entry.id for entry in known.path(session.current.id)]),
            branches=tuple(vm.Branch(**vars(branch)) for branch in known.branches),
            events=tuple(self._events),
            bookmarks=tuple(known.bookmarks.items()),
        )

    def row(self, session: Session, members: Members, index: int) -> dict[str, Any]:
        """See ``ViewBuilder.history_row``."""
        self._update(session, members)
        names = ("ids", "parents", "branch_of", "phase", "step", "iteration", "depth", "frames")
        entry = session.history.entry(index)
        numbers = dict(zip(names, self._whole[index].tolist(), strict=True))
        losses = {"total": float(self._total[index]), "terms": self._terms[index].tolist()}
        return {**numbers, **losses, "event": entry.cause if entry.edited else None}

    def _update(self, session: Session, members: Members) -> None:
        for index in range(self._count, len(session.history)):
            self._add(session.history.entry(index), members)

    def _add(self, entry: Entry, members: Members) -> None:
        if self._count == len(self._total):
            self._whole = np.concatenate((self._whole, np.zeros_like(self._whole)))
            self._total = np.concatenate((self._total, np.zeros_like(self._total)))
            self._terms = np.concatenate((self._terms, np.zeros_like(self._terms)))
        row = self._count
        parent = -1 if entry.parent is None else entry.parent
        depth = 0 if entry.parent is None else self._whole[entry.parent, 6] + 1
        frames = self._batch * (entry.frames or self._frames)
        self._whole[row] = entry.id, parent, entry.branch, entry.phase, entry.step, entry.iteration, depth, frames
        self._total[row] = float(entry.evaluation.total)
        self._terms[row] = members.values(entry)[1]
        if entry.edited:
            self._events.append(vm.Event(snapshot=entry.id, text=entry.cause))
        self._count += 1
