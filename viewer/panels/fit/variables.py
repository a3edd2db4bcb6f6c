"""Variables: which of them move, how far they have moved and what holds them; hold, reset and perturb them."""

from __future__ import annotations

from collections.abc import Iterator

from optim.session.edits import Hold, Perturb, Release, Reset
from viewer.protocol.commands import Command
from viewer.protocol.view_model import Variable, ViewModel
from viewer.ui import theme
from viewer.ui.drawing import psim
from viewer.ui.ui_state import UiState
from viewer.ui.widgets import align_right, disabled, font, number, scale, styled, tooltip

USUAL_NOISE = 0.01  # in the variable's unit
_MENU = 20.0  # width of the button behind every row
_WORDS = {"": "no unit", "m": "metres", "rad": "radians", "m/s": "metres per second", "rad/s": "radians per second"}


def variables_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """A row per variable; in stage 3 the six variables of ``x_0`` are one row until it is opened."""
    if psim.BeginChild("variables body", (0.0, 0.0)):
        with styled(FramePadding=(1.0, 0.0), ItemSpacing=(5.0, 4.0)):
            for variable, inner in rows(view, opened=ui.open_x_0):
                yield from _row(view, ui, variable, inner)
    psim.EndChild()


def rows(view: ViewModel, *, opened: bool) -> list[tuple[Variable, bool]]:
    """The variables to show, in order, and whether a variable stands below ``x_0``."""
    variables = view.scene.variables
    inside = {name for variable in variables for name in variable.children}
    if _stage(view) == 3:
        return [
            (variable, variable.name in inside)
            for variable in _x_0_first(variables)
            if opened or variable.name not in inside
        ]
    free = {name for phase in view.phases if phase.stage < 3 for name in phase.variables}
    there = [variable for variable in variables if variable.name in free]
    later = [variable for variable in variables if variable.name not in free and variable.name not in inside]
    return [(variable, False) for variable in (*there, *later)]


def _x_0_first(variables: tuple[Variable, ...]) -> list[Variable]:
    group = [variable for variable in variables if variable.children]
    inside = [variable for variable in variables if any(variable.name in other.children for other in group)]
    return [*group, *inside, *(variable for variable in variables if variable not in group and variable not in inside)]


def _row(view: ViewModel, ui: UiState, variable: Variable, inner: bool) -> Iterator[Command]:
    own, covered = held_by(view, variable, inner=inner)
    held = own or covered
    if inner:
        psim.Indent(22.0 * scale())
    with disabled(covered):
        changed, ticked = psim.Checkbox(variable.label, held)
    tooltip(variable_help(variable, held))
    if variable.children and _stage(view) == 3:
        psim.SameLine()
        direction = psim.ImGuiDir_Down if ui.open_x_0 else psim.ImGuiDir_Right
        if psim.ArrowButton("##variables", direction):
            ui.open_x_0 = not ui.open_x_0
        tooltip("Its six variables")
    _state(view, variable, held)
    psim.PushID(variable.name)
    yield from _menu(view, ui, variable, held)
    psim.PopID()
    if inner:
        psim.Unindent(22.0 * scale())
    if changed:
        yield Hold(variable.name) if ticked else Release(variable.name)


def _stage(view: ViewModel) -> int:
    return view.phases[view.status.phase].stage


def _state(view: ViewModel, variable: Variable, held: bool) -> None:
    text, color, help_text = state_of(view, variable, held)
    psim.SameLine()
    room = psim.GetContentRegionAvail()[0] - (_MENU + 5.0) * scale()
    with font(theme.SMALL_FONT):
        if psim.CalcTextSize(text)[0] > room:  # the tick and the colour say it too
            text = text.removeprefix("held").lstrip(", ")
        align_right(psim.CalcTextSize(text)[0] + (_MENU + 5.0) * scale())
        psim.TextColored(theme.rgba(color), text)
    tooltip(help_text)


def state_of(view: ViewModel, variable: Variable, held: bool) -> tuple[str, theme.Color, str]:
    """What a row says at its right end: moved so far, or held since when; its colour; the same at length."""
    way, ranges = view.movement.get(variable.name), held_ranges(view, variable)
    unit = f" {variable.unit}" if variable.unit else ""
    if variable.name not in view.movement and not variable.children:
        return ("held, in stage 3" if held else "in stage 3"), theme.ACCENT if held else theme.DIM, _LATER
    if variable.children and _stage(view) < 3:
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
    by = schedule_holding(view, variable)
    if by is not None:
        return "held", theme.DIM, f"All its variables are held by the schedule of {by}"
    if way is None or way.largest is None or way.rms is None:
        return "moves", theme.GOOD, "Open it for how far its variables have moved"
    long = (
        f"Moved since the stage began [{_WORDS[variable.unit]}]: at most {number(way.largest)}{unit} in any entry, "
        f"root mean square {number(way.rms)}{unit}"
    )
    return f"{number(way.largest)}{unit}", theme.GOOD, long


