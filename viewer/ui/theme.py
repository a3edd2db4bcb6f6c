"""The colours of the theme in use, font sizes and widget style. The theme is dark until ``use`` chooses another one.

Code that draws must read a colour as ``theme.TEXT`` at the time of drawing, so that it follows a change of theme.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from viewer.ui.drawing import ps, psim
from viewer.ui.palette import PALETTES, Color, Palette

FONT_SIZE, SMALL_FONT, LARGE_FONT = 15.0, 13.0, 18.0

BACKGROUND: Color
PANEL: Color
RAISED: Color
BORDER: Color
TEXT: Color
DIM: Color
ACCENT: Color
GOOD: Color
WARN: Color
BAD: Color
STAGE2: Color
REPROJECTED: Color
RESIDUAL: Color
MISSING: Color
SEQUENCES: tuple[Color, ...]
GAPS: tuple[Color, ...]
AXES: tuple[Color, ...]
PHASES: tuple[Color, ...]
TERMS: tuple[Color, ...]
LAYER_COLORS: dict[str, Color]
THEMES = tuple(PALETTES)


def _widget_colors() -> dict[str, tuple[float, ...]]:
    """Colours of widgets, by ImGui's names."""
    return {
        "Text": (*TEXT, 1.0),
        "TextDisabled": (*DIM, 1.0),
        "WindowBg": (*PANEL, 0.96),
        "ChildBg": (0.0, 0.0, 0.0, 0.0),
        "PopupBg": (*mix(PANEL, RAISED, 0.5), 0.99),
        "Border": (*BORDER, 0.8),
        "FrameBg": (*RAISED, 1.0),
        "FrameBgHovered": (*mix(RAISED, TEXT, 0.08), 1.0),
        "FrameBgActive": (*mix(RAISED, TEXT, 0.14), 1.0),
        "Button": (*mix(RAISED, TEXT, 0.05), 1.0),
        "ButtonHovered": (*mix(RAISED, TEXT, 0.15), 1.0),
        "ButtonActive": (*ACCENT, 0.85),
        "CheckMark": (*ACCENT, 1.0),
        "SliderGrab": (*ACCENT, 0.85),
        "SliderGrabActive": (*ACCENT, 1.0),
        "Header": (*ACCENT, 0.28),
        "HeaderHovered": (*ACCENT, 0.38),
        "HeaderActive": (*ACCENT, 0.48),
        "Separator": (*BORDER, 1.0),
        "PlotHistogram": (*ACCENT, 0.9),
        "TableHeaderBg": (*mix(PANEL, RAISED, 0.5), 1.0),
        "TableBorderLight": (*BORDER, 0.6),
        "TableBorderStrong": (*BORDER, 1.0),
        "TableRowBgAlt": (*TEXT, 0.02),
        "ScrollbarBg": (0.0, 0.0, 0.0, 0.15),
        "ScrollbarGrab": (*mix(RAISED, TEXT, 0.18), 1.0),
    }


def use(name: str) -> None:
    """Draw everything in one of the ``THEMES`` from now on."""
    _take(name)
    style_colors()


def _take(name: str) -> None:
    """Make the colours of a theme those of this module; the module's names are the fields of a palette."""
    for field in fields(Palette):
        globals()[field.name.upper()] = getattr(PALETTES[name], field.name)


def is_bright() -> bool:
    """Whether the scene has a bright background."""
    return sum(BACKGROUND) > 1.5


def sequence_color(index: int) -> Color:
    """Colour of a sub-sequence wherever it is drawn: its body, its lane on the timeline, its curves."""
    return SEQUENCES[index % len(SEQUENCES)]


def term_color(index: int) -> Color:
    """Colour of a loss term in tables and plots."""
    return TERMS[index % len(TERMS)]


def phase_color(index: int) -> Color:
    """Colour of a phase on the time axis."""
    return PHASES[index % len(PHASES)]


def gap_colors(shares: np.ndarray) -> np.ndarray:
    """Colours (N, 3) for distances, as shares (N,) in 0..1 of the largest that is told; shares outside are clipped."""
    return _between(shares, GAPS)


