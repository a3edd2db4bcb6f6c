"""Colours, font sizes and widget style of the window. The theme is dark until ``use`` chooses another one.

Code that draws must read a colour as ``theme.TEXT`` at the time of drawing, so that it follows a change of theme.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polyscope as ps
import polyscope.imgui as psim

Color = tuple[float, float, float]
FONT_SIZE, SMALL_FONT, LARGE_FONT = 15.0, 13.0, 18.0

BACKGROUND: Color = (0.085, 0.095, 0.115)
PANEL: Color = (0.125, 0.138, 0.162)
RAISED: Color = (0.185, 0.203, 0.236)
BORDER: Color = (0.235, 0.255, 0.295)
TEXT: Color = (0.890, 0.905, 0.930)
DIM: Color = (0.560, 0.600, 0.660)
ACCENT: Color = (0.260, 0.620, 0.980)
GOOD: Color = (0.330, 0.780, 0.520)
WARN: Color = (0.960, 0.720, 0.300)
BAD: Color = (0.960, 0.420, 0.380)

SEQUENCES: tuple[Color, ...] = (
    (0.780, 0.690, 0.600),
    (0.480, 0.680, 0.820),
    (0.620, 0.760, 0.520),
    (0.780, 0.580, 0.760),
)
"""Colours of the sub-sequences' bodies, used in turn."""
LAYER_COLORS: dict[str, Color] = {
    "body": SEQUENCES[0],
    "skeleton": (0.950, 0.950, 0.960),
    "observations": (0.300, 0.850, 0.480),
    "floor": (0.330, 0.360, 0.410),
    "rollout": (0.980, 0.560, 0.180),
    "rollout_body": (0.980, 0.640, 0.340),
    "ground_truth": (0.680, 0.520, 0.980),
    "film": (0.620, 0.640, 0.680),
    "ghosts": (0.600, 0.640, 0.700),
    "regressed": (0.950, 0.400, 0.850),
    "contacts": (0.200, 0.900, 0.950),
    "camera": (0.560, 0.600, 0.660),
    "floors": (0.350, 0.750, 0.550),
    "axes": (0.900, 0.880, 0.450),
    "rollout_now": (0.980, 0.840, 0.250),
    "one_step": (0.700, 0.950, 0.350),
    "futures": (1.000, 0.600, 0.650),
    "nodes": (0.980, 0.330, 0.330),
    "overlaps": (0.960, 0.720, 0.300),
    "stitched": (0.330, 0.850, 0.450),
    "pull": (0.980, 0.500, 0.260),
}
STAGE2: Color = (0.260, 0.620, 0.980)
REPROJECTED: Color = (0.980, 0.850, 0.300)
RESIDUAL: Color = (0.960, 0.300, 0.300)
AXES: tuple[Color, ...] = ((0.930, 0.330, 0.330), (0.400, 0.820, 0.380), (0.350, 0.560, 0.980))
MISSING: Color = (0.860, 0.500, 0.460)
PHASES: tuple[Color, ...] = (
    (0.270, 0.480, 0.690),
    (0.250, 0.590, 0.540),
    (0.700, 0.520, 0.240),
    (0.640, 0.390, 0.420),
    (0.520, 0.420, 0.680),
)
TERMS: tuple[Color, ...] = (
    (0.300, 0.850, 0.480),
    (0.980, 0.560, 0.180),
    (0.350, 0.680, 0.990),
    (0.950, 0.450, 0.650),
    (0.960, 0.840, 0.330),
    (0.640, 0.540, 0.980),
    (0.350, 0.840, 0.840),
    (0.780, 0.620, 0.480),
    (0.620, 0.800, 0.310),
    (0.900, 0.380, 0.350),
    (0.560, 0.640, 0.760),
    (0.850, 0.700, 0.900),
)
_LIGHT: dict[str, Color] = {
    "BACKGROUND": (0.870, 0.880, 0.895),
    "PANEL": (0.960, 0.965, 0.972),
    "RAISED": (0.865, 0.878, 0.900),
    "BORDER": (0.740, 0.760, 0.790),
    "TEXT": (0.110, 0.125, 0.150),
    "DIM": (0.400, 0.430, 0.480),
    "ACCENT": (0.100, 0.440, 0.820),
}
_DARKER = 0.72  # of the signal colours, on a light ground
_LIGHT_LAYERS: dict[str, Color] = {"skeleton": (0.220, 0.230, 0.250), "floor": (0.700, 0.720, 0.750)}
THEMES = ("dark", "light")
_DARK = {
    name: value
    for name, value in globals().items()
    if name.isupper() and isinstance(value, tuple | dict) and not name.startswith("_") and name != "THEMES"
}
"""All palettes of the dark theme, as they are written above."""


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
    light = name == "light"
    for key, value in _DARK.items():
        globals()[key] = _LIGHT.get(key, _darkened(value)) if light else value
    if light:
        globals()["LAYER_COLORS"] |= {**_LIGHT_LAYERS, "body": _DARK["SEQUENCES"][0]}
        globals()["SEQUENCES"] = _DARK["SEQUENCES"]
        globals()["PHASES"] = _DARK["PHASES"]  # the names of the phases are written on them in dark letters
    style_colors()


def _darkened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _darkened(item) for key, item in value.items()}
    return tuple(_darkened(item) if isinstance(item, tuple) else _DARKER * item for item in value)


def sequence_color(index: int) -> Color:
    """Colour of a sub-sequence's body."""
    return SEQUENCES[index % len(SEQUENCES)]


def term_color(index: int) -> Color:
    """Colour of a loss term in tables and plots."""
    return TERMS[index % len(TERMS)]


def phase_color(index: int) -> Color:
    """Colour of a phase on the time axis."""
    return PHASES[index % len(PHASES)]


def heat(shares: np.ndarray) -> np.ndarray:
    """Colours (N, 3) from good over warning to bad, for shares (N,) in 0..1; shares outside are clipped."""
    return _between(shares, (GOOD, WARN, BAD))


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


def apply_style() -> None:
    """Set ImGui's style; given to Polyscope as its style callback."""
    psim.StyleColorsDark()
    style = psim.GetStyle()
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
