"""The timeline: a bar of the iterations of all branches, and a bar of the clip's frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from optim.session.edits import Bookmark, NameBranch, RemoveBookmark, Rewind
from viewer.panels.fit.frame_bar import frame_bar
from viewer.panels.fit.losses import branch_events
from viewer.protocol.commands import Command, Inspect
from viewer.protocol.view_model import Branch, ViewModel
from viewer.ui import theme
from viewer.ui.actions import LATEST, REWIND
from viewer.ui.drawing import psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import (
    Strip,
    bar_handle,
    bar_label,
    disabled,
    font,
    icon_button,
    number,
    scale,
    strip,
    styled,
    tooltip,
)

SCHEDULE, LANE, MOST_LANES = 20.0, 4.0, 3
NEAR = 5.0  # distance in pixels within which the cursor snaps to a mark


class Lane(NamedTuple):
    """A branch other than the current one, below the schedule."""

    branch: Branch
    rows: np.ndarray  # its own rows, in order
    positions: np.ndarray  # of them, 0 to 1
    line: int  # 0 is the uppermost


def timeline_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """Upper bar: iterations, by phase, to inspect or rewind. Lower bar: frames, with play, loop and rate."""
    yield from _iterations(view, ui)
    frame_bar(view, ui)


def positions(view: ViewModel, rows: np.ndarray) -> np.ndarray:
    """Positions of iterations on the bar, 0 to 1: batch after batch, all outer steps of the schedule equally long."""
    history = view.history
    steps = np.array([phase.steps for phase in view.phases])
    size = np.array([max(phase.iterations, 1) for phase in view.phases])
    phase = history.phase[rows]
    before = np.concatenate(([0], np.cumsum(steps)))[phase]
    inside = np.minimum(history.step[rows] + history.iteration[rows] / size[phase], steps[phase])
    within = np.minimum((before + inside) / max(steps.sum(), 1), 1.0)
    return np.asarray((history.batch_of[rows] + within) / max(view.scene.batches, 1))


def places(view: ViewModel, snapshots: list[int]) -> np.ndarray:
    """``positions`` of snapshots."""
    return positions(view, np.searchsorted(view.history.ids, snapshots).astype(np.int64))


def lanes(view: ViewModel) -> list[Lane]:
    """The branches other than the current one, newest first, in few lines; branches without room are left out."""
    history = view.history
    ours = np.zeros(len(history.ids), bool)
    ours[history.branch] = True
    ends = np.full(MOST_LANES, np.inf)  # left end of what each line holds already
    found = []
    for branch in reversed(history.branches):
        rows = np.flatnonzero((history.branch_of == branch.number) & ~ours)
        if len(rows):
            at = positions(view, rows)
            free = np.flatnonzero(ends > at.max() + 0.005)
            if len(free):
                ends[free[0]] = at.min()
                found.append(Lane(branch, rows, at, int(free[0])))
    return found


def _iterations(view: ViewModel, ui: UiState) -> Iterator[Command]:
    history = view.history
    shown_row = history.row_of(view.shown if ui.scrubbing is None else ui.scrubbing)
    last = last_row(view, shown_row)
    bar_label("iteration", f"{history.depth[shown_row]} / {history.depth[last]}")
    place = strip("iteration bar", (SCHEDULE + LANE * MOST_LANES) * scale())
    ours, others = positions(view, history.branch), lanes(view)
    if place.held is not None:
        row = row_at(view, ours, others, place)
        wanted = int(history.ids[row])
        if wanted != ui.scrubbing:
            ui.scrubbing = wanted
            yield Inspect(None if wanted == view.current else wanted)
    else:
        ui.scrubbing = None
    height = SCHEDULE * scale()
    draw_schedule(view, place.x, place.y, place.width, height, done=float(ours[-1]))
    _draw_lanes(others, place, shown_row)
    _draw_marks(view, place)
    bar_handle(place.x + place.width * float(positions(view, np.array([shown_row]))[0]), place.y, height)
    if place.hovered:
        _tell(view, ours, others, place)
    psim.SameLine()
    yield from _buttons(view, ui)


def last_row(view: ViewModel, row: int) -> int:
    """The end of the current branch, or of the branch that a row on no way to the current iteration is on."""
    history = view.history
    if row in history.branch:
        return int(history.branch[-1])
    return history.row_of(history.branches[int(history.branch_of[row])].last)


def row_at(view: ViewModel, ours: np.ndarray, others: list[Lane], place: Strip) -> int:
    """Row under the cursor: of the branch in whose lane it is, else of the current branch; marks attract."""
    history = view.history
    line = int((place.cursor_y - SCHEDULE * scale()) // (LANE * scale()))
    for lane in others:
        if lane.line == line and _spans(lane, place):
            return int(lane.rows[int(np.abs(lane.positions - place.cursor).argmin())])
    marked = [snapshot for snapshot, _ in history.bookmarks]
    away = np.abs(places(view, marked) - place.cursor) * place.width
    if away.min(initial=np.inf) < NEAR:
        return history.row_of(marked[int(away.argmin())])
    return int(history.branch[int(np.abs(ours - place.cursor).argmin())])


def _spans(lane: Lane, place: Strip) -> bool:
    slack = NEAR / place.width
    return bool(lane.positions.min() - slack <= place.cursor <= lane.positions.max() + slack)


def _draw_lanes(others: list[Lane], place: Strip, shown_row: int) -> None:
    """A line per branch from where it forks; the one looked at is bright."""
    draw = psim.GetWindowDrawList()
    for lane in others:
        y = place.y + (SCHEDULE + LANE * (lane.line + 0.6)) * scale()
        left, right = (place.x + place.width * share for share in (lane.positions.min(), lane.positions.max()))
        looked_at = shown_row in lane.rows
        color = theme.packed(theme.TEXT if looked_at else theme.ACCENT, 0.95 if looked_at else 0.6)
        draw.AddLine((left, place.y + SCHEDULE * scale()), (left, y), color, 1.0)
        draw.AddLine((left, y), (max(right, left + 3.0), y), color, 2.0)
        draw.AddCircleFilled((max(right, left + 3.0), y), 2.2, color)


def _draw_marks(view: ViewModel, place: Strip) -> None:
    """Edits of the current branch as notches below, bookmarks as flags above."""
    draw = psim.GetWindowDrawList()
    bottom = place.y + SCHEDULE * scale()
    for x in place.x + place.width * places(view, [event.snapshot for event in branch_events(view)]):
        draw.AddTriangleFilled((x - 3.5, bottom), (x + 3.5, bottom), (x, bottom - 6.0), theme.packed(theme.WARN))
    for x in place.x + place.width * places(view, [snapshot for snapshot, _ in view.history.bookmarks]):
        draw.AddLine((x, place.y - 3.0), (x, bottom), theme.packed(theme.TEXT, 0.9), 1.2)
        draw.AddTriangleFilled((x, place.y - 4.0), (x + 8.0, place.y), (x, place.y + 4.0), theme.packed(theme.GOOD))


def _tell(view: ViewModel, ours: np.ndarray, others: list[Lane], place: Strip) -> None:
    """What is under the cursor: the iteration, and the edits and bookmarks next to it."""
    history, row = view.history, row_at(view, ours, others, place)
    batch = f"batch {history.batch_of[row] + 1} of {view.scene.batches}, " if view.scene.batches > 1 else ""
    lines = [
        f"{batch}{view.phases[int(history.phase[row])].name}, step {history.step[row] + 1}, "
        f"iteration {history.iteration[row]} of it, loss {number(float(history.total[row]))}"
    ]
    if len(history.branches) > 1:
        lines.append(next(b.name for b in history.branches if b.number == int(history.branch_of[row])))
    for what, marks in (
        ("edit", [(event.snapshot, event.text) for event in branch_events(view)]),
        ("bookmark", history.bookmarks),
    ):
        away = np.abs(places(view, [snapshot for snapshot, _ in marks]) - place.cursor) * place.width
        lines += [f"{what}: {text}" for (_, text), far in zip(marks, away, strict=True) if far < NEAR]
    psim.SetTooltip("\n".join([*lines, "drag to look at other iterations (Shift+arrows); the run goes on or waits"]))


def _buttons(view: ViewModel, ui: UiState) -> Iterator[Command]:
    height = (SCHEDULE + 4.0) * scale()
    with disabled(view.shown == view.current):
        if icon_button(REWIND.label, "back", (102.0 * scale(), height)):
            ui.scrubbing = None
            yield Rewind(view.shown)
        tooltip(REWIND.tooltip)
        psim.SameLine()
        if icon_button(LATEST.label, "end", (68.0 * scale(), height)):
            yield Inspect(None)
        tooltip(LATEST.tooltip)
    psim.SameLine()
    if psim.Button("Marks", (psim.GetContentRegionAvail()[0], height)):
        psim.OpenPopup("marks")
    tooltip("Bookmarks (B) and branches: jump to them, name them")
    psim.SetNextWindowSizeConstraints((0.0, 0.0), (520.0 * scale(), 420.0 * scale()))
    if psim.BeginPopup("marks"):
        yield from _marks(view, ui)
        psim.EndPopup()


def default_name(view: ViewModel) -> str:
    """A name that no bookmark has yet."""
    taken = {name for _, name in view.history.bookmarks}
    return next(name for name in (f"mark {n}" for n in range(1, len(taken) + 2)) if name not in taken)


def _marks(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """All bookmarks, then all branches; each can be named and jumped to."""
    history = view.history
    with font(theme.SMALL_FONT), styled(FramePadding=(5.0, 2.0)):
        if psim.Button("Bookmark this iteration"):
            yield Bookmark(default_name(view), view.shown)
        for snapshot, name in history.bookmarks:
            psim.PushID(f"mark {snapshot}")
            renamed = _name_field(ui, ("mark", snapshot), name)
            if renamed is not None:
                yield Bookmark(renamed, snapshot)
            psim.SameLine()
            yield from _jump(view, snapshot)
            psim.SameLine()
            if psim.Button("Remove"):
                yield RemoveBookmark(snapshot)
            psim.PopID()
        psim.Separator()
        psim.TextDisabled("Branches")
        for branch in history.branches:
            psim.PushID(f"branch {branch.number}")
            renamed = _name_field(ui, ("branch", branch.number), branch.name)
            if renamed is not None:
                yield NameBranch(renamed, branch.number)
            psim.SameLine()
            yield from _jump(view, branch.last)
            psim.SameLine()
            psim.TextDisabled(_origin(view, branch))
            psim.PopID()


def _origin(view: ViewModel, branch: Branch) -> str:
    loss = number(float(view.history.total[view.history.row_of(branch.last)]))
    if branch.forked_from is None:
        return f"loss {loss}"
    return f"from iteration {view.history.number(branch.forked_from)}, loss {loss}"


def _name_field(ui: UiState, key: tuple[str, int], name: str) -> str | None:
    """A text field; the new name once it has been typed."""
    psim.SetNextItemWidth(120.0 * scale())
    changed, text = psim.InputText("##name", ui.names.get(key, name))
    if changed:
        ui.names[key] = text
    if psim.IsItemDeactivatedAfterEdit():
        return ui.names.pop(key, text)
    return None


def _jump(view: ViewModel, snapshot: int) -> Iterator[Command]:
    with disabled(snapshot == view.shown):
        if psim.Button("Look"):
            yield Inspect(None if snapshot == view.current else snapshot)


def draw_schedule(view: ViewModel, x: float, y: float, width: float, height: float, *, done: float) -> None:
    """The phases of all batches as blocks, dim where they are still to come."""
    share = width / max(view.scene.batches, 1)
    for batch in range(view.scene.batches):
        within = min(max(done * view.scene.batches - batch, 0.0), 1.0)
        _draw_batch(view, x + batch * share, y, share - 3.0 * (view.scene.batches > 1), height, done=within)


def _draw_batch(view: ViewModel, x: float, y: float, width: float, height: float, *, done: float) -> None:
    draw = psim.GetWindowDrawList()
    total = max(sum(phase.steps for phase in view.phases), 1)
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
