"""Edits of a fit: freezing, variables, observations, floor (weights and schedule: ``replanning``), undo and redo.

An edit that asks for something impossible raises ``InputError`` and changes nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.objective.objective import Evaluation, Objective
from optim.objective.preconditioner import solver_metric
from optim.problem.frames import PriorFrame
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.problem.variables import X_0, covered, packing, parse_frozen
from optim.schedule.phases import NODES, Phase
from optim.session.history import ITERATION, History, Snapshot
from optim.session.replanning import PlannedFit
from optim.solver import lbfgs

MISLEADING = 10.0
"""Where an edit of a weight makes the loss more than so many times larger, the solver's memory is worse than none."""


class EditableFit(PlannedFit):
    """A fit and what one can do to it short of going forward."""

    def __init__(self, problem: Problem, history: History, *, seed: int = 0) -> None:
        super().__init__(problem, history)
        self.seed = seed
        self._objective_used: Objective | None = None
        self._undo: list[int] = []
        self._redo: list[int] = []

    # Going elsewhere

    def rewind(self, snapshot_id: int) -> Snapshot:
        """Make an earlier snapshot the current one; going on from it gives the same bits, or a branch after an edit."""
        target = self.history[snapshot_id]
        if target.id != self.current.id:
            self._remember_edit()
            self._move(target)
        return self.current

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        return bool(self._redo)

    def undo(self) -> Snapshot:
        """Back to before the last edit or rewind; what was done since stays in the history, ``redo`` returns to it."""
        return self._travel(self._undo, self._redo)

    def redo(self) -> Snapshot:
        """To where ``undo`` was called."""
        return self._travel(self._redo, self._undo)

    @property
    def travels(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Snapshots that ``undo`` and ``redo`` lead back to, the next one last."""
        return tuple(self._undo), tuple(self._redo)

    def take_up(self, history: History, *, current: int, undo: Sequence[int] = (), redo: Sequence[int] = ()) -> None:
        """Go on where another session of the same problem stood, with its history in place of this one's."""
        self.history = history
        self._predictions.clear()
        self._undo, self._redo = list(undo), list(redo)
        self._move(history[current])

    def _travel(self, stack: list[int], other: list[int]) -> Snapshot:
        if stack:
            other.append(self.current.id)
            self._move(self.history[stack.pop()])
        return self.current

    # Names

    def bookmark(self, name: str, *, snapshot: int | None = None) -> None:
        """Mark a snapshot (default: the current one) by a name (see ``History.bookmark``)."""
        self.history.bookmark(self.current.id if snapshot is None else snapshot, name)

    def remove_bookmark(self, snapshot: int | None = None) -> None:
        """Take a mark away (default: from the current snapshot)."""
        self.history.remove_bookmark(self.current.id if snapshot is None else snapshot)

    def name_branch(self, name: str, *, branch: int | None = None) -> None:
        """Give a branch (default: the current snapshot's) another name (see ``History.name_branch``)."""
        here = self.history.entry(self.current.id).branch
        self.history.name_branch(here if branch is None else branch, name)

    # Freezing

    def freeze(self, name: str) -> Snapshot:
        """Hold a variable where it is until released: ``x_0`` (in stage 3), its parts, ``betas``, ``latent_motion``,
        ``floor_plane``, or a range of frames such as ``latent_motion[10:20]``.

        Raises:
            InputError: No such variable, or nothing would be left to move.
        """
        parse_frozen(name)
        return self._refreeze(self.current.frozen | {name}, f"froze {name}")

    def release(self, name: str) -> Snapshot:
        """Let a frozen variable move again."""
        if name not in self.current.frozen:
            frozen = ", ".join(sorted(self.current.frozen)) or "nothing"
            raise InputError(f"{name!r} is not frozen; frozen: {frozen}")
        return self._refreeze(self.current.frozen - {name}, f"released {name}")

    def _refreeze(self, frozen: frozenset[str], cause: str) -> Snapshot:
        here = self.current
        free = packing(here.variables, here.schedule[here.phase], frozen=frozen)
        if [(p.name, p.shape) for p in free.parts] == [(p.name, p.shape) for p in here.packing.parts]:
            return self._note(cause, frozen=frozen)
        return self._edit(cause, frozen=frozen)

    # Variables

    def perturb(self, name: str, *, scale: float = 0.01) -> Snapshot:
        """Add normal noise of standard deviation ``scale`` (in the variable's unit) to a variable, to ``x_0`` or to a
        range of frames; the same noise at the same snapshot of a session with the same seed.

        Raises:
            InputError: No such variable here, one that is frozen, or a scale that is not a finite number above 0.
        """
        if not (math.isfinite(scale) and scale > 0):
            raise InputError(f"noise of scale {scale}; a finite number above 0 is needed")
        here = self.current
        noise = torch.Generator().manual_seed(self.seed * 1_000_003 + here.id)
        changed = dict(here.variables)
        for part, frames in self._loose(name):
            value = here.variables[part].clone()
            moved = value[:, frames]
            value[:, frames] = moved + scale * torch.randn(moved.shape, generator=noise, dtype=value.dtype)
            changed[part] = value
        return self._edit(f"perturbed {name} by {scale:g}", variables=changed)

    def reset(self, name: str) -> Snapshot:
        """Put a variable, ``x_0`` or a range of frames back to where the current stage began, nodes to where shooting
        began.

        Raises:
            InputError: No such variable here, or one that is frozen.
        """
        here = self.current
        began = self.stage_start().variables
        changed = dict(here.variables)
        for part, frames in self._loose(name):
            value = here.variables[part].clone()
            value[:, frames] = 0.0 if part == NODES else began[part][:, frames]
            changed[part] = value
        return self._edit(f"reset {name}", variables=changed)

    def _loose(self, name: str) -> list[tuple[str, slice]]:
        """Parts of variables that a name covers, none of them frozen."""
        here = self.current
        if name == X_0 and here.stage < 3:
            raise InputError("x_0 begins with stage 3; before, name one of " + ", ".join(here.variables))
        asked = covered(name, here.variables)
        for held in here.frozen:
            still = covered(held, here.variables) if held != X_0 or here.stage == 3 else []
            for part, frames in asked:
                count = here.variables[part].shape[1]
                fixed = {f for other, its in still if other == part for f in range(count)[its]}
                if fixed.intersection(range(count)[frames]):
                    raise InputError(f"{name} cannot change: {held} is frozen; release it first")
        return asked

    # Observations and floor

    def drop_frames(
        self, start: int, end: int, *, modality: str | None = None, sub_sequence: int | None = None
    ) -> Snapshot:
        """Leave what was seen in frames start to end - 1 out of the fit from here on (see ``Observations.without``).

        Raises:
            InputError: What is not there to drop, or nothing would be left to fit.
        """
        seen = self.problem.observations.without(start, end, modality=modality, sub_sequence=sub_sequence)
        return self._observe(seen, f"dropped {modality or 'observations'} of frames {start} to {end - 1}")

    def scale_confidence(
        self, factor: float, start: int, end: int, *, keypoint: int | None = None, sub_sequence: int | None = None
    ) -> Snapshot:
        """Trust 2D keypoints in frames start to end - 1 more or less (see ``Observations.reweighted``).

        Raises:
            InputError: What is not there to scale, or nothing would be left to fit.
        """
        seen = self.problem.observations.reweighted(factor, start, end, keypoint=keypoint, sub_sequence=sub_sequence)
        which = "keypoints" if keypoint is None else f"keypoint {keypoint}"
        return self._observe(seen, f"confidence × {factor:g} for {which} of frames {start} to {end - 1}")

    def _observe(self, seen: Observations, cause: str) -> Snapshot:
        replace(self.problem, observations=seen)  # raises if nothing is left
        return self._edit(cause, observations=seen)

    def set_floor(self, plane: Tensor) -> Snapshot:
        """Another observed floor, (4,) or (B, 4): normal and offset in the camera frame. The fitted floor moves there.

        Raises:
            InputError: No camera, a plane that is none, or a frozen floor.
        """
        here, problem = self.current, self.problem
        if problem.floor is None:
            raise InputError("without a camera the floor is z = 0; there is none to set")
        given = torch.as_tensor(plane, dtype=problem.floor.dtype)
        if given.shape not in ((4,), (problem.batch, 4)):
            raise InputError(f"floor has shape {tuple(given.shape)}; (4,) or ({problem.batch}, 4) is expected")
        given = given.expand(problem.batch, 4)
        length = given[:, :3].norm(dim=1, keepdim=True).clamp_min(1e-12)
        edited = replace(problem, floor=given / length)
        self._loose("floor_plane")
        variables = {**here.variables, "floor_plane": edited.observed_floor}
        return self._edit("floor set", floor=edited.floor, variables=variables)

    # Inside

    def _note(self, cause: str, **changes: Any) -> Snapshot:
        """An edit that does not concern the current phase."""
        here = self.current
        self._remember_edit()
        new = replace(here, id=len(self.history), parent=here.id, cause=cause, seconds=0.0, **changes)
        return self._move(self.history.add(new))

    def _edit(self, cause: str, *, keep_memory: bool | None = False, **changes: Any) -> Snapshot:
        """The same place under another objective, with other variables moving, or with variables put elsewhere."""
        began = time.perf_counter()
        here = replace(self.current, **changes)
        phase = here.schedule[here.phase]
        free = packing(here.variables, phase, frozen=here.frozen)
        objective = self._objective(here)
        point = objective.point(free.pack(here.variables), here.variables, free)
        if keep_memory is None:
            keep_memory = _size(objective.evaluation(point, free)) <= MISLEADING * _size(here.evaluation)
        metric, asked = (None, 0) if keep_memory else solver_metric(objective, point, here.variables, free)
        solver = lbfgs.restart(here.solver, point, keep_memory=keep_memory, metric=metric)
        self._remember_edit()
        here = replace(here, packing=free)
        return self._move(self._add(here, cause, solver, objective, evaluations=1 + asked, began=began))

    def _remember_edit(self) -> None:
        self._undo.append(self.current.id)
        self._redo.clear()

    def _add(
        self,
        here: Snapshot,
        cause: str,
        solver: lbfgs.LbfgsState,
        objective: Objective,
        *,
        evaluations: int,
        began: float,
    ) -> Snapshot:
        """A child of a snapshot in the same phase, where the solver has got to."""
        point = solver.point
        begun = cause == ITERATION and here.stop is not None
        known = point.extra is None
        with torch.no_grad():
            variables = here.packing.unpack(point.x, here.variables)
        added = self.history.add(
            replace(
                here,
                id=len(self.history),
                parent=here.id,
                cause=cause,
                step=here.step + begun,
                iteration=solver.iterations_in_step,
                total_iterations=here.total_iterations + solver.iterations_in_step - (0 if begun else here.iteration),
                variables=variables,
                solver=light(solver),
                evaluation=here.evaluation if known else objective.evaluation(point, here.packing),
                evaluations_spent=here.evaluations_spent + evaluations,
                seconds=time.perf_counter() - began,
            )
        )
        if not known and objective.sees_all:
            self._remember(added, point.extra.prediction)
        return added

    def _move(self, snapshot: Snapshot) -> Snapshot:
        self.problem = self.problem_at(snapshot)
        self.current = snapshot
        return snapshot

    def _objective(self, snapshot: Snapshot) -> Objective:
        """The objective at a snapshot; the last one is kept for what it has worked out about the observations."""
        phase, frame = snapshot.schedule[snapshot.phase], snapshot.prior_frame
        return self._objective_of(self.problem_at(snapshot), phase, frame)

    def _objective_of(self, problem: Problem, phase: Phase, frame: PriorFrame | None) -> Objective:
        used = self._objective_used
        if used is None or used.problem is not problem or used.phase is not phase or used.prior_frame is not frame:
            used = self._objective_used = Objective(problem, phase, frame)
        return used


def light(solver: lbfgs.LbfgsState) -> lbfgs.LbfgsState:
    """Without the residuals of its point, which the evaluation has taken over."""
    return replace(solver, point=replace(solver.point, extra=None))


def _size(evaluation: Evaluation) -> float:
    """Of a loss, by its terms; some of them may be negative."""
    return sum(abs(term.weighted) for term in evaluation.terms.values())
