"""What the window may ask of the worker: small frozen values, picklable, each one sentence."""

from __future__ import annotations

from dataclasses import dataclass


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
class Freeze(Command):
    """Hold a variable (or a group such as ``x_0``) where it is."""

    variable: str


@dataclass(frozen=True)
class Release(Command):
    """Let a frozen variable move again."""

    variable: str


@dataclass(frozen=True)
class Undo(Command):
    """Take back the last edit."""


@dataclass(frozen=True)
class Redo(Command):
    """Do the edit that was taken back."""


@dataclass(frozen=True)
class Quit(Command):
    """End the worker."""
