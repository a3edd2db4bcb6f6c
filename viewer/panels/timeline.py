"""Timeline: one bar to look back through the iterations, one to move through the frames of the clip."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polyscope.imgui as psim

from viewer import theme
from viewer.commands import Command, Inspect, Rewind
from viewer.ui_state import UiState
from viewer.view_model import Scene, ViewModel
from viewer.widgets import disabled, font, icon_button, scale, styled, tooltip

_LABEL, _BUTTONS, _BAR = 76.0, 238.0, 24.0
RATES = (0.1, 0.25, 0.5, 1.0, 2.0)


def timeline_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Upper bar: iterations, by phase, to inspect or rewind. Lower bar: frames, with play, loop and rate."""
    yield from _iterations(view, ui)
    psim.Spacing()
    _frames(view, ui)


def _bar(name: str) -> tuple[float, float, float, float, float | None]:
    """An invisible draggable bar: left, top, width, height, and the cursor's share while it is held."""
    width = max(psim.GetContentRegionAvail()[0] - _BUTTONS * scale(), 40.0)
    height = _BAR * scale()
    x, y = psim.GetCursorScreenPos()
    psim.InvisibleButton(name, (width, height))
    held = None
    if psim.IsItemActive():
        held = min(max((psim.GetIO().MousePos[0] - x) / width, 0.0), 1.0)
    return x, y, width, height, held


def _label(text: str, value: str) -> None:
    x = psim.GetCursorPosX()
    y = psim.GetCursorPosY()
    with font(theme.SMALL_FONT), styled(ItemSpacing=(7.0, 0.0)):
        psim.SetCursorPosY(y - 3.0)
        psim.BeginGroup()
        psim.TextColored(theme.rgba(theme.DIM), text)
        psim.TextUnformatted(value)
        psim.EndGroup()
    psim.SameLine()
    psim.SetCursorPos((x + _LABEL * scale(), y))


def schedule_position(scene: Scene, phase: int, step: int, iteration: int) -> float:
    """Where an iteration lies on the bar, 0 to 1; every outer step is equally long."""
    steps = [p.steps for p in scene.phases]
    done = sum(steps[:phase]) + step + iteration / max(scene.phases[phase].iterations, 1)
    return min(done / sum(steps), 1.0)


def branch_positions(view: ViewModel) -> np.ndarray:
    """``schedule_position`` of every iteration of the current branch."""
    history, rows = view.history, view.history.branch
    steps = np.array([p.steps for p in view.phases])
    size = np.array([max(p.iterations, 1) for p in view.phases])
    phase = history.phase[rows]
    before = np.concatenate(([0], np.cumsum(steps)))[phase]
    return np.minimum((before + history.step[rows] + history.iteration[rows] / size[phase]) / steps.sum(), 1.0)


def _iterations(view: ViewModel, ui: UiState) -> Iterator[Command]:
    history = view.history
    shown_row = history.row_of(view.shown)
    _label("iteration", f"{int(np.searchsorted(history.branch, shown_row))} / {len(history.branch) - 1}")
    x, y, width, height, held = _bar("iteration bar")
    positions = branch_positions(view)
    if held is not None:
        wanted = int(history.ids[history.branch[int(np.abs(positions - held).argmin())]])
        if wanted != ui.scrubbing:
            ui.scrubbing = wanted
            yield Inspect(None if wanted == view.current else wanted)
    else:
        ui.scrubbing = None
        tooltip("Drag to look at an earlier iteration; the optimiser goes on or waits as it was (Shift+arrows)")
    draw_schedule(view, x, y, width, height, done=float(positions[-1]))
    marker = x + width * _shown_position(view, ui, positions)
    _handle(marker, y, height)
    psim.SameLine()
    past = view.shown != view.current
    with disabled(not past):
        if icon_button("Rewind here", "back", (122.0 * scale(), _BAR * scale())):
            ui.scrubbing = None
            yield Rewind(view.shown)
        tooltip("Go on from this iteration; what came after stays in the history as a branch (R)")
        psim.SameLine()
        if icon_button("Latest", "end", (-1.0, _BAR * scale())):
            yield Inspect(None)
        tooltip("Show the newest iteration again (Escape)")


def _shown_position(view: ViewModel, ui: UiState, positions: np.ndarray) -> float:
    row = view.history.row_of(view.shown if ui.scrubbing is None else ui.scrubbing)
    return float(positions[min(int(np.searchsorted(view.history.branch, row)), len(positions) - 1)])


