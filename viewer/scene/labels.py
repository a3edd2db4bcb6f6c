"""Decides where the texts over the scene stand, so that none covers another one and there are few of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import TypeVar

from viewer.ui.layout import Rect

MOST = 5
"""Texts over the scene at once."""
BESIDE = 6.0  # pixels between a place and its text
Item = TypeVar("Item")


def in_turn(groups: Iterable[Sequence[Item]]) -> list[Item]:
    """The first of every group, then the second of every group, and so on."""
    return [item for item in chain.from_iterable(zip_longest(*groups)) if item is not None]


def place_labels(
    anchors: Sequence[tuple[float, float]],
    sizes: Sequence[tuple[float, float]],
    *,
    free: Rect,
    taken: Sequence[Rect] = (),
    most: int = MOST,
) -> list[Rect | None]:
    """A rectangle for each text: right, left, above or below its place; earlier texts come first.

    Args:
        anchors: The texts' places [px]. sizes: Widths and heights [px].
        free: The part of the window that they must stay in; a text whose place lies outside is left out.
        taken: What they must not cover.
        most: So many at the most.

    Returns:
        None for each text that is left out.
    """
    used, found = list(taken), list[Rect | None]()
    for (x, y), (width, height) in zip(anchors, sizes, strict=True):
        box = None
        if len(used) - len(taken) < most and _inside(Rect(x, y, 0.0, 0.0), free):
            corners = (
                (x + BESIDE, y - height / 2),
                (x - BESIDE - width, y - height / 2),
                (x - width / 2, y - BESIDE - height),
                (x - width / 2, y + BESIDE),
            )
            boxes = (Rect(left, top, width, height) for left, top in corners)
            box = next((b for b in boxes if _inside(b, free) and not any(b.overlaps(u) for u in used)), None)
        found.append(box)
        if box is not None:
            used.append(box)
    return found


def _inside(box: Rect, free: Rect) -> bool:
    across = free.x <= box.x and box.x + box.width <= free.x + free.width
    return across and free.y <= box.y and box.y + box.height <= free.y + free.height
