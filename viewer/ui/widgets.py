"""Small ImGui widgets that several panels share: icon buttons, captions, tooltips, numbers as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from viewer.protocol.view_model import Scene
from viewer.ui import theme
from viewer.ui.drawing import ps, psim

Point = tuple[float, float]
BAR_LABEL, BAR_BUTTONS = 76.0, 300.0  # widths before and behind the bars of the timeline


def number(value: float, digits: int = 4) -> str:
    """A number as text: with an exponent only if it would be long otherwise, a dash for NaN or None."""
    if value is None or math.isnan(value):
        return "–"
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e5):
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e")
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def scale() -> float:
    """Factor for fixed sizes: 1 at 96 dpi, also inside ``font``."""
    return float(ps.get_ui_scale())


def caption(text: str, right: str = "") -> None:
    """A panel's heading, with an optional remark at the right edge."""
    with font(theme.SMALL_FONT):
        psim.TextColored(theme.rgba(theme.DIM), text.upper())
        if right:
            align_right(psim.CalcTextSize(right)[0])
            psim.TextColored(theme.rgba(theme.DIM), right)


def tab_row(titles: dict[str, str], front: str, *, marked: str | None = None) -> str:
    """Titles (by name) of panels that share a place, wrapped into lines as needed; the name of the one in front.

    Args:
        marked: The one in which something goes on that must not be forgotten; it is red.
    """
    chosen = front
    with font(theme.SMALL_FONT), styled(FramePadding=(6.0, 1.0), ItemSpacing=(3.0, 3.0)):
        right = psim.GetCursorScreenPos()[0] + psim.GetContentRegionAvail()[0] - 24.0 * scale()
        for index, (name, title) in enumerate(titles.items()):
            width = psim.CalcTextSize(title)[0] + 2 * psim.GetStyle().FramePadding[0]
            if index and psim.GetItemRectMax()[0] + 3.0 + width < right:
                psim.SameLine()
            shade = theme.mix(theme.ACCENT, theme.PANEL, 0.45) if name == front else theme.PANEL
            shade = theme.mix(theme.BAD, theme.PANEL, 0.35) if name == marked else shade
            with colored(Button=theme.rgba(shade)):
                if psim.Button(f"{title}##tab", (width, 0.0)):
                    chosen = name
    return chosen


def wide_switch(wide: bool, what: str = "plots") -> bool:
    """Draw a button at the right end of the line that enlarges plots or a table; returns the new state."""
    align_right(20.0 * scale())
    with font(theme.SMALL_FONT), styled(FramePadding=(4.0, 1.0)):
        pressed = psim.Button(f"{'→' if wide else '←'}##wide {what}", (20.0 * scale(), 0.0))
    key = " (E)" if what == "plots" else " (W)"
    tooltip(f"Back to the ordinary size{key}" if wide else f"Larger {what}{key}")
    return wide != pressed


@contextmanager
def font(size: float) -> Iterator[None]:
    """Text of another size (unscaled pixels).

    Polyscope's binding of ``PushFont`` ignores its size, but makes ImGui read the scale of texts again.
    """
    theme.scale_texts(scale() * size / theme.FONT_SIZE)
    psim.PushFont(None, 0.0)
    try:
        yield
    finally:
        psim.PopFont()
        theme.scale_texts(scale())


@contextmanager
def disabled(when: bool) -> Iterator[None]:
    """Greyed out and not clickable while ``when`` holds."""
    psim.BeginDisabled(when)
    try:
        yield
    finally:
        psim.EndDisabled()


@contextmanager
def colored(**colors: tuple[float, float, float, float]) -> Iterator[None]:
    """Widget colours by ImGui's names, e.g. ``Text=…``."""
    for name, color in colors.items():
        psim.PushStyleColor(int(getattr(psim, f"ImGuiCol_{name}")), color)
    try:
        yield
    finally:
        psim.PopStyleColor(len(colors))


