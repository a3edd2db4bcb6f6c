"""Texts over the scene: few, inside the free part, and none on top of another, measured from their rectangles."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from viewer.scene.labels import MOST, in_turn, place_labels
from viewer.ui.layout import Rect

FREE = Rect(280.0, 6.0, 480.0, 610.0)


@pytest.mark.parametrize("seed", range(20))
def test_no_text_covers_another_or_leaves_the_free_part(seed):
    rng = np.random.default_rng(seed)
    anchors = [(float(x), float(y)) for x, y in rng.uniform((200, -50), (900, 700), (40, 2))]
    sizes = [(float(w), 17.0) for w in rng.uniform(20, 200, 40)]
    legend = Rect(288.0, 14.0, 150.0, 80.0)
    boxes = place_labels(anchors, sizes, free=FREE, taken=[legend])
    shown = [box for box in boxes if box is not None]
    assert 0 < len(shown) <= MOST
    assert not any(one.overlaps(other) for one, other in itertools.combinations([*shown, legend], 2))
    for box in shown:
        assert FREE.x <= box.x and box.x + box.width <= FREE.x + FREE.width
        assert FREE.y <= box.y and box.y + box.height <= FREE.y + FREE.height


def test_the_first_text_has_its_place_and_a_second_one_there_moves_aside():
    first, second, *rest = place_labels([(500.0, 300.0)] * 6, [(60.0, 17.0)] * 6, free=FREE)
    assert first is not None and first.x > 500 and first.y < 300 < first.y + first.height
    assert second is not None and second.x + second.width < 500
    assert rest[-1] is None


def test_a_text_at_the_edge_turns_inwards():
    (box,) = place_labels([(755.0, 300.0)], [(60.0, 17.0)], free=FREE)
    assert box is not None and box.x + box.width < 755


def test_every_layer_gets_a_word_before_one_gets_two():
    assert in_turn([["a", "b", "c"], [], ["d"], ["e", "f"]]) == ["a", "d", "e", "b", "f", "c"]
