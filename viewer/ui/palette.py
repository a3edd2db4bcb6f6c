"""The colours of the window, one palette for each theme. No other module writes down a colour.

Two colours that appear together differ by at least ``LEAST`` (CIEDE2000), for people who see all colours and for those
with protanopia or deuteranopia (Machado, Oliveira and Fernandes 2009); a test computes it for what ``together`` lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Color = tuple[float, float, float]
"""Red, green and blue in 0..1, sRGB."""
LEAST, LEAST_OF_TERMS = 11.0, 8.5
"""Least difference of two colours that appear together; there are too many loss terms for the larger one."""


@dataclass(frozen=True)
class Palette:
    """The colours of one theme."""

    background: Color
    panel: Color
    raised: Color
    border: Color
    text: Color
    dim: Color
    accent: Color
    good: Color
    warn: Color
    bad: Color
    stage2: Color
    """The motion of stage 2."""
    reprojected: Color
    residual: Color
    """What lies between two things that should agree."""
    missing: Color
    """Not observed."""
    sequences: tuple[Color, ...]
    """Of the sub-sequences, used in turn."""
    gaps: tuple[Color, ...]
    """From no distance to a large one: each next colour stands out more from the background, to every eye."""
    axes: tuple[Color, ...]
    phases: tuple[Color, ...]
    terms: tuple[Color, ...]
    layer_colors: Mapping[str, Color]
    """Layer → its colour."""


DARK = Palette(
    background=(0.085, 0.095, 0.115),
    panel=(0.125, 0.138, 0.162),
    raised=(0.185, 0.203, 0.236),
    border=(0.235, 0.255, 0.295),
    text=(0.890, 0.905, 0.930),
    dim=(0.560, 0.600, 0.660),
    accent=(0.260, 0.620, 0.980),
    good=(0.273, 0.751, 0.547),
    warn=(0.965, 0.719, 0.272),
    bad=(0.909, 0.377, 0.236),
    stage2=(0.252, 0.596, 0.960),
    reprojected=(0.962, 0.856, 0.314),
    residual=(0.890, 0.282, 0.279),
    missing=(0.756, 0.491, 0.489),
    sequences=(
        (0.832, 0.642, 0.468),
        (0.359, 0.662, 0.874),
        (0.941, 0.881, 0.509),
        (0.758, 0.414, 0.594),
        (0.149, 0.571, 0.439),
        (0.476, 0.401, 0.817),
    ),
    gaps=((0.260, 0.360, 0.400), (0.915, 0.663, 0.135)),
    axes=(
        (0.909, 0.352, 0.297),
        (0.387, 0.786, 0.569),
        (0.289, 0.525, 0.961),
    ),
    phases=(
        (0.095, 0.476, 0.850),
        (0.242, 0.624, 0.547),
        (0.801, 0.621, 0.242),
        (0.688, 0.378, 0.424),
        (0.616, 0.543, 0.738),
    ),
    terms=(
        (0.213, 0.788, 0.542),
        (0.839, 0.476, 0.036),
        (0.335, 0.706, 0.914),
        (0.837, 0.404, 0.619),
        (0.961, 0.878, 0.312),
        (0.541, 0.438, 0.943),
        (0.437, 0.831, 0.813),
        (0.723, 0.530, 0.345),
        (0.658, 0.753, 0.225),
        (0.781, 0.295, 0.216),
        (0.528, 0.596, 0.704),
        (0.948, 0.819, 0.998),
    ),
    layer_colors={
        "body": (0.832, 0.642, 0.468),
        "skeleton": (0.951, 0.951, 0.961),
        "observations": (0.359, 0.883, 0.683),
        "floor": (0.330, 0.360, 0.410),
        "rollout": (0.953, 0.533, 0.046),
        "rollout_body": (0.960, 0.603, 0.189),
        "ground_truth": (0.520, 0.603, 0.666),
        "compared": (0.541, 0.438, 0.943),
        "before": (0.720, 0.690, 0.560),
        "predicted": (0.330, 0.230, 0.880),
        "film": (0.620, 0.640, 0.680),
        "ghosts": (0.600, 0.640, 0.700),
        "regressed": (0.942, 0.409, 0.847),
        "contacts": (0.158, 0.849, 0.949),
        "camera": (0.560, 0.600, 0.660),
        "floors": (0.188, 0.673, 0.590),
        "axes": (0.900, 0.880, 0.450),
        "rollout_now": (0.963, 0.852, 0.277),
        "one_step": (0.699, 0.918, 0.428),
        "futures": (0.944, 0.630, 0.776),
        "nodes": (0.879, 0.378, 0.298),
        "overlaps": (0.915, 0.663, 0.135),
        "stitched": (0.273, 0.751, 0.547),
        "pull": (0.962, 0.444, 0.145),
    },
)
LIGHT = Palette(
    background=(0.870, 0.880, 0.895),
    panel=(0.960, 0.965, 0.972),
    raised=(0.865, 0.878, 0.900),
    border=(0.740, 0.760, 0.790),
    text=(0.110, 0.125, 0.150),
    dim=(0.400, 0.430, 0.480),
    accent=(0.100, 0.440, 0.820),
    good=(0.134, 0.504, 0.375),
    warn=(0.662, 0.491, 0.175),
    bad=(0.619, 0.255, 0.159),
    stage2=(0.163, 0.417, 0.722),
    reprojected=(0.619, 0.544, 0.173),
    residual=(0.598, 0.174, 0.174),
    missing=(0.455, 0.318, 0.333),
    sequences=(
        (0.537, 0.436, 0.354),
        (0.273, 0.461, 0.597),
        (0.485, 0.436, 0.062),
        (0.518, 0.284, 0.400),
        (0.106, 0.336, 0.236),
        (0.319, 0.267, 0.551),
    ),
    gaps=((0.460, 0.620, 0.640), (0.400, 0.050, 0.000)),
    axes=(
        (0.617, 0.219, 0.178),
        (0.261, 0.536, 0.397),
        (0.195, 0.357, 0.655),
    ),
    phases=(
        (0.308, 0.484, 0.646),
        (0.240, 0.623, 0.549),
        (0.800, 0.620, 0.244),
        (0.685, 0.379, 0.427),
        (0.637, 0.525, 0.871),
    ),
    terms=(
        (0.165, 0.528, 0.383),
        (0.594, 0.333, 0.039),
        (0.239, 0.488, 0.636),
        (0.605, 0.333, 0.524),
        (0.589, 0.550, 0.327),
        (0.374, 0.305, 0.667),
        (0.288, 0.590, 0.589),
        (0.483, 0.367, 0.258),
        (0.477, 0.534, 0.031),
        (0.542, 0.173, 0.113),
        (0.328, 0.358, 0.405),
        (0.430, 0.249, 0.477),
    ),
    layer_colors={
        "body": (0.537, 0.436, 0.354),
        "skeleton": (0.206, 0.214, 0.234),
        "observations": (0.207, 0.598, 0.503),
        "floor": (0.700, 0.720, 0.750),
        "rollout": (0.646, 0.365, 0.042),
        "rollout_body": (0.594, 0.355, 0.081),
        "ground_truth": (0.342, 0.296, 0.459),
        "compared": (0.374, 0.305, 0.667),
        "before": (0.430, 0.400, 0.280),
        "predicted": (0.820, 0.860, 0.120),
        "film": (0.450, 0.460, 0.490),
        "ghosts": (0.430, 0.460, 0.500),
        "regressed": (0.641, 0.279, 0.578),
        "contacts": (0.125, 0.675, 0.950),
        "camera": (0.590, 0.600, 0.720),
        "floors": (0.278, 0.546, 0.102),
        "axes": (0.600, 0.560, 0.200),
        "rollout_now": (0.600, 0.546, 0.342),
        "one_step": (0.454, 0.583, 0.345),
        "futures": (0.783, 0.198, 0.166),
        "nodes": (0.597, 0.256, 0.203),
        "overlaps": (0.668, 0.523, 0.273),
        "stitched": (0.134, 0.504, 0.375),
        "pull": (0.647, 0.329, 0.154),
    },
)
PALETTES = {"dark": DARK, "light": LIGHT}
"""Theme → its colours."""


def together(palette: Palette) -> dict[str, tuple[Color, ...]]:
    """Name of a place in the window → the colours that appear there at once."""
    layer = palette.layer_colors
    return {
        "sub-sequences and their overlap": (*palette.sequences, layer["overlaps"], layer["skeleton"]),
        "sub-sequences and the gap between them": (*palette.sequences, *palette.gaps, layer["skeleton"]),
        "fitted body and observations": (
            palette.sequences[0],
            layer["skeleton"],
            layer["observations"],
            palette.missing,
            layer["pull"],
        ),
        "first roll-out": (palette.stage2, layer["rollout"], palette.residual, palette.text, layer["contacts"]),
        "roll-out now": (palette.stage2, layer["rollout"], layer["rollout_now"], palette.residual),
        "one step": (palette.stage2, layer["rollout"], layer["one_step"], palette.residual),
        "ground truth": (palette.sequences[0], layer["ground_truth"], layer["observations"], palette.stage2),
        "two runs": (palette.sequences[0], layer["compared"], layer["observations"], layer["skeleton"]),
        "image": (
            layer["observations"],
            palette.reprojected,
            palette.residual,
            palette.missing,
            palette.sequences[0],
        ),
        "states": (palette.good, palette.warn, palette.bad, palette.accent),
        "floor": (layer["floors"], palette.sequences[0], layer["contacts"], palette.residual, palette.stage2),
        "axes": palette.axes,
        "multiple shooting": (layer["nodes"], palette.stage2, palette.warn),
        "regressed joints": (layer["regressed"], layer["skeleton"], palette.residual, palette.sequences[0]),
        "timeline": (layer["observations"], palette.bad, layer["contacts"], layer["predicted"]),
        "phases": palette.phases,
        "futures": (layer["futures"], palette.sequences[0], layer["skeleton"], layer["observations"]),
    }
