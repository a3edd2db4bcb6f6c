"""Measure how plausible a motion is: sliding feet, feet above or below the floor, jerky joints. Knows numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Indices = NDArray[np.intp]
TOUCHING = 0.02  # a foot whose lowest point is below this touches the floor [m]


@dataclass(frozen=True)
class Quality:
    """Measurements of one clip. The end of a name gives the unit."""

    slide_median_mm: float  # per frame, of the lowest point of a foot that touches the floor
    slide_p90_mm: float
    touching: float  # share of frames in which a foot touches the floor
    sole_lowest_cm: float  # lowest point of the feet in the whole clip; negative below the floor
    sole_median_cm: float  # the lowest point of the feet, median over the frames
    body_lowest_cm: float  # the same for the whole body
    turn_rate_max: float  # fastest joint against its parent [rad/s]
    heading_change_deg: float  # range of the root's heading
    path_m: float  # length of the body's path over the floor

    def line(self) -> str:
        """The measurements as one line of text."""
        return (
            f"slide {self.slide_median_mm:.1f} mm/frame (90 %: {self.slide_p90_mm:.1f}),"
            f" touching {self.touching:.0%} of frames,"
            f" lowest sole {self.sole_lowest_cm:+.1f} cm (median {self.sole_median_cm:+.1f}),"
            f" lowest vertex {self.body_lowest_cm:+.1f} cm, fastest joint {self.turn_rate_max:.1f} rad/s,"
            f" turns {self.heading_change_deg:.0f}° on {self.path_m:.1f} m"
        )


def measure(vertices: Array, feet: tuple[Indices, Indices], rotations: Array, *, fps: float) -> Quality:
    """Measure one clip.

    Args:
        vertices: Whole body (T, V, 3) [m], z up, floor at z = 0.
        feet: Indices into V of the left and the right foot.
        rotations: (T, J, 3, 3) relative to the parents. The first is the root's; its third column points forward.
        fps: Frame rate [Hz].
    """
    slides, lowest = zip(*(_slides(vertices[:, foot]) for foot in feet), strict=True)
    slide = np.concatenate(slides) if sum(map(len, slides)) else np.zeros(1)
    soles = np.minimum(*lowest)
    front = rotations[:, 0, :, 2]
    upright = front[np.hypot(front[:, 0], front[:, 1]) > 0.5]  # a body that lies has no heading
    heading = np.unwrap(np.arctan2(upright[:, 1], upright[:, 0])) if len(upright) else np.zeros(1)
    return Quality(
        slide_median_mm=float(np.median(slide) * 1e3),
        slide_p90_mm=float(np.percentile(slide, 90) * 1e3),
        touching=float(np.mean(soles < TOUCHING)),
        sole_lowest_cm=float(soles.min() * 1e2),
        sole_median_cm=float(np.median(soles) * 1e2),
        body_lowest_cm=float(vertices[..., 2].min() * 1e2),
        turn_rate_max=float(turn_rates(rotations, fps=fps).max()),
        heading_change_deg=float(np.rad2deg(np.ptp(heading))),
        path_m=float(np.linalg.norm(np.diff(vertices.mean(1)[:, :2], axis=0), axis=-1).sum()),
    )


def turn_rates(rotations: Array, *, fps: float) -> Array:
    """Angular speed between neighbouring frames, (T, J, 3, 3) → (T − 1, J) [rad/s]."""
    step = np.swapaxes(rotations[:-1], -1, -2) @ rotations[1:]
    skew = step - np.swapaxes(step, -1, -2)
    axis = np.stack((skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]), axis=-1)
    sine = 0.5 * np.linalg.norm(axis, axis=-1)
    return np.arctan2(sine, 0.5 * (np.trace(step, axis1=-2, axis2=-1) - 1.0)) * fps


def _slides(foot: Array) -> tuple[Array, Array]:
    """Distances [m] by which the lowest point of a foot (T, K, 3) slides while it touches, and its height (T,) [m]."""
    point, frames = foot[..., 2].argmin(1), np.arange(len(foot))
    height = foot[frames, point, 2]
    after = foot[frames[1:], point[:-1]]
    way = np.linalg.norm((after - foot[frames[:-1], point[:-1]])[:, :2], axis=-1)
    return way[(height[:-1] < TOUCHING) & (after[:, 2] < TOUCHING)], height
