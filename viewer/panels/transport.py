"""Transport: run, pause and step the optimiser; where it stands, how fast it goes and how long it takes."""

from __future__ import annotations

from collections.abc import Iterator

import polyscope.imgui as psim

from viewer import theme
from viewer.commands import Command, Pause, Redo, Run, RunPhase, RunStage, Step, StepOuter, Undo
from viewer.ui_state import UiState
from viewer.view_model import ViewModel
from viewer.widgets import align_right, caption, disabled, dot, duration, font, icon_button, number, scale, tooltip

_STATES = {"running": theme.GOOD, "paused": theme.WARN, "done": theme.ACCENT}
_STEPS = (
    ("Iteration", "step", Step, "One L-BFGS iteration (N)"),
    ("Step", "skip", StepOuter, "To the end of this outer step, up to 20 iterations (O)"),
    ("Phase", "end", RunPhase, "To the end of this phase (P)"),
    ("Stage", "end", RunStage, "To the end of this stage (G)"),
)


def transport_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """State, run/pause, the four step buttons, progress and undo."""
    status, running = view.status, view.status.state == "running"
    caption("Optimiser", view.scene.name)
    _where(view)
    psim.Spacing()
    width = psim.GetContentRegionAvail()[0]
    if running:
        if icon_button("Pause", "pause", (width, 32.0 * scale()), fill=theme.mix(theme.WARN, theme.PANEL, 0.45)):
            yield Pause()
        tooltip("Stops within one evaluation of the objective (space)")
    else:
        with disabled(status.state == "done"):
            if icon_button("Run", "play", (width, 32.0 * scale()), fill=theme.mix(theme.ACCENT, theme.PANEL, 0.35)):
                yield Run()
        tooltip("Run to the end of the schedule (space)")
    yield from _step_buttons(running or status.state == "done", width)
    yield from _edits(view)
    _progress(view)


def _where(view: ViewModel) -> None:
    status = view.status
    phase = view.phases[status.phase]
    dot(_STATES[status.state])
    with font(theme.LARGE_FONT):
        psim.TextUnformatted(phase.name.capitalize())
    align_right(psim.CalcTextSize(status.state)[0])
    psim.TextColored(theme.rgba(_STATES[status.state]), status.state)
    psim.TextColored(
        theme.rgba(theme.DIM),
        f"step {min(status.step + 1, phase.steps)}/{phase.steps} · "
        f"iteration {status.iteration}/{phase.iterations} · loss {number(status.loss)}",
    )


def _step_buttons(inactive: bool, width: float) -> Iterator[Command]:
    spacing = psim.GetStyle().ItemSpacing[0]
    size = ((width - spacing) / 2, 0.0)
    with disabled(inactive):
        for index, (label, icon, command, help_text) in enumerate(_STEPS):
            if index % 2:
                psim.SameLine()
            if icon_button(label, icon, size):
                yield command()
            tooltip(help_text)


def _edits(view: ViewModel) -> Iterator[Command]:
    with disabled(not view.can_undo):
        if psim.SmallButton("Undo"):
            yield Undo()
    tooltip("Take back the last edit of a weight or a freeze (Ctrl+Z)")
    psim.SameLine()
    with disabled(not view.can_redo):
        if psim.SmallButton("Redo"):
            yield Redo()
    tooltip("Ctrl+Y")
    status = view.status
    text = f"{status.rate:.1f} iterations/s" if status.rate else "not running"
    align_right(psim.CalcTextSize(text)[0])
    psim.TextColored(theme.rgba(theme.DIM), text)


def _progress(view: ViewModel) -> None:
    status = view.status
    left = f" · about {duration(status.seconds_left)} left" if status.seconds_left is not None else ""
    psim.ProgressBar(status.progress, (-1.0, 0.0), f"{100 * status.progress:.0f} %{left}")
