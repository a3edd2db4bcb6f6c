"""Edits of a fit as values: a window or a script posts them, the session applies them, the run file stores them.

Importing this module does not import torch, so the window's process may use it. Planes are in the input frame (the
camera's, or the world without a camera). Invalid edits raise ``InputError`` and leave the session unchanged.
``to_record`` and ``from_record`` turn an edit into plain data and back.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from optim.common.errors import InputError
from optim.schedule.phase_edits import with_flat_rule, with_frames, with_solver, with_steps, with_weight, with_weights
from optim.schedule.phases import FLAT_ITERATIONS, NODES, Phase
from optim.schedule.preset_change import with_preset
from optim.schedule.presets import Preset

if TYPE_CHECKING:
    from optim.session.session import Session

Plane = tuple[float, float, float, float]


class Edit(ABC):
    """Base class of all edits; subclasses are immutable dataclasses of plain fields."""

    @abstractmethod
    def apply(self, session: Session) -> None:
        """Carry out the whole edit or nothing of it; ``Session.apply`` calls this.

        Raises:
            InputError: The edit is impossible at the session's current snapshot.
        """


# Weights and schedule


@dataclass(frozen=True)
class SetWeight(Edit):
    """Give a term another weight from here on, in every phase of one stage.

    Unknown terms or stages, and weights that are negative or not finite, are refused.
    """

    term: str
    value: float
    stage: int | None = None
    """1, 2 or 3; None means the current stage."""
    keep_memory: bool | None = None
    """Whether the solver keeps its memory, which belongs to the old loss. None means: keep it unless the loss is more
    than ``session.MISLEADING`` times larger under the new weight (measured: docs/lab/weight_rule.md)."""

    def apply(self, session: Session) -> None:
        here = session.current
        stage = here.stage if self.stage is None else self.stage
        edited = with_weight(here.schedule, self.term, self.value, stage=stage, current=here.phase)
        text = f"weight {self.term} = {self.value:g} in stage {stage}"
        session.change(self, text, schedule=edited, keep_memory=self.keep_memory)


@dataclass(frozen=True)
class SetWeights(Edit):
    """Give several terms other weights in one edit, phase by phase. ``SetWeight`` says what is refused."""

    weights: tuple[tuple[int, str, float], ...]
    """Triples of the index of a phase, the name of a weight, and its value."""
    text: str
    """Description of the edit."""
    start: int | None = None
    """Id of the snapshot from which the fit goes on under these weights, on a new branch; None: the current one."""

    def apply(self, session: Session) -> None:
        here = session.current if self.start is None else session.history[self.start]
        by_phase: dict[int, dict[str, float]] = {}
        for phase, term, value in self.weights:
            by_phase.setdefault(phase, {})[term] = value
        edited = with_weights(here.schedule, by_phase)
        session.change(self, self.text, schedule=edited, keep_memory=None, start=here)


@dataclass(frozen=True)
class UsePreset(Edit):
    """Use the weights, steps and solvers of a preset, or those of the start, from here on (see ``with_preset``)."""

    name: str

    def apply(self, session: Session) -> None:
        here = session.current
        edited = with_preset(
            here.schedule,
            self.name,
            data=session.problem.data_type,
            started=session.history[0].schedule,
            current=here.phase,
            begun=here.step + 1,
        )
        session.change(self, f"preset {self.name}", schedule=edited, keep_memory=None)


@dataclass(frozen=True)
class SetSteps(Edit):
    """Give a phase another number of outer steps; 0 leaves out a later phase.

    Refused for a phase that is over, and for fewer steps than it has begun. ``SkipPhase`` ends the current phase.
    """

    steps: int
    phase: int | None = None
    """Index of the phase; None means the current one."""

    def apply(self, session: Session) -> None:
        here, index = session.current, _phase_ahead(session, self.phase)
        edited = with_steps(here.schedule, index, self.steps)
        if index == here.phase and self.steps < here.step + 1:
            raise InputError(
                f"{edited[index].name} is in step {here.step + 1}; give at least that many, or skip the rest"
            )
        session.change(self, f"{self.steps} steps of {edited[index].name}", schedule=edited)


@dataclass(frozen=True)
class SetFlatRule(Edit):
    """Change the rule that ends a phase before its steps are done; refused for a phase that is over.

    The iterations of the rule are counted anew from this edit on.
    """

    gain: float
    """The phase ends when it gains less than this share of the loss; 0: only when its steps are done."""
    iterations: int = FLAT_ITERATIONS
    """Number of iterations in which the gain is counted."""
    phase: int | None = None
    """Index of the phase; None means the current one."""

    def apply(self, session: Session) -> None:
        index = _phase_ahead(session, self.phase)
        edited = with_flat_rule(session.current.schedule, index, self.gain, self.iterations)
        phase = edited[index]
        text = f"{phase.name} ends early when {phase.flat_rule}" if self.gain else f"{phase.name} never ends early"
        session.change(self, text, schedule=edited)


@dataclass(frozen=True)
class SetFrames(Edit):
    """Change the number of first frames that a phase of stage 3 rolls out and observes.

    Refused for a phase that is over or not of stage 3, and for a number that is not between 2 and all frames.
    """

    frames: int | None
    """Number of frames; None means all."""
    phase: int | None = None
    """Index of the phase; None means the current one."""

    def apply(self, session: Session) -> None:
        index = _phase_ahead(session, self.phase)
        edited = with_frames(session.current.schedule, index, self.frames, of=session.problem.frames)
        count = "all" if self.frames is None else self.frames
        session.change(self, f"{count} frames in {edited[index].name}", schedule=edited)


@dataclass(frozen=True)
class SetSolver(Edit):
    """Give a phase another solver, which begins without a memory.

    Refused for a phase that is over, and for a solver that is unknown or cannot solve the stage.
    """

    solver: str
    """A name in ``schedule.solvers.SOLVERS``."""
    phase: int | None = None
    """Index of the phase; None means the current one."""

    def apply(self, session: Session) -> None:
        index = _phase_ahead(session, self.phase)
        edited = with_solver(session.current.schedule, index, self.solver)
        session.change(self, f"solver {self.solver} in {edited[index].name}", schedule=edited)


@dataclass(frozen=True)
class Plan(Edit):
    """Replace the phases after the current one, for example by those of another preset's stage 3.

    Phases whose stages are not in order are refused.
    """

    phases: tuple[Phase, ...]
    text: str = "other phases ahead"
    """Description of the edit."""
    start: int | None = None
    """Id of the snapshot from which the fit goes on with these phases, on a new branch; None: the current one."""

    def apply(self, session: Session) -> None:
        here = session.current if self.start is None else session.history[self.start]
        stages = [here.stage, *(phase.stage for phase in self.phases)]
        if stages != sorted(stages):
            raise InputError(f"phases of stages {stages[1:]} after one of stage {here.stage}; stages come in order")
        edited = (*here.schedule[: here.phase + 1], *self.phases)
        session.change(self, self.text, schedule=edited, start=here, losses=here.losses)


@dataclass(frozen=True)
class StartAgain(Edit):
    """Begin the fit of the current batch again under another schedule, on a new branch (see ``Session.start_again``).

    A schedule without a phase is refused.
    """

    phases: tuple[Phase, ...]
    text: str = "started again"
    """Description of the edit."""

    def apply(self, session: Session) -> None:
        if not self.phases:
            raise InputError("no phase is left to begin with; give at least one")
        session.start_again(self.phases, self, self.text)


@dataclass(frozen=True)
class SkipPhase(Edit):
    """End the current phase here and enter the next one; refused in the last phase."""

    def apply(self, session: Session) -> None:
        here = session.current
        name = here.schedule[here.phase].name
        if here.next_phase is None:
            raise InputError(f"{name} is the last phase; there is nothing to skip to")
        session.skip_to(here.next_phase, self, f"skipped the rest of {name}")


def _phase_ahead(session: Session, phase: int | None) -> int:
    """Index of a phase that is not over yet."""
    here = session.current
    index = here.phase if phase is None else phase
    if 0 <= index < here.phase:
        raise InputError(f"{here.schedule[index].name} is over; rewind into it to edit it")
    return index


@dataclass(frozen=True)
class RestartSolver(Edit):
    """Let the solver of the current phase begin again without its memory; it may go on from where it has stalled."""

    def apply(self, session: Session) -> None:
        session.change(self, "solver restarted", anew=True)


# Variables


@dataclass(frozen=True)
class Hold(Edit):
    """Hold a variable at its value until it is released.

    Refused for an unknown name, and if no variable would be left to move.
    """

    variable: str
    """``x_0`` (in stage 3), one of its parts, ``betas``, ``latent_motion``, ``floor_plane``, or a range of frames such
    as ``latent_motion[10:20]``."""

    def apply(self, session: Session) -> None:
        session.change(self, f"held {self.variable}", held=session.current.held | {self.variable})


@dataclass(frozen=True)
class Release(Edit):
    """Let a held variable move again."""

    variable: str

    def apply(self, session: Session) -> None:
        here = session.current
        if self.variable not in here.held:
            names = ", ".join(sorted(here.held)) or "nothing"
            raise InputError(f"{self.variable!r} is not held; held: {names}")
        session.change(self, f"released {self.variable}", held=here.held - {self.variable})


@dataclass(frozen=True)
class Perturb(Edit):
    """Add normal noise to a variable, ``x_0`` or a range of frames.

    The noise depends only on the seed of the session and the snapshot. Refused for a variable that does not exist or is
    held, and for a scale that is not a finite number above 0.
    """

    variable: str
    scale: float = 0.01
    """Standard deviation of the noise, in the unit of the variable."""

    def apply(self, session: Session) -> None:
        import torch

        if not (math.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"noise of scale {self.scale}; a finite number above 0 is needed")
        here = session.current
        noise = torch.Generator().manual_seed(session.seed * 1_000_003 + here.id)
        changed = dict(here.variables)
        for part, frames in session.movable(self.variable):
            value = here.variables[part].clone()
            moved = value[:, frames]
            value[:, frames] = moved + self.scale * torch.randn(moved.shape, generator=noise, dtype=value.dtype)
            changed[part] = value
        session.change(self, f"perturbed {self.variable} by {self.scale:g}", variables=changed)


@dataclass(frozen=True)
class Reset(Edit):
    """Set a variable, ``x_0`` or a range of frames back to its value at the beginning of the current stage.

    The nodes of multiple shooting go back to their values when shooting began. Refused for a variable that does not
    exist or is held.
    """

    variable: str

    def apply(self, session: Session) -> None:
        here = session.current
        began = session.fit.stage_start().variables
        changed = dict(here.variables)
        for part, frames in session.movable(self.variable):
            value = here.variables[part].clone()
            value[:, frames] = 0.0 if part == NODES else began[part][:, frames]
            changed[part] = value
        session.change(self, f"reset {self.variable}", variables=changed)


# Observations and floor


@dataclass(frozen=True)
class DropFrames(Edit):
    """Leave the observations of frames ``start`` to ``end - 1`` out of the fit (see ``Observations.without``).

    Refused if there is nothing to drop, or nothing would be left to fit.
    """

    start: int
    end: int
    modality: str | None = None
    """Name of a modality, such as ``joints2d``; None means all."""
    sub_sequence: int | None = None
    """Index of the sub-sequence; None means all."""

    def apply(self, session: Session) -> None:
        seen = session.problem.observations.without(
            self.start, self.end, modality=self.modality, sub_sequence=self.sub_sequence
        )
        what = self.modality or "observations"
        session.change(self, f"dropped {what} of frames {self.start} to {self.end - 1}", observations=seen)


@dataclass(frozen=True)
class ScaleConfidence(Edit):
    """Multiply the confidence of 2D keypoints in frames ``start`` to ``end - 1`` (see ``Observations.reweighted``).

    Refused if there is nothing to scale, or nothing would be left to fit.
    """

    factor: float
    start: int
    end: int
    keypoint: int | None = None
    """Index of the keypoint; None means all."""
    sub_sequence: int | None = None
    """Index of the sub-sequence; None means all."""

    def apply(self, session: Session) -> None:
        seen = session.problem.observations.reweighted(
            self.factor, self.start, self.end, keypoint=self.keypoint, sub_sequence=self.sub_sequence
        )
        which = "keypoints" if self.keypoint is None else f"keypoint {self.keypoint}"
        text = f"confidence × {self.factor:g} for {which} of frames {self.start} to {self.end - 1}"
        session.change(self, text, observations=seen)


@dataclass(frozen=True)
class TrustKeypoints(Edit):
    """Trust doubted 2D keypoints of frames ``start`` to ``end - 1``, or doubt them again.

    See ``Observations.trusting``. Refused if no keypoint was ever doubted.
    """

    trusted: bool
    start: int
    end: int
    keypoints: tuple[int, ...] | None = None
    """Indices of the keypoints; None means all."""
    sub_sequence: int | None = None
    """Index of the sub-sequence; None means all."""

    def apply(self, session: Session) -> None:
        seen = session.problem.observations.trusting(
            self.trusted, self.start, self.end, keypoints=self.keypoints, sub_sequence=self.sub_sequence
        )
        which = "all" if self.keypoints is None else len(self.keypoints)
        word = "trusted" if self.trusted else "doubted"
        session.change(self, f"{word} {which} keypoints of frames {self.start} to {self.end - 1}", observations=seen)


@dataclass(frozen=True)
class SetFloor(Edit):
    """Give the fit another observed floor; the fitted floor is moved there.

    Refused without a camera, for values that are not a plane, and while the floor is held.
    """

    plane: Plane | tuple[Plane, ...]
    """Normal and offset [m] with n·p = offset in the camera frame; one for all sub-sequences, or one for each."""

    def apply(self, session: Session) -> None:
        problem = session.problem
        if problem.floor is None:
            raise InputError("without a camera the floor is z = 0; there is none to set")
        given = problem.floor.new_tensor(self.plane)
        if given.shape not in ((4,), (problem.batch, 4)):
            raise InputError(f"floor has shape {tuple(given.shape)}; (4,) or ({problem.batch}, 4) is expected")
        given = given.expand(problem.batch, 4)
        edited = replace(problem, floor=given / given[:, :3].norm(dim=1, keepdim=True).clamp_min(1e-12))
        session.movable("floor_plane")  # raises where it is held
        variables = {**session.current.variables, "floor_plane": edited.observed_floor}
        metric = session.metric_of_floor(edited)
        session.change(self, "floor set", floor=edited.floor, floor_metric=metric, variables=variables)


# Names


@dataclass(frozen=True)
class Bookmark(Edit):
    """Give a snapshot a bookmark (see ``History.bookmark``)."""

    name: str
    snapshot: int | None = None
    """Id of the snapshot; None means the current one."""

    def apply(self, session: Session) -> None:
        session.history.bookmark(session.current.id if self.snapshot is None else self.snapshot, self.name)


@dataclass(frozen=True)
class RemoveBookmark(Edit):
    """Remove the bookmark of a snapshot."""

    snapshot: int | None = None
    """Id of the snapshot; None means the current one."""

    def apply(self, session: Session) -> None:
        session.history.remove_bookmark(session.current.id if self.snapshot is None else self.snapshot)


@dataclass(frozen=True)
class NameBranch(Edit):
    """Give a branch another name (see ``History.name_branch``)."""

    name: str
    branch: int | None = None
    """Number of the branch; None means that of the current snapshot."""

    def apply(self, session: Session) -> None:
        here = session.history.entry(session.current.id).branch
        session.history.name_branch(here if self.branch is None else self.branch, self.name)


# Going elsewhere in the history


@dataclass(frozen=True)
class Rewind(Edit):
    """Go back to a snapshot; the next iteration begins a new branch there (see ``Session.rewind``)."""

    snapshot: int

    def apply(self, session: Session) -> None:
        session.rewind(self.snapshot)


@dataclass(frozen=True)
class Undo(Edit):
    """Take back the last edit or rewind (see ``Session.undo``)."""

    def apply(self, session: Session) -> None:
        session.undo()


@dataclass(frozen=True)
class Redo(Edit):
    """Return to where the last edit was taken back (see ``Session.redo``)."""

    def apply(self, session: Session) -> None:
        session.redo()


# Edits as plain data

EDITS: dict[str, type[Edit]] = {edit.__name__: edit for edit in Edit.__subclasses__()}
"""Name in a record → class of the edit."""
_INSIDE: dict[str, type] = {kind.__name__: kind for kind in (Phase, Preset)}
"""Dataclasses that may occur in fields of edits."""
_RECORDED: dict[type, dict[str, str]] = {Preset: {"missing_frames": "gaps", "preconditioner": "units"}}
"""Class → field → its name in records, for fields that had another name when records were first written."""
_TYPE = "type"


def to_record(edit: Edit) -> dict[str, Any]:
    """An edit as data for JSON: its name under ``edit``, and its fields; tuples become lists."""
    return {"edit": type(edit).__name__, **_fields(edit)}


def from_record(record: Mapping[str, Any]) -> Edit:
    """The edit from a record that ``to_record`` made.

    Raises:
        InputError: This version does not know the edit or one of its fields, or a field is missing.
    """
    given = dict(record)
    name = given.pop("edit", None)
    if name not in EDITS:
        raise InputError(f"edit {name!r} is not known; it is of another version of humorscope")
    edit: Edit = _made(EDITS[name], _value(given))
    return edit


def _fields(value: Any) -> dict[str, Any]:
    return {stored: _plain(getattr(value, name)) for stored, name in _recorded(type(value)).items()}


def _recorded(kind: type) -> dict[str, str]:
    """Name in records → field of a class."""
    renamed = _RECORDED.get(kind, {})
    return {renamed.get(field.name, field.name): field.name for field in fields(kind)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {_TYPE: type(value).__name__, **_fields(value)}
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _value(plain: Any) -> Any:
    if isinstance(plain, list | tuple):
        return tuple(_value(item) for item in plain)
    if isinstance(plain, dict):
        items = {name: _value(item) for name, item in plain.items()}
        return _made(_INSIDE[items.pop(_TYPE)], items) if items.get(_TYPE) in _INSIDE else items
    return plain


def _made(kind: type, given: Mapping[str, Any]) -> Any:
    known = _recorded(kind)
    unknown = given.keys() - known.keys()
    if unknown:
        names = ", ".join(sorted(unknown))
        raise InputError(f"{kind.__name__} has no {names}; the record is of another version of humorscope")
    try:
        return kind(**{known[name]: value for name, value in given.items()})
    except TypeError as error:
        raise InputError(f"{kind.__name__}: {error}; the record is incomplete") from None
