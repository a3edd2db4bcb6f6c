"""The session: one fit that can be stepped, paused, rewound and edited. It prints nothing and needs no window.

The session is the only mutable object; everything that it returns is an immutable value. ``current`` is the snapshot at
which the fit stands. Rewinding and then stepping makes a new branch; no branch is ever deleted.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from optim.common.errors import InputError
from optim.common.timing import section
from optim.initialise.floor_from_feet import OBSERVED_SPREAD, known_to, on_found_floor
from optim.initialise.hidden_joints import expected_joints, suited
from optim.initialise.initialisation import enter_stage_3, initial_variables, weakening
from optim.objective import shooting
from optim.objective.objective import Objective
from optim.objective.preconditioner import measured_preconditioner
from optim.problem.frames import PriorFrame
from optim.problem.missing_frames import before_waiting, bridged, wait_for_the_first_seen
from optim.problem.observations import Observations
from optim.problem.problem import Problem
from optim.problem.variables import X_0, Packing, covered, packing
from optim.schedule import stages
from optim.schedule.phases import Phase
from optim.session.card import session_card
from optim.session.causes import BATCH, CONTACTS, ITERATION, PHASE, START
from optim.session.fit import Batches, Fit
from optim.session.history import History, Snapshot, losses_after
from optim.session.solvers import Models, options_of, solver_of
from optim.session.storage import DEFAULT_LIMIT
from optim.solver.solver import Model, ModelAt, Point, Search, State

if TYPE_CHECKING:
    from optim.session.edits import Edit

Interrupt = Callable[[], bool]
MISLEADING = 10.0
"""Factor by which an edit may make the loss larger; beyond it the solver's memory does more harm than good."""


@dataclass
class _Iteration:
    """One unfinished iteration of the solver; it can wait between two evaluations."""

    snapshot: Snapshot
    objective: Objective
    search: Search
    models: Models
    request: Tensor | ModelAt | None = None
    evaluations: int = 0
    seconds: float = 0.0

    def advance(self, interrupt: Interrupt | None) -> State | None:
        """Continue the iteration; returns the state after it, or None if it was interrupted before that."""
        began = time.perf_counter()
        try:
            if self.request is None:
                with section("solver"):
                    self.request = next(self.search)
            while interrupt is None or not interrupt():
                answer = self._answer(self.request)
                with section("solver"):
                    self.request = self.search.send(answer)
            return None
        except StopIteration as finished:
            state: State = finished.value
            return state
        finally:
            self.seconds += time.perf_counter() - began

    def _answer(self, request: Tensor | ModelAt) -> Point | Model | None:
        here = self.snapshot
        if isinstance(request, ModelAt):
            return self.models.at(request.x, self.objective, here.variables, here.packing)
        self.evaluations += 1
        return self.objective.point(request, here.variables, here.packing)


