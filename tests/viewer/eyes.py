"""What a colour looks like to an eye, ordinary or red-green blind, and how far two of them differ."""

from __future__ import annotations

import numpy as np

SIGHTS = {
    "ordinary": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
"""Machado, Oliveira and Fernandes 2009, severity 1; for linear RGB."""
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def linear(color: np.ndarray) -> np.ndarray:
    """sRGB (..., 3) in 0..1 without its gamma."""
    color = np.asarray(color, float)
    return np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)


def seen(color: np.ndarray, sight: str = "ordinary") -> np.ndarray:
    """CIELAB (..., 3) of sRGB (..., 3) as somebody with a kind of sight sees it."""
    xyz = np.clip(linear(color) @ SIGHTS[sight].T, 0, 1) @ _TO_XYZ.T / _WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)


def difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """CIEDE2000 (...,) of CIELAB (..., 3); Sharma, Wu and Dalal 2005."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    chroma = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1 + 0.5 * (1 - np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1, h2 = (np.degrees(np.arctan2(b, a * stretch)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = np.where(c1 * c2 == 0, 0.0, (h2 - h1 + 180) % 360 - 180)
    hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2)
    light, c = (l1 + l2) / 2, (c1 + c2) / 2
    mean = np.where(c1 * c2 == 0, h1 + h2, (h1 + turn / 2) % 360)
    waves = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    t = 1 + sum(height * np.cos(np.radians(times * mean + shift)) for height, times, shift in waves)
    s_l = 1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2)
    s_c, s_h = 1 + 0.045 * c, 1 + 0.015 * c * t
    angle = np.radians(60 * np.exp(-(((mean - 275) / 25) ** 2)))
    blue = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(angle)
    parts = (l2 - l1) / s_l, (c2 - c1) / s_c, hue / s_h
    return np.sqrt(np.maximum(sum(part**2 for part in parts) + blue * parts[1] * parts[2], 0))


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    """Ratio of two sRGB colours' luminances, 1 to 21 (WCAG 2.1)."""
    bright, dark = sorted((float(linear(color) @ _TO_XYZ[1]) for color in (one, other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)
