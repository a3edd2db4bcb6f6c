"""What the window may ask of the worker: small frozen values, picklable, each one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from viewer.protocol.view_model import TrapSetting


@dataclass(frozen=True)
class Command:
    """Base of all commands."""


@dataclass(frozen=True)
class Step(Command):
    """Do one L-BFGS iteration."""


@dataclass(frozen=True)
class StepOuter(Command):
    """Run to the end of the current outer step (up to 20 iterations)."""


@dataclass(frozen=True)
class RunPhase(Command):
    """Run to the end of the current phase."""


@dataclass(frozen=True)
class RunStage(Command):
    """Run to the end of the current stage."""


@dataclass(frozen=True)
class Run(Command):
    """Run to the end of the schedule."""


@dataclass(frozen=True)
class Pause(Command):
    """Stop within one evaluation of the objective."""


@dataclass(frozen=True)
class Inspect(Command):
    """Show an earlier iteration without going back to it; None shows the current one again."""

    snapshot: int | None


@dataclass(frozen=True)
class Rewind(Command):
    """Go back to an iteration; the next one grows a new branch from there."""

    snapshot: int


@dataclass(frozen=True)
class SetWeight(Command):
    """Give a loss term another weight in one stage (1, 2 or 3), from the next iteration on."""

    term: str
    value: float
    stage: int


@dataclass(frozen=True)
class SetWeights(Command):
    """Give several terms other weights in one edit, which ``text`` describes: (index of a phase, term, weight)."""

    weights: tuple[tuple[int, str, float], ...]
    text: str


@dataclass(frozen=True)
class UsePreset(Command):
    """Weights and steps of a preset, from the current phase on, as one edit."""

    name: str


@dataclass(frozen=True)
class SetSpeed(Command):
    """Do at most so many iterations per second while running; None: as many as can be."""

    limit: float | None


@dataclass(frozen=True)
class Freeze(Command):
    """Hold a variable (or a group such as ``x_0``) where it is."""

    variable: str


@dataclass(frozen=True)
class Release(Command):
    """Let a frozen variable move again."""

    variable: str


@dataclass(frozen=True)
class Perturb(Command):
    """Add noise of standard deviation ``scale`` (the variable's unit) to a variable, ``x_0`` or a range of frames."""

    variable: str
    scale: float


@dataclass(frozen=True)
class Reset(Command):
    """Put a variable, ``x_0`` or a range of frames back to where the current stage began."""

    variable: str


@dataclass(frozen=True)
class SetSteps(Command):
    """Give a phase another number of outer steps; 0 leaves out a later one."""

    phase: int
    steps: int


@dataclass(frozen=True)
class SetFrames(Command):
    """Roll out and observe only the first so many frames in a phase of stage 3; None for all."""

    phase: int
    frames: int | None


@dataclass(frozen=True)
class SkipPhase(Command):
    """End the current phase here and enter the next one."""


@dataclass(frozen=True)
class DropFrames(Command):
    """Leave what was seen in frames start to end - 1 (of a sub-sequence) out of the fit from here on."""

    start: int
    end: int
    modality: str | None = None
    sub_sequence: int | None = None


@dataclass(frozen=True)
class ScaleConfidence(Command):
    """Trust 2D keypoints in frames start to end - 1 more or less."""

    factor: float
    start: int
    end: int
    keypoint: int | None = None
    sub_sequence: int | None = None


@dataclass(frozen=True)
class SetFloor(Command):
    """Another observed floor: normal and offset (n·p = offset) in the display frame."""

    plane: tuple[float, float, float, float]


@dataclass(frozen=True)
class Bookmark(Command):
    """Give a snapshot a name."""

    snapshot: int
    name: str


@dataclass(frozen=True)
class RemoveBookmark(Command):
    """Take a snapshot's name away."""

    snapshot: int


@dataclass(frozen=True)
class NameBranch(Command):
    """Give a branch another name."""

    branch: int
    name: str


@dataclass(frozen=True)
class SetTraps(Command):
    """Set the conditions that pause a run."""

    traps: tuple[TrapSetting, ...]


@dataclass(frozen=True)
class ClearProfile(Command):
    """Begin to time the optimiser anew."""


@dataclass(frozen=True)
class Export(Command):
    """Write the motion at the current iteration into a folder, in some formats; HuMoR's own layout is ``humor``."""

    formats: tuple[str, ...]
    folder: str
    frame: int  # for single pictures of the motion


@dataclass(frozen=True)
class Analyse(Command):
    """Find something out about a snapshot; the answer comes as an ``Analysis`` of the same kind and options."""

    kind: str
    snapshot: int
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Undo(Command):
    """Take back the last edit."""


@dataclass(frozen=True)
class Redo(Command):
    """Do the edit that was taken back."""


@dataclass(frozen=True)
class Quit(Command):
    """End the worker."""