def explanation(text: str) -> None:
    """Draw a text that explains something, wrapped and dim."""
    with colored(Text=theme.rgba(theme.DIM)):
        psim.TextWrapped(text)


def scaled(value: float | Point) -> float | Point:
    """A size in unscaled pixels as it is drawn."""
    factor = ps.get_ui_scale()
    return (value[0] * factor, value[1] * factor) if isinstance(value, tuple) else value * factor


@contextmanager
def styled(**values: float | Point) -> Iterator[None]:
    """Style variables by ImGui's names in unscaled pixels, e.g. ``FramePadding=(4, 1)``."""
    for name, value in values.items():
        psim.PushStyleVar(int(getattr(psim, f"ImGuiStyleVar_{name}")), scaled(value))
    try:
        yield
    finally:
        psim.PopStyleVar(len(values))


def align_right(width: float) -> None:
    """Continue the line so that a widget of this width ends at the right edge."""
    psim.SameLine()
    free = psim.GetContentRegionAvail()[0] - width
    if free > 0:
        psim.SetCursorPosX(psim.GetCursorPosX() + free)


def tooltip(text: str, *, width: float = 340.0) -> None:
    """Help for the last widget, wrapped; also where the widget is disabled."""
    flags = int(psim.ImGuiHoveredFlags_AllowWhenDisabled) | int(psim.ImGuiHoveredFlags_DelayShort)
    if psim.IsItemHovered(flags):
        psim.BeginTooltip()
        psim.PushTextWrapPos(width * scale())
        psim.TextUnformatted(text)
        psim.PopTextWrapPos()
        psim.EndTooltip()


def icon_button(label: str, icon: str, size: Point, *, fill: theme.Color | None = None) -> bool:
    """A button with a drawn icon before its text (``label`` may be only an ``##id``).

    Args:
        icon: ``play``, ``pause``, ``step``, ``skip``, ``end``, ``start``, ``back`` or ``reset``.
        fill: Colour of the button; None: the ordinary colour.
    """
    text = label.split("##")[0]
    if fill:
        shades = [theme.rgba(theme.mix(fill, theme.TEXT, share)) for share in (0.0, 0.15, 0.3)]
        with colored(Button=shades[0], ButtonHovered=shades[1], ButtonActive=shades[2]):
            pressed = psim.Button(f"##{label}", size)
    else:
        pressed = psim.Button(f"##{label}", size)
    (x0, y0), (x1, y1) = psim.GetItemRectMin(), psim.GetItemRectMax()
    color = psim.GetColorU32(int(psim.ImGuiCol_Text))
    side = 0.36 * psim.GetFontSize()
    text_size = psim.CalcTextSize(text) if text else (0.0, 0.0)
    gap = 6.0 * scale()
    total = 2 * side + (gap + text_size[0] if text else 0.0)
    x, y = (x0 + x1 - total) / 2, (y0 + y1) / 2
    draw_icon(icon, (x + side, y), side, color)
    if text:
        psim.GetWindowDrawList().AddText((x + 2 * side + gap, y - text_size[1] / 2), color, text)
    return pressed


def draw_icon(icon: str, center: Point, side: float, color: int) -> None:
    """Draw an icon of half size ``side`` into the current window."""
    draw = psim.GetWindowDrawList()
    x, y = center

    def triangle(left: float, right: float) -> None:
        draw.AddTriangleFilled((x + left, y - side), (x + right, y), (x + left, y + side), color)

    def bar(left: float, right: float) -> None:
        draw.AddRectFilled((x + left, y - side), (x + right, y + side), color)

    if icon == "play":
        triangle(-0.7 * side, side)
    elif icon == "pause":
        bar(-0.75 * side, -0.2 * side)
        bar(0.2 * side, 0.75 * side)
    elif icon == "step":
        triangle(-side, 0.5 * side)
        bar(0.6 * side, side)
    elif icon == "skip":
        triangle(-side, 0.0)
        triangle(0.0, side)
    elif icon == "end":
        triangle(-side, -0.1 * side)
        triangle(-0.1 * side, 0.7 * side)
        bar(0.75 * side, side)
    elif icon == "start":
        bar(-side, -0.6 * side)
        triangle(side, -0.5 * side)
    elif icon == "back":
        triangle(side, -0.8 * side)
    elif icon == "reset":
        draw.AddCircle(center, 0.8 * side, color, 16, 1.6)
        draw.AddTriangleFilled((x + 0.2 * side, y - 1.2 * side), (x + 0.9 * side, y - 0.7 * side),
                               (x + 0.1 * side, y - 0.3 * side), color)  # fmt: skip


