"""A fit that can be entered anywhere: step, pause, rewind, edit. Prints nothing, knows no thread and no window.

The session is the one mutable object; everything it hands out is a value. The newest snapshot of the current line of
work is ``current``; rewinding and stepping on makes a branch, and no branch is ever lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from optim import lbfgs
from optim.errors import InputError
from optim.fit import Fit
from optim.frames import PriorFrame
from optim.gaps import bridged, wait_for_the_first_seen
from optim.history import ITERATION, History, Snapshot
from optim.objective import Objective
from optim.problem import Problem
from optim.stages import Phase, with_weight
from optim.start import enter_stage_3, start_variables
from optim.timing import part
from optim.variables import Variables, packing, parse_frozen

Interrupt = Callable[[], bool]


@dataclass
class _Iteration:
    """One L-BFGS iteration under way; it can be held between two evaluations."""

    snapshot: Snapshot
    objective: Objective
    search: lbfgs.Search
    x: Tensor | None = None
    evaluations: int = 0
    seconds: float = 0.0

    def advance(self, interrupt: Interrupt | None) -> lbfgs.LbfgsState | None:
        """The state after the iteration, or None when interrupted before that."""
        began = time.perf_counter()
        try:
            if self.x is None:
                with part("solver"):
                    self.x = next(self.search)
            while interrupt is None or not interrupt():
                point = self.objective.point(self.x, self.snapshot.variables, self.snapshot.packing)
                self.evaluations += 1
                with part("solver"):
                    self.x = self.search.send(point)
            return None
        except StopIteration as finished:
            return finished.value
        finally:
            self.seconds += time.perf_counter() - began


class Session(Fit):
    """One fit of one problem; what can be read off it is in ``Fit``.

    Args:
        schedule: The phases, from ``stages.schedule``.
        seed: For what is drawn at random from a session, such as samples of the prior; the fit itself draws nothing.
        keep_iterations: Keep every iteration, to be rewound to. Otherwise a phase keeps its first and latest snapshot,
            for runs that only want results.
    """

    def __init__(
        self, problem: Problem, *, schedule: tuple[Phase, ...], seed: int = 0, keep_iterations: bool = True
    ) -> None:
        if not schedule:
            raise InputError("the schedule has no phase with steps; give num_iters with at least one step")
        super().__init__(problem, History(keep_iterations=keep_iterations))
        self.seed = seed
        self._objective_used: Objective | None = None
        self._held: _Iteration | None = None
        self._undo: list[int] = []
        self._redo: list[int] = []
        schedule = wait_for_the_first_seen(schedule, problem.observations)
        variables = start_variables(problem, schedule[0].preset)
        self.current = self._enter(None, schedule, 0, variables, cause="start")

    @property
    def schedule(self) -> tuple[Phase, ...]:
        """As edited up to the current snapshot."""
        return self.current.schedule

    @property
    def done(self) -> bool:
        return self.current.done

    # Going forward

    def step_iteration(self, interrupt: Interrupt | None = None) -> Snapshot:
        """One L-BFGS iteration; at the end of a phase, entering the next one instead. Returns the current snapshot.

        ``interrupt`` is asked before every evaluation. When it says yes the iteration waits where it is: the current
        snapshot stays, and the next call goes on without repeating an evaluation.
        """
        here = self.current
        if here.done:
            return here
        if not here.phase_done:
            return self._iterate(here, interrupt)
        if interrupt is not None and interrupt():
            return here
        return self._move(self._enter(here, here.schedule, here.phase + 1, here.variables, cause="phase"))

    def step_outer(self, interrupt: Interrupt | None = None) -> Snapshot:
        """To the end of the current step (one call of torch's L-BFGS)."""
        return self._advance(lambda snapshot: snapshot.stop is not None, interrupt)

    def finish_phase(self, interrupt: Interrupt | None = None) -> Snapshot:
        """To the end of the current phase; from there, to the end of the next."""
        return self._advance(lambda snapshot: snapshot.phase_done, interrupt)

    def finish_stage(self, interrupt: Interrupt | None = None) -> Snapshot:
        """To the end of the current stage; from there, to the end of the next."""
        return self._advance(_stage_done, interrupt)

    def run(self, interrupt: Interrupt | None = None) -> Snapshot:
        """To the end of the schedule."""
        return self._advance(lambda snapshot: snapshot.done, interrupt)

    def _advance(self, until: Callable[[Snapshot], bool], interrupt: Interrupt | None) -> Snapshot:
        while True:
            before = self.current
            after = self.step_iteration(interrupt)
            if after is before or until(after):
                return after

    # Going elsewhere

    def rewind(self, snapshot_id: int) -> Snapshot:
        """Make an earlier snapshot the current one; going on from it gives the same bits, or a branch after an edit."""
        target = self.history[snapshot_id]
        if target is not self.current:
            self._remember_edit()
            self._move(target)
        return target

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

    def _travel(self, stack: list[int], other: list[int]) -> Snapshot:
        if stack:
            other.append(self.current.id)
            self._move(self.history[stack.pop()])
        return self.current

    # Edits

    def set_weight(self, name: str, value: float, *, stage: int | None = None, keep_memory: bool = False) -> Snapshot:
        """Give a term another weight from here on, in every phase of a stage (default: the current one).

        The solver forgets its curvature, which was that of another loss, unless ``keep_memory``.

        Raises:
            InputError: Unknown term or stage, or a weight that is negative or not finite; nothing has changed then.
        """
        here = self.current
        stage = here.stage if stage is None else stage
        edited = with_weight(here.schedule, name, value, stage=stage, current=here.phase)
        cause = f"weight {name} = {value:g} in stage {stage}"
        if edited[here.phase].weights == here.weights:
            return self._note(cause, schedule=edited)
        return self._edit(cause, schedule=edited, keep_memory=keep_memory)

    def freeze(self, name: str) -> Snapshot:
        """Hold a variable where it is until released: ``x_0`` (in stage 3), its parts, ``betas``, ``latent_motion``,
        ``floor_plane``, or a range of frames such as ``latent_motion[10:20]``.

        Raises:
            InputError: No such variable, or nothing would be left to move; nothing has changed then.
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

    def _note(self, cause: str, **changes) -> Snapshot:
        """An edit that does not concern the current phase."""
        here = self.current
        self._remember_edit()
        new = replace(here, id=len(self.history), parent=here.id, cause=cause, seconds=0.0, **changes)
        return self._move(self.history.add(new))

    def _edit(self, cause: str, *, keep_memory: bool = False, **changes) -> Snapshot:
        """The same place under another objective or with other variables moving."""
        began = time.perf_counter()
        here = replace(self.current, **changes)
        phase = here.schedule[here.phase]
        free = packing(here.variables, phase, frozen=here.frozen)
        objective = self._objective(phase, here.prior_frame)
        point = objective.point(free.pack(here.variables), here.variables, free)
        solver = lbfgs.restart(here.solver, point, keep_memory=keep_memory)
        self._remember_edit()
        here = replace(here, packing=free, id=self.current.id)
        return self._move(self._add(here, cause, solver, objective, evaluations=1, began=began))

    def _remember_edit(self) -> None:
        self._undo.append(self.current.id)
        self._redo.clear()

    # Inside

    def _enter(
        self,
        here: Snapshot | None,
        schedule: tuple[Phase, ...],
        index: int,
        variables: Variables,
        *,
        cause: str,
    ) -> Snapshot:
        """The first snapshot of a phase, with a fresh solver."""
        began = time.perf_counter()
        phase = schedule[index]
        frozen = frozenset[str]() if here is None else here.frozen
        frame = None if here is None else here.prior_frame
        if here is not None and phase.stage > here.stage and phase.preset.gaps == "bridged":
            variables = bridged(variables, self.problem.observations, frozen=frozen)
        if phase.stage == 3 and "latent_motion" not in variables:
            variables, frame = enter_stage_3(self.problem, variables, phase.preset)
        free = packing(variables, phase, frozen=frozen)
        objective = self._objective(phase, frame)
        point = objective.point(free.pack(variables), variables, free)
        return self.history.add(
            Snapshot(
                id=len(self.history),
                parent=None if here is None else here.id,
                cause=cause,
                schedule=schedule,
                phase=index,
                step=0,
                iteration=0,
                total_iterations=0 if here is None else here.total_iterations,
                variables=variables,
                packing=free,
                solver=_light(lbfgs.init(point, options=_options(phase))),
                frozen=frozen,
                prior_frame=frame,
                evaluation=objective.evaluation(point, free),
                evaluations_spent=1 + (0 if here is None else here.evaluations_spent),
                seconds=time.perf_counter() - began,
            )
        )

    def _iterate(self, here: Snapshot, interrupt: Interrupt | None) -> Snapshot:
        """One iteration from a snapshot, or as much of it as the interrupt allows."""
        began = time.perf_counter()
        phase = here.schedule[here.phase]
        objective = self._objective(phase, here.prior_frame)
        work = self._held
        if work is None or work.snapshot is not here:
            base = here.solver if here.stop is None else lbfgs.begin(here.solver, options=_options(phase))
            if base.stop is not None:
                return self._move(self._add(here, ITERATION, base, objective, evaluations=0, began=began))
            work = _Iteration(here, objective, lbfgs.iteration(base, options=_options(phase)))
        solver = work.advance(interrupt)
        if solver is None:
            self._held = work
            return here
        began = time.perf_counter() - work.seconds
        return self._move(self._add(here, ITERATION, solver, objective, evaluations=work.evaluations, began=began))

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
                solver=_light(solver),
                evaluation=here.evaluation if known else objective.evaluation(point, here.packing),
                evaluations_spent=here.evaluations_spent + evaluations,
                seconds=time.perf_counter() - began,
            )
        )
        if not known and objective.sees_all:
            self._remember(added, point.extra.prediction)
        return added

    def _move(self, snapshot: Snapshot) -> Snapshot:
        self.current = snapshot
        self._held = None
        return snapshot

    def _objective(self, phase: Phase, frame: PriorFrame | None) -> Objective:
        """The objective of a phase; the last one is kept for what it has worked out about the observations."""
        used = self._objective_used
        if used is None or used.phase is not phase or used.prior_frame is not frame:
            used = self._objective_used = Objective(self.problem, phase, frame)
        return used


def _options(phase: Phase) -> lbfgs.Options:
    return lbfgs.Options(max_iterations=phase.iterations)


def _light(solver: lbfgs.LbfgsState) -> lbfgs.LbfgsState:
    """Without the residuals of its point, which the evaluation has taken over."""
    return replace(solver, point=replace(solver.point, extra=None))


def _stage_done(snapshot: Snapshot) -> bool:
    if not snapshot.phase_done:
        return False
    return snapshot.done or snapshot.schedule[snapshot.phase + 1].stage != snapshot.stage
