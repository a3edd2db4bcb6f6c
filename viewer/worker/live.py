"""Re-fits while the user edits: the optimiser never rests before it is close to the minimum, and a drag is one edit.

What is dragged is tried in a session apart (``Session.apart``), which begins where the session stands. Letting go takes
its result over as one edit; cancelling forgets it, and the session is untouched.
"""

from __future__ import annotations

from dataclasses import replace

from optim.common.errors import InputError
from optim.diagnostics.tuned import tuned_figures
from optim.problem.variables import Trajectory
from optim.session.convergence import distance_from_minimum
from optim.session.edits import Bookmark, Edit, RestartSolver
from optim.session.history import Snapshot
from optim.session.session import Interrupt, Session
from viewer.protocol import view_model as vm
from viewer.worker.build_view import ViewBuilder

CLOSE = 1e-3
"""Estimated distance from the minimum, as a share of the loss, from which on the fit is called converged."""
REST = 2e-4
"""Estimated distance from the minimum, as a share of the loss, from which on the optimiser waits for the next edit."""
MOST_RESTARTS = 2
"""Number of times after an edit that the solver begins again without its memory where it has stalled."""


class Live:
    """The state of re-fitting for one session."""

    def __init__(self, session: Session) -> None:
        self.on = False
        self._session = session
        self._trial: Session | None = None  # in which something is dragged
        self._edit: Edit | None = None  # the latest one of the drag
        self._cause = ""
        self._before: Snapshot | None = None  # where the last edit or drag began
        self._known: tuple[int, dict[str, float], vm.Motion] | None = None  # its id, figures and motion
        self._encoded: tuple[int, Trajectory | None] | None = None  # id of the start of stage 3, what it encodes
        self._restarts = 0

    @property
    def dragging(self) -> bool:
        """Whether something is dragged."""
        return self._trial is not None

    @property
    def moving(self) -> Session:
        """The session that steps: the one apart while something is dragged."""
        return self._trial or self._session

    def start(self) -> None:
        """Begin to re-fit."""
        self.on, self._before, self._restarts = True, None, 0

    def stop(self) -> None:
        """Take over what is dragged, and stop re-fitting."""
        self.end_drag(keep=True)
        self.on, self._before = False, None

    def abandon(self) -> None:
        """Forget what is dragged, and stop re-fitting."""
        self.end_drag(keep=False)
        self.on = False

    def drag(self, edit: Edit) -> None:
        """Try an edit in place of the one before in the same drag.

        Raises:
            InputError: Re-fitting is off, or the edit is invalid.
        """
        if not self.on:
            raise InputError("nothing can be dragged while Live is off; switch it on, or make an edit")
        trial = self._trial or self._session.apart()
        trial.apply(edit)
        if self._trial is None:
            self.edited(self._session.current)
        self._trial, self._edit, self._cause, self._restarts = trial, edit, trial.current.cause, 0

    def end_drag(self, *, keep: bool) -> None:
        """Take over what is dragged as one edit with a bookmark, or forget it."""
        trial, edit = self._trial, self._edit
        self._trial = self._edit = None
        if trial is None or edit is None:
            return
        if keep:
            taken = self._session.adopt(trial, edit, self._cause)
            self._session.apply(Bookmark(self._name(taken), taken.id))
        else:
            self._before = None

    def edited(self, before: Snapshot) -> None:
        """Note that an edit was made at a snapshot: what follows is compared with it."""
        self._before, self._restarts = before, 0

    def step(self, interrupt: Interrupt) -> Snapshot:
        """One iteration of what moves, whether or not the schedule is done; returns the current snapshot of it."""
        moving = self.moving
        if moving.current.solver.stalled and self._restarts < MOST_RESTARTS and self._at_the_end:
            self._restarts += 1
            return moving.apply(RestartSolver())
        return moving.step_on(interrupt) if self._at_the_end else moving.step_iteration(interrupt)

    @property
    def left(self) -> float | None:
        """Estimated distance from the minimum as a share of the loss; None while nothing can be said."""
        return distance_from_minimum(self.moving.current)

    @property
    def resting(self) -> bool:
        """Whether there is nothing left to gain before the next edit."""
        if not self._at_the_end:
            return False
        if self.moving.current.solver.stalled:
            return self._restarts >= MOST_RESTARTS
        return self.left is not None and self.left < REST

    @property
    def _at_the_end(self) -> bool:
        """Whether what moves stays in its phase: in a drag, and in the last step of the schedule."""
        here = self.moving.current
        last = here.next_phase is None and here.batch == self._session.batch_count - 1
        return self.dragging or (last and here.step >= here.schedule[here.phase].steps - 1)

    def _name(self, taken: Snapshot) -> str:
        """A name for the bookmark of an edit that no other bookmark has."""
        names = set(self._session.history.bookmarks.values())
        return self._cause if self._cause not in names else f"{self._cause} ({taken.id})"

    # What the window shows

    def dress(self, view: vm.ViewModel, builder: ViewBuilder) -> vm.ViewModel:
        """The view with the motion of what is dragged, and with what the last edit has changed."""
        if not self.on:
            return view
        moving = self.moving
        if self._trial is not None:
            view = builder.tried(view, moving.fit, moving.current)
        elif view.shown != view.current:
            return view
        if self._before is None:
            return view
        now = tuned_figures(moving.fit, encoded=self._stage2())
        before, ghost = self._figures_before(builder)
        changes = {name: (before[name], value) for name, value in now.items() if name in before}
        return replace(view, live=vm.LiveChange(before=ghost, figures=changes, dragging=self.dragging))

    def _figures_before(self, builder: ViewBuilder) -> tuple[dict[str, float], vm.Motion]:
        before, fit = self._before, self._session.fit
        assert before is not None
        if self._known is None or self._known[0] != before.id:
            figures = tuned_figures(fit, before, encoded=self._stage2())
            self._known = before.id, figures, builder.motion(fit.trajectory(before))
        return self._known[1:]

    def _stage2(self) -> Trajectory | None:
        first = self._session.fit.stage3_start
        if first is None:
            return None
        if self._encoded is None or self._encoded[0] != first.id:
            self._encoded = first.id, self._session.fit.stage2_trajectory
        return self._encoded[1]
