"""Colours that appear together can be told apart, with ordinary and with red-green blind eyes; texts can be read."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.viewer.eyes import SIGHTS, contrast, difference, seen
from viewer.ui.palette import DARK, LEAST, LEAST_OF_TERMS, LIGHT, PALETTES, together

BOTH = pytest.mark.parametrize("palette", PALETTES.values(), ids=PALETTES)


def test_the_difference_is_the_published_one():
    """Pairs 1, 9 and 24 of Sharma, Wu and Dalal 2005, table 1."""
    pairs = [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
    ]
    for one, other, wanted in pairs:
        assert difference(np.array(one), np.array(other)) == pytest.approx(wanted, abs=1e-4)


def test_red_and_green_are_close_for_red_green_blind_eyes():
    red, green = (0.80, 0.30, 0.25), (0.47, 0.47, 0.20)
    apart = {sight: float(difference(seen(red, sight), seen(green, sight))) for sight in SIGHTS}
    assert apart["ordinary"] > 35
    assert min(apart["protanopia"], apart["deuteranopia"]) < 20


@BOTH
@pytest.mark.parametrize("sight", SIGHTS)
def test_colours_that_appear_together_can_be_told_apart(palette, sight):
    sets = {place: (colors, LEAST) for place, colors in together(palette).items()}
    sets["loss terms"] = (palette.terms, LEAST_OF_TERMS)
    for place, (colors, least) in sets.items():
        for one, other in itertools.combinations(colors, 2):
            apart = difference(seen(one, sight), seen(other, sight))
            assert apart >= least, f"{place}: {one} and {other} differ by {apart:.1f}"


@BOTH
@pytest.mark.parametrize("sight", SIGHTS)
def test_larger_gaps_stand_out_more_to_every_eye(palette, sight):
    """Their lightness leaves that of the background step by step, so that their order needs no hue."""
    with_stops = np.linspace(palette.gaps[0], palette.gaps[-1], 6)
    steps = [abs(seen(color, sight)[0] - seen(palette.background, sight)[0]) for color in with_stops]
    assert (np.diff(steps) > 2.0).all(), steps
    assert difference(seen(palette.gaps[0], sight), seen(palette.gaps[-1], sight)) > 25.0


@BOTH
def test_every_colour_can_be_seen_on_its_ground(palette):
    assert contrast(palette.text, palette.panel) >= 7.0
    assert contrast(palette.dim, palette.panel) >= 4.5
    for color in (*palette.sequences, *palette.terms, palette.good, palette.warn, palette.bad, palette.stage2):
        assert contrast(color, palette.background) >= 2.5, color
    for color in palette.phases:  # their names are written on them in dark letters
        assert contrast(color, DARK.background) >= 3.9, color


def test_both_themes_have_the_same_colours():
    assert list(DARK.layer_colors) == list(LIGHT.layer_colors)
    for name in ("sequences", "axes", "phases", "terms"):
        assert len(getattr(DARK, name)) == len(getattr(LIGHT, name)), name
