"""Real pixels through EGL: every layer puts its colour where its data projects to, nothing when switched off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from viewer.ui import theme

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Images by layer and pixel positions by thing."""
    return drawn("tests.viewer.pictures", tmp_path_factory.mktemp("pixels") / "pictures.npz", timeout=300)


def drawn(program: str, out: Path, *, timeout: float) -> dict[str, np.ndarray]:
    """What a program of its own draws into a file; skips the test where nothing can be drawn."""
    run = subprocess.run(
        [sys.executable, "-m", program, str(out)],
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    if "WindowUnavailable" in run.stderr:
        pytest.skip(f"no EGL here: {run.stderr.strip().splitlines()[-1]}")
    assert run.returncode == 0, run.stderr
    return dict(np.load(out))


def around(image: np.ndarray, place: np.ndarray, radius: int = 3) -> np.ndarray:
    """The pixels (N, 3) within a few of a place, as floats in 0..1."""
    x, y = np.round(place).astype(int)
    patch = image[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
    return patch.reshape(-1, 3) / 255.0


def has_hue(pixels: np.ndarray, color: theme.Color, *, tolerance: float = 0.25) -> bool:
    """Whether some pixel has the colour's direction, shading aside, and is not as dark as the background."""
    bright = pixels[pixels.max(axis=1) > 0.2]
    if not len(bright):
        return False
    hue = bright / np.linalg.norm(bright, axis=1, keepdims=True)
    wanted = np.array(color) / np.linalg.norm(color)
    return bool((np.linalg.norm(hue - wanted, axis=1) < tolerance).any())


def share(image: np.ndarray, places: np.ndarray, color: theme.Color, radius: int = 3) -> float:
    """Share of the places that show the colour."""
    return float(np.mean([has_hue(around(image, place, radius), color) for place in places]))


def test_without_layers_there_is_only_the_background(pictures):
    image = pictures["nothing"] / 255.0
    assert np.abs(image - pictures["background"]).max() < 0.02


@pytest.mark.parametrize(
    ("layer", "place", "color", "least"),
    [
        ("skeleton", "at_fitted", theme.LAYER_COLORS["skeleton"], 0.95),
        ("observations", "at_observed", theme.LAYER_COLORS["observations"], 0.95),
        ("body", "at_fitted", theme.SEQUENCES[0], 0.8),
        ("ground_truth", "at_truth", theme.LAYER_COLORS["ground_truth"], 0.8),
        ("rollout", "at_initial", theme.LAYER_COLORS["rollout"], 0.8),
        ("rollout", "at_stage2", theme.STAGE2, 0.8),
        ("rollout", "at_path", theme.LAYER_COLORS["rollout"], 0.5),
        ("rollout_body", "at_initial", theme.LAYER_COLORS["rollout_body"], 0.8),
    ],
)
def test_layers_draw_where_they_should(pictures, layer, place, color, least):
    assert share(pictures[layer], pictures[place], color) >= least
    assert share(pictures["nothing"], pictures[place], color) == 0.0


def test_missing_observations_are_not_drawn(pictures):
    green = theme.LAYER_COLORS["observations"]
    assert share(pictures["gap"], pictures["at_missing"], green, radius=4) == 0.0
    assert has_hue(pictures["gap"].reshape(-1, 3) / 255.0, green)


def test_the_floor_has_two_shades_and_a_horizon(pictures):
    image = pictures["floor"] / 255.0
    shades = {tuple(np.round(around(image * 255, place, 0)[0], 2)) for place in pictures["at_ground"]}
    assert all(sum(shade) > 1.3 * sum(theme.BACKGROUND) for shade in shades)
    np.testing.assert_allclose(image[2, 480], pictures["background"], atol=0.02)


def test_the_body_is_lit(pictures):
    patch = pictures["body"].reshape(-1, 3) / 255.0
    lit = patch[patch.max(axis=1) > 0.25]
    assert len(lit) > 2000
    assert lit.max(axis=1).std() > 0.03
