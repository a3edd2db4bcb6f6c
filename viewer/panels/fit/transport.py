"""The panel Optimiser: run, pause and step; position in the schedule, speed and time left."""

from __future__ import annotations

from collections.abc import Iterator

from optim.session.edits import Redo, Undo
from viewer.panels.fit.losses import branch_events
from viewer.protocol.commands import Command, Pause, Run, SetLive, SetSpeed
from viewer.protocol.view_model import ViewModel
from viewer.ui import theme
from viewer.ui.actions import DONE, LIVE, PAUSE, REDO, RUN, SPEED, STEPS, UNDO
from viewer.ui.drawing import psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import (
    align_right,
    caption,
    colored,
    disabled,
    dot,
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
STATES = {"running": "GOOD", "paused": "WARN", "done": "ACCENT"}


def transport_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """State, run/pause, the four step buttons, undo, speed and progress."""
    status, running = view.status, view.status.state == "running"
    caption("Optimiser", batch_text(view) or view.scene.name)
    if batch_text(view):
        first, last = (view.scene.first_frame + frame for frame in view.scene.batch_frames)
        tooltip(
            f"{view.scene.name}, frames {first} to {last}. The batches are fitted one after the other (--batch-size)"
        )
    _where(view)
    psim.Spacing()
    width = psim.GetContentRegionAvail()[0]
    size = (width - _LIVE * scale() - psim.GetStyle().ItemSpacing[0], 32.0 * scale())
    if running:
        if icon_button(PAUSE.label, "pause", size, fill=theme.mix(theme.WARN, theme.PANEL, 0.45)):
            yield Pause()
        tooltip(PAUSE.tooltip)
    else:
        with disabled(status.state == "done"):
            if icon_button(RUN.label, "play", size, fill=theme.mix(theme.ACCENT, theme.PANEL, 0.35)):
                yield Run()
        tooltip((DONE if status.state == "done" else RUN).tooltip)
    psim.SameLine()
    yield from _live(view)
    yield from _step_buttons(running or status.state == "done", width)
    yield from _edits(view)
    _progress(view)


def _live(view: ViewModel) -> Iterator[Command]:
    """The switch of re-fitting while the user edits."""
    on = view.status.live
    with colored(Button=theme.rgba(theme.GOOD if on else theme.RAISED, 0.55 if on else 1.0)):
        if psim.Button(LIVE.label, (_LIVE * scale(), 32.0 * scale())):
            yield SetLive(not on)
    tooltip(f"{LIVE.tooltip}, Esc takes it back.")


def batch_text(view: ViewModel) -> str:
    """Which batch of sub-sequences is shown; empty if there is only one."""
    scene = view.scene
    return f"batch {scene.batch + 1} of {scene.batches}" if scene.batches > 1 else ""


def _where(view: ViewModel) -> None:
    status = view.status
    phase = view.phases[status.phase]
    color = getattr(theme, STATES[status.state])
    dot(color)
    with font(theme.LARGE_FONT):
        psim.TextUnformatted(phase.name.capitalize())
    state = live_text(view)
    align_right(psim.CalcTextSize(state)[0])
    psim.TextColored(theme.rgba(color), state)
    psim.TextColored(theme.rgba(theme.DIM), position_text(view))
    tooltip(
        f"{status.total_iterations} iterations so far. Loss {number(status.loss)}. "
        "An iteration takes one or more evaluations of the objective and its gradient."
    )


def position_text(view: ViewModel) -> str:
    """Where in its phase the optimiser is, and the loss or how many evaluations it has done since."""
    status = view.status
    phase = view.phases[status.phase]
    last = f"evaluation {status.evaluation}" if status.evaluation else f"loss {number(status.loss)}"
    step = f"step {min(status.step + 1, phase.steps)}/{phase.steps}"
    return f"{step} · iteration {status.iteration}/{phase.iterations} · {last}"


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
        for index, step in enumerate(STEPS):
            if index % 2:
                psim.SameLine()
            if icon_button(step.label, step.icon, size):
                yield step.command()
            tooltip(step.tooltip)


def last_edit(view: ViewModel) -> str | None:
    """What was last done to the fit on the current branch, in words."""
    events = branch_events(view)
    return events[-1].text if events else None


def _edits(view: ViewModel) -> Iterator[Command]:
    with disabled(not view.can_undo):
        if psim.SmallButton(UNDO.label):
            yield Undo()
    edit = last_edit(view)
    tooltip(UNDO.tooltip + (f"\nlast edit: {edit}" if edit else ""))
    psim.SameLine()
    with disabled(not view.can_redo):
        if psim.SmallButton(REDO.label):
            yield Redo()
    tooltip(REDO.tooltip)
    psim.SameLine()
    yield from _speed(view)
    text = speed_text(view)
    align_right(psim.CalcTextSize(text)[0])
    psim.TextColored(theme.rgba(theme.DIM), text)
    tooltip("L-BFGS iterations per second in this phase")


def speed_text(view: ViewModel) -> str:
    """How fast the optimiser goes."""
    status = view.status
    rate = status.rate if status.rate is None or status.speed_limit is None else min(status.rate, status.speed_limit)
    return f"{rate_text(rate)} it/s"


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
    tooltip(SPEED.tooltip)


def next_speed(now: float | None, step: int) -> float | None:
    """The limit one slower (``step`` 1) or faster (-1) than now."""
    at = SPEEDS.index(now) if now in SPEEDS else 0
    return SPEEDS[min(max(at + step, 0), len(SPEEDS) - 1)]


def _progress(view: ViewModel) -> None:
    psim.ProgressBar(view.status.progress, (-1.0, 0.0), progress_text(view))


def progress_text(view: ViewModel) -> str:
    """The share of the schedule that is done, and the time left."""
    status = view.status
    left = "" if status.left is None else f" · {status.left}"
    return f"{100 * status.progress:.0f} %{left}"
