"""Real pixels of layers of real fits: the right colour where the data projects to, none when switched off; clicks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.viewer.eyes import contrast
from tests.viewer.window.test_pixels import around, drawn, has_hue, share
from viewer.ui import theme
from viewer.ui.palette import PALETTES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Images by name and pixel positions by thing."""
    return drawn("tests.viewer.layer_pictures", tmp_path_factory.mktemp("layers") / "pictures.npz", timeout=600)


COLORS = theme.LAYER_COLORS
CASES = [
    ("ghosts", "there", theme.mix(COLORS["ghosts"], theme.SEQUENCES[0], 0.5)),
    ("compared", "beside", COLORS["compared"]),
    ("regressed", "there", COLORS["regressed"]),
    ("contacts", "there", COLORS["contacts"]),
    ("observations", "seen", COLORS["observations"]),
    ("observations", "vertices", COLORS["observations"]),
    ("observations", "missing", theme.MISSING),
    ("axes", "x", theme.AXES[0]),
    ("axes", "y", theme.AXES[1]),
    ("axes", "z", theme.AXES[2]),
    ("now", "now", COLORS["rollout_now"]),
    ("now", "stage2", theme.STAGE2),
    ("nodes", "before", COLORS["nodes"]),
    ("nodes", "after", theme.STAGE2),
    ("one_step", "there", COLORS["one_step"]),
    ("futures", "path", COLORS["futures"]),
    ("futures", "end", COLORS["futures"]),
    ("pull", "along", COLORS["pull"]),
    ("stitched", "cut", theme.BAD),
    ("stitched", "blend", theme.GOOD),
    ("floors observed", "lines", COLORS["floors"]),
    ("floors estimated", "lines", theme.SEQUENCES[0]),
    ("camera", "sides", COLORS["camera"]),
    ("shared bodies", "0", theme.SEQUENCES[0]),
    ("shared bodies", "1", theme.SEQUENCES[1]),
    ("handle", "lines", theme.ACCENT),
    ("in camera", "there", COLORS["skeleton"]),
    ("in prior", "there", COLORS["skeleton"]),
    ("in world", "there", COLORS["skeleton"]),
]


@pytest.mark.parametrize(("picture", "place", "color"), CASES)
def test_a_layer_draws_its_colour_where_its_data_is(pictures, picture, place, color):
    places = pictures[f"{picture}/{place}"]
    assert len(places) >= 1
    assert share(pictures[picture], places, color) >= 0.8
    assert share(pictures[f"{picture}/off"], places, color) == 0.0


@pytest.mark.parametrize(("place", "color"), [("A", theme.SEQUENCES[0]), ("B", COLORS["compared"])])
def test_both_bodies_of_a_comparison_have_their_colours(pictures, place, color):
    assert share(pictures["A and B"], pictures[f"A and B/{place}"], color) >= 0.8


@pytest.mark.parametrize("b", [0, 1])
def test_lanes_have_the_colours_of_their_sub_sequences_and_are_opaque_where_two_share_frames(pictures, b):
    color = np.array(theme.SEQUENCES[b])
    for where, wanted in (("shared", color), ("alone", (color + theme.RAISED) / 2)):
        (found,) = around(pictures["lanes"], pictures[f"lanes/{b} {where}"][0], 0)
        np.testing.assert_allclose(found, wanted, atol=0.04, err_msg=where)


@pytest.mark.parametrize("name", theme.THEMES)
def test_the_body_stands_out_from_floor_and_background(pictures, name):
    """By the same contrast as the colours of the palette, although what is inside it shines through."""
    image = pictures[f"in {name}"]
    body = np.concatenate([around(image, place) for place in pictures[f"in {name}/body"]])
    (bare,) = around(image, pictures[f"in {name}/bare"][0], 0)
    assert np.abs(bare - PALETTES[name].background).max() < 0.02
    assert np.median([contrast(pixel, bare) for pixel in body]) >= 2.5


def test_the_floor_follows_the_hand_that_pulls_its_handle(pictures):
    assert float(pictures["dragged/cm"]) == pytest.approx(30.0, abs=6.0)


def test_gaps_of_neighbours_are_coloured_by_their_size(pictures):
    found = [
        has_hue(around(pictures["overlaps"], place), tuple(color))
        for place, color in zip(pictures["overlaps/between"], pictures["overlaps/colors"], strict=True)
    ]
    assert np.mean(found) >= 0.8
    assert share(pictures["overlaps/off"], pictures["overlaps/between"], theme.GAPS[-1]) == 0.0


def test_a_click_onto_the_body_finds_the_vertex_under_the_mouse(pictures):
    clicked, found = pictures["picked/clicked"], pictures["picked/found"]
    assert found.shape == clicked.shape
    assert np.linalg.norm(found - clicked, axis=1).max() < 12
    assert bool(pictures["picked/nobody"])


def test_a_click_onto_a_ghost_tells_its_frame(pictures):
    there, frame, joint = pictures["picked/ghost"]
    assert frame == there
    assert joint in (0, 3, 6)  # pelvis or spine
