"""Variables: which of them move in this phase, and switches to freeze them."""

from __future__ import annotations

from collections.abc import Iterator

import polyscope.imgui as psim

from viewer import theme
from viewer.commands import Command, Freeze, Release
from viewer.ui_state import UiState
from viewer.view_model import Part, ViewModel
from viewer.widgets import align_right, caption, disabled, font, styled, tooltip


def variables_panel(view: ViewModel, ui: UiState) -> Iterator[Command]:
    """One switch per part; ``x_0`` is one switch for all of its parts."""
    caption("Freeze", "holds a variable still")
    for part in view.scene.parts:
        own, covered = part.name in view.frozen, _covered(part, view)
        with styled(FramePadding=(1.0, 0.0)), disabled(covered):
            changed, frozen_now = psim.Checkbox(part.label, own or covered)
        tooltip(_help(part, own or covered))
        state, color = _state(part, view, own or covered)
        with font(theme.SMALL_FONT):
            align_right(psim.CalcTextSize(state)[0])
            psim.TextColored(theme.rgba(color), state)
        if changed:
            yield Freeze(part.name) if frozen_now else Release(part.name)


def _covered(part: Part, view: ViewModel) -> bool:
    """Frozen as a part of something else: x_0 covers its parts once stage 3 has begun."""
    owners = [other for other in view.scene.parts if part.name in other.children]
    return _stage(view) == 3 and any(owner.name in view.frozen for owner in owners)


def _stage(view: ViewModel) -> int:
    return view.phases[view.status.phase].stage


def _state(part: Part, view: ViewModel, frozen: bool) -> tuple[str, theme.Color]:
    if part.children and _stage(view) < 3:
        return ("frozen in stage 3", theme.ACCENT) if frozen else ("in stage 3", theme.DIM)
    if frozen:
        return "frozen", theme.ACCENT
    moving = view.phases[view.status.phase].variables
    if any(name in moving for name in (part.name, *part.children)):
        return "moves", theme.GOOD
    return "held in this phase", theme.DIM


def _help(part: Part, frozen: bool) -> str:
    what = part.label if not part.children else f"{part.label}: {', '.join(part.children)}"
    return f"{what}\n" + (
        "Frozen: stays exactly where it is until released." if frozen else "Tick to hold it from the next iteration on."
    )