def schedule_holding(view: ViewModel, variable: Variable) -> str | None:
    """Phase whose schedule leaves out all variables of a group; None where one of them moves or is held otherwise."""
    ways = [view.movement.get(name) for name in variable.children]
    holders = {"" if way is None or way.since is None else way.held_by for way in ways}
    return holders.pop() if len(holders) == 1 and not holders & {"", "freeze"} else None


def held_ranges(view: ViewModel, variable: Variable) -> list[str]:
    """Ranges of a variable's entries that are held, as ``10:20``, in order."""
    found = [name[len(variable.name) + 1 : -1] for name in view.held if name.startswith(f"{variable.name}[")]
    return sorted(found, key=lambda text: int(text.split(":")[0] or 0))


_RANGES = "Entries along time that are held; the others move. Released behind “…”"
_LATER = "It begins with stage 3. If it is held before, it keeps the value that it is initialised with there"


def _menu(view: ViewModel, ui: UiState, variable: Variable, held: bool) -> Iterator[Command]:
    """Reset and perturb, behind a button at the end of the row."""
    align_right(_MENU * scale())
    if psim.Button("…##menu", (_MENU * scale(), 0.0)):
        psim.OpenPopup("menu")
    tooltip(f"Reset or perturb {variable.label}")
    if not psim.BeginPopup("menu"):
        return
    there = _stage(view) == 3 if variable.children else variable.name in view.movement
    with styled(FramePadding=(7.0, 3.0), ItemSpacing=(7.0, 5.0)):
        psim.TextDisabled(variable.label)
        with disabled(held or not there):
            if psim.Button("Reset##do"):
                yield Reset(variable.name)
                psim.CloseCurrentPopup()
            tooltip("It is held: release it first" if held else "Back to its value at the beginning of the stage")
            psim.SetNextItemWidth(70.0 * scale())
            _, noise = psim.InputDouble("##noise", ui.noise.get(variable.name, USUAL_NOISE), 0.0, 0.0, "%.3g")
            ui.noise[variable.name] = noise
            psim.SameLine()
            if psim.Button("Perturb##do") and noise > 0:
                yield Perturb(variable.name, noise)
                psim.CloseCurrentPopup()
            tooltip(f"Add normal noise of this standard deviation [{_WORDS[variable.unit]}]; undo with Ctrl+Z")
        inside = any(variable.name in other.children for other in view.scene.variables)
        if there and not held and variable.entries > 1 and not (inside and _stage(view) == 3):
            yield from _range(view, ui, variable)
    psim.EndPopup()


def _range(view: ViewModel, ui: UiState, variable: Variable) -> Iterator[Command]:
    """Freeze some entries along time alone; release those that are."""
    last = variable.entries - 1
    bounds = list(ui.ranges.get(variable.name, (0, last)))
    steps = "; entry t leads from frame t to t + 1" if variable.entries < view.scene.num_frames else ""
    psim.Separator()
    for index, name in enumerate(("first", "last")):
        psim.SetNextItemWidth(46.0 * scale())
        _, bounds[index] = psim.InputInt(f"##{name}", bounds[index], 0, 0)
        tooltip(f"The {name} entry to hold, 0 to {last}{steps}")
        psim.SameLine()
    bounds = [min(max(bound, 0), last) for bound in bounds]
    ui.ranges[variable.name] = bounds[0], bounds[1]
    with disabled(bounds[0] > bounds[1]):
        if psim.Button("Freeze range"):
            yield Hold(f"{variable.name}[{bounds[0]}:{bounds[1] + 1}]")
            psim.CloseCurrentPopup()
    tooltip("Hold these entries along time; the others go on moving")
    for text in held_ranges(view, variable):
        if psim.Button(f"Release {text}"):
            yield Release(f"{variable.name}[{text}]")
            psim.CloseCurrentPopup()


def held_by(view: ViewModel, variable: Variable, *, inner: bool) -> tuple[bool, bool]:
    """Whether the user holds a variable itself, and whether they hold the group that it is in."""
    groups = (other for other in view.scene.variables if variable.name in other.children)
    return variable.name in view.held, inner and any(other.name in view.held for other in groups)


def variable_help(variable: Variable, held: bool) -> str:
    """What a variable is, and what its tick means."""
    what = variable.label if not variable.children else f"{variable.label}: {', '.join(variable.children)}"
    held_help, free_help = "It is held: it does not move until released.", "Tick to hold it from the next iteration on."
    return f"{what}\n{held_help if held else free_help}"
