"""Variables: which of them move, how far they have moved and what holds them; hold, reset and perturb them."""

from __future__ import annotations

from collections.abc import Iterator

import polyscope.imgui as psim

from optim.session.edits import Hold, Perturb, Release, Reset
from viewer.protocol.commands import Command
from viewer.protocol.view_model import Part, ViewModel
from viewer.ui import theme
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import align_right, disabled, font, number, scale, styled, tooltip

USUAL_NOISE = 0.01  # in the variable's unit
_MENU = 20.0  # width of the button behind every row
_WORDS = {"": "no unit", "m": "metres", "rad": "radians", "m/s": "metres per second", "rad/s": "radians per second"}


def variables_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A row per variable; in stage 3 the six parts of ``x_0`` are one row until it is opened."""
    if psim.BeginChild("variables body", (0.0, 0.0)):
        with styled(FramePadding=(1.0, 0.0), ItemSpacing=(5.0, 4.0)):
            for part, inner in rows(view, opened=ui.open_parts):
                yield from _row(view, ui, part, inner)
    psim.EndChild()


def rows(view: ViewModel, *, opened: bool) -> list[tuple[Part, bool]]:
    """The parts to show, in order, and whether a part stands below ``x_0``."""
    parts = view.scene.parts
    inside = {name for part in parts for name in part.children}
    if _stage(view) == 3:
        return [(part, part.name in inside) for part in _x_0_first(parts) if opened or part.name not in inside]
    free = {name for phase in view.phases if phase.stage < 3 for name in phase.variables}
    there = [part for part in parts if part.name in free]
    later = [part for part in parts if part.name not in free and part.name not in inside]
    return [(part, False) for part in (*there, *later)]


def _x_0_first(parts: tuple[Part, ...]) -> list[Part]:
    group = [part for part in parts if part.children]
    inside = [part for part in parts if any(part.name in other.children for other in group)]
    return [*group, *inside, *(part for part in parts if part not in group and part not in inside)]


def _row(view: ViewModel, ui: UiState, part: Part, inner: bool) -> Iterator[Command]:
    own, covered = (
        part.name in view.held,
        inner and any(part.name in other.children and other.name in view.held for other in view.scene.parts),
    )
    held = own or covered
    if inner:
        psim.Indent(22.0 * scale())
    with disabled(covered):
        changed, ticked = psim.Checkbox(part.label, held)
    tooltip(_help(part, held))
    if part.children and _stage(view) == 3:
        psim.SameLine()
        direction = psim.ImGuiDir_Down if ui.open_parts else psim.ImGuiDir_Right
        if psim.ArrowButton("##parts", direction):
            ui.open_parts = not ui.open_parts
        tooltip("Its six parts")
    _state(view, part, held)
    psim.PushID(part.name)
    yield from _menu(view, ui, part, held)
    psim.PopID()
    if inner:
        psim.Unindent(22.0 * scale())
    if changed:
        yield Hold(part.name) if ticked else Release(part.name)


def _stage(view: ViewModel) -> int:
    return view.phases[view.status.phase].stage


def _state(view: ViewModel, part: Part, held: bool) -> None:
    text, color, help_text = state_of(view, part, held)
    psim.SameLine()
    room = psim.GetContentRegionAvail()[0] - (_MENU + 5.0) * scale()
    with font(theme.SMALL_FONT):
        if psim.CalcTextSize(text)[0] > room:  # the tick and the colour say it too
            text = text.removeprefix("held").lstrip(", ")
        align_right(psim.CalcTextSize(text)[0] + (_MENU + 5.0) * scale())
        psim.TextColored(theme.rgba(color), text)
    tooltip(help_text)


def state_of(view: ViewModel, part: Part, held: bool) -> tuple[str, theme.Color, str]:
    """What a row says at its right end: moved so far, or held since when; its colour; the same at length."""
    way, ranges = view.movement.get(part.name), held_ranges(view, part)
    unit = f" {part.unit}" if part.unit else ""
    if part.name not in view.movement and not part.children:
        return ("held, in stage 3" if held else "in stage 3"), theme.ACCENT if held else theme.DIM, _LATER
    if part.children and _stage(view) < 3:
        return ("held, in stage 3" if held else "in stage 3"), theme.ACCENT if held else theme.DIM, _LATER
    if way is not None and way.since is not None:
        color = theme.ACCENT if way.held_by == "freeze" else theme.DIM
        who = "Held by you" if way.held_by == "freeze" else f"Held by the schedule of {way.held_by}"
        since = view.history.number(way.since)
        long = f"{who} since iteration {since}; moved by {number(way.moved_since)}{unit} since then (by hand)"
        return f"held since {since}", color, long
    if held:
        return "held", theme.ACCENT, "It stays where it is until it is released"
    if ranges:
        return f"{ranges[0]} held" if len(ranges) == 1 else f"{len(ranges)} ranges held", theme.ACCENT, _RANGES
    by = schedule_holding(view, part)
    if by is not None:
        return "held", theme.DIM, f"All its parts are held by the schedule of {by}"
    if way is None or way.largest is None or way.rms is None:
        return "moves", theme.GOOD, "Open it for how far its parts have moved"
    long = (
        f"Moved since the stage began [{_WORDS[part.unit]}]: at most {number(way.largest)}{unit} in any entry, "
        f"root mean square {number(way.rms)}{unit}"
    )
    return f"{number(way.largest)}{unit}", theme.GOOD, long


def schedule_holding(view: ViewModel, part: Part) -> str | None:
    """The phase whose schedule leaves out every part of a group; None where one of them moves or is held otherwise."""
    ways = [view.movement.get(name) for name in part.children]
    holders = {"" if way is None or way.since is None else way.held_by for way in ways}
    return holders.pop() if len(holders) == 1 and not holders & {"", "freeze"} else None


def held_ranges(view: ViewModel, part: Part) -> list[str]:
    """Ranges of a variable's entries that are held, as ``10:20``, in order."""
    found = [name[len(part.name) + 1 : -1] for name in view.held if name.startswith(f"{part.name}[")]
    return sorted(found, key=lambda text: int(text.split(":")[0] or 0))