class Session:
    """One fit of one problem: steps it, applies edits to it, and goes back and forth in its history.

    ``fit`` answers questions about the fit; the edits are in ``optim.session.edits``.

    Args:
        schedule: The phases, from ``stages.schedule``.
        seed: Seed of random numbers for perturbations and samples of the prior. The fit itself draws none.
        keep_iterations: Keep every iteration, to be able to rewind to it. If false, a phase keeps only its first and
            its latest snapshot, for runs that only need results.
        memory_limit: Bytes beyond which older iterations of a recorded run leave memory (see ``History``).
        batches: The batches of a split video, of which ``problem`` is the first one. Each goes through the schedule;
            all are in one history. None: there is only this one.
        observed: Observations of every batch, where each batch has a session of its own. The phases are chosen by all
            of them. None: those of ``batches`` or of the problem.
        under: Makes the schedule under another preset with what else was asked for, such as ``Settings.under``. None:
            the default schedule of the preset.

    Raises:
        InputError: The schedule has no phase.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        schedule: tuple[Phase, ...],
        seed: int = 0,
        keep_iterations: bool = True,
        memory_limit: int = DEFAULT_LIMIT,
        batches: Batches | None = None,
        observed: Iterable[Observations] | None = None,
        under: Callable[[str], tuple[Phase, ...]] | None = None,
    ) -> None:
        if not schedule:
            raise InputError("the schedule has no phase with steps; give num_iters with at least one step")
        self.seed = seed
        self._given, self.batches, self._under = problem, batches, under
        self._planned = schedule = self.suited(schedule) if observed is None else suited(schedule, observed)
        self._objective_used: Objective | None = None
        self._waiting: _Iteration | None = None
        self._models = Models()
        self._undo: list[int] = []
        self._redo: list[int] = []
        history = History(keep_iterations=keep_iterations, memory_limit=memory_limit)
        self.fit = Fit(problem, history, history.add(self._first(problem, schedule)), batches)

    @property
    def current(self) -> Snapshot:
        return self.fit.current

    @property
    def problem(self) -> Problem:
        """The problem at the current snapshot; observations and floor may have been edited."""
        return self.fit.problem

    @property
    def history(self) -> History:
        return self.fit.history

    @property
    def schedule(self) -> tuple[Phase, ...]:
        """The schedule as edited up to the current snapshot."""
        return self.current.schedule

    @property
    def done(self) -> bool:
        """Whether this is the end of the schedule in the last batch."""
        return self.current.done and self.current.batch == self.batch_count - 1

    def under(self, preset: str) -> tuple[Phase, ...]:
        """The schedule that this fit would have begun with under another preset.

        Raises:
            InputError: There is no such preset, or what was asked for does not fit to it.
        """
        planned = stages.schedule(preset, self.problem.data_type) if self._under is None else self._under(preset)
        return self.suited(planned)

    @property
    def batch_count(self) -> int:
        """Number of batches that are fitted one after the other."""
        return 1 if self.batches is None else len(self.batches)

    def _repr_html_(self) -> str:
        """What a notebook shows of a session: its losses as a table, and a picture of the motion."""
        return session_card(self.fit)

    # Going forward

    def step_iteration(self, interrupt: Interrupt | None = None) -> Snapshot:
        """Do one iteration, or enter the next phase or batch at the end of one; returns the current snapshot.

        ``interrupt`` is called before every evaluation. If it returns true, the iteration waits: the current snapshot
        stays, and the next call continues without repeating an evaluation.
        """
        here = self.current
        if self.done:
            return here
        if not here.phase_done:
            return self._step(here, interrupt)
        next_phase = here.next_phase
        if interrupt is not None and interrupt():
            return here
        if next_phase is None:
            return self._go_to(self._next_batch(here))
        return self._go_to(self._enter(here, next_phase, cause=PHASE))

    def step_on(self, interrupt: Interrupt | None = None) -> Snapshot:
        """Do one iteration in the current phase, even if the phase has ended; see ``step_iteration``.

        Planting joints anew is no iteration: where that is due, it and the iteration after it are done.
        """
        before = self.current
        after = self._step(before, interrupt)
        return self._step(after, interrupt) if after is not before and after.cause == CONTACTS else after

    def step_outer(self, interrupt: Interrupt | None = None) -> Snapshot:
        """Run to the end of the current outer step (one call of torch's L-BFGS)."""
        return self._advance(lambda snapshot: snapshot.stop is not None, interrupt)

    def finish_phase(self, interrupt: Interrupt | None = None) -> Snapshot:
        """Run to the end of the current phase, or of the next one if the fit stands at its end."""
        return self._advance(lambda snapshot: snapshot.phase_done, interrupt)

    def finish_stage(self, interrupt: Interrupt | None = None) -> Snapshot:
        """Run to the end of the current stage, or of the next one if the fit stands at its end."""
        return self._advance(_stage_done, interrupt)

    def run(self, interrupt: Interrupt | None = None) -> Snapshot:
        """Run to the end of the schedule in the last batch."""
        return self._advance(lambda snapshot: self.done, interrupt)

    def _advance(self, until: Callable[[Snapshot], bool], interrupt: Interrupt | None) -> Snapshot:
        while True:
            before = self.current
            after = self.step_iteration(interrupt)
            if after is before or until(after):
                return after

    # Going elsewhere

    def rewind(self, snapshot_id: int) -> Snapshot:
        """Make another snapshot the current one. Stepping on from it gives the same bits again, on a new branch."""
        target = self.history[snapshot_id]
        if target.id != self.current.id:
            self._remember_edit()
            self._go_to(target)
        return self.current

    @property
    def can_undo(self) -> bool:
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        return bool(self._redo)

    def undo(self) -> Snapshot:
        """Go back to before the last edit or rewind. Later snapshots stay in the history; ``redo`` returns to them."""
        return self._travel(self._undo, self._redo)

    def redo(self) -> Snapshot:
        """Return to the snapshot at which ``undo`` was called."""
        return self._travel(self._redo, self._undo)

    @property
    def travels(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids of the snapshots to which ``undo`` and ``redo`` return; the next one is last."""
        return tuple(self._undo), tuple(self._redo)

    def take_up(self, history: History, *, current: int, undo: Sequence[int] = (), redo: Sequence[int] = ()) -> None:
        """Continue where another session of the same problem stood, with its history in place of this one's."""
        self.fit = Fit(self._given, history, history[current], self.batches)
        if self.batches is not None:  # the next ones go through the phases that the other session was given
            self._planned = before_waiting(history[0].schedule, self._given.observations)
        self._undo, self._redo, self._waiting = list(undo), list(redo), None

    def _travel(self, stack: list[int], other: list[int]) -> Snapshot:
        if stack:
            other.append(self.current.id)
            self._go_to(self.history[stack.pop()])
        return self.current

    def _remember_edit(self) -> None:
        self._undo.append(self.current.id)
        self._redo.clear()

    def _go_to(self, snapshot: Snapshot) -> Snapshot:
        self._waiting = None
        return self.fit.go_to(snapshot)

    # Editing

    def apply(self, edit: Edit) -> Snapshot:
        """Carry out an edit (see ``edits``) and return the current snapshot.

        Raises:
            InputError: The edit is invalid here; the session is unchanged.
        """
        edit.apply(self)
        return self.current

    def change(
        self,
        edit: Edit,
        cause: str,
        *,
        keep_memory: bool | None = False,
        anew: bool = False,
        start: Snapshot | None = None,
        **fields: Any,
    ) -> Snapshot:
        """Continue from the current snapshot with other values of some fields. Only edits call this.

        If the change concerns the current phase (moving variables and their values, observations, weights), the loss is
        evaluated again and the solver restarts from there. ``undo`` takes the change back.

        Args:
            cause: Description of the edit.
            keep_memory: Whether the solver keeps its memory when it restarts. None means: keep it unless the loss is
                more than ``MISLEADING`` times larger than before.
            anew: Restart the solver even if nothing has changed that concerns the current phase.
            start: Snapshot to continue from in place of the current one, which is where ``undo`` returns to.
            fields: New values of fields of ``Snapshot``: ``schedule``, ``held``, ``variables``, ``observations``,
                ``floor`` or ``floor_metric``; ``losses`` if the rule for ending early goes on counting.

        Raises:
            InputError: No variable would be left to move, or nothing would be left to fit.
        """
        before, began = start or self.current, time.perf_counter()
        here = replace(before, edit=edit, **fields)
        free = packing(here.variables, here.schedule[here.phase], held=here.held)
        if not anew and _same_objective(before, here, free):
            new = replace(
                here,
                id=len(self.history),
                parent=before.id,
                cause=cause,
                seconds=0.0,
                losses=fields.get("losses", (here.evaluation.total,)),
            )
            self._remember_edit()
            return self._go_to(self.history.add(new))
        here = self._held_anew(here)
        objective = self._objective(here)
        point = objective.point(free.pack(here.variables), here.variables, free)
        if keep_memory is None:
            keep_memory = objective.evaluation(point, free).size <= MISLEADING * before.evaluation.size
        preconditioner, asked = (
            (None, 0) if keep_memory else measured_preconditioner(objective, point, here.variables, free)
        )
        solver = solver_of(objective.phase).restart(
            here.solver, point, keep_memory=keep_memory, preconditioner=preconditioner
        )
        here = replace(here, packing=free)
        self._remember_edit()
        return self._go_to(self._add(here, cause, solver, objective, evaluations=1 + asked, began=began, edit=edit))

    def apart(self, snapshot: Snapshot | None = None) -> Session:
        """Another session of the same fit that begins at a snapshot, by default the current one, with its own history.

        It keeps only its latest iteration. Nothing that is done to it changes this session; ``adopt`` takes its result.
        """
        other = copy.copy(self)
        history = History(keep_iterations=False)
        fit = self.fit if snapshot is None else self.fit.at(snapshot)
        start = history.add(replace(fit.current, id=0, parent=None))
        other.fit = fit.apart(history, start)
        other._waiting, other._undo, other._redo = None, [], []
        return other

    def adopt(self, other: Session, edit: Edit, cause: str) -> Snapshot:
        """Continue from where a session apart (see ``apart``) stands, as one edit of this one.

        This session must stand where the other one left it. ``undo`` returns there.
        """
        here = other.current
        self._remember_edit()
        losses = (here.evaluation.total,)
        new = replace(here, id=len(self.history), parent=self.current.id, cause=cause, edit=edit, losses=losses)
        return self._go_to(self.history.add(new))

    def metric_of_floor(self, problem: Problem) -> Tensor | None:
        """``Problem.floor_metric`` for a floor that was set under the present motion; None where none is used here."""
        if self.current.floor_metric is None:
            return None
        return known_to(problem, self.fit.trajectory(), OBSERVED_SPREAD).floor_metric

    def skip_to(self, phase: int, edit: Edit, cause: str) -> Snapshot:
        """Enter a later phase, given by its index, from the current snapshot. Only edits call this."""
        entered = self._enter(self.current, phase, cause=cause, edit=edit)
        self._remember_edit()
        return self._go_to(entered)

    def start_again(self, schedule: tuple[Phase, ...], edit: Edit, cause: str) -> Snapshot:
        """Begin the fit of the current batch again under another schedule, on a new branch. Only edits call this.

        Edits of observations, floor and held variables count that were made before the first iteration.
        """
        start = self.history[self.history.begun(self.current.id).id]
        first = self._first(self.fit.problem_at(start), self.suited(schedule), held=start.held)
        self._remember_edit()
        return self._go_to(
            self.history.add(
                replace(
                    first,
                    id=len(self.history),
                    parent=start.id,
                    cause=cause,
                    edit=edit,
                    batch=start.batch,
                    total_iterations=start.total_iterations,
                    evaluations_spent=start.evaluations_spent + first.evaluations_spent,
                    observations=start.observations,
                    floor=start.floor,
                )
            )
        )

    def suited(self, schedule: tuple[Phase, ...]) -> tuple[Phase, ...]:
        """A schedule with the phases for hidden joints as the observations of this fit need them."""
        batches = self.batches
        parts = [self._given] if batches is None else map(batches.problem, range(len(batches)))
        return suited(schedule, (part.observations for part in parts))

    def movable(self, name: str) -> list[tuple[str, slice]]:
        """The variables of the current snapshot that a name covers, each with its range along axis 1.

        Raises:
            InputError: There is no such variable here, or it is held.
        """
        here = self.current
        if name == X_0 and here.stage < 3:
            raise InputError("x_0 exists from stage 3 on; before that, name one of " + ", ".join(here.variables))
        asked = covered(name, here.variables)
        for held in here.held:
            still = covered(held, here.variables) if held != X_0 or here.stage == 3 else []
            for variable, frames in asked:
                count = here.variables[variable].shape[1]
                fixed = {f for other, its in still if other == variable for f in range(count)[its]}
                if fixed.intersection(range(count)[frames]):
                    raise InputError(f"{name} cannot change: {held} is held; release it first")
        return asked

    # Inside

    def _next_batch(self, here: Snapshot) -> Snapshot:
        """The first snapshot of the next batch.

        It has the schedule that the session was given, or the present one if that was edited. Nothing is held in it.
        """
        assert self.batches is not None
        problem = self.batches.following(self.fit)
        *_, began = self.history.path_back(here.id)
        edited = here.schedule != self.history[began.id].schedule
        first = self._first(problem, here.schedule if edited else self._planned)
        return self.history.add(
            replace(
                first,
                id=len(self.history),
                parent=here.id,
                cause=BATCH,
                batch=here.batch + 1,
                total_iterations=here.total_iterations,
                evaluations_spent=here.evaluations_spent + first.evaluations_spent,
                observations=problem.observations,
                floor=problem.floor,
                floor_metric=None,
                novelty=None,
                expected_joints=None,
                planted=None,
            )
        )

    def _first(self, problem: Problem, schedule: tuple[Phase, ...], held: frozenset[str] = frozenset()) -> Snapshot:
        """The first snapshot of a fit of one problem."""
        began = time.perf_counter()
        schedule = wait_for_the_first_seen(schedule, problem.observations)
        phase = schedule[0]
        variables = initial_variables(problem, phase.preset)
        free = packing(variables, phase, held=held)
        objective = self._objective_of(problem, phase, None)
        point = objective.point(free.pack(variables), variables, free)
        evaluation = objective.evaluation(point, free)
        return Snapshot(
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
            solver=_light(solver_of(phase).init(point, options=options_of(phase))),
            held=held,
            prior_frame=None,
            evaluation=evaluation,
            evaluations_spent=1,
            losses=(evaluation.total,),
            seconds=time.perf_counter() - began,
        )

    def _enter(self, here: Snapshot, index: int, *, cause: str, edit: Edit | None = None) -> Snapshot:
        """The first snapshot of a later phase, with a new solver state."""
        began = time.perf_counter()
        phase, problem = here.schedule[index], self.fit.problem_at(here)
        variables, frame = here.variables, here.prior_frame
        if phase.stage > here.stage and phase.preset.missing_frames == "bridged":
            variables = bridged(variables, problem.observations, held=here.held)
        floor, metric, novelty, expected = here.floor, here.floor_metric, here.novelty, here.expected_joints
        if phase.for_hidden and phase.weight("expected_joints"):
            expected = expected_joints(problem, variables, phase.preset)
            problem = replace(problem, expected_joints=expected)
        if phase.stage == 3 and "latent_motion" not in variables:
            if phase.preset.floor == "feet":
                keep = floor is not None or "floor_plane" in here.held
                problem, variables = on_found_floor(problem, self.fit.trajectory(here), variables, keep=keep)
                if not (keep or problem.floor_known):
                    floor = problem.floor
                metric = problem.floor_metric
            novelty = weakening(problem, variables, phase.preset)
            problem = problem if novelty is None else replace(problem, novelty=novelty)
            variables, frame = enter_stage_3(problem, variables, phase.preset, segment=phase.segment)
        elif phase.segment != here.schedule[here.phase].segment:
            in_prior = self.fit.prediction(here).in_prior
            assert in_prior is not None  # only phases of stage 3 have segments
            variables = shooting.cut(variables, shooting.states_of(in_prior.rollout, in_prior.defects), phase.segment)
        free = packing(variables, phase, held=here.held)
        problem = replace(problem, planted=None) if problem.planted is not None else problem
        planted = Objective(problem, phase, frame).held_strength(variables)
        problem = problem if planted is None else replace(problem, planted=planted)
        objective = self._objective_of(problem, phase, frame)
        point = objective.point(free.pack(variables), variables, free)
        preconditioner, asked = measured_preconditioner(objective, point, variables, free)
        evaluation = objective.evaluation(point, free)
        return self.history.add(
            replace(
                here,
                id=len(self.history),
                parent=here.id,
                cause=cause,
                edit=edit,
                phase=index,
                step=0,
                iteration=0,
                variables=variables,
                packing=free,
                solver=_light(solver_of(phase).init(point, options=options_of(phase), preconditioner=preconditioner)),
                prior_frame=frame,
                floor=floor,
                evaluation=evaluation,
                losses=(evaluation.total,),
                floor_metric=metric,
                novelty=novelty,
                expected_joints=expected,
                planted=planted,
                evaluations_spent=here.evaluations_spent + 1 + asked,
                seconds=time.perf_counter() - began,
            )
        )

    def _step(self, here: Snapshot, interrupt: Interrupt | None) -> Snapshot:
        """Do one iteration, or begin an outer step for which joints are planted anew."""
        if here.stop is None or here.planted is None:
            return self._iterate(here, interrupt)
        if interrupt is not None and interrupt():
            return here
        return self._go_to(self._plant(here))

    def _plant(self, here: Snapshot) -> Snapshot:
        """The same point at the beginning of the next outer step, with the strength of planted joints measured there.

        The solver keeps its memory and its model: its pairs are differences of gradients under one strength each, and
        the model does not depend on the strength that is held.
        """
        began, phase = time.perf_counter(), here.schedule[here.phase]
        anew = replace(self._held_anew(here), step=here.step + 1, iteration=0)
        objective = self._objective(anew)
        point = objective.point(here.packing.pack(here.variables), here.variables, here.packing)
        solver = solver_of(phase).begin(replace(here.solver, point=point, step_length=0.0), options=options_of(phase))
        return self._add(anew, CONTACTS, solver, objective, evaluations=1, began=began)

    def _held_anew(self, here: Snapshot) -> Snapshot:
        """A snapshot with the strength of planted joints measured at its variables, where its phase holds one."""
        objective = self._objective(replace(here, planted=None))
        return replace(here, planted=objective.held_strength(here.variables))

    def _iterate(self, here: Snapshot, interrupt: Interrupt | None) -> Snapshot:
        """Do one iteration from a snapshot, or the part of it that the interrupt allows."""
        began = time.perf_counter()
        phase = here.schedule[here.phase]
        objective = self._objective(here)
        work = self._waiting
        if work is None or work.snapshot is not here:
            base = here.solver if here.stop is None else solver_of(phase).begin(here.solver, options=options_of(phase))
            if base.stop is not None:
                return self._go_to(self._add(here, ITERATION, base, objective, evaluations=0, began=began))
            work = _Iteration(
                here, objective, solver_of(phase).iteration(base, options=options_of(phase)), self._models
            )
        solver = work.advance(interrupt)
        if solver is None:
            self._waiting = work
            return here
        began = time.perf_counter() - work.seconds
        return self._go_to(self._add(here, ITERATION, solver, objective, evaluations=work.evaluations, began=began))

    def _add(
        self,
        here: Snapshot,
        cause: str,
        solver: State,
        objective: Objective,
        *,
        evaluations: int,
        began: float,
        edit: Edit | None = None,
    ) -> Snapshot:
        """A child of a snapshot in the same phase, at the point that the solver has reached."""
        point = solver.point
        begun = cause == ITERATION and here.stop is not None
        known = point.extra is None
        evaluation = here.evaluation if known else objective.evaluation(point, here.packing)
        total = evaluation.total
        with torch.no_grad():
            variables = here.packing.unpack(point.x, here.variables)
        added = self.history.add(
            replace(
                here,
                id=len(self.history),
                parent=here.id,
                cause=cause,
                edit=edit,
                step=here.step + begun,
                iteration=solver.iterations_in_step,
                total_iterations=here.total_iterations + solver.iterations_in_step - (0 if begun else here.iteration),
                variables=variables,
                solver=_light(solver),
                evaluation=evaluation,
                losses=losses_after(here, total, objective.phase) if cause == ITERATION else (total,),
                evaluations_spent=here.evaluations_spent + evaluations,
                seconds=time.perf_counter() - began,
            )
        )
        if not known and objective.sees_all:
            self.fit.remember(added, point.extra.prediction)
        return added

    def _objective(self, snapshot: Snapshot) -> Objective:
        """The objective at a snapshot. The last one is kept, because it caches values of the observations."""
        phase, frame = snapshot.schedule[snapshot.phase], snapshot.prior_frame
        return self._objective_of(self.fit.problem_at(snapshot), phase, frame)

    def _objective_of(self, problem: Problem, phase: Phase, frame: PriorFrame | None) -> Objective:
        used = self._objective_used
        if used is None or used.problem is not problem or used.phase is not phase or used.prior_frame is not frame:
            used = self._objective_used = Objective(problem, phase, frame)
        return used


def _stage_done(snapshot: Snapshot) -> bool:
    if not snapshot.phase_done:
        return False
    following = snapshot.next_phase
    return following is None or snapshot.schedule[following].stage != snapshot.stage


def _same_objective(before: Snapshot, after: Snapshot, free: Packing) -> bool:
    """Whether an edit leaves the loss and the solver unchanged; ``free`` are the moving entries after it."""
    was, now = (snapshot.schedule[snapshot.phase] for snapshot in (before, after))
    return (
        (now.weights, now.frames, now.solver) == (was.weights, was.frames, was.solver)
        and after.variables is before.variables
        and after.observations is before.observations
        and after.floor is before.floor
        and after.floor_metric is before.floor_metric
        and [(p.name, p.shape) for p in free.blocks] == [(p.name, p.shape) for p in before.packing.blocks]
    )


def _light(solver: State) -> State:
    """The solver state without the residuals of its point, which are in the evaluation already."""
    return replace(solver, point=replace(solver.point, extra=None))
