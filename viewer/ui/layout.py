"""Computes the places of the panels: two columns, the 3D view between them, and the timeline below."""

from __future__ import annotations

from typing import Literal, NamedTuple

GAP = 6.0
LANE_HEIGHT, MOST_LANES = 6.0, 8
"""Height of a sub-sequence's lane on the timeline, and the number of lanes; later sub-sequences use them again."""
LEFT_WIDTH, RIGHT_WIDTH, TIMELINE_HEIGHT = 268.0, 400.0, 86.0
LEFT = {"transport": 216.0, "variables": 180.0, "layers": 0.0}  # heights; 0 takes what is left
ALL_LAYERS, MOST_VARIABLES = 430.0, 330.0
"""Height at which all layers are seen at once. Where there is more, ``variables`` takes it, up to a height."""
RIGHT = {"weights": 0.48, "losses": 0.36, "messages": 0.16}  # shares of the column
ALL_WEIGHTS = 340.0
"""Height at which the rows of all weights are seen at once; what is more goes to ``losses``."""
WIDE = {"losses": 0.84, "messages": 0.16}  # the same while plots are enlarged
WIDE_SHARE = 0.46  # of the window that the right column takes then
ROOM = (1280.0, 720.0)  # size of the smallest window in which all panels fit at the ordinary size of texts
Slot = Literal["transport", "variables", "layers", "weights", "losses", "messages", "timeline"]
"""A place in the window; which panels share it is in the table of panels."""


class Rect(NamedTuple):
    """Left, top, width and height in pixels."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: Rect) -> bool:
        """Whether the two share any area."""
        beside = self.x + self.width <= other.x or other.x + other.width <= self.x
        return not (beside or self.y + self.height <= other.y or other.y + other.height <= self.y)


def fitting_scale(wanted: float, width: float, height: float) -> float:
    """The size of texts and widgets that is wanted, or the largest above 1 with which the panels fit into a window."""
    return min(wanted, max(1.0, min(width / ROOM[0], height / ROOM[1])))


def layout(
    width: float, height: float, *, scale: float = 1.0, wide: bool = False, broad: bool = False, lanes: int = 0
) -> dict[str, Rect]:
    """Rectangles of all slots and of the free ``view`` between them, without overlaps.

    Args:
        width: Of the window [px]. height: Of the window [px].
        scale: Of fonts and fixed sizes; 1 at 96 dpi.
        wide: The plots are enlarged and take the place of the weights.
        lanes: Lanes of sub-sequences on the timeline, which becomes higher by them.
        broad: The right column is as broad as with enlarged plots, so that the weights table has all its columns.
    """
    gap = GAP * scale
    left, right = LEFT_WIDTH * scale, RIGHT_WIDTH * scale
    timeline = (TIMELINE_HEIGHT + lanes * LANE_HEIGHT) * scale
    right = max(right, WIDE_SHARE * width) if wide or broad else right
    squeeze = min(1.0, (width - 4 * gap) / (left + right + 200.0 * scale))
    left, right = left * squeeze, right * squeeze
    column = max(height - timeline - 3 * gap, 120.0)
    rects = _column(gap, gap, left, gap, _left_heights(column, gap, scale))
    rects |= _column(width - right - gap, gap, right, gap, _right_heights(WIDE if wide else RIGHT, column, gap, scale))
    rects["timeline"] = Rect(gap, height - timeline - gap, width - 2 * gap, timeline)
    inner = left + 2 * gap
    rects["view"] = Rect(inner, gap, max(width - inner - right - 2 * gap, 1.0), column)
    return rects


def lanes_of(count: int) -> int:
    """Number of lanes on the timeline for a number of sub-sequences of one clip; 0 for a single one."""
    return min(count, MOST_LANES) if count > 1 else 0


def _left_heights(height: float, gap: float, scale: float) -> dict[str, float]:
    """Heights of the slots of the left column."""
    free = height - gap * (len(LEFT) - 1)
    shrink = min(1.0, 0.75 * free / (sum(LEFT.values()) * scale))
    heights = {name: size * scale * shrink for name, size in LEFT.items()}
    spare = free - sum(heights.values()) - ALL_LAYERS * scale
    heights["variables"] += min(max(spare, 0.0), (MOST_VARIABLES - LEFT["variables"]) * scale)
    heights["layers"] = free - sum(heights.values())
    return heights


def _right_heights(shares: dict[str, float], height: float, gap: float, scale: float) -> dict[str, float]:
    """Heights of the slots of the right column from their shares of it."""
    free = height - gap * (len(shares) - 1)
    heights = {name: free * share for name, share in shares.items()}
    spare = max(heights.get("weights", 0.0) - ALL_WEIGHTS * scale, 0.0)
    if spare:
        heights["weights"] -= spare
        heights["losses"] += spare
    return heights


def _column(x: float, y: float, width: float, gap: float, heights: dict[str, float]) -> dict[str, Rect]:
    """Slots below each other."""
    rects = {}
    for name, tall in heights.items():
        rects[name] = Rect(x, y, width, tall)
        y += tall + gap
    return rects
