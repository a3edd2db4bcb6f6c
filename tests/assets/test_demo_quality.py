"""The quality figures find the fault that is put into a motion."""

import numpy as np
import pytest

from assets.build.demo import quality as demo_quality

FEET = (np.array([0, 1]), np.array([2, 3]))


def standing(frames=20):
    """Two feet of two points each and a head: (T, 5, 3), and no rotation anywhere."""
    points = np.array([[0.1, 0.2, 0.0], [0.1, 0.0, 0.01], [-0.1, 0.2, 0.0], [-0.1, 0.0, 0.01], [0.0, 0.0, 1.7]])
    return np.tile(points, (frames, 1, 1)), np.tile(np.eye(3), (frames, 22, 1, 1))


def turn_z(angles):
    cos, sin, zero = np.cos(angles), np.sin(angles), np.zeros_like(angles)
    rows = np.stack((cos, -sin, zero, sin, cos, zero, zero, zero, zero + 1), axis=-1)
    return rows.reshape(*angles.shape, 3, 3)


def test_standing_still_is_flawless():
    quality = demo_quality.measure(*standing()[:1], FEET, standing()[1], fps=30)
    assert quality.slide_median_mm == quality.sole_lowest_cm == quality.turn_rate_max == quality.path_m == 0.0
    assert quality.touching == 1.0
    assert "slide 0.0 mm/frame" in quality.line()


def test_sliding_is_measured_per_frame():
    vertices, rotations = standing()
    vertices[..., 0] += 0.003 * np.arange(20)[:, None]
    assert demo_quality.measure(vertices, FEET, rotations, fps=30).slide_median_mm == pytest.approx(3.0)


def test_a_foot_in_the_air_does_not_slide():
    vertices, rotations = standing()
    vertices[:, :2, 2] += 0.1
    vertices[:, :2, 1] += 0.05 * np.arange(20)[:, None]
    assert demo_quality.measure(vertices, FEET, rotations, fps=30).slide_p90_mm == 0.0


def test_a_foot_below_the_floor_shows():
    vertices, rotations = standing()
    vertices[7, 2, 2] = -0.05
    quality = demo_quality.measure(vertices, FEET, rotations, fps=30)
    assert quality.sole_lowest_cm == pytest.approx(-5.0)
    assert quality.sole_median_cm == 0.0


def test_turn_rate_of_a_joint_that_turns_steadily():
    rotations = standing()[1]
    rotations[:, 5] = turn_z(0.2 * np.arange(20.0))
    rates = demo_quality.turn_rates(rotations, fps=30)
    np.testing.assert_allclose(rates[:, 5], 6.0, atol=1e-9)
    assert not rates[:, 6].any()


def test_heading_counts_whole_turns():
    vertices, rotations = standing()
    front_first = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # z column along +x
    rotations[:, 0] = turn_z(np.linspace(0.0, 3 * np.pi, 20)) @ front_first
    quality = demo_quality.measure(vertices, FEET, rotations, fps=30)
    assert quality.heading_change_deg == pytest.approx(540.0)