_RANGES = "Entries along time that are held; the others move. Released behind “…”"
_LATER = "It begins with stage 3. If it is held before, it keeps the value that it is initialised with there"


def _menu(view: ViewModel, ui: UiState, part: Part, held: bool) -> Iterator[Command]:
    """Reset and perturb, behind a button at the end of the row."""
    align_right(_MENU * scale())
    if psim.Button("…##menu", (_MENU * scale(), 0.0)):
        psim.OpenPopup("menu")
    tooltip(f"Reset or perturb {part.label}")
    if not psim.BeginPopup("menu"):
        return
    there = _stage(view) == 3 if part.children else part.name in view.movement
    with styled(FramePadding=(7.0, 3.0), ItemSpacing=(7.0, 5.0)):
        psim.TextDisabled(part.label)
        with disabled(held or not there):
            if psim.Button("Reset##do"):
                yield Reset(part.name)
                psim.CloseCurrentPopup()
            tooltip("It is held: release it first" if held else "Back to its value at the beginning of the stage")
            psim.SetNextItemWidth(70.0 * scale())
            _, noise = psim.InputDouble("##noise", ui.noise.get(part.name, USUAL_NOISE), 0.0, 0.0, "%.3g")
            ui.noise[part.name] = noise
            psim.SameLine()
            if psim.Button("Perturb##do") and noise > 0:
                yield Perturb(part.name, noise)
                psim.CloseCurrentPopup()
            tooltip(f"Add normal noise of this standard deviation [{_WORDS[part.unit]}]; undo with Ctrl+Z")
        inside = any(part.name in other.children for other in view.scene.parts)
        if there and not held and part.entries > 1 and not (inside and _stage(view) == 3):
            yield from _range(view, ui, part)
    psim.EndPopup()


def _range(view: ViewModel, ui: UiState, part: Part) -> Iterator[Command]:
    """Freeze some entries along time alone; release those that are."""
    last = part.entries - 1
    bounds = list(ui.ranges.get(part.name, (0, last)))
    steps = "; entry t leads from frame t to t + 1" if part.entries < view.scene.num_frames else ""
    psim.Separator()
    for index, name in enumerate(("first", "last")):
        psim.SetNextItemWidth(46.0 * scale())
        _, bounds[index] = psim.InputInt(f"##{name}", bounds[index], 0, 0)
        tooltip(f"The {name} entry to hold, 0 to {last}{steps}")
        psim.SameLine()
    bounds = [min(max(bound, 0), last) for bound in bounds]
    ui.ranges[part.name] = bounds[0], bounds[1]
    with disabled(bounds[0] > bounds[1]):
        if psim.Button("Freeze range"):
            yield Hold(f"{part.name}[{bounds[0]}:{bounds[1] + 1}]")
            psim.CloseCurrentPopup()
    tooltip("Hold these entries along time; the others go on moving")
    for text in held_ranges(view, part):
        if psim.Button(f"Release {text}"):
            yield Release(f"{part.name}[{text}]")
            psim.CloseCurrentPopup()


def _help(part: Part, held: bool) -> str:
    what = part.label if not part.children else f"{part.label}: {', '.join(part.children)}"
    held_help, free_help = "It is held: it does not move until released.", "Tick to hold it from the next iteration on."
    return f"{what}\n{held_help if held else free_help}"
