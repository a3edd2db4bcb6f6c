"""The actions that every front end offers, in words: the label of a button, what it does, and its key in the window."""

from __future__ import annotations

from dataclasses import dataclass

from viewer.protocol.commands import Request, RunPhase, RunStage, Step, StepOuter


@dataclass(frozen=True)
class Action:
    """A button in words."""

    label: str
    help: str
    key: str = ""
    """In the window."""

    @property
    def tooltip(self) -> str:
        """What it does, and its key in the window."""
        return f"{self.help} ({self.key})" if self.key else self.help


RUN = Action("Run", "Run to the end of the schedule, in the last batch of sub-sequences if there are several", "space")
DONE = Action("Run", "The schedule is done: rewind, or give a phase more steps in the Schedule tab")
PAUSE = Action("Pause", "Stops within one evaluation of the objective", "space")
LIVE = Action(
    "Live",
    "Live: the fit goes on after the end of its schedule and follows every edit at once. While the slider of a "
    "weight is dragged, the body moves with it: letting go makes it one edit with a bookmark",
)
UNDO = Action("Undo", "Go back to before the last edit or rewind", "Ctrl+Z")
REDO = Action("Redo", "Repeat the edit that was undone last", "Ctrl+Y")
SPEED = Action("Speed", "Most iterations per second, to watch them one by one", "[ and ]")
REWIND = Action("Rewind here", "Go on from this iteration; what came after stays in the history as a branch", "R")
LATEST = Action("Latest", "Show the newest iteration again", "Escape")
PLAY = Action("Play", "Play the clip", "K")
DIAGNOSE = Action(
    "Diagnose", "Look for causes in coverage, solver, keypoints, camera, floor, prior, overlaps and feet", "D"
)
PIN = Action("Pin this", "Keep the motion that is shown as B, while the fit goes on or another iteration is looked at")
HOME = Action("Home", "Back to the viewpoint of the start", "H")
WEIGHT = Action(
    "Weight",
    "Drag: three decades to either side of the default, off at the left end. Acts from the next iteration on.",
)


@dataclass(frozen=True)
class StepAction(Action):
    """A button that advances the fit."""

    icon: str = ""
    command: type[Request] = Step


STEPS = (
    StepAction("Iteration", "One L-BFGS iteration", "N", "step", Step),
    StepAction("Step", "To the end of this outer step, up to 20 iterations", "O", "skip", StepOuter),
    StepAction("Phase", "To the end of this phase", "P", "end", RunPhase),
    StepAction("Stage", "To the end of this stage", "G", "end", RunStage),
)
