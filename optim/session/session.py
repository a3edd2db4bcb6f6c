"""A fit that can be entered anywhere: step, pause, rewind, edit. Prints nothing, knows no thread and no window.

The session is the one mutable object; everything it hands out is a value. The newest snapshot of the current line of
work is ``current``; rewinding and stepping on makes a branch, and no branch is ever lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from torch import Tensor

from optim.common.errors import InputError
from optim.common.timing import part
from optim.initialise.floor_from_feet import on_found_floor
from optim.initialise.initialisation import enter_stage_3, start_variables
from optim.objective import shooting
from optim.objective.objective import Objective
from optim.objective.preconditioner import solver_metric
from optim.problem.missing_frames import bridged, wait_for_the_first_seen
from optim.problem.problem import Problem
from optim.problem.variables import packing
from optim.schedule.phases import Phase
from optim.session.editing import EditableFit, light
from optim.session.history import ITERATION, PHASE, START, History, Snapshot
from optim.session.storage import DEFAULT_LIMIT
from optim.solver import lbfgs

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


class Session(EditableFit):
    """One fit of one problem; what can be read off it is in ``Fit``, what can be edited in ``EditableFit``.

    Args:
        schedule: The phases, from ``stages.schedule``.
        seed: For what is drawn at random: perturbations, samples of the prior; the fit itself draws nothing.
        keep_iterations: Keep every iteration, to be rewound to. Otherwise a phase keeps its first and latest snapshot,
            for runs that only want results.
        memory_limit: Bytes beyond which older iterations of a recorded run leave memory (see ``History``).
    """

    def __init__(
        self,
        problem: Problem,
        *,
        schedule: tuple[Phase, ...],
        seed: int = 0,
        keep_iterations: bool = True,
        memory_limit: int = DEFAULT_LIMIT,
    ) -> None:
        if not schedule:
            raise InputError("the schedule has no phase with steps; give num_iters with at least one step")
        history = History(keep_iterations=keep_iterations, memory_limit=memory_limit)
        super().__init__(problem, history, seed=seed)
        self._held: _Iteration | None = None
        self.current = self._begin(wait_for_the_first_seen(schedule, problem.observations))

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
        next_phase = here.next_phase
        if next_phase is None or (interrupt is not None and interrupt()):
            return here
        return self._move(self._enter(here, next_phase, cause=PHASE))

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

    # Inside

    def _begin(self, schedule: tuple[Phase, ...]) -> Snapshot:
        """The first snapshot of all."""
        began = time.perf_counter()
        phase = schedule[0]
        variables = start_variables(self.problem, phase.preset)
        free = packing(variables, phase)
        objective = self._objective_of(self.problem, phase, None)
        point = objective.point(free.pack(variables), variables, free)
        return self.history.add(
            Snapshot(
                id=0,
                parent=None,
                cause=START,
                schedule=schedule,
                phase=0,
                step=0,
                iteration=0,
                total_iterations=0,
                variables=variables,
                packing=free,
                solver=light(lbfgs.init(point, options=_options(phase))),
                frozen=frozenset(),
                prior_frame=None,
                evaluation=objective.evaluation(point, free),
                evaluations_spent=1,
                seconds=time.perf_counter() - began,
            )
        )

    def _enter(self, here: Snapshot, index: int, *, cause: str) -> Snapshot:
        """The first snapshot of a later phase, with a fresh solver."""
        began = time.perf_counter()
        phase, problem = here.schedule[index], self.problem_at(here)
        variables, frame = here.variables, here.prior_frame
        if phase.stage > here.stage and phase.preset.gaps == "bridged":
            variables = bridged(variables, problem.observations, frozen=here.frozen)
        floor = here.floor
        if phase.stage == 3 and "latent_motion" not in variables:
            if phase.preset.floor == "feet" and floor is None and "floor_plane" not in here.frozen:
                problem, variables = on_found_floor(problem, self.trajectory(here), variables)
                floor = None if problem.floor_known else problem.floor
            variables, frame = enter_stage_3(problem, variables, phase.preset, segment=phase.segment)
        elif phase.segment != here.schedule[here.phase].segment:
            in_prior = self.prediction(here).in_prior
            assert in_prior is not None  # only phases of stage 3 have segments
            variables = shooting.cut(variables, shooting.states_of(in_prior.rollout, in_prior.defects), phase.segment)
        free = packing(variables, phase, frozen=here.frozen)
        objective = self._objective_of(problem, phase, frame)
        point = objective.point(free.pack(variables), variables, free)
        metric, asked = solver_metric(objective, point, variables, free)
        return self.history.add(
            replace(
                here,
                id=len(self.history),
                parent=here.id,
                cause=cause,
                phase=index,
                step=0,
                iteration=0,
                variables=variables,
                packing=free,
                solver=light(lbfgs.init(point, options=_options(phase), metric=metric)),
                prior_frame=frame,
                floor=floor,
                evaluation=objective.evaluation(point, free),
                evaluations_spent=here.evaluations_spent + 1 + asked,
                seconds=time.perf_counter() - began,
            )
        )

    def _iterate(self, here: Snapshot, interrupt: Interrupt | None) -> Snapshot:
        """One iteration from a snapshot, or as much of it as the interrupt allows."""
        began = time.perf_counter()
        phase = here.schedule[here.phase]
        objective = self._objective(here)
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

    def _move(self, snapshot: Snapshot) -> Snapshot:
        self._held = None
        return super()._move(snapshot)


def _options(phase: Phase) -> lbfgs.Options:
    return lbfgs.Options(max_iterations=phase.iterations)


def _stage_done(snapshot: Snapshot) -> bool:
    if not snapshot.phase_done:
        return False
    following = snapshot.next_phase
    return following is None or snapshot.schedule[following].stage != snapshot.stage
