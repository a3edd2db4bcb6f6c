"""The panel Optimiser: run, pause and step; position in the schedule, speed and time left."""

from __future__ import annotations

from collections.abc import Iterator

import polyscope.imgui as psim

from optim.session.edits import Redo, Undo
from viewer.panels.fit.losses import branch_events
from viewer.protocol.commands import Command, Pause, Run, RunPhase, RunStage, SetLive, SetSpeed, Step, StepOuter
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import (
    align_right,
    caption,
    colored,
    disabled,
    dot,
    duration,
    font,
    icon_button,
    number,
    scale,
    styled,
    tooltip,
)

SPEEDS = (None, 30.0, 10.0, 5.0, 2.0, 1.0, 0.5)
"""Limits to choose from, iterations/s."""
_LIVE = 52.0  # width of the switch
_STATES = {"running": "GOOD", "paused": "WARN", "done": "ACCENT"}
_STEPS = (
    ("Iteration", "step", Step, "One L-BFGS iteration (N)"),
    ("Step", "skip", StepOuter, "To the end of this outer step, up to 20 iterations (O)"),
    ("Phase", "end", RunPhase, "To the end of this phase (P)"),
    ("Stage", "end", RunStage, "To the end of this stage (G)"),
)


def transport_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """State, run/pause, the four step buttons, undo, speed and progress."""
    status, running = view.status, view.status.state == "running"
    caption("Optimiser", batch_text(view) or view.scene.name)
    if batch_text(view):
        first, last = view.scene.first_frame, view.scene.first_frame + view.scene.clip_frames - 1
        tooltip(
            f"{view.scene.name}, frames {first} to {last}. The batches are fitted one after the other (--batch-size)"
        )
    _where(view)
    psim.Spacing()
    width = psim.GetContentRegionAvail()[0]
    size = (width - _LIVE * scale() - psim.GetStyle().ItemSpacing[0], 32.0 * scale())
    if running:
        if icon_button("Pause", "pause", size, fill=theme.mix(theme.WARN, theme.PANEL, 0.45)):
            yield Pause()
        tooltip("Stops within one evaluation of the objective (space)")
    else:
        with disabled(status.state == "done"):
            if icon_button("Run", "play", size, fill=theme.mix(theme.ACCENT, theme.PANEL, 0.35)):
                yield Run()
        tooltip(
            "The schedule is done: rewind, or give a phase more steps in the Schedule tab"
            if status.state == "done"
            else "Run to the end of the schedule, in the last batch of sub-sequences if there are several (space)"
        )
    psim.SameLine()
    yield from _live(view)
    yield from _step_buttons(running or status.state == "done", width)
    yield from _edits(view)
    _progress(view)


def _live(view: ViewModel) -> Iterator[Command]:
    """The switch of re-fitting while the user edits."""
    on = view.status.live
    with colored(Button=theme.rgba(theme.GOOD if on else theme.RAISED, 0.55 if on else 1.0)):
        if psim.Button("Live", (_LIVE * scale(), 32.0 * scale())):
            yield SetLive(not on)
    tooltip(
        "Live: the fit goes on after the end of its schedule and follows every edit at once. While the slider of a "
        "weight is dragged, the body moves with it: letting go makes it one edit with a bookmark, Esc takes it back."
    )


def batch_text(view: ViewModel) -> str:
    """Which batch of sub-sequences is shown; empty if there is only one."""
    scene = view.scene
    return f"batch {scene.batch + 1} of {scene.batches}" if scene.batches > 1 else ""


def _where(view: ViewModel) -> None:
    status = view.status
    phase = view.phases[status.phase]
    color = getattr(theme, _STATES[status.state])
    dot(color)
    with font(theme.LARGE_FONT):
        psim.TextUnformatted(phase.name.capitalize())
    state = live_text(view)
    align_right(psim.CalcTextSize(state)[0])
    psim.TextColored(theme.rgba(color), state)
    last = f"evaluation {status.evaluation}" if status.evaluation else f"loss {number(status.loss)}"
    psim.TextColored(
        theme.rgba(theme.DIM),
        f"step {min(status.step + 1, phase.steps)}/{phase.steps} · "
        f"iteration {status.iteration}/{phase.iterations} · {last}",
    )
    tooltip(
        f"{status.total_iterations} iterations so far. Loss {number(status.loss)}. "
        "An iteration takes one or more evaluations of the objective and its gradient."
    )


def live_text(view: ViewModel) -> str:
    """The state of the optimiser in a few words."""
    status = view.status
    if not status.live:
        return status.state
    return "live, within 0.1 %" if status.close else "live"


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


def last_edit(view: ViewModel) -> str | None:
    """What was last done to the fit on the current branch, in words."""
    events = branch_events(view)
    return events[-1].text if events else None


def _edits(view: ViewModel) -> Iterator[Command]:
    with disabled(not view.can_undo):
        if psim.SmallButton("Undo"):
            yield Undo()
    edit = last_edit(view)
    tooltip("Go back to before the last edit or rewind (Ctrl+Z)" + (f"\nlast edit: {edit}" if edit else ""))
    psim.SameLine()
    with disabled(not view.can_redo):
        if psim.SmallButton("Redo"):
            yield Redo()
    tooltip("Repeat the edit that was undone last (Ctrl+Y)")
    psim.SameLine()
    yield from _speed(view)
    status = view.status
    rate = status.rate if status.rate is None or status.speed_limit is None else min(status.rate, status.speed_limit)
    text = f"{rate_text(rate)} it/s"
    align_right(psim.CalcTextSize(text)[0])
    psim.TextColored(theme.rgba(theme.DIM), text)
    tooltip("L-BFGS iterations per second in this phase")


def rate_text(rate: float | None) -> str:
    """Iterations per second in at most four characters."""
    if not rate:
        return "–"
    return f"{rate:.2f}" if rate < 1 else f"{rate:.1f}" if rate < 99 else f"{rate:.0f}" if rate < 999 else ">1k"


def speed_label(limit: float | None) -> str:
    """A limit in words."""
    return "full speed" if limit is None else f"≤ {limit:g} it/s"


def _speed(view: ViewModel) -> Iterator[Command]:
    now = view.status.speed_limit
    psim.SetNextItemWidth(88.0 * scale())
    with font(theme.SMALL_FONT), styled(FramePadding=(4.0, 1.0)):
        if psim.BeginCombo("##speed", speed_label(now)):
            for limit in SPEEDS:
                if psim.Selectable(speed_label(limit), limit == now):
                    yield SetSpeed(limit)
            psim.EndCombo()
    tooltip("Most iterations per second, to watch them one by one ([ and ])")


def next_speed(now: float | None, step: int) -> float | None:
    """The limit one slower (``step`` 1) or faster (-1) than now."""
    at = SPEEDS.index(now) if now in SPEEDS else 0
    return SPEEDS[min(max(at + step, 0), len(SPEEDS) - 1)]


def _progress(view: ViewModel) -> None:
    status = view.status
    left = f" · about {duration(status.seconds_left)} left" if status.seconds_left is not None else ""
    psim.ProgressBar(status.progress, (-1.0, 0.0), f"{100 * status.progress:.0f} %{left}")