def strength(shares: np.ndarray, color: Color) -> np.ndarray:
    """Colours (N, 3) from nearly the background to a full colour, for shares (N,) in 0..1."""
    return _between(shares, (mix(BACKGROUND, color, 0.25), color))


def _between(shares: np.ndarray, colors: tuple[Color, ...]) -> np.ndarray:
    stops = np.linspace(0.0, 1.0, len(colors))
    return np.stack([np.interp(shares, stops, channel) for channel in zip(*colors, strict=True)], axis=1)


def rgba(color: Color, alpha: float = 1.0) -> tuple[float, float, float, float]:
    """A colour with an alpha value, in ImGui's form."""
    return (*color, alpha)


def packed(color: Color, alpha: float = 1.0) -> int:
    """A colour in the form that ImGui's draw lists take."""
    return psim.GetColorU32(rgba(color, alpha))


def mix(a: Color, b: Color, share: float) -> Color:
    """A mixture of two colours; ``share`` is that of ``b``."""
    return tuple(x + (y - x) * share for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


IMGUI_SIZES: dict[str, float | tuple[float, float]] = {
    "WindowMinSize": (32.0, 32.0), "WindowBorderHoverPadding": 4.0, "TouchExtraPadding": (0.0, 0.0),
    "IndentSpacing": 21.0, "ColumnsMinSpacing": 6.0, "ScrollbarPadding": 2.0, "LogSliderDeadzone": 4.0,
    "TabRounding": 5.0, "TabMinWidthBase": 1.0, "TabMinWidthShrink": 80.0, "TabCloseButtonMinWidthSelected": -1.0,
    "TabCloseButtonMinWidthUnselected": 0.0, "TabBarOverlineSize": 1.0, "SeparatorTextPadding": (20.0, 3.0),
    "DisplayWindowPadding": (19.0, 19.0), "DisplaySafeAreaPadding": (3.0, 3.0), "MouseCursorScale": 1.0,
}  # fmt: skip
"""ImGui's own sizes, as far as this style keeps them. ``ScaleAllSizes`` multiplies what it finds, so every size has
to be set before; otherwise these would grow with every change of the scale."""


def apply_style() -> None:
    """Set ImGui's style for Polyscope's present scale; also given to Polyscope as its style callback."""
    psim.StyleColorsDark()
    style = psim.GetStyle()
    for name, size in IMGUI_SIZES.items():
        if hasattr(style, name):  # Versions of ImGui differ.
            setattr(style, name, size)
    style.FontSizeBase = FONT_SIZE
    style.WindowPadding, style.FramePadding = (10.0, 8.0), (7.0, 3.0)
    style.ItemSpacing, style.ItemInnerSpacing, style.CellPadding = (7.0, 5.0), (5.0, 4.0), (4.0, 2.0)
    style.WindowRounding, style.FrameRounding, style.GrabRounding = 7.0, 4.0, 3.0
    style.PopupRounding, style.ChildRounding, style.ScrollbarRounding = 6.0, 5.0, 6.0
    style.WindowBorderSize, style.FrameBorderSize, style.ScrollbarSize = 1.0, 0.0, 10.0
    style.GrabMinSize, style.WindowTitleAlign = 10.0, (0.0, 0.5)
    style.DisabledAlpha = 0.45
    style.ScaleAllSizes(ps.get_ui_scale())
    style_colors()


def scale_texts(scale: float) -> None:
    """Make texts so many times as large as at 96 dpi, whatever share of that the backend's own dpi scale does."""
    style = psim.GetStyle()
    style.FontScaleMain = scale / (style.FontScaleDpi or 1.0)


def style_colors() -> None:
    """Give ImGui and the empty scene the colours of the theme."""
    style = psim.GetStyle()
    for name, color in _widget_colors().items():
        style.Colors[int(getattr(psim, f"ImGuiCol_{name}"))] = color
    ps.set_background_color(tuple(channel**2.2 for channel in BACKGROUND) + (1.0,))  # shown with gamma


_take(THEMES[0])