def draw_schedule(view: ViewModel, x: float, y: float, width: float, height: float, *, done: float) -> None:
    """The phases as blocks, dim where they are still to come."""
    draw = psim.GetWindowDrawList()
    total = sum(phase.steps for phase in view.phases)
    left = x
    for index, phase in enumerate(view.phases):
        right = left + width * phase.steps / total
        color = theme.phase_color(index)
        draw.AddRectFilled((left, y), (right - 1, y + height), theme.packed(color, 0.28), 3.0)
        reached = min(right - 1, x + width * done)
        if reached > left:
            draw.AddRectFilled((left, y), (reached, y + height), theme.packed(color, 0.95), 3.0)
        text = phase.name
        size = psim.CalcTextSize(text)
        if size[0] + 8 > right - left:
            text = text.split()[-1]
            size = psim.CalcTextSize(text)
        if size[0] + 4 <= right - left:
            at = ((left + right - size[0]) / 2, y + (height - size[1]) / 2)
            draw.AddText(at, theme.packed(theme.TEXT, 0.95), text)
        left = right


def _handle(x: float, y: float, height: float) -> None:
    draw = psim.GetWindowDrawList()
    draw.AddRectFilled((x - 2.5, y - 3), (x + 2.5, y + height + 3), theme.packed(theme.TEXT), 2.0)


def _frames(view: ViewModel, ui: UiState) -> None:
    count = view.scene.clip_frames
    ui.frame = min(ui.frame, count - 1)
    _label("frame", f"{ui.frame} / {count - 1}")
    x, y, width, height, held = _bar("frame bar")
    if held is not None:
        ui.playing = False
        ui.frame = min(round(held * (count - 1)), count - 1)
    else:
        tooltip("Drag to move through the clip (arrows, Home, End); dark frames have no observation")
    _draw_frames(view, x, y, width, height)
    _handle(x + width * ui.frame / max(count - 1, 1), y, height)
    psim.SameLine()
    if icon_button("##play frames", "pause" if ui.playing else "play", (34.0 * scale(), _BAR * scale())):
        ui.playing = not ui.playing
    tooltip("Play the clip (K)")
    psim.SameLine()
    _, ui.loop = psim.Checkbox("Loop", ui.loop)
    psim.SameLine()
    psim.SetNextItemWidth(-1.0)
    if psim.BeginCombo("##rate", f"{ui.rate:g} × speed"):
        for rate in RATES:
            if psim.Selectable(f"{rate:g} × speed", rate == ui.rate):
                ui.rate = rate
        psim.EndCombo()
    tooltip("Playback speed")


def seen_frames(view: ViewModel) -> np.ndarray:
    """Share of what could have been observed that was, per frame of the clip, (N,)."""
    scene, observed = view.scene, view.scene.observed
    values, count = np.zeros(scene.clip_frames), np.zeros(scene.clip_frames)
    for b, start in enumerate(scene.starts):
        for data in (observed.joints3d, observed.points3d, observed.joints2d):
            if data is not None:
                seen = np.isfinite(data[b, ..., 0]).mean(axis=-1)
                values[start : start + scene.num_frames] += seen
                count[start : start + scene.num_frames] += 1
    return values / np.maximum(count, 1)


def _draw_frames(view: ViewModel, x: float, y: float, width: float, height: float) -> None:
    """A tick per second, and a strip below: the greener, the more was observed."""
    draw = psim.GetWindowDrawList()
    draw.AddRectFilled((x, y), (x + width, y + height), theme.packed(theme.RAISED), 3.0)
    seen = seen_frames(view)
    cell, top = width / len(seen), y + 0.72 * height
    edges = np.flatnonzero(np.abs(np.diff(seen, prepend=-1.0)) > 1e-6)
    for first, last in zip(edges, np.append(edges[1:], len(seen)), strict=True):
        color = theme.packed(theme.LAYER_COLORS["observations"], 0.05 + 0.6 * float(seen[first]))
        draw.AddRectFilled((x + cell * first, top), (x + cell * last, y + height), color)
    seconds = np.arange(view.scene.fps, len(seen), view.scene.fps)
    for tick in seconds:
        at = x + width * tick / max(len(seen) - 1, 1)
        draw.AddLine((at, y), (at, top), theme.packed(theme.DIM, 0.6))
        draw.AddText((at + 4.0, y), theme.packed(theme.DIM), f"{tick / view.scene.fps:.0f} s")
