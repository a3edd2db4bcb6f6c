"""Edits of weights and schedule; each one a snapshot that can be undone.

What is asked for in vain raises ``InputError`` and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optim.common.errors import InputError
from optim.schedule.phase_edits import with_frames, with_steps, with_weight, with_weights
from optim.schedule.phases import Phase
from optim.schedule.preset_change import with_preset
from optim.session.fit import Fit
from optim.session.history import Snapshot


class PlannedFit(Fit):
    """A fit whose weights and schedule can be edited, now and for what is still to come."""

    def set_weight(
        self, name: str, value: float, *, stage: int | None = None, keep_memory: bool | None = None
    ) -> Snapshot:
        """Give a term another weight from here on, in every phase of a stage (default: the current one).

        Args:
            keep_memory: Of the solver, which is of another loss; None: as long as that is not ``MISLEADING`` times
                larger now (measured: docs/lab/weight_rule.md).

        Raises:
            InputError: Unknown term or stage, or a weight that is negative or not finite.
        """
        here = self.current
        stage = here.stage if stage is None else stage
        edited = with_weight(here.schedule, name, value, stage=stage, current=here.phase)
        return self._replan(f"weight {name} = {value:g} in stage {stage}", edited, keep_memory)

    def set_weights(self, weights: Mapping[int, Mapping[str, float]], *, cause: str) -> Snapshot:
        """Give several terms other weights in one edit, phase by phase.

        Args:
            weights: Index of a phase → term → weight.
            cause: The edit in words.

        Raises:
            InputError: Unknown term or phase, or a weight that is negative or not finite.
        """
        return self._replan(cause, with_weights(self.current.schedule, weights), None)

    def use_preset(self, name: str) -> Snapshot:
        """Weights and steps of a preset, or of the start, from here on (see ``presets.with_preset``).

        Raises:
            InputError: No such preset.
        """
        here = self.current
        edited = with_preset(
            here.schedule,
            name,
            data=self.problem.data_type,
            started=self.history[0].schedule,
            current=here.phase,
            begun=here.step + 1,
        )
        return self._replan(f"preset {name}", edited, None)

    def _replan(self, cause: str, edited: tuple[Phase, ...], keep_memory: bool | None) -> Snapshot:
        """Another schedule; the loss is evaluated anew where the current phase's weights or frames have changed."""
        before, after = (schedule[self.current.phase] for schedule in (self.current.schedule, edited))
        if after.weights == before.weights and after.frames == before.frames:
            return self._note(cause, schedule=edited)
        return self._edit(cause, schedule=edited, keep_memory=keep_memory)

    def set_steps(self, steps: int, *, phase: int | None = None) -> Snapshot:
        """Give a phase (an index; default: the current one) another number of steps; 0 leaves out a later one.

        Raises:
            InputError: A phase that is over, or fewer steps than it has begun; ``skip_phase`` ends it where it is.
        """
        here, index = self._editable_phase(phase)
        edited = with_steps(here.schedule, index, steps)
        if index == here.phase and steps < here.step + 1:
            raise InputError(
                f"{edited[index].name} is in step {here.step + 1}; give at least that many, or skip the rest"
            )
        return self._note(f"{steps} steps of {edited[index].name}", schedule=edited)

    def set_frames(self, frames: int | None, *, phase: int | None = None) -> Snapshot:
        """Roll out and observe only the first so many frames in a phase of stage 3 (default: the current phase).

        Raises:
            InputError: A phase that is over or not of stage 3, or a number that is not between 2 and all (None).
        """
        here, index = self._editable_phase(phase)
        edited = with_frames(here.schedule, index, frames, of=self.problem.frames)
        cause = f"{'all' if frames is None else frames} frames in {edited[index].name}"
        return self._replan(cause, edited, False)

    def plan(self, phases: Sequence[Phase]) -> Snapshot:
        """Other phases after the current one, for instance those of another preset's stage 3.

        Raises:
            InputError: Stages out of order.
        """
        here = self.current
        stages = [here.stage, *(phase.stage for phase in phases)]
        if stages != sorted(stages):
            raise InputError(f"phases of stages {stages[1:]} after one of stage {here.stage}; stages come in order")
        return self._note("other phases ahead", schedule=(*here.schedule[: here.phase + 1], *phases))

    def skip_phase(self) -> Snapshot:
        """End the current phase here and enter the next one.

        Raises:
            InputError: It is the last one.
        """
        here = self.current
        if here.next_phase is None:
            raise InputError(f"{here.schedule[here.phase].name} is the last phase; there is nothing to skip to")
        entered = self._enter(here, here.next_phase, cause=f"skipped the rest of {here.schedule[here.phase].name}")
        self._remember_edit()
        return self._move(entered)

    def _editable_phase(self, phase: int | None) -> tuple[Snapshot, int]:
        here = self.current
        index = here.phase if phase is None else phase
        if 0 <= index < here.phase:
            raise InputError(f"{here.schedule[index].name} is over; rewind into it to edit it")
        return here, index

    # What an edit comes down to

    def _note(self, cause: str, **changes: Any) -> Snapshot:
        """An edit that does not concern the current phase."""
        raise NotImplementedError

    def _edit(self, cause: str, *, keep_memory: bool | None = False, **changes: Any) -> Snapshot:
        """The same place under another objective."""
        raise NotImplementedError

    def _enter(self, here: Snapshot, index: int, *, cause: str) -> Snapshot:
        """The first snapshot of a later phase."""
        raise NotImplementedError

    def _remember_edit(self) -> None:
        """So that it can be undone."""
        raise NotImplementedError

    def _move(self, snapshot: Snapshot) -> Snapshot:
        """Make it the current one."""
        raise NotImplementedError