def table_row(cells: Iterable[str], *, dim: bool = False) -> None:
    """Add a row of texts to the current table."""
    psim.TableNextRow()
    for cell in cells:
        psim.TableNextColumn()
        psim.TextColored(theme.rgba(theme.DIM if dim else theme.TEXT), cell)


def sequence_choice(label: str, chosen: int, scene: Scene) -> int:
    """Draw a list of the batch's sub-sequences and return the index of the chosen one; a single one is not listed."""
    count, first = len(scene.starts), scene.number(0) + 1
    if count < 2:
        return 0
    chosen = min(chosen, count - 1)
    psim.SetNextItemWidth(92.0 * scale())
    if psim.BeginCombo(f"##{label}", f"{first + chosen} of {first + count - 1}"):
        for index in range(count):
            if psim.Selectable(f"sub-sequence {first + index}##{label}", index == chosen):
                chosen = index
        psim.EndCombo()
    tooltip("Which sub-sequence")
    return chosen


class Strip(NamedTuple):
    """A bar along which something is dragged; shares are of its width."""

    x: float
    y: float
    width: float
    height: float
    held: float | None  # share under the cursor while it is dragged
    hovered: bool
    cursor: float  # share under the cursor
    cursor_y: float  # pixels below the bar's top


def strip(name: str, height: float) -> Strip:
    """An invisible draggable bar, as wide as there is room before the timeline's buttons."""
    width = max(psim.GetContentRegionAvail()[0] - BAR_BUTTONS * scale(), 40.0)
    x, y = psim.GetCursorScreenPos()
    psim.InvisibleButton(name, (width, height))
    mouse = psim.GetIO().MousePos
    share = min(max((mouse[0] - x) / width, 0.0), 1.0)
    held = share if psim.IsItemActive() else None
    return Strip(x, y, width, height, held, psim.IsItemHovered(), share, mouse[1] - y)


def bar_label(text: str, value: str) -> None:
    """Write two small lines in front of a bar: its label and its value."""
    x, y = psim.GetCursorPosX(), psim.GetCursorPosY()
    with font(theme.SMALL_FONT), styled(ItemSpacing=(7.0, 0.0)):
        psim.SetCursorPosY(y - 3.0)
        psim.BeginGroup()
        psim.TextColored(theme.rgba(theme.DIM), text)
        psim.TextUnformatted(value)
        psim.EndGroup()
    psim.SameLine()
    psim.SetCursorPos((x + BAR_LABEL * scale(), y))


def bar_handle(x: float, y: float, height: float) -> None:
    """Draw the cursor of a bar."""
    draw = psim.GetWindowDrawList()
    draw.AddRectFilled((x - 2.5, y - 3), (x + 2.5, y + height + 3), theme.packed(theme.TEXT), 2.0)


def dot(color: theme.Color, *, hollow: bool = False) -> None:
    """A coloured dot as tall as the text, then continue the line."""
    x, y = psim.GetCursorScreenPos()
    radius = 0.28 * psim.GetFontSize()
    center = (x + radius, y + psim.GetTextLineHeight() / 2)
    draw = psim.GetWindowDrawList()
    if hollow:
        draw.AddCircle(center, radius, theme.packed(color), 16, 1.4)
    else:
        draw.AddCircleFilled(center, radius, theme.packed(color))
    psim.Dummy((2 * radius, psim.GetTextLineHeight()))
    psim.SameLine()
